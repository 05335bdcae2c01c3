//! What a run adds to the summary of a workflow step.

use std::fs;

use crate::bench::Bench;
use crate::program::{Outcome, program};

fn run(bench: &Bench, summary: &str, more: &[&str]) -> Outcome {
    let mut arguments = vec!["run", "tiny.toml", "--device", "cpu", "--out", "out"];
    arguments.extend(more);
    let mut command = program(bench.root(), &arguments);
    command.env("GITHUB_STEP_SUMMARY", summary);
    command.output().expect("the program starts").into()
}

#[test]
fn the_report_is_added_to_what_stands_there() {
    let bench = Bench::new();
    let outcome = run(&bench, "summary.md", &["--quiet"]);
    let report = bench.read("out/report.md");
    assert_eq!(bench.read("summary.md"), report);
    bench.write("summary.md", "half a line");
    assert_eq!(run(&bench, "summary.md", &["--quiet"]).code, outcome.code);
    assert_eq!(bench.read("summary.md"), format!("half a line\n{report}"));
    fs::remove_file(bench.path("summary.md")).expect("remove");
    run(&bench, "", &["--quiet"]);
    assert!(!bench.path("summary.md").exists());
}

#[test]
fn a_summary_that_cannot_be_written_is_told_and_changes_nothing() {
    let bench = Bench::new();
    let code = bench.finish("out", &["--quiet"]).code;
    for (summary, why) in [
        ("no/such/folder.md", "GITHUB_STEP_SUMMARY"),
        ("full.md", "1 MiB"),
    ] {
        bench.write("full.md", "x".repeat(1024 * 1024));
        let outcome = run(&bench, summary, &[]);
        assert_eq!(outcome.code, code);
        assert!(outcome.stderr.contains(why), "{}", outcome.stderr);
        assert_eq!(bench.read("full.md").len(), 1024 * 1024);
    }
}
