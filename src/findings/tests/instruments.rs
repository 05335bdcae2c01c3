//! Positive controls and placebos: what a failed one blocks, and what it does not.

use super::*;

const GROUPS: &str = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 48\nheld_out = 24\ncontrols = 32\ntrajectory_controls = 32";

/// Instruments required; effects that any group can exclude.
fn required() -> String {
    EASY.replace("not_applicable", "required")
}

/// Useful canaries as they should be (likely under elicitation, suppressed in phases 2 and 3), and held-outs by a rule.
fn world(more: &str, works: [bool; 2], held_out: fn(Moment, usize) -> Rule) -> World {
    let [elicits, suppresses] = works;
    World::new(audit(GROUPS, more), move |m, g, index| {
        match (g, m.prefix) {
            (Group::HeldOut, _) => held_out(m, index),
            (Group::Useful, Prefix::Reverse) if elicits && m.evaluation.is_some() => {
                Rule::First(0.7)
            }
            (Group::Useful, Prefix::Regular) if suppresses && m.phase != Phase::One => {
                Rule::Suppressed(40.0)
            }
            _ => Rule::Noise,
        }
    })
}

fn clean(_: Moment, _: usize) -> Rule {
    Rule::Noise
}

/// All but what so few canaries leave open whatever the instruments say.
fn verdicts(found: &Findings, probe: Probe) -> Vec<Verdict> {
    let rows = audit_rows(found).filter(|r| r.probe == probe && !asks_for_few(r));
    rows.map(|r| r.verdict.unwrap()).collect()
}

fn instruments(found: &Findings, role: Role, probe: Probe) -> Vec<Option<bool>> {
    let rows = found
        .rows
        .iter()
        .filter(|r| r.role == role && r.probe == probe);
    rows.map(|r| r.passed).collect()
}

#[test]
fn working_instruments_let_a_clean_model_pass() {
    let found = world(&required(), [true, true], clean).findings();
    for probe in [Probe::Elicitation, Probe::LowLogit] {
        assert_eq!(
            instruments(&found, Role::PositiveControl, probe),
            [Some(true)]
        );
        assert!(
            instruments(&found, Role::Placebo, probe)
                .iter()
                .all(|p| *p == Some(true))
        );
        assert!(
            verdicts(&found, probe)
                .iter()
                .all(|v| *v == Verdict::NoLeakDetected)
        );
    }
    assert_eq!(found.gate.exit_code, 0, "{:?}", found.gate.reasons);
}

#[test]
fn a_failed_positive_control_blocks_its_own_probe_only() {
    for (works, broken, other) in [
        ([false, true], Probe::Elicitation, Probe::LowLogit),
        ([true, false], Probe::LowLogit, Probe::Elicitation),
    ] {
        let found = world(&required(), works, clean).findings();
        assert_eq!(
            instruments(&found, Role::PositiveControl, broken),
            [Some(false)]
        );
        assert!(
            verdicts(&found, broken)
                .iter()
                .all(|v| *v == Verdict::Inconclusive)
        );
        assert!(
            verdicts(&found, other)
                .iter()
                .all(|v| *v == Verdict::NoLeakDetected)
        );
        assert_eq!((found.gate.exit_code, found.gate.passed), (3, false));
        assert!(
            found
                .gate
                .reasons
                .iter()
                .any(|r| r.starts_with("positive control failed"))
        );
        // Never a leak itself, and no part of the family.
        let control = found
            .rows
            .iter()
            .find(|r| r.role == Role::PositiveControl)
            .unwrap();
        assert!(control.verdict.is_none() && control.p_adjusted.is_none());
    }
}

/// Spike-ins that stand first so often after the last phase; every other instrument works.
fn spiked(first: f64) -> Findings {
    let sizes = format!("{GROUPS}\nspike = 8");
    let rule = move |m: Moment, g, _| match (g, m.prefix) {
        (Group::Spike, Prefix::Regular) if m.phase != Phase::One => Rule::First(first),
        (Group::Useful, Prefix::Reverse) if m.evaluation.is_some() => Rule::First(0.7),
        (Group::Useful, Prefix::Regular) if m.phase != Phase::One => Rule::Suppressed(40.0),
        _ => Rule::Noise,
    };
    World::new(audit(&sizes, &required()), rule).findings()
}

#[test]
fn a_spike_in_that_is_found_is_no_leak() {
    let found = spiked(0.7);
    let passed = instruments(&found, Role::PositiveControl, Probe::Elicitation);
    assert_eq!(passed, [Some(true), Some(true)]);
    let spike = found.rows.iter().find(|r| r.group == "spike").unwrap();
    assert_eq!((spike.n, spike.n_control), (8, Some(32)));
    assert!(spike.verdict.is_none() && spike.p_adjusted.is_none());
    assert!(spike.estimate.unwrap() > 0.7 && spike.auc.unwrap() > 0.95);
    assert_eq!(found.gate.exit_code, 0, "{:?}", found.gate.reasons);
}

#[test]
fn a_spike_in_that_is_missed_blocks_elicitation_alone() {
    let found = spiked(0.0);
    let passed = instruments(&found, Role::PositiveControl, Probe::Elicitation);
    assert_eq!(passed, [Some(true), Some(false)]);
    let all = |probe, verdict| verdicts(&found, probe).iter().all(|v| *v == verdict);
    assert!(all(Probe::Elicitation, Verdict::Inconclusive));
    assert!(all(Probe::LowLogit, Verdict::NoLeakDetected));
    assert_eq!(found.gate.exit_code, 3);
}

#[test]
fn a_leak_stays_a_leak_whatever_failed() {
    fn whole(m: Moment, index: usize) -> Rule {
        if m.evaluation == Some(0) && index == 3 {
            Rule::Whole
        } else {
            Rule::Noise
        }
    }
    let found = world(&required(), [false, false], whole).findings();
    assert_eq!(found.tiers.extraction, Some(Verdict::Leak));
    assert_eq!(found.tiers.partial, Some(Verdict::Inconclusive));
    // The rule that failed decides before what stayed open; both are told.
    assert_eq!((found.gate.exit_code, found.verdict), (1, Verdict::Leak));
    assert!(found.gate.reasons[0].starts_with("rule failed"));
    assert!(
        found
            .gate
            .reasons
            .iter()
            .any(|r| r.starts_with("positive control failed"))
    );
}

#[test]
fn a_control_that_is_not_applicable_neither_passes_nor_blocks() {
    let found = world(EASY, [false, false], clean).findings();
    for probe in [Probe::Elicitation, Probe::LowLogit] {
        assert_eq!(instruments(&found, Role::PositiveControl, probe), [None]);
        assert!(
            verdicts(&found, probe)
                .iter()
                .all(|v| *v == Verdict::NoLeakDetected)
        );
    }
    assert_eq!(found.gate.exit_code, 0, "{:?}", found.gate.reasons);
}

#[test]
fn a_suppressed_control_must_be_suppressed_not_raised() {
    // Told apart from the controls, but on the wrong side: that is no working instrument.
    let raised = World::new(audit(GROUPS, &required()), |m, g, _| match (m.phase, g) {
        (Phase::Two, Group::Useful) => Rule::First(1.0),
        _ => Rule::Noise,
    });
    let found = raised.findings();
    let control = row(
        &found,
        Role::PositiveControl,
        Probe::LowLogit,
        2,
        "suppression_nats",
    );
    assert!(control.p_value.unwrap() < 0.001 && control.auc.unwrap() < 0.1);
    assert_eq!(control.passed, Some(false));
}

#[test]
fn a_failed_placebo_takes_every_verdict_that_compares_with_controls() {
    // Held-outs that differ before planting, under one prefix: no comparison of that probe tells anything, not even a leak.
    for (prefix, broken, other) in [
        (Prefix::Reverse, Probe::Elicitation, Probe::LowLogit),
        (Prefix::Regular, Probe::LowLogit, Probe::Elicitation),
    ] {
        let world = World::new(audit(GROUPS, EASY), move |m, g, _| {
            if g == Group::HeldOut && m.prefix == prefix {
                Rule::Outside(20.0)
            } else {
                Rule::Noise
            }
        });
        let found = world.findings();
        assert!(instruments(&found, Role::Placebo, broken).contains(&Some(false)));
        let of_other = instruments(&found, Role::Placebo, other);
        assert!(of_other.iter().all(|p| *p == Some(true)));
        let of_broken = || audit_rows(&found).filter(|r| r.probe == broken);
        // Suppression is the same before and after, likelihood under elicitation is not.
        let significant = of_broken().any(|r| r.p_adjusted.unwrap() < 0.05);
        assert_eq!(significant, broken == Probe::Elicitation);
        for row in of_broken() {
            let known = row.statistic.has_known_chance();
            let open = row.verdict == Some(Verdict::Inconclusive);
            assert_eq!(open, !known, "{row:?}");
            let said = row
                .note
                .as_deref()
                .is_some_and(|n| n.contains("not exchangeable"));
            assert_eq!(said, !known, "{row:?}");
        }
        assert!(
            verdicts(&found, other)
                .iter()
                .all(|v| *v == Verdict::NoLeakDetected)
        );
        assert_eq!(found.gate.exit_code, 3, "{:?}", found.gate.reasons);
        let reasons = &found.gate.reasons;
        assert!(reasons.iter().any(|r| r.starts_with("placebo failed")));
    }
}

/// Whoever is audited supplies a reference that has seen the canaries: what a model gives away by itself it still gives away.
#[test]
fn a_reference_that_knows_the_canaries_hides_no_leak() {
    let world = World::new(audit(GROUPS, EASY), |m, g, _| {
        if g == Group::HeldOut && m.prefix == Prefix::Regular {
            Rule::Last(0.9)
        } else {
            Rule::Noise
        }
    });
    let found = world.findings();
    let ends = "log_e_value_from_either_end_nats";
    let placebo = row(&found, Role::Placebo, Probe::LowLogit, 1, ends);
    assert_eq!(placebo.passed, Some(false));
    let leak = row(&found, Role::Audit, Probe::LowLogit, 3, ends);
    assert_eq!(leak.verdict, Some(Verdict::Leak));
    for row in audit_rows(&found).filter(|r| r.probe == Probe::LowLogit) {
        let note = row.note.as_deref().unwrap_or_default();
        assert!(
            note.contains("the reference already knows the canaries"),
            "{row:?}"
        );
    }
    assert_eq!(found.gate.exit_code, 1, "{:?}", found.gate.reasons);
}

#[test]
fn a_required_instrument_that_could_not_be_made_is_none_that_passed() {
    let missing = || {
        let more = String::from(
            "[probes.generation]\npositive_control = 'required'\nsmallest_effect_recovered = 0.25\n[phase3]\nskip = true\n",
        );
        let off = [
            "probes.elicitation.enabled=false",
            "probes.low_logit.enabled=false",
        ];
        let found = World::clean(audit_with(GROUPS, &more, &off)).findings();
        assert!(instruments(&found, Role::PositiveControl, Probe::Generation).is_empty());
        let said = row(&found, Role::Audit, Probe::Generation, 2, "said_whole").clone();
        (said, found.gate.exit_code)
    };
    // Effects of 24 canaries; what remains is the instrument.
    let (said, exit) = missing();
    assert_eq!((said.verdict, exit), (Some(Verdict::Inconclusive), 3));
    assert!(
        said.note
            .unwrap()
            .contains("required and could not be made")
    );
}

#[test]
fn doses_are_tested_from_the_highest_down_to_the_first_that_is_no_leak() {
    let sizes = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 276\nheld_out = 256\ncontrols = 64\ntrajectory_controls = 32\n\
        dose = [1, 4, 15, 60]";
    // The two higher doses leak, and the lowest too, which nobody asks any more.
    let world = World::new(audit(sizes, EASY), |m, g, index| {
        match (m.phase, g, index / 64) {
            (Phase::Two | Phase::Three, Group::HeldOut, 0 | 2 | 3) => Rule::Last(0.6),
            _ => Rule::Noise,
        }
    });
    let found = world.findings();
    let told = |statistic: &str| -> Vec<(String, String)> {
        let rows = found
            .rows
            .iter()
            .filter(|r| r.role == Role::Dose && r.statistic == statistic);
        rows.map(|r| (r.group.clone(), r.note.clone().unwrap()))
            .collect()
    };
    let told = told("mean_letter_rank");
    let of = |dose: u32| format!("held_out_rejected_{dose}_times");
    assert_eq!(told.len(), 4);
    assert_eq!(told[0], (of(60), "leak at this dose".to_owned()));
    assert_eq!(told[1], (of(15), "leak at this dose".to_owned()));
    assert_eq!(told[2], (of(4), "no leak detected at this dose".to_owned()));
    assert!(told[3].0 == of(1) && told[3].1.starts_with("not tested"));
    let doses = |rows: &[Row]| -> Vec<Row> {
        let of = rows.iter().filter(|r| r.role == Role::Dose);
        of.cloned().collect()
    };
    // What could not be found is not called clean, nor is what a blind probe did not find.
    let strict = EASY.replace("smallest_effect_rank = 0.5", "smallest_effect_rank = 0.001");
    let blind = EASY.replace("not_applicable", "required");
    for (settings, why) in [
        (strict, "an effect of the size"),
        (blind, "the positive control failed"),
    ] {
        let world = World::new(audit(sizes, &settings), |_, _, _| Rule::Noise);
        let rows = doses(&world.findings().rows);
        let first = rows.iter().find(|r| r.statistic == "mean_letter_rank");
        let note = first.unwrap().note.as_deref().unwrap();
        assert!(
            note.starts_with("inconclusive at this dose") && note.contains(why),
            "{note}"
        );
    }
    for row in doses(&found.rows) {
        assert_eq!(row.min_detectable.is_some(), row.p_value.is_some());
        assert_eq!((row.n, row.n_control), (64, Some(64)));
        assert!(row.verdict.is_none() && row.p_adjusted.is_none() && !row.gated);
    }
    // Without doses there are no such rows.
    let plain = World::clean(audit(SMALL, EASY)).findings();
    assert!(plain.rows.iter().all(|r| r.role != Role::Dose));
}
