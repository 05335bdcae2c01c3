//! Models that were never trained against the canaries: every tier ends clean, and the report says what could have been found.

use crate::bench::Bench;

/// Few and short looks: what is shown is that they stay clean, not how far they see.
const QUICK: &str = "[probes.elicitation]\ncontexts = 2\n[probes.low_logit]\ncompletion_letters = [8]\ncompletion_guesses = 8\n\
    [probes.generation]\nsamples = 16\n[gate]";

/// Enough canaries to exclude something, of twelve letters so that guessing the rest of one is hopeless.
fn bench() -> Bench {
    let bench = Bench::with_model();
    let spec = bench.read("tiny.toml");
    let spec = spec
        .replace("length = 6", "length = 12")
        .replace("negatives = 12", "negatives = 140")
        .replace("held_out = 4", "held_out = 128")
        .replace(
            "controls = 12\ntrajectory_controls = 12",
            "controls = 1024\ntrajectory_controls = 128",
        )
        .replace("repeats = 4", "repeats = 1")
        .replace("[gate]", QUICK);
    bench.write("tiny.toml", spec);
    bench
        .call(&["mint", "tiny.toml", "--out", "minted", "--quiet"])
        .ended(0);
    bench
}

/// A probe of a model against the one it began as.
fn probe<'a>(model: &'a str, out: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["probe", "--model", model, "--reference", "model"];
    arguments.extend(["--canaries", "minted/manifest.jsonl", "--device", "cpu"]);
    arguments.extend(["--out", out, "--quiet"]);
    // Nothing was planted, so no canary can show that a probe works.
    for key in [
        "probes.elicitation.positive_control=not_applicable",
        "probes.low_logit.positive_control=not_applicable",
        "probes.elicitation.smallest_effect_rank=0.1",
        "probes.elicitation.smallest_effect_single=3.0",
        "probes.low_logit.smallest_effect_rank=0.1",
        "probes.low_logit.smallest_effect_auc=0.2",
    ] {
        arguments.extend(["--set", key]);
    }
    arguments
}

/// Demands exit 0 with every tier clean.
#[track_caller]
fn is_clean(bench: &Bench, model: &str, out: &str) {
    let outcome = bench.call(&probe(model, out));
    let report = bench.json(&format!("{out}/report.json"));
    for tier in ["recognition", "partial", "extraction"] {
        assert_eq!(
            report["tiers"][tier], "no_leak_detected",
            "{tier}: {}",
            outcome.stdout
        );
    }
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let mut audited = 0;
    for row in report["rows"].as_array().expect("rows") {
        if row["role"] == "audit" {
            let number = |key: &str| {
                row[key]
                    .as_f64()
                    .unwrap_or_else(|| panic!("{key} of {row}"))
            };
            assert!(
                number("min_detectable") <= number("smallest_effect"),
                "{row}"
            );
            audited += 1;
        }
        if row["role"] == "positive_control" {
            assert!(row["passed"].is_null(), "{row}");
        }
    }
    assert!(audited >= 6, "{audited} rows");
}

/// The wrong path, or an adapter that was not applied: what was to be audited was not looked at.
#[test]
fn a_model_beside_itself_is_not_called_clean() {
    let bench = bench();
    let arguments = probe("model", "probed");
    assert_eq!(bench.call(&arguments).code, Some(3));
    for row in bench.json("probed/report.json")["rows"]
        .as_array()
        .expect("rows")
    {
        if row["role"] == "audit" {
            assert_eq!(row["verdict"], "inconclusive", "{row}");
            let note = row["note"].as_str().unwrap_or_default();
            assert!(note.contains("one checkpoint"), "{row}");
        }
    }
}

#[test]
fn after_phase_1_alone_a_model_is_clean() {
    let bench = bench();
    bench.finish("out", &["--quiet"]);
    is_clean(&bench, "out/seed-0/checkpoints/phase-1", "probed");
}
