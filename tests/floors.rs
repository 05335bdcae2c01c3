//! The house's floors, checked: a module of `src/` imports only from floors below its own.
//!
//! The table below is the one in `src/lib.rs`' words. Every `use`, every path written out in code (`crate::x::…`, `super::…`)
//! and every path inside a macro's arguments is held against it; what is compiled for tests alone is not.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "floors/names.rs"]
mod names;

use names::Names;

/// Floor by floor from the ground: a module may import from any lower floor and from itself.
const FLOORS: [&[&str]; 11] = [
    &["units", "seed", "event", "exit", "bounded", "guide"],
    &["spec", "stats", "score"],
    &["canary", "run_dir"],
    &["native", "device", "checkpoint"],
    &["model"],
    &["training", "probes"],
    &["findings"],
    &["report"],
    &["audit", "forecast"],
    &["run", "probe", "mint", "verify", "bench"],
    &["cli", "main"],
];

/// What may be imported on one and the same floor: (who, whom).
const NEIGHBOURS: [(&str, &str); 6] = [
    ("seed", "units"),
    ("event", "units"),
    ("device", "native"),
    ("checkpoint", "native"),
    // What a run observed is observed again.
    ("verify", "run"),
    ("main", "cli"),
];

/// What a module must not know although it lies below: (who, whom).
const STRANGERS: [(&str, &[&str]); 4] = [
    ("model", &["canary"]),
    ("probes", &["device", "checkpoint", "model"]),
    ("findings", &["device", "checkpoint", "model", "training"]),
    (
        "report",
        &["device", "checkpoint", "model", "training", "probes"],
    ),
];

/// The modules, or parts of one, that may name libtorch's crates.
const WITH_TORCH: [&str; 7] = [
    "native",
    "device",
    "checkpoint/weights",
    "model",
    "training",
    "run",
    "bench",
];
const TORCH: [&str; 2] = ["tch", "torch_sys"];

/// The one module that may hold `unsafe`.
const WITH_UNSAFE: &str = "native";

/// A file that is read in one sitting.
const MOST_LINES: usize = 400;

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Why `from` may not import `to`; `None` where it may.
fn objection(from: &str, to: &str) -> Option<String> {
    if from == to || NEIGHBOURS.contains(&(from, to)) {
        return None;
    }
    let (Some(above), Some(below)) = (floor_of(from), floor_of(to)) else {
        return Some(format!("`{to}` is on no floor of tests/floors.rs"));
    };
    if below >= above {
        return Some(format!(
            "`{from}` is on floor {above} and `{to}` on floor {below}"
        ));
    }
    STRANGERS
        .iter()
        .any(|(who, whom)| *who == from && whom.contains(&to))
        .then(|| format!("`{from}` must know nothing of `{to}`"))
}

/// A source file: its path below `src/` with `/` between the parts, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module that the file is: `a/b.rs` and `a/b/mod.rs` are `[a, b]`, `lib.rs` is `[]`, `main.rs` is `[main]`.
    fn module(&self) -> Vec<String> {
        let mut parts: Vec<String> = self
            .path
            .trim_end_matches(".rs")
            .split('/')
            .map(str::to_owned)
            .collect();
        if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
            parts.pop();
        }
        parts
    }
}

/// A path beside the file at `path`, both below `src/`.
fn beside(path: &str, name: &str) -> String {
    path.rsplit_once('/')
        .map_or(name.to_owned(), |(folder, _)| format!("{folder}/{name}"))
}

/// What is wrong in a house of these files, a line each, named by path.
fn faults(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut read = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            faults.push(format!(
                "src/{}: {lines} lines, {MOST_LINES} at most: make two files of it",
                source.path
            ));
        }
        match syn::parse_file(&source.text) {
            Ok(file) => read.push((source, Names::in_file(source.module(), &file))),
            Err(error) => faults.push(format!("src/{}: does not parse: {error}", source.path)),
        }
    }
    let test_modules: Vec<Vec<String>> = read
        .iter()
        .flat_map(|(_, names)| names.test_modules.clone())
        .collect();
    let test_files: BTreeSet<String> = read
        .iter()
        .flat_map(|(source, names)| {
            names
                .test_files
                .iter()
                .map(|name| beside(&source.path, name))
        })
        .collect();
    for (source, names) in &read {
        let module = source.module();
        if test_files.contains(&source.path)
            || test_modules.iter().any(|test| module.starts_with(test))
        {
            continue;
        }
        // lib.rs only declares the house.
        let top = module.first().map_or("lib", String::as_str);
        let mut objections: Vec<String> = Vec::new();
        if top != "lib" {
            if floor_of(top).is_none() {
                objections.push(format!("`{top}` is on no floor of tests/floors.rs"));
            } else {
                objections.extend(names.modules.iter().filter_map(|to| objection(top, to)));
            }
        }
        let place = module.join("/");
        let within = |part: &&str| {
            let rest = place.strip_prefix(part);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !WITH_TORCH.iter().any(within) {
            objections.extend(
                names
                    .torch
                    .iter()
                    .map(|name| format!("`{top}` must not name `{name}`")),
            );
        }
        if names.is_unsafe && top != WITH_UNSAFE {
            objections.push(format!("`unsafe` belongs in `{WITH_UNSAFE}` alone"));
        }
        faults.extend(
            objections
                .into_iter()
                .map(|text| format!("src/{}: {text}", source.path)),
        );
    }
    faults
}

fn sources_under(
    folder: &Path,
    root: &Path,
    found: &mut Vec<Source>,
) -> Result<(), Box<dyn Error>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<PathBuf>, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            sources_under(&path, root, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let parts: Vec<_> = path
                .strip_prefix(root)?
                .iter()
                .map(|part| part.to_string_lossy())
                .collect();
            found.push(Source {
                path: parts.join("/"),
                text: fs::read_to_string(&path)?,
            });
        }
    }
    Ok(())
}

#[test]
fn every_module_of_the_house_keeps_to_its_floor() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    sources_under(&root, &root, &mut sources)?;
    assert!(!sources.is_empty(), "no sources in {}", root.display());
    let faults = faults(&sources);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn faults_of(path: &str, text: &str) -> Vec<String> {
    faults(&[Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }])
}

/// A file, what it says, and what must be said of it.
const PLANTED: &[(&str, &str, &str)] = &[
    (
        "stats/auc.rs",
        "use crate::canary::Group;",
        "`canary` on floor 2",
    ),
    (
        "stats/auc.rs",
        "use crate::{stats::x, canary as c};",
        "`canary` on floor 2",
    ),
    (
        "stats/auc.rs",
        "use super::super::model::Model;",
        "`model` on floor 4",
    ),
    (
        "score.rs",
        "fn f() { crate::model::f() }",
        "`model` on floor 4",
    ),
    (
        "score.rs",
        "fn f(x: &super::probes::X) {}",
        "`probes` on floor 5",
    ),
    (
        "score.rs",
        "fn f() { log!(\"{}\", crate::audit::f()) }",
        "`audit` on floor 8",
    ),
    (
        "score.rs",
        "mod inner { use super::super::cli::x; }",
        "`cli` on floor 10",
    ),
    (
        "score.rs",
        "#[serde(with = \"crate::report::x\")] struct S;",
        "`report` on floor 7",
    ),
    (
        "training/mod.rs",
        "use crate::probes;",
        "`probes` on floor 5",
    ),
    (
        "model/neox.rs",
        "use crate::canary::Canary;",
        "must know nothing of `canary`",
    ),
    (
        "units.rs",
        "use crate::helpers::x;",
        "`helpers` is on no floor",
    ),
    ("helpers.rs", "", "`helpers` is on no floor"),
    (
        "main.rs",
        "use unsaid::helpers::x;",
        "`helpers` is on no floor",
    ),
    ("score.rs", "use tch::Tensor;", "must not name `tch`"),
    (
        "checkpoint/folder.rs",
        "use tch::Tensor;",
        "must not name `tch`",
    ),
    (
        "findings/row.rs",
        "fn f() { tch::no_grad(f) }",
        "must not name `tch`",
    ),
    (
        "cli/mod.rs",
        "fn f() { show!(torch_sys::f()) }",
        "must not name `torch_sys`",
    ),
    (
        "model/mod.rs",
        "fn f() { unsafe { g() } }",
        "`unsafe` belongs",
    ),
    (
        "model/mod.rs",
        "fn f() { m!(unsafe { g() }) }",
        "`unsafe` belongs",
    ),
    (
        "model/mod.rs",
        "unsafe impl Sync for X {}",
        "`unsafe` belongs",
    ),
    (
        "model/mod.rs",
        "unsafe extern \"C\" { fn f(); }",
        "`unsafe` belongs",
    ),
    ("model/mod.rs", "fn (", "does not parse"),
];

#[test]
fn a_planted_violation_is_found_however_it_is_written() {
    for (path, text, part) in PLANTED {
        let faults = faults_of(path, text);
        assert!(
            faults.len() == 1 && faults[0].contains(part) && faults[0].contains(path),
            "{path}: {text}: {faults:?}"
        );
    }
    assert_eq!(faults_of("units.rs", &"\n".repeat(MOST_LINES)), [""; 0]);
    assert_eq!(faults_of("units.rs", &"\n".repeat(MOST_LINES + 1)).len(), 1);
}

#[test]
fn what_is_allowed_is_not_found() {
    for (path, text) in [
        ("lib.rs", "pub mod audit; pub mod stats;"),
        (
            "main.rs",
            "use unsaid::cli; fn main() { unsaid::audit::f() }",
        ),
        (
            "stats/auc.rs",
            "use super::tail; use self::inner::x; use crate::stats::y;",
        ),
        (
            "stats/auc.rs",
            "/// Unlike [`crate::audit::f`].\npub(crate) fn f() {}",
        ),
        (
            "stats/auc.rs",
            "#[cfg(test)] mod tests { use crate::canary::x; use super::*; }",
        ),
        ("stats/auc.rs", "#[cfg(test)] use crate::canary::x;"),
        (
            "checkpoint/weights.rs",
            "use crate::native::x; use tch::Tensor;",
        ),
        ("native.rs", "fn f() { unsafe { g() } }"),
        (
            "report/formats/html.rs",
            "fn f() { w!(\"'unsafe-inline'\") }",
        ),
        (
            "run/mod.rs",
            "use crate::report::r; fn f() { tch::no_grad(f) }",
        ),
    ] {
        assert_eq!(faults_of(path, text), [""; 0], "{path}: {text}");
    }
    let apart = [
        (
            "stats/mod.rs",
            "#[cfg(test)] mod tests; #[cfg(test)] #[path = \"b.rs\"] mod others;",
        ),
        ("stats/b.rs", "use crate::report::x;"),
        ("stats/tests.rs", "use crate::canary::x;"),
        ("stats/tests/more.rs", "use crate::model::x;"),
    ]
    .map(|(path, text)| Source {
        path: path.to_owned(),
        text: text.to_owned(),
    });
    assert_eq!(faults(&apart), [""; 0]);
}
