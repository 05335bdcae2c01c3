//! Runs that are looked at, signalled and killed while they go on.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::Bench;
use crate::program::program;

/// Phase 2 and 3 long enough that a signal finds them at work.
pub(crate) const LONG: [&str; 6] = [
    "--set",
    "canaries.repeats=60",
    "--set",
    "phase2.eval_every=20",
    "--set",
    "phase3.eval_every=20",
];

/// The same with a state every 20 steps.
pub(crate) const KEPT: [&str; 8] = [
    LONG[0],
    LONG[1],
    LONG[2],
    LONG[3],
    LONG[4],
    LONG[5],
    "--set",
    "run.checkpoint_every=20 steps",
];

/// A run of the tiny spec, not yet started.
pub(crate) fn command(bench: &Bench, out: &str, more: &[&str]) -> Command {
    let mut arguments = vec!["run", "tiny.toml", "--device", "cpu", "--out", out];
    arguments.extend(more);
    program(bench.root(), &arguments)
}

pub(crate) fn start(bench: &Bench, out: &str, more: &[&str]) -> Child {
    let child = command(bench, out, more).spawn();
    child.expect("the program starts")
}

/// Waits until a file says so, while the child goes on.
#[track_caller]
pub(crate) fn wait_until(child: &mut Child, what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_mins(2),
            "no {what} in two minutes"
        );
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none(), "it ended before {what}");
        sleep(Duration::from_millis(2));
    }
}

/// Waits until a `stages.json` names a stage.
#[track_caller]
pub(crate) fn wait_for(child: &mut Child, stages: &Path, stage: &str) {
    let quoted = format!("\"{stage}\"");
    wait_until(child, stage, || {
        fs::read_to_string(stages).is_ok_and(|text| text.contains(&quoted))
    });
}

pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(status.expect("kill is there").success());
}

/// A report without its times.
#[track_caller]
pub(crate) fn timeless(bench: &Bench, out: &str) -> Value {
    let mut report = bench.json(&format!("{out}/report.json"));
    let provenance = report["provenance"].as_object_mut().expect("an object");
    for time in ["started", "finished", "seconds"] {
        assert!(provenance.remove(time).is_some(), "{time}");
    }
    report
}

/// Whether two finished runs of one command in two benches are the same but for times: the report, and the cell's files.
#[track_caller]
pub(crate) fn assert_same(one: &Bench, two: &Bench, out: &str) {
    assert_eq!(timeless(one, out), timeless(two, out));
    for file in [
        "leakage.csv",
        "seed-0/canaries.jsonl",
        "seed-0/metrics.jsonl",
        "seed-0/observations.jsonl",
        "seed-0/reference.safetensors",
        "seed-0/likelihoods.safetensors",
        "seed-0/checkpoints/phase-1/model.safetensors",
        "seed-0/checkpoints/phase-2/model.safetensors",
        "seed-0/checkpoints/phase-3/model.safetensors",
    ] {
        let [one, two] = [one, two].map(|bench| {
            fs::read(bench.path(out).join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
        });
        assert!(one == two, "{file}");
    }
}
