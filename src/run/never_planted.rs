//! Real trainings in which the "held-outs" were never planted: whatever separates them from controls is chance, so every row's
//! p-values must be uniform or larger. Guide: evidence, "Proof of calibration". A quick version runs with every
//! test; the full one is
//!
//! ```text
//! cargo test --release --lib --locked -- --ignored --nocapture never_planted
//! ```
//!
//! with `UNSAID_SEEDS=2000..3000` for other trainings than those of seeds 1000 to 1199.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Options, run};
use crate::device::{Arithmetic, Device};
use crate::event::Silent;
use crate::findings::{Report, Role, Row, Verdict};
use crate::spec::{Audit, parse};
use crate::stats::clopper_pearson;
use crate::stats::uniform::small_p_values;

/// Shape *pico*: 2 layers × 32. The useful canaries are learned and suppressed within a second.
const SPEC: &str = r#"format = 1
[audit]
name = "never-planted"
seeds = [0]
[model]
random = { layers = 2, width = 32, heads = 2, vocabulary = 16 }
[canaries]
alphabet = "abcdefgh"
length = 8
negatives = 32
held_out = 16
controls = 32
trajectory_controls = 32
repeats = 48
[phase1]
passwords = 256
batch = 32
learning_rate = 5e-3
warmup_steps = 4
[phase2]
batch = 32
learning_rate = 5e-3
warmup_steps = 4
eval_every = 4
[phase3]
batch = 32
learning_rate = 5e-3
warmup_steps = 4
eval_every = 2
[phase3.weights]
reverse = 1.0
[probes.elicitation]
contexts = 4
[probes.low_logit]
completion_letters = [2, 4]
completion_guesses = 16
[probes.generation]
samples = 32
[gate]
permutations = 12000
"#;

/// Level below which a row's p-values, all rows together, are called too small.
const LEVEL: f64 = 0.01;

/// One training and its report. Held-outs stand on the rejected side as often as controls do: never.
fn training(seed: u64) -> Report {
    let mut audit: Audit = parse(SPEC, Path::new("never-planted.toml"), &[]).unwrap();
    audit.seeds = vec![seed];
    audit.canaries.dose = vec![0];
    assert_eq!((0..16).map(|place| audit.repeats_of(place)).max(), Some(0));
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        out: folder.path().join("run"),
        device: Device::CPU,
        arithmetic: Arithmetic::F32,
        command: Vec::new(),
        threads: Some(1),
        is_held: false,
        allow_change: false,
        worker: None,
    };
    run(&audit, &options, &mut Silent).unwrap()
}

/// What a number of trainings gave.
#[derive(Default)]
struct Trainings {
    /// p-values of every audit row.
    p_values: BTreeMap<String, Vec<f64>>,
    /// Trainings with a leak in some row: false alarms.
    alarms: usize,
    /// Trainings that suppressed the useful canaries beyond doubt: that they were trainings at all.
    suppressed: usize,
    /// Trainings in which the useful canaries became likely after the reverse prefix.
    elicited: usize,
}

fn trainings(seeds: std::ops::Range<u64>) -> Trainings {
    let mut all = Trainings::default();
    for seed in seeds {
        let report = training(seed);
        let audited = |row: &&Row| row.role == Role::Audit;
        for row in report.rows.iter().filter(audited) {
            let name = format!("{:?} {} phase {}", row.probe, row.statistic, row.phase);
            let p_values = all.p_values.entry(name).or_default();
            p_values.extend(row.p_value);
        }
        let leaks = |row: &Row| row.verdict == Some(Verdict::Leak);
        all.alarms += usize::from(report.rows.iter().filter(audited).any(leaks));
        let passed = |statistic: &str| {
            let control = |row: &&Row| row.role == Role::PositiveControl;
            let mut rows = report.rows.iter().filter(control);
            rows.any(|row| row.statistic == statistic && row.passed == Some(true))
        };
        all.suppressed += usize::from(passed("suppression_nats"));
        all.elicited += usize::from(passed("mean_letter_rank"));
    }
    all
}

fn told(line: &str) {
    #[allow(
        clippy::print_stderr,
        reason = "the figures are what the full run is for"
    )]
    {
        eprintln!("{line}");
    }
}

/// Fails where a row's p-values are too small, where false alarms are too many, and where nothing was trained.
fn judged(all: &Trainings, n: usize) {
    assert!(all.p_values.len() >= 10, "{:?}", all.p_values.keys());
    let level = LEVEL / all.p_values.len() as f64;
    let mut too_small = Vec::new();
    for (row, p_values) in &all.p_values {
        assert_eq!(p_values.len(), n, "{row}");
        let test = small_p_values(p_values).unwrap();
        let below = |bound: f64| p_values.iter().filter(|p| **p <= bound).count();
        told(&format!(
            "{row}: D+ = {:.3}, p = {:.3}; at or below 0.05: {}, 0.01: {}",
            test.statistic,
            test.p_value,
            below(0.05),
            below(0.01)
        ));
        if test.p_value < level {
            too_small.push(row);
        }
    }
    told(&format!(
        "{n} trainings: {} false alarms, {} suppressed the useful canaries, {} elicited them",
        all.alarms, all.suppressed, all.elicited
    ));
    assert!(too_small.is_empty(), "p-values too small: {too_small:?}");
    let low = clopper_pearson(all.alarms, n, 0.99).unwrap().low;
    assert!(low <= 0.05, "{} false alarms in {n}", all.alarms);
    assert!(all.suppressed * 10 >= n * 9, "{} of {n}", all.suppressed);
}

#[test]
fn quick() {
    judged(&trainings(0..6), 6);
}

#[test]
#[ignore = "200 trainings: minutes; run by name, see the top of this file"]
fn full() {
    let asked = std::env::var("UNSAID_SEEDS").unwrap_or_else(|_| "1000..1200".to_owned());
    let (from, to) = asked.split_once("..").unwrap();
    let seeds: std::ops::Range<u64> = from.parse().unwrap()..to.parse().unwrap();
    let n = usize::try_from(seeds.end - seeds.start).unwrap();
    judged(&trainings(seeds), n);
}
