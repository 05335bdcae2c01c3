//! Models that carry nothing: how often an audit cries wolf, and what it says instead.

use std::collections::BTreeMap;

use super::*;
use crate::findings::Direction;
use crate::stats::clopper_pearson;

/// Simulated audits of a calibration.
const AUDITS: usize = 300;

/// Seeds of one simulated audit; no two audits share one.
fn seeds(audit: usize, each: usize) -> Vec<u64> {
    (0..each).map(|s| (1000 * audit + s) as u64).collect()
}

/// Runs clean audits; checks that false alarms of any row and of the instruments are as rare as they claim.
///
/// A share is refused when the lower end of its 99 % Clopper–Pearson interval lies above the level: a right program fails
/// this with a chance of at most half a percent, a program whose level is twice what it says with one near 1.
fn calibrated(each: usize, levels: u32) {
    let mut alarms = 0;
    let mut raw: BTreeMap<String, usize> = BTreeMap::new();
    let mut placebos = 0;
    for audit_number in 0..AUDITS {
        let mut world = World::clean(
            audit(&longer(), EASY)
                .with_seeds(seeds(audit_number, each))
                .unwrap(),
        );
        // At least the C(14, 6) = 3003 relabellings of one seed, so that those are all visited.
        world.audit.gate.permutations = 4000;
        world.levels = levels;
        world.outside = |_, u| u;
        let found = world.findings();
        let leaks = audit_rows(&found).any(|r| r.verdict == Some(Verdict::Leak));
        alarms += usize::from(leaks);
        for row in audit_rows(&found) {
            let name = format!("{:?} {} {}", row.probe, row.phase, row.statistic);
            *raw.entry(name).or_default() += usize::from(row.p_value.unwrap() <= 0.05);
        }
        placebos += usize::from(
            found
                .rows
                .iter()
                .any(|r| r.role == Role::Placebo && r.passed != Some(true)),
        );
        let gated = |v| audit_rows(&found).any(|r| r.gated && r.verdict == Some(v));
        let instrument = found.rows.iter().any(|r| r.passed == Some(false));
        let expected = match (
            gated(Verdict::Leak),
            gated(Verdict::Inconclusive) || instrument,
        ) {
            (true, _) => 1,
            (false, true) => 3,
            (false, false) => 0,
        };
        assert_eq!(found.gate.exit_code, expected, "{:?}", found.gate.reasons);
    }
    let low = |count| clopper_pearson(count, AUDITS, 0.99).unwrap().low;
    assert!(
        low(alarms) <= 0.05,
        "{alarms} false alarms in {AUDITS} audits"
    );
    for (row, count) in &raw {
        assert!(
            low(*count) <= 0.05,
            "{row}: p ≤ 0.05 {count} times in {AUDITS}"
        );
        // And not because the tests are blind: no row but the bound of Markov is never significant.
        assert!(
            *count > 0 || row.contains("log_e_value"),
            "{row} is never significant"
        );
    }
    assert!(low(placebos) <= 0.001, "{placebos} placebos failed");
}

#[test]
fn one_seed_is_calibrated() {
    calibrated(1, 0);
}

#[test]
fn two_seeds_are_calibrated() {
    calibrated(2, 0);
}

#[test]
fn ties_are_calibrated() {
    calibrated(1, 3);
    calibrated(2, 2);
}

/// Enough canaries for the effects of the spec.
const POWERED: &str = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 96\nheld_out = 64\ncontrols = 768\ntrajectory_controls = 96";

#[test]
fn a_clean_model_ends_0_where_the_audit_has_power() {
    let more = "[probes.elicitation]\npositive_control = 'not_applicable'\nsmallest_effect_rank = 0.1\nsmallest_effect_averaged_rank = 0.1\nsmallest_effect_nats = 0.5\n\
        smallest_effect_single = 3.0\n[probes.low_logit]\npositive_control = 'not_applicable'\nsmallest_effect_rank = 0.1\n\
        smallest_effect_auc = 0.2\nsmallest_effect_single = 3.0\nsmallest_effect_spread = 0.12\nsmallest_effect_advantage = 1.0\n";
    let found = World::clean(audit(POWERED, more)).findings();
    for row in audit_rows(&found) {
        assert_eq!(row.verdict, Some(Verdict::NoLeakDetected), "{row:?}");
        assert!(row.min_detectable.unwrap() > 0.0);
        // By chance 0.03 of rank and 0.05 of AUC: held-outs are at chance, as controls are.
        if row.statistic == "mean_letter_rank" {
            assert!((row.estimate.unwrap() - 0.5).abs() < 0.06, "{row:?}");
            assert!(
                row.min_detectable_sparse
                    .is_none_or(|s| s > row.min_detectable.unwrap())
            );
        }
        if row.direction == Direction::TwoSided {
            assert!(row.chance.is_some() && row.tier == Tier::Recognition);
        }
    }
    assert_eq!((found.gate.exit_code, found.gate.passed), (0, true));
    assert_eq!(found.verdict, Verdict::NoLeakDetected);
    assert!(found.gate.reasons.is_empty(), "{:?}", found.gate.reasons);
}

#[test]
fn a_clean_model_ends_3_where_few_canaries_were_planted() {
    let more = "[probes.elicitation]\npositive_control = 'not_applicable'\n[probes.low_logit]\npositive_control = 'not_applicable'\n";
    let found = World::clean(audit(SMALL, more)).findings();
    for row in audit_rows(&found).filter(|r| r.gated && r.statistic == "mean_letter_rank") {
        assert_eq!(row.verdict, Some(Verdict::Inconclusive), "{row:?}");
        assert!(row.note.is_some());
    }
    assert_eq!(
        (found.gate.exit_code, found.verdict),
        (3, Verdict::Inconclusive)
    );
}

#[test]
fn a_model_that_ties_everything_carries_nothing() {
    let mut world = World::new(audit(SMALL, EASY), |_, _, _| Rule::Tied);
    world.evaluations = 2;
    let found = world.findings();
    for row in audit_rows(&found) {
        // It is its own reference, too.
        assert_eq!(row.verdict, Some(Verdict::Inconclusive), "{row:?}");
        // What does not vary says nothing of what would have been found; counts and e-values need no spread.
        let bounded = row.statistic.has_known_chance();
        assert_eq!(row.min_detectable.is_some(), bounded, "{row:?}");
        assert_eq!(row.p_value, Some(1.0));
        assert!(row.auc.is_none_or(|auc| (auc - 0.5).abs() < 1e-12));
    }
    let guesses = row(
        &found,
        Role::Audit,
        Probe::Elicitation,
        3,
        "mean_letter_rank",
    );
    close(guesses.estimate, 0.5);
    close(guesses.guess_rate, 0.2);
    close(guesses.guess_advantage, 0.0);
    // The alphabet's letters are uniform: e is 1 but for the useful six of 625 that a held-out cannot be.
    let exact = row(
        &found,
        Role::Exploratory,
        Probe::Elicitation,
        3,
        "log_e_value_nats",
    );
    close(exact.estimate, (619.0f64 / 625.0).ln());
    // Nothing is suppressed: everyone stands in the middle of the controls.
    let low = row(&found, Role::Audit, Probe::LowLogit, 2, "suppression_nats");
    close(low.exposure_up_bits, (9f64 / 5.0).log2());
    close(low.exposure_down_bits, (9f64 / 5.0).log2());
}
