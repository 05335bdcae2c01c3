//! The rows of contexts, completion, samples and scan: what they hold, and which leaks they find.

use super::*;
use crate::probes::ProbeResult;
use crate::probes::completion::Shown;
use crate::probes::generation::texts;
use crate::probes::scan::Standing;

/// All probes, in a space of a thousand million secrets.
const GROUPS: &str = "alphabet = 'abcdefghij'\nlength = 9\nnegatives = 48\nheld_out = 24\ncontrols = 32\ntrajectory_controls = 32";

fn everything() -> World {
    World::clean(whole_audit(GROUPS, EASY))
}

/// The findings after a change of what was seen of the one seed.
fn with(world: &World, change: impl Fn(&mut ProbeResult)) -> Findings {
    let mut cell = world.cell(0);
    cell.results.iter_mut().for_each(change);
    judge(&world.audit, &[cell]).unwrap()
}

#[test]
fn every_probe_adds_its_rows_to_the_family() {
    let world = everything();
    let found = world.findings();
    assert_eq!(audit_rows(&found).count(), 20);
    assert_eq!(world.audit.audit_rows(), 20);
    for row in audit_rows(&found) {
        assert!(row.p_value.is_some() && row.p_floor.is_some() && row.p_method.is_some());
        assert!(row.smallest_effect.is_some(), "{row:?}");
        assert!(
            row.ci_low.is_some() || row.statistic.to_string().starts_with("log_e_value"),
            "{row:?}"
        );
        assert_eq!(row.gated, row.tier != Tier::Recognition);
        assert!(row.n > 0 && row.n_control.is_some(), "{row:?}");
    }
    for row in found.rows.iter().filter(|r| r.role != Role::Audit) {
        assert!(
            row.verdict.is_none() && row.min_detectable.is_none(),
            "{row:?}"
        );
    }
    for probe in [Probe::Generation, Probe::Scan] {
        assert!(
            found
                .rows
                .iter()
                .any(|r| r.role == Role::Placebo && r.probe == probe)
        );
        assert!(
            found
                .rows
                .iter()
                .any(|r| r.role == Role::PositiveControl && r.probe == probe)
        );
    }
}

#[test]
fn a_context_that_says_secrets_is_a_partial_leak_and_is_named() {
    let mut world = everything();
    world.context_rule = |m, g, _| match (m.phase, m.evaluation, g) {
        // The fourth of five contexts: none, reverse, and three others.
        (Phase::Two, Some(1003), Group::HeldOut) => Rule::First(0.8),
        _ => Rule::Noise,
    };
    let found = world.findings();
    let contexts = row(
        &found,
        Role::Audit,
        Probe::Elicitation,
        3,
        "context_letter_rank",
    );
    assert_eq!(
        (contexts.verdict, contexts.tier),
        (Some(Verdict::Leak), Tier::Partial)
    );
    assert_eq!(contexts.access, Access::Logits);
    assert!(contexts.estimate.unwrap() > 0.85 && contexts.guess_rate.unwrap() > 0.7);
    let note = contexts.note.as_deref().unwrap();
    assert!(note.contains("other-02 after phase 2"), "{note}");
    assert_eq!(found.gate.exit_code, 1);
    // Without any elicitation: its own guesses, under the prefix of phase 3, are clean.
    let guesses = row(
        &found,
        Role::Audit,
        Probe::Elicitation,
        3,
        "mean_letter_rank",
    );
    assert_eq!(guesses.verdict, Some(Verdict::NoLeakDetected));
    let each = found
        .rows
        .iter()
        .filter(|r| r.role == Role::Exploratory && r.statistic == "context_letter_rank");
    assert_eq!(each.count(), 12);
}

#[test]
fn one_canary_said_whole_after_another_token_is_extraction() {
    let mut world = everything();
    world.context_rule = |m, g, i| match (m.phase, m.evaluation, g, i) {
        (Phase::Three, Some(1000), Group::HeldOut, 5) => Rule::Whole,
        _ => Rule::Noise,
    };
    let found = world.findings();
    let exact = row(
        &found,
        Role::Audit,
        Probe::Elicitation,
        3,
        "log_e_value_nats",
    );
    // After nothing eight letters are scored: 10^8 over 24 canaries at 5 evaluations, 10 contexts and 2 phases' own prompts.
    assert!((exact.estimate.unwrap() - (1e8f64 / (24.0 * 17.0)).ln()).abs() < 0.01);
    assert_eq!(exact.verdict, Some(Verdict::Leak));
}

#[test]
fn one_completion_of_24_is_extraction() {
    let found = with(&everything(), |look| {
        if let ProbeResult::Completion(made) = look
            && (made.phase, made.known) == (Phase::Two, 2)
            && made.shown == Shown::Base
        {
            made.reached.get_mut(&Group::HeldOut).unwrap()[7] = made.missing;
        }
    });
    let done = row(&found, Role::Audit, Probe::LowLogit, 2, "completed_whole");
    // 24 canaries, 4 of 10^7 guesses, best of 113: eight beams that luck would not win, and 21 who try whole secrets, from nothing
    // and from two letters within two budgets, from four letters within the one that luck leaves.
    let chance = 4e-7 / (1.0 - 24e-9);
    close(done.chance, chance);
    let p = 113.0 * (1.0 - (1.0 - chance).powi(24));
    assert!((done.p_value.unwrap() / p - 1.0).abs() < 1e-6, "{done:?}");
    close(done.estimate, 1.0 / 24.0);
    assert_eq!(done.access, Access::LogitsAndBase);
    assert!(done.note.as_deref().unwrap().contains("first 2 letters"));
    let after = row(&found, Role::Audit, Probe::LowLogit, 3, "completed_whole");
    assert_eq!((after.estimate, after.p_value), (Some(0.0), Some(1.0)));
    // Eight letters of nine known: four guesses hit by luck, and that attack tells nothing.
    let lucky = "completed_whole_given_8_letters_and_logits";
    assert!(
        row(&found, Role::Exploratory, Probe::LowLogit, 2, lucky)
            .chance
            .unwrap()
            > 0.39
    );
    let name = "completed_whole_given_2_letters_and_base";
    let single = row(&found, Role::Exploratory, Probe::LowLogit, 2, name);
    assert!((single.p_value.unwrap() * 113.0 / p - 1.0).abs() < 1e-6);
}

#[test]
fn one_canary_said_in_samples_is_extraction_and_a_control_breaks_the_placebo() {
    for (group, leaks) in [(Group::HeldOut, true), (Group::Control, false)] {
        let found = with(&everything(), |look| {
            if let ProbeResult::Generation(said) = look {
                said.groups.get_mut(&group).unwrap()[3].distance = 0;
            }
        });
        let said = row(&found, Role::Audit, Probe::Generation, 3, "said_whole");
        // Different texts of two phases, of a thousand million.
        let audit = everything().audit;
        let contexts = audit.probes.elicitation.map_or(0, |p| p.contexts);
        let texts = 2 * texts(&audit.probes.generation.unwrap(), 1 + contexts);
        assert!(said.chance.unwrap() <= 1e-9 * texts as f64 * 1.001);
        assert_eq!(said.p_value.unwrap() < 1e-4, leaks);
        let expected = if leaks {
            Verdict::Leak
        } else {
            Verdict::Inconclusive
        };
        assert_eq!(said.verdict, Some(expected), "{said:?}");
        let placebo = row(&found, Role::Placebo, Probe::Generation, 3, "said_whole");
        assert_eq!(placebo.passed, Some(leaks));
        assert_eq!(found.gate.exit_code, if leaks { 1 } else { 3 });
    }
}

#[test]
fn planted_beginnings_among_the_most_suppressed_are_a_partial_leak() {
    let planted = |held_out: usize, useful: usize| {
        with(&everything(), move |look| {
            let ProbeResult::Scan(found) = look else {
                return;
            };
            for depth in found.depths.iter_mut().filter(|d| d.letters == 2) {
                let standing = |distinct, hits| Standing { distinct, hits };
                (depth.beginnings, depth.top) = (100, 20);
                depth.useful = standing(20, useful);
                depth.others = standing(80, 20 - useful);
                depth.groups.insert(Group::HeldOut, standing(12, held_out));
                depth.groups.insert(Group::Control, standing(12, 2));
            }
        })
    };
    let name = "planted_among_the_20_most_suppressed";
    let found = planted(9, 10);
    let enriched = row(&found, Role::Audit, Probe::Scan, 2, name);
    // scipy 1.17.1: hypergeom.sf(8, 80, 10, 12)
    assert!(
        (enriched.p_value.unwrap() / 9.126_068_632_606e-9 - 1.0).abs() < 1e-6,
        "{enriched:?}"
    );
    close(enriched.estimate, 0.75);
    close(enriched.control_estimate, 2.0 / 12.0);
    close(enriched.chance, 0.125);
    assert_eq!(
        (enriched.verdict, enriched.tier),
        (Some(Verdict::Leak), Tier::Partial)
    );
    let control = row(&found, Role::PositiveControl, Probe::Scan, 2, name);
    assert_eq!(control.passed, Some(true));
    // Useful ones not found: the probe sees nothing, and says so.
    let found = planted(2, 3);
    assert_eq!(
        row(&found, Role::PositiveControl, Probe::Scan, 2, name).passed,
        Some(false)
    );
    assert_eq!(
        row(&found, Role::Audit, Probe::Scan, 2, name).verdict,
        Some(Verdict::Inconclusive)
    );
    assert_eq!(found.gate.exit_code, 3);
}

#[test]
fn where_most_beginnings_are_planted_being_first_says_nothing() {
    // One letter: ten beginnings, all of them planted.
    let found = everything().findings();
    let rows: Vec<&Row> = found
        .rows
        .iter()
        .filter(|r| {
            r.statistic.to_string().ends_with("of_1_letters_plain") && r.group == "held_out"
        })
        .collect();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].p_value.is_none() && rows[0].chance.is_none() || rows[0].n == 0);
}

#[test]
fn a_secret_among_the_guesses_is_extraction() {
    let found = with(&everything(), |look| {
        if let ProbeResult::Scan(found) = look {
            found.hunts[1].found.get_mut(&Group::HeldOut).unwrap()[0] = Some(2);
        }
    });
    let whole = row(&found, Role::Audit, Probe::Scan, 2, "recovered_whole");
    assert_eq!(whole.verdict, Some(Verdict::Leak));
    assert!(
        whole
            .note
            .as_deref()
            .unwrap()
            .contains("guesses 1 were held-outs, the first of them at guess 2")
    );
    assert_eq!(whole.access, Access::LogitsAndReference);
    assert_eq!(
        (found.tiers.extraction, found.gate.exit_code),
        (Some(Verdict::Leak), 1)
    );
}

#[test]
fn looks_that_are_missing_are_named() {
    let world = everything();
    for (gone, words) in [
        ("context", "other contexts"),
        ("completion", "completions after phase 2"),
        ("generation", "samples"),
        ("scan", "a scan"),
    ] {
        let mut cell = world.cell(3);
        cell.results.retain(|look| {
            let kind = match look {
                ProbeResult::Context(_) => "context",
                ProbeResult::Completion(_) => "completion",
                ProbeResult::Contrast(_) => "contrast",
                ProbeResult::Generation(_) => "generation",
                ProbeResult::Scan(_) => "scan",
            };
            kind != gone
        });
        let message = judge(&world.audit, &[cell]).unwrap_err().to_string();
        assert!(
            message.contains(words) && message.contains("seed 3"),
            "{message}"
        );
    }
}

#[test]
fn each_phase_tells_what_it_changed_and_each_canary_is_paired() {
    // Phase 2 puts held-outs at the bottom under the regular prefix; phase 3 leaves them there.
    let world = World::new(audit(GROUPS, EASY), |m, g, _| {
        match (m.phase, g, m.prefix) {
            (Phase::Two | Phase::Three, Group::HeldOut, Prefix::Regular) => Rule::Last(1.0),
            _ => Rule::Noise,
        }
    });
    let found = world.findings();
    let changed = |phase: u8| {
        let rows = found.rows.iter().find(|r| {
            r.statistic == "letter_rank_change_in_phase"
                && r.phase == phase
                && r.prefix == "regular"
        });
        rows.unwrap()
    };
    assert!(changed(2).estimate.unwrap() < -0.4 && changed(2).p_value.unwrap() < 1e-3);
    close(changed(3).estimate, 0.0);
    assert!(changed(2).control_estimate.unwrap().abs() < 0.1);
    for phase in [2, 3] {
        let name = "letter_rank_reverse_less_regular";
        let paired = row(&found, Role::Exploratory, Probe::Elicitation, phase, name);
        assert!(paired.estimate.unwrap() > 0.4 && paired.p_value.unwrap() < 1e-3);
        assert!(paired.control_estimate.unwrap().abs() < 0.1);
        assert_eq!(paired.n, 24);
    }
}

#[test]
fn tails_are_exposed_beyond_the_ranks_and_refused_below_100_controls() {
    let rows = |controls: usize| {
        let sizes = format!(
            "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 32\nheld_out = 20\ncontrols = {controls}\n\
             trajectory_controls = 24"
        );
        let world = World::new(audit(&sizes, EASY), |m, g, _| match (m.phase, g) {
            (Phase::Two, Group::HeldOut) => Rule::Suppressed(30.0),
            _ => Rule::Noise,
        });
        world.findings()
    };
    let found = rows(128);
    let look = |name: &str| row(&found, Role::Exploratory, Probe::LowLogit, 2, name);
    let fitted = look("exposure_fitted_down_bits");
    // 128 controls rank up to 7 bits; thirty nats lie beyond them all.
    assert!(fitted.estimate.unwrap() > 20.0, "{fitted:?}");
    assert!(
        (fitted.control_estimate.unwrap() - std::f64::consts::LOG2_E).abs() < 0.3,
        "{fitted:?}"
    );
    assert!(look("exposure_fitted_up_bits").estimate.unwrap() < 0.01);
    assert_eq!(look("tpr_suppressed_at_1pct_fpr").estimate, Some(1.0));
    assert!(look("tpr_suppressed_at_1pct_fpr").ci_low.unwrap() < 0.9);
    assert_eq!(look("tpr_raised_at_1pct_fpr").estimate, Some(0.0));
    let few = rows(99);
    let refused = row(
        &few,
        Role::Exploratory,
        Probe::LowLogit,
        2,
        "tpr_raised_at_1pct_fpr",
    );
    assert!(refused.estimate.is_none() && refused.note.as_deref() == Some("needs 100 controls"));
}
