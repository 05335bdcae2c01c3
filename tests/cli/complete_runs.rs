//! A run that ends: its exit code, its folder, its files.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bench::Bench;

/// Evaluations of the tiny spec: every second of 4, 6 and 6 steps.
const EVALUATIONS: [(u64, u64); 8] = [
    (1, 0),
    (1, 2),
    (2, 0),
    (2, 2),
    (2, 4),
    (3, 0),
    (3, 2),
    (3, 4),
];

/// No training at all, and effects so large that anyone can exclude them: the one tiny run that must end 0.
const CLEAN: [&str; 38] = [
    "--set",
    "phase1.learning_rate=0",
    "--set",
    // So little that nothing is learned; with none at all the model would be its own reference, which is not called clean.
    "phase2.learning_rate=1e-6",
    "--set",
    "phase3.learning_rate=1e-6",
    "--set",
    // Even so, who holds the reference too reads secrets from which letters fell a little: nobody does here.
    "probes.low_logit.completion_budgets=[]",
    "--set",
    "probes.elicitation.smallest_effect_averaged_rank=0.5",
    "--set",
    // Four canaries exclude nothing at the largest of 38 looks.
    "probes.elicitation.contexts=0",
    "--set",
    "probes.low_logit.smallest_effect_single=100",
    "--set",
    "probes.low_logit.smallest_effect_spread=0.5",
    "--set",
    "probes.low_logit.smallest_effect_advantage=100",
    "--set",
    "probes.elicitation.positive_control=not_applicable",
    "--set",
    "probes.low_logit.positive_control=not_applicable",
    "--set",
    "probes.elicitation.smallest_effect_rank=0.5",
    "--set",
    "probes.elicitation.smallest_effect_nats=100",
    "--set",
    "probes.elicitation.smallest_effect_single=100",
    "--set",
    "probes.low_logit.smallest_effect_rank=0.5",
    "--set",
    "probes.low_logit.smallest_effect_auc=0.5",
    "--set",
    "probes.low_logit.smallest_effect_recovered=1.0",
    "--set",
    "probes.generation.smallest_effect_recovered=1.0",
    "--set",
    "canaries.controls=48",
];

#[test]
fn the_folder_is_whole() {
    let bench = Bench::new();
    bench.finish("out", &[]);
    let found: BTreeSet<String> = bench
        .tree("out")
        .into_iter()
        .filter(|(_, bytes)| bytes.is_some())
        .map(|(path, _)| {
            path.strip_prefix(bench.path("out"))
                .expect("below")
                .to_str()
                .expect("plain")
                .to_owned()
        })
        .filter(|name| !name.contains("/parts/"))
        .map(|name| {
            if name.starts_with("plots/") {
                "plots/".to_owned()
            } else {
                name
            }
        })
        .collect();
    let mut wanted: BTreeSet<String> = [
        ".unsaid-lock",
        "spec.toml",
        "provenance.json",
        "report.json",
        "report.md",
        "report.html",
        "leakage.csv",
        "junit.xml",
        "plots/",
        "seed-0/.unsaid-lock",
        "seed-0/canaries.jsonl",
        "seed-0/metrics.jsonl",
        "seed-0/likelihoods.safetensors",
        "seed-0/looks.jsonl",
        "seed-0/observations.jsonl",
        "seed-0/reference.safetensors",
        "seed-0/provenance.json",
        "seed-0/stages.json",
    ]
    .map(str::to_owned)
    .into();
    for phase in 1..=3 {
        for file in ["config.json", "tokenizer.json", "model.safetensors"] {
            wanted.insert(format!("seed-0/checkpoints/phase-{phase}/{file}"));
        }
    }
    assert_eq!(found, wanted);
    assert!(!bench.path("runs").exists(), "--out is the only folder");
}

#[test]
fn without_a_folder_it_goes_to_runs() {
    let bench = Bench::new();
    let outcome = bench.call(&["run", "tiny.toml", "--device", "cpu", "--quiet"]);
    assert!(
        outcome.code.is_some_and(|c| [0, 1, 3].contains(&c)),
        "{outcome:#?}"
    );
    assert!(bench.path("runs/tiny/report.json").exists());
}

#[test]
fn the_recorded_spec_is_the_resolved_one_and_runs_again() {
    let bench = Bench::new();
    bench.finish(
        "out",
        &["--quiet", "--set", "phase3.beta=0.3", "--seed", "4"],
    );
    let spec = bench.read("out/spec.toml");
    assert!(
        spec.contains("beta = 0.3") && spec.contains("seeds = [4]"),
        "{spec}"
    );
    assert!(
        spec.contains("max_grad_norm = 1.0"),
        "defaults are written out: {spec}"
    );
    let again = bench.call(&["run", "out/spec.toml", "--device", "cpu", "--out", "again"]);
    assert!(again.code.is_some_and(|c| c != 2), "{again:#?}");
    assert_eq!(bench.read("again/spec.toml"), spec);
    assert_eq!(bench.rows("again"), bench.rows("out"));
}

#[test]
fn every_evaluation_is_a_line_with_every_group() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    let metrics = bench.lines("out/seed-0/metrics.jsonl");
    let at = |line: &Value| (line["phase"].as_u64(), line["step"].as_u64());
    let found: Vec<_> = metrics.iter().map(at).collect();
    assert_eq!(found, EVALUATIONS.map(|(p, s)| (Some(p), Some(s))));
    for line in &metrics {
        for (group, n) in [("useful", 8), ("held_out", 4), ("control", 12)] {
            assert_eq!(line["groups"][group]["n"], n, "{line}");
            let logprob = line["groups"][group]["logprob"].as_f64().expect("a number");
            assert!(logprob < 0.0, "{line}");
        }
        assert!(
            line["grad_norm"].as_f64().is_some_and(|norm| norm > 0.0),
            "{line}"
        );
        let dpo = line["phase"] != 1;
        for key in ["chosen_logprob", "rejected_logprob"] {
            assert_eq!(line[key].as_f64().is_some_and(|l| l < 0.0), dpo, "{line}");
        }
    }
    assert_eq!(metrics[0]["prefix"], "regular");
    assert_eq!(metrics[7]["prefix"], "reverse");
    // 24 canaries, two prefixes, after each phase.
    assert_eq!(
        bench.lines("out/seed-0/observations.jsonl").len(),
        24 * 2 * 3
    );
    let bytes = fs::read(bench.path("out/seed-0/likelihoods.safetensors")).expect("read");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    for (group, n) in [("useful", 8), ("held_out", 4), ("control", 12)] {
        let tensor = file
            .tensor(&format!("phase3.{group}.logprob"))
            .expect("the tensor");
        assert_eq!(tensor.shape(), [n, 3]);
    }
}

#[test]
fn checkpoints_are_float32_folders_that_differ_by_phase() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    let mut weights = BTreeSet::new();
    for phase in 1..=3 {
        let folder = format!("out/seed-0/checkpoints/phase-{phase}");
        assert_eq!(
            bench.json(&format!("{folder}/config.json"))["dtype"],
            "float32"
        );
        let bytes = fs::read(bench.path(&folder).join("model.safetensors")).expect("read");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        assert!(
            file.tensors()
                .iter()
                .all(|(_, view)| view.dtype() == Dtype::F32)
        );
        weights.insert(bytes);
    }
    assert_eq!(weights.len(), 3);
}

#[test]
fn a_saved_checkpoint_is_scored_and_audited_like_any_other() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    let trained = "out/seed-0/checkpoints/phase-3";
    let canaries = "out/seed-0/canaries.jsonl";
    let outcome = bench.call(&[
        "score", "--device", "cpu", "--quiet", "--model", trained, canaries,
    ]);
    assert_eq!(outcome.ended(0).stdout.lines().count(), 24);
    let path = format!("model.path={trained}");
    bench.finish("again", &["--quiet", "--set", &path]);
    assert!(
        bench.rows("again") != bench.rows("out"),
        "another model, other numbers"
    );
}

#[test]
fn the_exit_code_is_the_gates() {
    let bench = Bench::new();
    let still = [
        "--quiet",
        "--set",
        "phase2.learning_rate=0",
        "--set",
        "phase3.learning_rate=0",
    ];
    // Training against secrets pushes their letters down, which is a leak; no training leaves nothing to find, and
    // twelve canaries cannot exclude what the recipe asks to exclude.
    for (out, more, code, verdict) in [
        ("leak", &["--quiet"][..], 1, "leak"),
        ("unclear", &still[..], 3, "inconclusive"),
        ("clean", &CLEAN[..], 0, "no_leak_detected"),
        // Phase 1 trains, on passwords that are no canary.
        ("phase-1", &CLEAN[2..], 0, "no_leak_detected"),
    ] {
        let outcome = bench.finish(out, more);
        assert_eq!(outcome.code, Some(code), "{out}");
        let report = bench.json(&format!("{out}/report.json"));
        assert_eq!(report["gate"]["exit_code"], code);
        assert_eq!(report["gate"]["passed"], code == 0);
        assert_eq!(report["verdict"], verdict);
        if code == 0 {
            for tier in ["partial", "extraction"] {
                assert_eq!(report["tiers"][tier], "no_leak_detected", "{out}");
            }
            // Recognition is not gated: the least training against a text can be seen beside the reference.
            assert_ne!(report["tiers"]["recognition"], "no_leak_detected", "{out}");
            for row in report["rows"].as_array().expect("rows") {
                let open = row["statistic"] == "suppression_tail_fourth_power";
                assert!(
                    row["role"] != "audit" || open || row["min_detectable"].is_f64(),
                    "{row}"
                );
            }
        }
        assert!(
            outcome.stdout.contains(&format!("exit code {code}")),
            "{out}"
        );
    }
}

#[test]
fn provenance_names_what_the_numbers_came_from() {
    let bench = Bench::new();
    bench.finish("out", &["--quiet"]);
    let provenance = bench.json("out/provenance.json");
    assert_eq!(provenance["device"], "cpu");
    assert_eq!(provenance["threads"], 1);
    assert_eq!(provenance["unsaid"], env!("CARGO_PKG_VERSION"));
    for (name, digest) in [
        ("spec.toml", &provenance["spec_sha256"]),
        (
            "seed-0/canaries.jsonl",
            &provenance["manifest_sha256"]["seed-0"],
        ),
    ] {
        let bytes = fs::read(bench.path("out").join(name)).expect("read");
        assert_eq!(*digest, sha256(&bytes), "{name}");
    }
    let model = Path::new("fixtures/parity/neox-parallel/model.safetensors");
    let model = fs::read(crate::program::repository().join(model)).expect("read");
    assert_eq!(
        provenance["checkpoint_sha256"]["model.safetensors"],
        sha256(&model)
    );
    assert!(provenance["finished"].as_str() >= provenance["started"].as_str());
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("a string takes all");
    }
    text
}

#[test]
fn a_control_that_was_never_taught_leaves_the_question_open() {
    let bench = Bench::new();
    let mut sets: Vec<&str> = CLEAN.to_vec();
    // Useful canaries left out of phase 3; the probes that look down are off. A control that carries nothing still passes by luck
    // once in twenty, and does so under seed 0.
    sets.extend([
        "--set",
        "audit.seeds=[1]",
        "--set",
        "phase3.weights.reverse=0",
        "--set",
        "probes.elicitation.positive_control=required",
        "--set",
        "probes.low_logit.enabled=false",
    ]);
    bench.finish("out", &sets);
    let report = bench.json("out/report.json");
    assert_eq!(report["gate"]["exit_code"], 3);
    let reasons = report["gate"]["reasons"].to_string();
    assert!(
        reasons.contains("positive control failed: elicitation"),
        "{reasons}"
    );
}

#[test]
fn a_scan_is_told_whole() {
    let bench = Bench::new();
    let more = [
        "--quiet",
        "--set",
        "probes.scan.enabled=true",
        "--set",
        "gate.permutations=14000",
    ];
    bench.finish("out", &more);
    let rows = bench.rows("out");
    let scan: Vec<_> = rows
        .as_array()
        .expect("rows")
        .iter()
        .filter(|r| r["probe"] == "scan")
        .collect();
    let audit = |statistic: &str| {
        let row = scan
            .iter()
            .find(|r| r["role"] == "audit" && r["statistic"] == statistic);
        row.unwrap_or_else(|| panic!("{statistic}"))["p_value"].as_f64()
    };
    assert!(audit("planted_among_the_512_most_suppressed").is_some());
    assert!(audit("recovered_whole").is_some());
    for role in ["placebo", "positive_control"] {
        assert!(scan.iter().any(|r| r["role"] == role), "{role}");
    }
    // What was seen is kept, and says which guesses were right without their text.
    let looks = bench.lines("out/seed-0/looks.jsonl");
    assert_eq!(
        looks.iter().filter(|look| look["look"] == "scan").count(),
        1
    );
    let contexts = looks.iter().filter(|look| look["look"] == "context");
    assert_eq!(contexts.count(), 2 * 18);
}
