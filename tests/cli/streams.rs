//! What goes to which stream, and how.

#[cfg(feature = "torch")]
use std::process::Stdio;

#[cfg(feature = "torch")]
use serde_json::Value;

use crate::bench::Bench;
use crate::program::{Outcome, program};

const RUN: [&str; 6] = ["run", "tiny.toml", "--device", "cpu", "--out", "out"];

#[cfg(feature = "torch")]
#[test]
fn results_go_to_stdout_and_progress_to_stderr() {
    let bench = Bench::new();
    let outcome = bench.finish("out", &[]);
    for word in ["Leakage", "Gate", "exit code"] {
        assert!(outcome.stdout.contains(word), "{}", outcome.stdout);
        assert!(!outcome.stderr.contains(word), "{}", outcome.stderr);
    }
    for word in ["seed 0 · phase 1: 4 steps", "seed 0 · phase 3: done in"] {
        assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
        assert!(!outcome.stdout.contains(word), "{}", outcome.stdout);
    }
    assert!(
        outcome.stderr.contains("run directory: out"),
        "{}",
        outcome.stderr
    );
}

#[cfg(feature = "torch")]
#[test]
fn quiet_silences_everything_but_errors() {
    let bench = Bench::new();
    let outcome = bench.finish("out", &["--quiet"]);
    assert_eq!(outcome.stderr, "");
    let outcome = bench.finish("out", &["--quiet", "--log-format", "json"]);
    assert_eq!(outcome.stderr, "");
    let outcome = bench.run("out", &["--quiet", "--seed", "1"]);
    outcome.failed(2, &["another run"]);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

#[cfg(feature = "torch")]
#[test]
fn json_logs_are_json_lines() {
    let bench = Bench::new();
    let outcome = bench.finish("out", &["--log-format", "json"]);
    let log: Vec<Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let finished = |work: &str| {
        log.iter().any(|line| {
            line["work"] == work && line["message"] == "done" && line["seconds"].is_f64()
        })
    };
    assert!(finished("seed 0 · phase 2"), "{}", outcome.stderr);
    assert!(
        log.iter()
            .all(|line| line["level"].is_string() && line["timestamp"].is_string())
    );
    let refused = bench.run("out", &["--log-format", "json", "--seed", "7"]);
    let last = refused.stderr.lines().last().expect("an error");
    let last: Value = serde_json::from_str(last).expect("a line of JSON");
    assert_eq!(last["level"], "ERROR", "{last}");
    assert!(
        last["message"]
            .as_str()
            .is_some_and(|m| m.contains("another run"))
    );
}

#[test]
fn no_escapes_and_no_bars_where_there_is_no_terminal() {
    let bench = Bench::new();
    let mut outcomes = Vec::new();
    if cfg!(feature = "torch") {
        outcomes.push(bench.finish("out", &[]));
        outcomes.push(bench.run("out", &["--seed", "1"]));
    } else {
        bench.finished("out");
    }
    for arguments in [
        &["report", "out"][..],
        &["check", "tiny.toml"],
        &["doctor"],
        &["--help"],
        &["nonsense"],
    ] {
        outcomes.push(bench.call(arguments));
    }
    for outcome in outcomes {
        for text in [&outcome.stdout, &outcome.stderr] {
            assert!(!text.contains(['\x1b', '\r']), "{text:?}");
        }
    }
}

#[cfg(feature = "torch")]
#[test]
fn tables_fit_80_columns_when_piped() {
    let bench = Bench::new();
    let outcome = bench.finish("out", &["--seed", "0", "--seed", "1", "--seed", "2"]);
    for line in outcome.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(outcome.stdout.lines().any(|line| line.starts_with('│')));
}

/// Calls the program with a standard output that nobody reads any more.
fn call_unread(bench: &Bench, arguments: &[&str]) -> Outcome {
    let mut child = program(bench.root(), arguments)
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    child.wait_with_output().expect("the program ends").into()
}

#[cfg(feature = "torch")]
#[test]
fn a_closed_output_is_no_panic_and_no_other_exit_code() {
    let bench = Bench::new();
    // A gate that a `| head -1` opens is no gate: the audit's own code stands.
    let outcome = call_unread(&bench, &RUN);
    let code = bench.json("out/report.json")["gate"]["exit_code"].as_i64();
    assert_eq!(code, Some(1), "the tiny audit leaks");
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("error:"), "{}", outcome.stderr);
    assert_eq!(outcome.code.map(i64::from), code, "{outcome:#?}");
}

#[test]
fn commands_that_judge_nothing_end_0_on_a_closed_output() {
    let bench = Bench::new();
    bench.finished("out");
    for arguments in [
        &["report", "out"][..],
        &["check", "tiny.toml"],
        &["doctor"],
        &["--help"],
        &["--version"],
    ] {
        let outcome = call_unread(&bench, arguments);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {outcome:#?}");
        assert_eq!(outcome.stderr, "", "{arguments:?}");
    }
}

#[cfg(feature = "torch")]
#[test]
fn a_closed_error_stream_does_not_stop_a_run() {
    let bench = Bench::new();
    let mut child = program(bench.root(), &RUN)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    drop(child.stderr.take());
    let code = child.wait().expect("the program ends").code();
    assert_eq!(code, Some(1), "the tiny audit leaks");
    assert!(bench.path("out/report.json").exists());
}
