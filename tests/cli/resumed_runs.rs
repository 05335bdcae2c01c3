//! Runs that are stopped and continued end as runs that were never stopped.

use std::fs;

use crate::bench::Bench;
use crate::child::{LONG, signal, start, wait_for};
use crate::program::Outcome;

/// Everything but times: rows, and the cell's files.
#[track_caller]
fn assert_same_run(bench: &Bench, one: &str, two: &str) {
    assert_eq!(bench.rows(one), bench.rows(two));
    for file in [
        "leakage.csv",
        "seed-0/canaries.jsonl",
        "seed-0/metrics.jsonl",
        "seed-0/observations.jsonl",
    ] {
        assert!(
            bench.read(&format!("{one}/{file}")) == bench.read(&format!("{two}/{file}")),
            "{file}"
        );
    }
    for file in [
        "likelihoods.safetensors",
        "checkpoints/phase-3/model.safetensors",
    ] {
        let [one, two] = [one, two]
            .map(|out| fs::read(bench.path(out).join("seed-0").join(file)).expect("there"));
        assert!(one == two, "{file}");
    }
}

#[test]
fn an_interrupted_run_continues_to_the_same_end() {
    let bench = Bench::new();
    let stages = bench.path("out/seed-0/stages.json");
    for (name, stage) in [("-INT", "phase-1"), ("-TERM", "phase-2")] {
        let mut child = start(&bench, "out", &LONG);
        wait_for(&mut child, &stages, stage);
        signal(&child, name);
        let outcome: Outcome = child.wait_with_output().expect("it ends").into();
        outcome.failed(130, &["interrupted"]);
        assert!(!bench.path("out/report.json").exists());
        assert!(!bench.path("out/leakage.csv").exists());
    }
    let outcome = bench.finish("out", &LONG);
    for kept in ["phase 1 is done, kept", "phase 2 is done, kept"] {
        assert!(outcome.stderr.contains(kept), "{}", outcome.stderr);
    }
    assert!(
        outcome.stderr.contains("phase 3: 90 steps"),
        "{}",
        outcome.stderr
    );
    bench.finish("undisturbed", &[&LONG[..], &["--quiet"]].concat());
    assert_same_run(&bench, "out", "undisturbed");
}

#[test]
fn a_killed_run_continues_to_the_same_end() {
    let bench = Bench::new();
    let mut child = start(&bench, "out", &LONG);
    wait_for(
        &mut child,
        &bench.path("out/seed-0/stages.json"),
        "reference",
    );
    child.kill().expect("kill");
    child.wait().expect("it ends");
    // What a machine that lost power while writing may leave: files of a stage that was never recorded.
    bench.write("out/seed-0/checkpoints/phase-2/model.safetensors", "half");
    bench.write("out/seed-0/parts/phase-2.metrics.jsonl", "{\"phase\":2,");
    let more = [&LONG[..], &["--resume"]].concat();
    let outcome = bench.finish("out", &more);
    assert!(
        outcome.stderr.contains("phase 1 is done, kept"),
        "{}",
        outcome.stderr
    );
    assert!(
        !outcome.stderr.contains("phase 2 is done"),
        "{}",
        outcome.stderr
    );
    bench.finish("undisturbed", &[&LONG[..], &["--quiet"]].concat());
    assert_same_run(&bench, "out", "undisturbed");
}

#[test]
fn a_finished_run_is_kept() {
    let bench = Bench::new();
    bench.finish("out", &["--seed", "0", "--seed", "1"]);
    let (rows, cells) = (
        bench.rows("out"),
        ["out/seed-0", "out/seed-1"].map(|c| bench.tree(c)),
    );
    for more in [&[][..], &["--resume"]] {
        let more = [&["--seed", "0", "--seed", "1"], more].concat();
        let outcome = bench.finish("out", &more);
        for kept in ["seed 0: complete, kept", "seed 1: complete, kept"] {
            assert!(outcome.stderr.contains(kept), "{}", outcome.stderr);
        }
        assert!(!outcome.stderr.contains("steps"), "{}", outcome.stderr);
        assert_eq!(bench.rows("out"), rows);
        assert!(
            ["out/seed-0", "out/seed-1"].map(|c| bench.tree(c)) == cells,
            "a cell changed"
        );
    }
}

#[test]
fn lost_reports_are_made_again_from_the_cells() {
    let bench = Bench::new();
    let table = bench.finish("out", &["--quiet"]).stdout;
    let csv = bench.read("out/leakage.csv");
    for file in [
        "report.json",
        "report.md",
        "report.html",
        "leakage.csv",
        "junit.xml",
    ] {
        fs::remove_file(bench.path("out").join(file)).expect("remove");
    }
    assert_eq!(bench.finish("out", &["--quiet"]).stdout, table);
    assert_eq!(bench.read("out/leakage.csv"), csv);
    assert!(bench.path("out/junit.xml").exists());
}
