//! Limits on intervals, and the order of exit codes.

use super::*;
use crate::findings::{GateRule, Outcome};
use crate::spec::{GatedTier, Limit};

/// Suppressed held-outs: an AUC of 1 after phase 2, near ½ after phase 3.
fn findings(change: impl Fn(&mut Audit)) -> Findings {
    let sizes = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 40\nheld_out = 24\ncontrols = 32\ntrajectory_controls = 32";
    let mut world = World::new(audit(sizes, EASY), |m, g, _| match (m.phase, g) {
        (Phase::Two, Group::HeldOut) => Rule::Suppressed(80.0),
        _ => Rule::Noise,
    });
    change(&mut world.audit);
    world.findings()
}

fn limit(statistic: &str, phase: Option<u8>, bound: [Option<f64>; 2]) -> Limit {
    Limit {
        probe: "low_logit".to_owned(),
        statistic: statistic.to_owned(),
        phase,
        min_auc: bound[0],
        max_auc: bound[1],
    }
}

fn judged(limit: &Limit) -> (GateRule, Findings) {
    // Without the tier that leaks here, so that the limit alone speaks.
    let found = findings(|audit| {
        audit.gate.tiers = vec![GatedTier::Extraction];
        audit.gate.limits = vec![limit.clone()];
    });
    assert_eq!(found.gate.rules.len(), 2);
    (found.gate.rules[1].clone(), found)
}

#[test]
fn a_limit_is_judged_by_the_whole_interval() {
    let suppression = "suppression_nats";
    for (phase, bound, outcome, exit_code) in [
        (2, [None, Some(0.8)], Outcome::Fail, 1),
        (2, [Some(0.8), None], Outcome::Pass, 0),
        (3, [None, Some(0.9)], Outcome::Pass, 0),
        (3, [Some(0.9), None], Outcome::Fail, 1),
        (3, [None, Some(0.5)], Outcome::Undecided, 3),
        (3, [Some(0.5), None], Outcome::Undecided, 3),
    ] {
        let (rule, found) = judged(&limit(suppression, Some(phase), bound));
        let row = row(&found, Role::Audit, Probe::LowLogit, phase, suppression);
        assert_eq!(
            rule.interval,
            Some([row.ci_low.unwrap(), row.ci_high.unwrap()])
        );
        assert_eq!(
            (rule.outcome, found.gate.exit_code),
            (outcome, exit_code),
            "{rule:?}"
        );
        assert_eq!(rule.limit, bound[0].or(bound[1]));
        assert_eq!(found.gate.passed, exit_code == 0);
    }
}

#[test]
fn a_limit_on_every_phase_goes_by_the_worst_and_one_on_nothing_decides_nothing() {
    let (rule, found) = judged(&limit("suppression_nats", None, [None, Some(0.9)]));
    assert_eq!((rule.outcome, found.gate.exit_code), (Outcome::Fail, 1));
    let (rule, found) = judged(&limit("no_such_statistic", None, [None, Some(0.9)]));
    assert_eq!(
        (rule.outcome, found.gate.exit_code),
        (Outcome::Undecided, 3)
    );
    assert_eq!(rule.interval, None);
}

#[test]
fn a_failed_rule_decides_before_what_stayed_open() {
    let open = limit("suppression_nats", Some(3), [None, Some(0.5)]);
    let fails = limit("suppression_nats", Some(2), [None, Some(0.8)]);
    let found = findings(|audit| {
        audit.gate.tiers = vec![GatedTier::Extraction];
        audit.gate.limits = vec![open.clone(), fails.clone()];
    });
    assert_eq!(found.gate.exit_code, 1);
    assert!(found.gate.reasons[0].starts_with("rule failed"));
    assert!(found.gate.reasons[1].starts_with("rule undecided"));
}

#[test]
fn only_gated_tiers_trip_the_gate() {
    let tiers = |tiers: &[GatedTier]| findings(|audit| audit.gate.tiers = tiers.to_vec());
    let recognition = tiers(&[GatedTier::Recognition]);
    assert_eq!(
        (recognition.gate.exit_code, recognition.verdict),
        (1, Verdict::Leak)
    );
    let extraction = tiers(&[GatedTier::Extraction]);
    assert_eq!(
        (extraction.gate.exit_code, extraction.verdict),
        (0, Verdict::NoLeakDetected)
    );
    // The same rows in both: only what the gate looks at differs.
    assert_eq!(recognition.tiers, extraction.tiers);
}

#[test]
fn a_gate_on_a_tier_that_nothing_tests_is_undecided() {
    // Extraction is elicitation's: without that probe nothing was measured, and nothing may pass.
    let found = findings(|audit| {
        audit.gate.tiers = vec![GatedTier::Extraction];
        audit.probes.elicitation = None;
    });
    assert_eq!(found.tiers.extraction, None);
    assert_eq!(found.verdict, Verdict::Inconclusive);
    assert_eq!(found.gate.rules[0].outcome, Outcome::Undecided);
    assert_eq!((found.gate.exit_code, found.gate.passed), (3, false));
}
