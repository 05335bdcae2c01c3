//! Every folder of fixtures says where its files come from, and holds exactly those.
//!
//! A PROVENANCE file has `key: value` lines, an empty line, then a `sha256  path` line for each other file of its folder,
//! as sha256sum writes them. `fixtures/provenance.py` writes it at the end of each folder's own script.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

type Digests = BTreeMap<String, String>;

const KEYS: [&str; 5] = ["source", "licence", "versions", "command", "seed"];

/// The keys and the digests that a PROVENANCE text states, or what is wrong with it.
fn parse(text: &str) -> Result<(Vec<&str>, Digests), String> {
    let (head, body) = text
        .split_once("\n\n")
        .ok_or("no empty line between its keys and its digests")?;
    let mut keys = Vec::new();
    for line in head.lines() {
        match line.split_once(": ") {
            Some((key, value)) if !value.trim().is_empty() => keys.push(key),
            _ => return Err(format!("not a 'key: value' line: {line}")),
        }
    }
    let mut digests = Digests::new();
    for line in body.lines() {
        let (digest, path) = line
            .split_once("  ")
            .filter(|(digest, _)| digest.len() == 64)
            .ok_or_else(|| format!("not a 'sha256  path' line: {line}"))?;
        if digests.insert(path.to_owned(), digest.to_owned()).is_some() {
            return Err(format!("{path} is listed twice"));
        }
    }
    Ok((keys, digests))
}

/// The digests of the files under `folder`, by path relative to `root`; PROVENANCE itself and Python's caches left out.
fn digests_of(folder: &Path, root: &Path, found: &mut Digests) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "__pycache__") {
                digests_of(&path, root, found)?;
            }
            continue;
        }
        let parts: Vec<_> = path
            .strip_prefix(root)?
            .iter()
            .map(|part| part.to_string_lossy())
            .collect();
        let name = parts.join("/");
        if name == "PROVENANCE" {
            continue;
        }
        let mut digest = String::new();
        for byte in Sha256::digest(fs::read(&path)?) {
            write!(digest, "{byte:02x}")?;
        }
        found.insert(name, digest);
    }
    Ok(())
}

/// What is wrong with one folder of fixtures, a line each.
fn faults(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let Ok(text) = fs::read_to_string(folder.join("PROVENANCE")) else {
        return Ok(vec!["has no PROVENANCE file".to_owned()]);
    };
    let (keys, listed) = match parse(&text) {
        Ok(parsed) => parsed,
        Err(fault) => return Ok(vec![format!("PROVENANCE: {fault}")]),
    };
    let mut found = Digests::new();
    digests_of(folder, folder, &mut found)?;
    let mut faults: Vec<String> = KEYS
        .iter()
        .filter(|key| !keys.contains(key))
        .map(|key| format!("PROVENANCE does not say its {key}"))
        .collect();
    for (path, digest) in &found {
        match listed.get(path) {
            None => faults.push(format!("{path} is not listed in PROVENANCE")),
            Some(stated) if stated != digest => {
                faults.push(format!(
                    "{path} has sha256 {digest}, PROVENANCE says {stated}"
                ));
            }
            Some(_) => {}
        }
    }
    faults.extend(
        listed
            .keys()
            .filter(|path| !found.contains_key(*path))
            .map(|path| format!("{path} is listed in PROVENANCE and is not there")),
    );
    Ok(faults)
}

#[test]
fn every_folder_of_fixtures_is_what_its_provenance_says() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut all = Vec::new();
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&root)? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "__pycache__") {
            folders.push(path);
        }
    }
    folders.sort();
    assert!(!folders.is_empty(), "no folders in {}", root.display());
    for folder in folders {
        let faults = faults(&folder)?;
        all.extend(
            faults
                .into_iter()
                .map(|fault| format!("{}: {fault}", folder.display())),
        );
    }
    assert!(
        all.is_empty(),
        "{}\nrun the folder's own script again",
        all.join("\n")
    );
    Ok(())
}

#[test]
fn an_altered_a_missing_and_an_unlisted_file_are_found() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("sub"))?;
    fs::write(at("same"), "abc")?;
    fs::write(at("sub/altered"), "abcd")?;
    fs::write(at("unlisted"), "")?;
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    fs::write(
        at("PROVENANCE"),
        format!(
            "source: x\nlicence: x\nversions: x\ncommand: x\n\n{abc}  gone\n{abc}  same\n{abc}  sub/altered\n"
        ),
    )?;
    let faults = faults(folder.path())?;
    assert_eq!(faults.len(), 4, "{faults:?}");
    for part in [
        "say its seed",
        "sub/altered has sha256",
        "unlisted is not listed",
        "gone is listed",
    ] {
        assert!(
            faults.iter().any(|fault| fault.contains(part)),
            "{part} not in {faults:?}"
        );
    }
    Ok(())
}
