//! Many audits, one after another in one process and several processes at once: no growth, and every report right.
//!
//! A few here; `UNSAID_SOAK=200` runs so many in sequence, and eight processes at once. The test is alone in its binary, so that
//! nothing else takes memory or opens files beside it.

#![cfg(feature = "torch")]
#![allow(
    clippy::print_stdout,
    reason = "what was tried is shown under --nocapture"
)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use unsaid::device::{Arithmetic, Device};
use unsaid::event::Silent;
use unsaid::run::{Options, run};
use unsaid::spec::load;

fn spec() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/fuzz/tiny.toml"
    ))
}

/// Resident memory in bytes, and open files.
fn use_of_this_process() -> (u64, usize) {
    let pages = fs::read_to_string("/proc/self/statm").expect("Linux");
    let resident = pages.split(' ').nth(1).expect("a second number");
    let files = fs::read_dir("/proc/self/fd").expect("Linux").count();
    (4096 * resident.parse::<u64>().expect("a number"), files)
}

fn numbers(out: &Path) -> Value {
    let text = fs::read_to_string(out.join("report.json")).expect("a report");
    let mut report: Value = serde_json::from_str(&text).expect("JSON");
    report["provenance"] = Value::Null;
    report
}

fn start(out: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_unsaid"))
        .args(["run", "--quiet", "--device", "cpu", "--out"])
        .arg(out)
        .arg(spec())
        .env("OMP_WAIT_POLICY", "PASSIVE")
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts")
}

#[test]
fn many_audits_leave_nothing_behind() {
    let asked = std::env::var("UNSAID_SOAK")
        .ok()
        .and_then(|n| n.parse().ok());
    let (sequence, at_once, rounds) = asked.map_or((12, 3, 1), |n: usize| (n, 8, n.div_ceil(8)));
    let folder = tempfile::tempdir().expect("make a temporary folder");
    let audit = load(spec(), &[]).expect("a good spec");
    let mut wanted = None;
    // The first audits fill caches and pools that stay.
    let settled = sequence / 2;
    let mut after_settling = (0, 0);
    for i in 0..sequence {
        let out = folder.path().join("out");
        let options = Options {
            is_held: false,
            threads: None,
            worker: None,
            out: out.clone(),
            device: Device::CPU,
            arithmetic: Arithmetic::F32,
            command: Vec::new(),
            allow_change: false,
        };
        run(&audit, &options, &mut Silent).expect("an audit");
        let found = numbers(&out);
        assert_eq!(*wanted.get_or_insert(found.clone()), found, "audit {i}");
        fs::remove_dir_all(&out).expect("remove");
        if i + 1 == settled {
            after_settling = use_of_this_process();
        }
    }
    let (memory, files) = use_of_this_process();
    println!(
        "{sequence} audits in one process: {:.1} MB and {} files after {settled}, {:.1} MB and {files} at the end",
        after_settling.0 as f64 / 1e6,
        after_settling.1,
        memory as f64 / 1e6
    );
    assert_eq!(files, after_settling.1, "open files");
    assert!(
        memory < after_settling.0 + (32 << 20),
        "memory grew from {} to {memory}",
        after_settling.0
    );
    for round in 0..rounds {
        let outs: Vec<_> = (0..at_once)
            .map(|i| folder.path().join(format!("{round}-{i}")))
            .collect();
        let children: Vec<Child> = outs.iter().map(|out| start(out)).collect();
        for (mut child, out) in children.into_iter().zip(outs) {
            let code = child.wait().expect("it ends").code();
            assert!(matches!(code, Some(0 | 1 | 3)), "{code:?}");
            assert_eq!(Some(numbers(&out)), wanted, "{}", out.display());
            fs::remove_dir_all(out).expect("remove");
        }
    }
    println!("{} audits, {at_once} at once", rounds * at_once);
}
