//! `unsaid verify`: a run held against its own records.

use std::fs;

use crate::bench::Bench;
#[cfg(feature = "torch")]
use crate::complete_runs::sha256;

/// Everything that one run of the tiny spec has recorded or rendered: 32 files of the cell, five reports, the spec, the
/// checkpoint's three.
#[test]
fn a_run_is_as_recorded_and_its_observations_can_be_made_again() {
    let bench = Bench::new();
    bench.finished("out");
    let before = bench.tree("");
    let outcome = bench.call(&["verify", "out"]).ended(0);
    assert!(outcome.stdout.contains("; 0 differences"), "{outcome:#?}");
    assert!(!outcome.stdout.contains("made again"), "{outcome:#?}");
    if cfg!(feature = "torch") {
        let outcome = bench
            .call(&["verify", "out", "--device", "cpu", "--rerun-probes"])
            .ended(0);
        // 4 held out, 8 useful, 12 controls; two prefixes; after three phases.
        let looks = bench.lines("out/seed-0/looks.jsonl").len();
        assert!(looks > 0);
        let words = format!(
            "{} observations made again on cpu; 0 differences",
            144 + looks
        );
        assert!(outcome.stdout.contains(&words), "{outcome:#?}");
    }
    assert!(bench.tree("") == before, "verify wrote a file");
}

#[test]
fn every_altered_file_is_found_and_named() {
    let bench = Bench::new();
    bench.finished("out");
    for (file, words) in [
        ("spec.toml", "spec.toml is not the spec"),
        ("report.json", "report.json is not what the cells give"),
        ("report.md", "report.md is not what the cells give"),
        ("leakage.csv", "leakage.csv is not"),
        ("seed-0/metrics.jsonl", "seed-0/metrics.jsonl changed after"),
        (
            "seed-0/canaries.jsonl",
            "seed-0/canaries.jsonl changed after",
        ),
        (
            "seed-0/checkpoints/phase-2/model.safetensors",
            "phase-2/model.safetensors changed after it was recorded (phase-2)",
        ),
    ] {
        let path = bench.path("out").join(file);
        let good = fs::read(&path).expect("read");
        let mut bad = good.clone();
        bad.push(b'\n');
        fs::write(&path, bad).expect("write");
        let outcome = bench.call(&["verify", "out"]).ended(2);
        assert!(outcome.stdout.contains(words), "{file}: {outcome:#?}");
        assert!(
            outcome.stdout.contains("; 1 differences"),
            "{file}: {outcome:#?}"
        );
        if file != "spec.toml" {
            fs::remove_file(&path).expect("remove");
            let outcome = bench.call(&["verify", "out"]).ended(2);
            assert!(outcome.stdout.contains(file), "{file}: {outcome:#?}");
        }
        fs::write(&path, good).expect("write");
    }
    bench.call(&["verify", "out"]).ended(0);
}

#[cfg(feature = "torch")]
#[test]
fn a_checkpoint_that_was_exchanged_with_its_record_is_found_by_its_observations() {
    let bench = Bench::new();
    bench.finished("out");
    let [two, three] = [2, 3].map(|phase| {
        bench.path(&format!(
            "out/seed-0/checkpoints/phase-{phase}/model.safetensors"
        ))
    });
    let [old, new] = [&three, &two].map(|path| fs::read(path).expect("read"));
    fs::write(&three, &new).expect("write");
    let stages = bench.read("out/seed-0/stages.json");
    bench.write(
        "out/seed-0/stages.json",
        stages.replace(&sha256(&old), &sha256(&new)),
    );
    bench.call(&["verify", "out"]).ended(0);
    let outcome = bench
        .call(&["verify", "out", "--device", "cpu", "--rerun-probes"])
        .ended(2);
    for words in [
        "seed 0, phase 3, prefix regular: ",
        "seed 0, phase 3, prefix reverse: ",
        " of 24 canaries differ, by at most",
        "; 3 differences",
    ] {
        assert!(outcome.stdout.contains(words), "{outcome:#?}");
    }
}

#[test]
fn what_is_no_run_is_refused() {
    let bench = Bench::new();
    bench.refuses(
        &["verify", "nowhere"],
        &["nowhere holds no run", "give the folder"],
    );
    bench.finished("out");
    bench.write(
        "out/seed-0/stages.json",
        r#"{"stages":{"x":{"../../tiny.toml":"00"}}}"#,
    );
    bench.refuses(&["verify", "out"], &["stages.json", "lies outside"]);
}
