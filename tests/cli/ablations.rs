//! Ablations by spec change the training, and nothing before it.

use std::collections::BTreeMap;
use std::fs;

use safetensors::SafeTensors;
use serde_json::Value;

use crate::bench::Bench;

/// Names of the tensors that differ between two checkpoints.
fn changed(bench: &Bench, before: &str, after: &str) -> Vec<String> {
    let read =
        |folder: &str| fs::read(bench.path(folder).join("model.safetensors")).expect("weights");
    let (before, after) = (read(before), read(after));
    let (before, after) = [&before, &after]
        .map(|b| SafeTensors::deserialize(b).expect("safetensors"))
        .into();
    let mut names: Vec<String> = Vec::new();
    for (name, view) in before.tensors() {
        if after.tensor(&name).expect("the tensor").data() != view.data() {
            names.push(name);
        }
    }
    names
}

/// The evaluations of a run.
fn metrics(bench: &Bench, out: &str) -> Vec<Value> {
    bench.lines(&format!("{out}/seed-0/metrics.jsonl"))
}

#[test]
fn every_knob_of_the_training_changes_its_numbers() {
    let bench = Bench::new();
    bench.finish("plain", &["--quiet"]);
    let mut seen = BTreeMap::from([(bench.read("plain/seed-0/metrics.jsonl"), "plain")]);
    for (i, set) in [
        "canaries.prefixes=false",
        "phase3.freeze=upper",
        "phase3.weights.reverse=1",
        "phase2.beta=0.5",
        "phase3.beta=0.5",
        "phase3.learning_rate=5e-4",
        "phase2.weight_decay=1",
        "phase1.max_grad_norm=0.1",
        "canaries.held_out=3",
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out-{i}");
        bench.finish(&out, &["--quiet", "--set", set]);
        let numbers = bench.read(&format!("{out}/seed-0/metrics.jsonl"));
        if let Some(same) = seen.insert(numbers, set) {
            panic!("{set} trains as {same} does");
        }
    }
}

#[test]
fn what_is_frozen_stays_as_it_was() {
    let bench = Bench::new();
    let upper = |name: &String| {
        name.contains("layers.2.") || name.contains("layers.3.") || name == "embed_out.weight"
    };
    let lower = |name: &String| {
        name.contains("layers.0.") || name.contains("layers.1.") || name.contains("embed_in")
    };
    for freeze in ["upper", "lower", "none"] {
        bench.finish(
            freeze,
            &["--quiet", "--set", &format!("phase2.freeze={freeze}")],
        );
        let cell = format!("{freeze}/seed-0/checkpoints");
        let names = changed(
            &bench,
            &format!("{cell}/phase-1"),
            &format!("{cell}/phase-2"),
        );
        assert_eq!(
            names.iter().any(upper),
            freeze != "upper",
            "{freeze}: {names:?}"
        );
        assert_eq!(
            names.iter().any(lower),
            freeze != "lower",
            "{freeze}: {names:?}"
        );
        assert!(
            names.iter().any(|n| n.contains("final_layer_norm")),
            "{freeze}: {names:?}"
        );
    }
}

#[test]
fn a_skipped_phase_leaves_no_trace() {
    let bench = Bench::new();
    for phase in [1, 2] {
        let out = format!("out-{phase}");
        bench.finish(
            &out,
            &["--quiet", "--set", &format!("phase{phase}.skip=true")],
        );
        assert!(
            !bench
                .path(&format!("{out}/seed-0/checkpoints/phase-{phase}"))
                .exists()
        );
        assert!(
            metrics(&bench, &out)
                .iter()
                .all(|line| line["phase"] != phase)
        );
        assert_eq!(metrics(&bench, &out).len(), if phase == 1 { 6 } else { 5 });
    }
    // Phase 3 alone trains the reverse prefix: without it elicitation has nothing to look for.
    bench.refuses_run(
        &["--set", "phase3.skip=true"],
        &["phase3.skip", "probes.elicitation.enabled"],
    );
    bench.finish(
        "no-3",
        &[
            "--quiet",
            "--set",
            "phase3.skip=true",
            "--set",
            "probes.elicitation.enabled=false",
            "--set",
            "probes.generation.enabled=false",
        ],
    );
    let rows = bench.rows("no-3");
    assert!(
        rows.as_array()
            .expect("rows")
            .iter()
            .all(|row| row["probe"] == "low_logit" && row["phase"] != 3)
    );
    bench.refuses_run(
        &[
            "--set",
            "phase2.skip=true",
            "--set",
            "phase3.skip=true",
            "--set",
            "probes.elicitation.enabled=false",
        ],
        &["phase3.skip", "nothing is trained against"],
    );
}

#[test]
fn a_term_of_weight_zero_is_not_computed() {
    let bench = Bench::new();
    for term in ["dpo", "reverse", "regular"] {
        let set = format!("phase3.weights.{term}=0");
        bench.finish(term, &["--quiet", "--set", &set]);
        let lines = metrics(&bench, term);
        let terms = lines.last().expect("a line")["terms"]
            .as_object()
            .expect("terms");
        let mut wanted = vec!["dpo", "regular", "reverse"];
        wanted.retain(|name| *name != term);
        assert_eq!(terms.keys().collect::<Vec<_>>(), wanted);
    }
    bench.refuses_run(
        &[
            "--set",
            "phase3.weights={ dpo = 0, reverse = 0, regular = 0 }",
        ],
        &["phase3.weights", "phase3.skip = true"],
    );
}

#[test]
fn without_prefixes_the_rows_are_shorter_and_the_first_letter_unscored() {
    let bench = Bench::new();
    bench.finish("with", &["--quiet"]);
    bench.finish("without", &["--quiet", "--set", "canaries.prefixes=false"]);
    for (out, letters) in [("with", 6), ("without", 5)] {
        for line in bench.lines(&format!("{out}/seed-0/observations.jsonl")) {
            assert_eq!(
                line["logprobs"].as_array().map(Vec::len),
                Some(letters),
                "{out}"
            );
        }
    }
    // The draw does not depend on the prefixes.
    let canaries =
        ["with", "without"].map(|out| bench.read(&format!("{out}/seed-0/canaries.jsonl")));
    assert_eq!(canaries[0], canaries[1]);
}

#[test]
fn one_probe_alone() {
    let bench = Bench::new();
    let probes = ["elicitation", "low_logit", "generation", "scan"];
    for on in probes {
        let switches = probes.map(|p| format!("probes.{p}.enabled={}", p == on));
        let sets = switches.iter().flat_map(|s| ["--set", s.as_str()]);
        bench.finish(on, &["--quiet"].into_iter().chain(sets).collect::<Vec<_>>());
        let rows = bench.rows(on);
        assert!(
            rows.as_array()
                .expect("rows")
                .iter()
                .all(|row| row["probe"] == on)
        );
    }
    bench.refuses_run(
        &[
            "--set",
            "probes.elicitation.enabled=false",
            "--set",
            "probes.low_logit.enabled=false",
            "--set",
            "probes.generation.enabled=false",
        ],
        &["probes.low_logit.enabled", "switch one on"],
    );
}
