//! Runs that are stopped within a phase, and go on there.

use std::fs;
use std::path::PathBuf;

use crate::bench::Bench;
use crate::child::{KEPT, LONG, assert_same, signal, start, wait_until};
use crate::program::Outcome;

fn undisturbed(more: &[&str]) -> Bench {
    let bench = Bench::new();
    bench.finish("out", more);
    bench
}

/// The files of the cell's saved state.
fn midway(bench: &Bench) -> Vec<PathBuf> {
    let entries = fs::read_dir(bench.path("out/seed-0/midway"));
    let paths = entries
        .into_iter()
        .flatten()
        .map(|e| e.expect("an entry").path());
    paths.collect()
}

fn has_state(bench: &Bench, phase: u8) -> impl Fn() -> bool {
    let stages = bench.path("out/seed-0/stages.json");
    let name = format!("midway/phase-{phase}-");
    move || fs::read_to_string(&stages).is_ok_and(|text| text.contains(&name))
}

/// Starts a run and stops it by a signal once a state of `phase` is safe.
fn stopped(bench: &Bench, phase: u8, name: &str, more: &[&str]) -> Outcome {
    let mut child = start(bench, "out", more);
    wait_until(&mut child, "a state", has_state(bench, phase));
    signal(&child, name);
    child.wait_with_output().expect("it ends").into()
}

#[test]
fn a_run_goes_on_within_its_phase_to_the_same_bits() {
    let bench = Bench::new();
    for (phase, name) in [(2, "-INT"), (3, "-TERM")] {
        stopped(&bench, phase, name, &KEPT).failed(130, &["interrupted"]);
        // One state, the one of the step at which it stopped.
        let names = midway(&bench);
        assert_eq!(names.len(), 3, "{names:?}");
    }
    let outcome = bench.finish("out", &KEPT);
    assert!(
        outcome.stderr.contains("resumed at phase 3 step "),
        "{}",
        outcome.stderr
    );
    assert!(!bench.path("out/seed-0/midway").exists());
    assert_same(&bench, &undisturbed(&KEPT), "out");
}

#[test]
fn a_signal_saves_whatever_the_spec_asks() {
    let bench = Bench::new();
    let mut child = start(&bench, "out", &LONG);
    let stages = bench.path("out/seed-0/stages.json");
    crate::child::wait_for(&mut child, &stages, "reference");
    // Phase 2 has begun or is about to.
    std::thread::sleep(std::time::Duration::from_millis(100));
    signal(&child, "-INT");
    let outcome: Outcome = child.wait_with_output().expect("it ends").into();
    outcome.failed(130, &["interrupted at phase"]);
    let at = outcome
        .stderr
        .split("interrupted at ")
        .nth(1)
        .expect("where");
    let at = at
        .split(['.', '\n'])
        .next()
        .expect("a place")
        .replace(',', "");
    let continued = bench.finish("out", &LONG);
    if !at.ends_with("step 0") {
        let resumed = format!("resumed at {at}");
        assert!(
            continued.stderr.contains(&resumed),
            "{resumed}: {}",
            continued.stderr
        );
    }
    assert_same(&bench, &undisturbed(&LONG), "out");
}

#[test]
fn a_damaged_state_costs_its_phase_and_nothing_more() {
    let bench = Bench::new();
    stopped(&bench, 2, "-KILL", &KEPT);
    let states = midway(&bench);
    let state = states
        .iter()
        .find(|path| path.to_string_lossy().ends_with("state.safetensors"));
    let state = state.expect("a state");
    let mut bytes = fs::read(state).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(state, bytes).expect("write");
    let outcome = bench.finish("out", &KEPT);
    for words in [
        "phase 1 is done, kept",
        "of no use",
        "the phase begins again",
    ] {
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    }
    assert_same(&bench, &undisturbed(&KEPT), "out");
}

#[test]
fn what_may_not_change_is_refused_and_named() {
    let bench = Bench::new();
    stopped(&bench, 2, "-KILL", &KEPT);
    let again = |more: &[&str], words: &[&str]| {
        bench
            .run("out", &[&KEPT[..], more].concat())
            .failed(2, words);
    };
    again(
        &["--set", "phase2.beta=0.2"],
        &["another run", "beta = 0.1", "beta = 0.2"],
    );
    let edit = |key: &'static str, value: serde_json::Value| {
        let before = bench.json("out/provenance.json");
        bench.edit_json("out/provenance.json", |p| p[key] = value);
        before
    };
    for (key, value, words) in [
        ("unsaid", "0.0.9".into(), "the version of unsaid"),
        ("libtorch", "2.10.0".into(), "the version of libtorch"),
        ("format", 2.into(), "the format of the run directory"),
        (
            "checkpoint_sha256",
            serde_json::json!({"config.json": "00"}),
            "the checkpoint",
        ),
    ] {
        let before = edit(key, value);
        again(&[], &["another run", words]);
        again(&["--allow-change"], &["another run", words]);
        bench.write("out/provenance.json", before.to_string());
    }
    // Another set of canaries: as an earlier version might have drawn it.
    let stages = bench.read("out/seed-0/stages.json");
    let other =
        bench
            .read("out/seed-0/canaries.jsonl")
            .replacen("held_out-0000", "held_out-000x", 1);
    let digest = |text: &str| crate::complete_runs::sha256(text.as_bytes());
    let recorded = digest(&bench.read("out/seed-0/canaries.jsonl"));
    let canaries = bench.read("out/seed-0/canaries.jsonl");
    bench.write("out/seed-0/canaries.jsonl", &other);
    bench.write(
        "out/seed-0/stages.json",
        stages.replace(&recorded, &digest(&other)),
    );
    bench
        .run("out", &KEPT)
        .failed(2, &["another run", "the canaries of seed 0"]);
    bench.write("out/seed-0/canaries.jsonl", canaries);
    bench.write("out/seed-0/stages.json", stages);
    bench.finish("out", &KEPT);
}

#[test]
fn another_device_needs_a_word_and_is_recorded() {
    let bench = Bench::new();
    stopped(&bench, 2, "-KILL", &KEPT);
    bench.edit_json("out/provenance.json", |p| p["device"] = "cuda:0".into());
    bench.run("out", &KEPT).failed(
        2,
        &[
            "another run",
            "the device was cuda:0 and is cpu",
            "--allow-change",
        ],
    );
    let outcome = bench.finish("out", &[&KEPT[..], &["--allow-change"]].concat());
    assert!(
        outcome.stderr.contains("the device was cuda:0, and is cpu"),
        "{}",
        outcome.stderr
    );
    let changes = &bench.json("out/provenance.json")["changes"];
    assert_eq!(changes.as_array().map(Vec::len), Some(1), "{changes}");
    for (key, value) in [("what", "the device"), ("from", "cuda:0"), ("to", "cpu")] {
        assert_eq!(changes[0][key], value);
    }
}
