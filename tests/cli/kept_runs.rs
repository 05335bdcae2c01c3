//! The finished run and probe of `fixtures/runs`: of another build and another machine, and read here with or without libtorch.

use std::fs;

use serde_json::Value;

use crate::bench::Bench;

#[test]
fn a_run_and_a_probe_of_another_machine_are_as_they_were_recorded() {
    let bench = Bench::new();
    for name in ["run", "probe"] {
        bench.kept(name, name);
        let before = bench.tree(name);
        let outcome = bench.call(&["verify", name]).ended(0);
        assert!(outcome.stdout.contains("; 0 differences"), "{outcome:#?}");
        assert!(bench.tree(name) == before, "verify wrote a file");
    }
}

#[test]
fn every_altered_file_of_a_probe_is_found_and_named() {
    let bench = Bench::new();
    bench.kept("probe", "probe");
    let recorded = [
        "attacks.jsonl",
        "looks.jsonl",
        "observations.jsonl",
        "likelihoods.safetensors",
    ];
    let recorded = recorded.map(|file| format!("seed-0/{file}"));
    for file in recorded.iter().map(String::as_str).chain(["report.html"]) {
        let path = bench.path("probe").join(file);
        let good = fs::read(&path).expect("read");
        fs::write(&path, [&good[..], b"\n"].concat()).expect("write");
        let outcome = bench.call(&["verify", "probe"]).ended(2);
        assert!(outcome.stdout.contains(file), "{file}: {outcome:#?}");
        fs::write(&path, good).expect("write");
    }
    bench.call(&["verify", "probe"]).ended(0);
}

#[test]
fn a_probe_is_compared_with_the_run_whose_model_it_looked_at() {
    let bench = Bench::new();
    for name in ["run", "probe"] {
        bench.kept(name, name);
    }
    let arguments = ["report", "run", "probe", "--format", "json"];
    let shown = bench.call(&arguments).ended(0).stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let changes = shown["changes"].as_array().expect("changes");
    // It is the model after phase 2 of that run, with the same canaries.
    let of_phase_2 = changes.iter().filter(|c| c["phase"] == 2);
    let same = of_phase_2.filter(|c| c["difference"] == 0.0).count();
    assert!(same >= 2, "{changes:#?}");
}
