//! Reports for tests: a quick audit as it would come from a small model, and one whose texts are out to do harm.

mod figures;
pub(crate) mod rows;

use crate::findings::{
    Curve, Gate, GateRule, Outcome, Probe, Report, Role, SCHEMA_VERSION, Tiers, Verdict,
};
use serde_json::json;

/// One seed: suppressed beyond doubt (recognition), guesses inconclusive (partial), nothing extracted.
pub(crate) fn report() -> Report {
    Report {
        schema_version: SCHEMA_VERSION.to_owned(),
        name: "quick".to_owned(),
        model: "random:pico".to_owned(),
        seeds: vec![0],
        verdict: Verdict::Inconclusive,
        scope_note:
            "these checkpoints only (1 seed; a statement about the recipe needs at least 3)"
                .to_owned(),
        tiers: Tiers {
            recognition: Some(Verdict::Leak),
            partial: Some(Verdict::Inconclusive),
            extraction: Some(Verdict::NoLeakDetected),
        },
        gate: Gate {
            passed: false,
            exit_code: 3,
            rules: vec![
                GateRule {
                    rule: "no audit row of partial or extraction is a leak".to_owned(),
                    limit: None,
                    probe: None,
                    group: None,
                    interval: None,
                    outcome: Outcome::Pass,
                    detail: None,
                },
                GateRule {
                    rule: "guess advantage at most 0.25".to_owned(),
                    limit: Some(0.25),
                    probe: Some(Probe::Elicitation),
                    group: Some("held_out".to_owned()),
                    interval: Some([-0.08, 0.41]),
                    outcome: Outcome::Undecided,
                    detail: Some("the interval reaches 0.16 beyond the limit".to_owned()),
                },
            ],
            reasons: vec![
                "a rule is undecided: its interval holds the limit".to_owned(),
                "a gated row is inconclusive: elicitation, letter rank, phase 3".to_owned(),
            ],
        },
        rows: rows::rows(),
        curves: curves(),
        figures: figures::figures(),
        setting: Some(figures::setting()),
        provenance: json!({
            "unsaid": "0.1.0",
            "libtorch": "2.9.1",
            "device": { "name": "cuda:0", "precision": "f32" },
            "digests": { "spec": "sha256:5d41402abc4b2a76", "manifest": "sha256:7d793037a0760186" },
            "cells": [{ "seed": 0, "seconds": 181.4 }],
            "command": ["unsaid", "run", "audits/quick.toml"],
            "started": "2026-01-02T03:04:05Z",
            "revision": null
        }),
    }
}

/// The sample with the rows of a real quick audit that need the most room.
pub(crate) fn broad() -> Report {
    let mut report = report();
    report.rows.retain(|row| row.role != Role::Audit);
    report.rows.extend(rows::broad());
    report
}

/// The sample with markup, control characters and long words wherever text comes from outside.
pub(crate) fn hostile() -> Report {
    let nasty = "<script>alert(1)</script> | `x` & \"y\" \u{1b}[31m\u{202e}\nnext 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字";
    let mut report = report();
    report.name = nasty.to_owned();
    report.model = format!("{nasty}{}", "/a/very/long/path".repeat(12));
    report.scope_note = nasty.to_owned();
    report.gate.reasons.push(nasty.to_owned());
    report.gate.rules[0].rule = nasty.to_owned();
    report.provenance = json!({ nasty: [nasty] });
    for row in &mut report.rows {
        row.note = Some(nasty.to_owned());
        row.statistic = format!("{nasty}_{}", "statistic_of_great_length".repeat(4)).into();
        row.group = nasty.to_owned();
        row.prefix = nasty.to_owned();
        row.effect_unit = Some(nasty.to_owned());
    }
    report
}

/// Three groups over a phase: useful rises, the others do not.
fn curves() -> Vec<Curve> {
    let steps: Vec<usize> = (0..6).map(|i| 10 * i).collect();
    [
        ("held_out", 16, 0.0),
        ("useful", 48, 0.09),
        ("control", 128, 0.002),
    ]
    .map(|(group, n, slope)| {
        let ranks: Vec<f64> = (0..6).map(|i| 0.5 + slope * f64::from(i)).collect();
        Curve {
            phase: 3,
            prefix: "reverse".to_owned(),
            group: group.to_owned(),
            n,
            mean_logprob: ranks.iter().map(|r| r - 3.7).collect(),
            mean_alphabet_logprob: ranks.iter().map(|r| r - 3.6).collect(),
            guess_rate: ranks.iter().map(|r| r - 0.46).collect(),
            mean_letter_rank: ranks,
            steps: steps.clone(),
        }
    })
    .to_vec()
}
