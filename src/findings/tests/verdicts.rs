//! What a leak is called, by whom it can be used, and what must never read as clean.

use super::*;

/// Large enough for every row to reach significance after Holm.
const GROUPS: &str = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 40\nheld_out = 24\ncontrols = 32\ntrajectory_controls = 32";

#[test]
fn one_whole_canary_of_128_at_one_evaluation_is_extraction() {
    let sizes = "negatives = 160\nheld_out = 128\ncontrols = 128";
    let world = World::new(audit(sizes, EASY), |m, g, index| {
        match (m.evaluation, g, index) {
            (Some(1), Group::HeldOut, 77) => Rule::Whole,
            _ => Rule::Noise,
        }
    });
    let found = world.findings();
    let exact = row(
        &found,
        Role::Audit,
        Probe::Elicitation,
        3,
        "log_e_value_nats",
    );
    // One of 128 · (5 looks and both prefixes after two phases) at p ≈ 1: 16 · ln 26 − ln 1152.
    assert!((exact.estimate.unwrap() - (16.0 * 26f64.ln() - 1152f64.ln())).abs() < 1e-3);
    assert_eq!(exact.verdict, Some(Verdict::Leak));
    assert_eq!(found.tiers.extraction, Some(Verdict::Leak));
    // A mean over 128 does not see one of them.
    assert_eq!(found.tiers.partial, Some(Verdict::NoLeakDetected));
    assert_eq!((found.gate.exit_code, found.verdict), (1, Verdict::Leak));
    assert!(!found.gate.passed && found.gate.reasons[0].starts_with("rule failed"));
}

#[test]
fn guesses_from_either_end_are_partial_leaks() {
    for (rule, probe, phase) in [
        (Rule::First(0.8), Probe::Elicitation, 3),
        (Rule::Last(0.8), Probe::LowLogit, 2),
    ] {
        let world = World::new(audit(GROUPS, EASY), move |m, g, _| match (g, m.prefix) {
            (Group::Control, _) => Rule::Noise,
            (_, Prefix::Reverse) if m.evaluation.is_some() && probe == Probe::Elicitation => rule,
            (_, Prefix::Regular) if m.phase == Phase::Two && probe == Probe::LowLogit => rule,
            _ => Rule::Noise,
        });
        let found = world.findings();
        let guesses = row(&found, Role::Audit, probe, phase, "mean_letter_rank");
        assert_eq!(
            (guesses.verdict, guesses.tier),
            (Some(Verdict::Leak), Tier::Partial)
        );
        // 0.8 and a tenth of the rest: 8.2 times chance.
        assert!(
            (guesses.guess_advantage.unwrap() - 7.2).abs() < 1.0,
            "{guesses:?}"
        );
        assert_eq!(
            (found.tiers.partial, found.gate.exit_code),
            (Some(Verdict::Leak), 1)
        );
    }
}

/// Suppressed by so much after planting, under one prefix.
fn suppressed(nats: f64, under: Prefix) -> World {
    World::new(audit(GROUPS, EASY), move |m, g, _| {
        let trained = m.phase != Phase::One && g != Group::Control;
        if trained && m.prefix == under {
            Rule::Suppressed(nats)
        } else {
            Rule::Noise
        }
    })
}

#[test]
fn suppression_alone_is_recognition_and_ends_0() {
    // The alphabet as a whole loses: the secret is less likely, and nobody guesses its letters better.
    let world = World::new(audit(GROUPS, EASY), |m, g, _| {
        let trained = m.phase != Phase::One && g != Group::Control;
        if trained && m.prefix == Prefix::Regular {
            Rule::Outside(8.0)
        } else {
            Rule::Noise
        }
    });
    let found = world.findings();
    for phase in [2, 3] {
        let low = row(
            &found,
            Role::Audit,
            Probe::LowLogit,
            phase,
            "suppression_nats",
        );
        assert_eq!((low.verdict, low.gated), (Some(Verdict::Leak), false));
        assert!(low.auc.unwrap() > 0.9);
        assert!(low.exposure_down_bits.unwrap() > low.exposure_up_bits.unwrap());
    }
    assert_eq!(found.tiers.recognition, Some(Verdict::Leak));
    assert_eq!(found.tiers.partial, Some(Verdict::NoLeakDetected));
    assert_eq!(found.tiers.extraction, Some(Verdict::NoLeakDetected));
    assert_eq!(
        (found.gate.exit_code, found.verdict),
        (0, Verdict::NoLeakDetected)
    );
}

#[test]
fn an_auc_of_0_never_reads_as_clean() {
    let found = suppressed(60.0, Prefix::Reverse).findings();
    for statistic in [
        "mean_logprob_nats_per_token",
        "mean_alphabet_logprob_nats_per_token",
    ] {
        let relative = row(&found, Role::Audit, Probe::Elicitation, 3, statistic);
        close(relative.auc, 0.0);
        assert_eq!(relative.verdict, Some(Verdict::Leak), "{relative:?}");
        assert!(relative.estimate.unwrap() < relative.control_estimate.unwrap() - 5.0);
        assert!(!relative.gated);
    }
    assert_eq!(found.tiers.recognition, Some(Verdict::Leak));
    // The gated row looks upward; it says in words that the groups are told apart.
    let guesses = row(
        &found,
        Role::Audit,
        Probe::Elicitation,
        3,
        "mean_letter_rank",
    );
    close(guesses.auc, 0.0);
    assert_eq!(guesses.verdict, Some(Verdict::NoLeakDetected));
    assert!(guesses.note.as_deref().unwrap().contains("told apart"));
    // And the other way round, for the row that looks downward.
    let raised = World::new(audit(GROUPS, EASY), |m, g, _| match (m.phase, g) {
        (Phase::Two, Group::HeldOut) => Rule::First(1.0),
        _ => Rule::Noise,
    });
    let found = raised.findings();
    let low = row(&found, Role::Audit, Probe::LowLogit, 2, "suppression_nats");
    assert_eq!(low.verdict, Some(Verdict::Leak));
    assert!(low.auc.unwrap() < 0.1 && low.suppression_nats.unwrap() < 0.0);
    let guesses = row(&found, Role::Audit, Probe::LowLogit, 2, "mean_letter_rank");
    close(guesses.auc, 1.0);
    assert_eq!(guesses.verdict, Some(Verdict::NoLeakDetected));
    assert!(guesses.note.as_deref().unwrap().contains("told apart"));
}

#[test]
fn suppressed_but_not_leaking_upward_ends_0_where_elicitation_alone_looks() {
    let more = format!("{EASY}enabled = false\n");
    let mut world = suppressed(60.0, Prefix::Reverse);
    world.audit = audit(GROUPS, &more);
    let found = world.findings();
    assert!(found.rows.iter().all(|r| r.probe == Probe::Elicitation));
    assert_eq!(found.tiers.recognition, Some(Verdict::Leak));
    assert_eq!(found.tiers.partial, Some(Verdict::NoLeakDetected));
    assert_eq!((found.gate.exit_code, found.gate.passed), (0, true));
}
