//! What the program is made of, and from where.

#![allow(
    clippy::print_stdout,
    reason = "what was tried is shown under --nocapture"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_dependency_comes_from_one_registry_with_its_checksum() {
    let lock: toml::Table = read("Cargo.lock").parse().expect("TOML");
    let packages = lock["package"].as_array().expect("packages");
    assert!(packages.len() > 50);
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        if name == "unsaid" {
            continue;
        }
        assert_eq!(package["source"].as_str(), Some(REGISTRY), "{name}");
        let checksum = package["checksum"].as_str().unwrap_or_default();
        assert!(checksum.len() == 64, "{name} has no checksum");
    }
}

#[test]
fn every_wheel_of_libtorch_is_pinned_by_its_sha256() {
    for list in ["ci/libtorch.txt", "ci/libtorch-cuda.txt"] {
        let text = read(list).replace("\\\n", " ");
        let pins: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !l.starts_with('#') && !l.starts_with("-r "))
            .collect();
        assert!(!pins.is_empty(), "{list}");
        for pin in pins {
            assert!(pin.contains("=="), "{list}: {pin}");
            let hashes: Vec<&str> = pin.split("--hash=sha256:").skip(1).map(str::trim).collect();
            let good = |h: &&str| h.len() == 64 && h.chars().all(|c| c.is_ascii_hexdigit());
            assert!(
                !hashes.is_empty() && hashes.iter().all(good),
                "{list}: {pin}"
            );
        }
    }
    assert!(read("ci/setup").contains("--require-hashes"));
}

/// The rules are checked by cargo-deny itself where it is installed; its advisories need the network and are not asked here.
#[test]
fn the_rules_on_dependencies_hold() {
    let rules: toml::Table = read("ci/deny.toml").parse().expect("TOML");
    for table in ["advisories", "licenses", "bans", "sources"] {
        assert!(rules.contains_key(table), "{table}");
    }
    let denied: BTreeSet<&str> = rules["bans"]["deny"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|rule| rule["crate"].as_str())
        .collect();
    let lock: toml::Table = read("Cargo.lock").parse().expect("TOML");
    for package in lock["package"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        assert!(!denied.contains(name), "{name}");
    }
    let deny = Command::new("cargo-deny")
        .args([
            "--offline",
            "--config",
            "ci/deny.toml",
            "check",
            "licenses",
            "bans",
            "sources",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    match deny {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(_) => {
            println!("not tried: cargo-deny is not installed (cargo install cargo-deny --locked)");
        }
    }
}

/// Paths that a source of the package opens where it is built, documented or run as an example, relative to the root.
fn named_by(path: &str, text: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut named = Vec::new();
    for line in text.lines() {
        let after = |mark| line.split(mark).skip(1);
        for file in after("include_str!(\"").chain(after("include_bytes!(\"")) {
            let file = file.split('"').next().unwrap_or_default();
            named.push(format!("{folder}/{file}"));
        }
        let is_run = line.trim_start().starts_with("//") || !path.starts_with("src/");
        for root in ["fixtures/", "audits/", "src/native/"] {
            let is_path = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
            let files = after(root).filter(|file| is_run && file.starts_with(is_path));
            named.extend(files.map(|file| {
                let end = file.find(|c| !is_path(c)).unwrap_or(file.len());
                format!("{root}{}", file[..end].trim_end_matches(['.', '/']))
            }));
        }
    }
    named
}

#[test]
fn the_package_holds_what_its_sources_open_and_no_test() {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    assert!(output.status.success(), "{output:?}");
    let list = String::from_utf8(output.stdout).expect("UTF-8");
    let packed: BTreeSet<&str> = list.lines().collect();
    let holds = |path: &str| {
        let folder = format!("{path}/");
        packed.contains(path) || packed.iter().any(|file| file.starts_with(&folder))
    };
    let mut named: BTreeSet<String> = packed
        .iter()
        .filter(|path| Path::new(path).extension().is_some_and(|end| end == "rs"))
        .flat_map(|path| named_by(path, &read(path)))
        .collect();
    assert!(named.contains("fixtures/tiny-neox"), "{named:?}");
    named.extend(["Cargo.lock", "README.md", "ci/setup", ".cargo/config.toml"].map(str::to_owned));
    let missing: Vec<&String> = named.iter().filter(|path| !holds(path)).collect();
    assert!(missing.is_empty(), "not in the package: {missing:?}");
    let tests = packed
        .iter()
        .filter(|path| path.starts_with("tests/") || path.contains("/snapshots/"));
    assert_eq!(tests.count(), 0, "{list}");
}
