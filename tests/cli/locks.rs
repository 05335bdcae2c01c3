//! Two at once: one process writes into a run directory, any number read.

use std::fs::File;

use crate::bench::Bench;
use crate::child::{LONG, start, wait_for};

#[test]
fn a_live_run_is_left_alone_and_a_dead_ones_lock_is_taken_over() {
    let bench = Bench::new();
    let mut child = start(&bench, "out", &LONG);
    wait_for(&mut child, &bench.path("out/seed-0/stages.json"), "phase-1");
    let process = format!("process {}", child.id());
    for more in [&LONG[..], &[&LONG[..], &["--resume"]].concat()] {
        let outcome = bench.run("out", more);
        outcome.failed(2, &["out is in use by", &process, "--out"]);
    }
    // Readers are told that there is no report yet, and by whom one will be made.
    for reader in [&["report", "out"][..], &["verify", "out"]] {
        bench.call(reader).failed(2, &["out", &process]);
    }
    child.kill().expect("kill");
    child.wait().expect("it ends");
    let outcome = bench.finish("out", &LONG);
    let taken = format!("left by {process}");
    assert!(outcome.stderr.contains(&taken), "{}", outcome.stderr);
    let outcome = bench.finish("out", &LONG);
    assert!(!outcome.stderr.contains("left by"), "{}", outcome.stderr);
}

#[test]
fn reports_are_read_while_a_process_holds_the_run() {
    let bench = Bench::new();
    let table = bench.finish("out", &["--quiet"]).stdout;
    let lock = File::open(bench.path("out/.unsaid-lock")).expect("the lock");
    lock.lock().expect("nobody holds it");
    assert_eq!(bench.call(&["report", "out"]).ended(0).stdout, table);
    bench.refuses_run(&[], &["out is in use by", "--out"]);
    lock.unlock().expect("ours");
    bench.finish("out", &["--quiet"]);
}

#[test]
fn of_two_that_start_at_once_one_runs() {
    let bench = Bench::new();
    let children = [(); 3].map(|()| start(&bench, "out", &LONG));
    let outcomes = children
        .map(|child| crate::program::Outcome::from(child.wait_with_output().expect("it ends")));
    let ran = outcomes
        .iter()
        .filter(|o| [0, 1, 3].map(Some).contains(&o.code));
    assert!(ran.count() >= 1, "{outcomes:#?}");
    for outcome in outcomes.iter().filter(|o| o.code == Some(2)) {
        outcome.failed(2, &["in use by"]);
    }
    assert!(outcomes.iter().all(|o| o.code != Some(4)), "{outcomes:#?}");
    let undisturbed = Bench::new();
    undisturbed.finish("out", &LONG);
    assert_eq!(bench.rows("out"), undisturbed.rows("out"));
}
