//! A gate beside a baseline, and runs compared.

use super::*;
use crate::findings::compare::changes_between;
use crate::findings::{Direction, Outcome, Trend, judge_against};

const SIZES: &str = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 60\nheld_out = 40\ncontrols = 60\ntrajectory_controls = 60";

/// Held-outs' letters stand last with this chance after phase 2: guesses from the bottom leak.
fn world(chance: f64) -> World {
    let mut world = World::new(audit(SIZES, EASY), move |m, g, _| match (m.phase, g) {
        (Phase::Two, Group::HeldOut) => Rule::Last(chance),
        _ => Rule::Noise,
    });
    world.audit.gate.permutations = 8000;
    world
}

fn beside(before: &World, after: &World) -> Findings {
    let cells: Vec<_> = after.audit.seeds.iter().map(|&s| after.cell(s)).collect();
    judge_against(&after.audit, &cells, Some(&before.findings().rows)).unwrap()
}

#[test]
fn only_a_worsening_fails() {
    let (clean, leaking, more) = (world(0.0), world(0.45), world(0.95));
    assert_eq!(
        leaking.findings().gate.exit_code,
        1,
        "a leak without a baseline"
    );
    // As before: a leak, but none that is new.
    let same = beside(&leaking, &leaking);
    assert_eq!(same.verdict, Verdict::Leak);
    assert_eq!(
        (same.gate.exit_code, same.gate.passed),
        (0, true),
        "{:?}",
        same.gate
    );
    // Worse, from nothing and from something.
    let ranks = "low_logit mean_letter_rank after phase 2";
    for (before, after) in [(&clean, &leaking), (&leaking, &more)] {
        let found = beside(before, after);
        assert_eq!(found.gate.exit_code, 1, "{:?}", found.gate);
        let rules = &found.gate.rules;
        let failed: Vec<_> = rules
            .iter()
            .filter(|r| r.outcome == Outcome::Fail)
            .collect();
        assert!(
            failed.iter().any(|rule| rule.rule.contains(ranks)),
            "{failed:?}"
        );
        // Nothing but guesses from the bottom, by all rows that see them.
        assert!(
            failed
                .iter()
                .all(|rule| rule.probe == Some(Probe::LowLogit)),
            "{failed:?}"
        );
        let said = |r: &String| r.contains(ranks) && r.contains("worse than in the baseline");
        assert!(
            found.gate.reasons.iter().any(said),
            "{:?}",
            found.gate.reasons
        );
    }
    // Better.
    let found = beside(&more, &leaking);
    assert_eq!(found.gate.exit_code, 0, "{:?}", found.gate);
}

/// An AUC at its end cannot grow. The mean can: every letter of ten at the bottom after half of them.
#[test]
fn a_growth_shows_where_the_auc_is_at_its_end() {
    let of = |chance| {
        World::new(audit(SIZES, EASY), move |m, g, _| match (m.phase, g) {
            (Phase::Two, Group::HeldOut) if m.prefix == Prefix::Regular => Rule::Last(chance),
            _ => Rule::Noise,
        })
    };
    let (before, after) = (of(0.85), of(1.0));
    let ranks =
        |found: &Findings| row(found, Role::Audit, Probe::LowLogit, 2, "mean_letter_rank").clone();
    let (then, found) = (ranks(&before.findings()), beside(&before, &after));
    assert!(then.auc.unwrap() < 0.02 && ranks(&found).auc.unwrap() < 0.001);
    let rules = &found.gate.rules;
    let rule = rules.iter().find(|r| {
        r.rule
            .starts_with("low_logit mean_letter_rank after phase 2")
    });
    assert_eq!(rule.unwrap().outcome, Outcome::Fail, "{rule:?}");
}

/// A leak in both runs whose growth could be as large as the margin is no pass.
#[test]
fn no_evidence_of_a_growth_is_no_evidence_of_none() {
    let strict = EASY.replace("smallest_effect_rank = 0.5", "smallest_effect_rank = 0.01");
    let of = || {
        World::new(audit(SIZES, &strict), |m, g, _| match (m.phase, g) {
            (Phase::Two, Group::HeldOut) => Rule::Last(0.45),
            _ => Rule::Noise,
        })
    };
    let found = beside(&of(), &of());
    let rules = &found.gate.rules;
    let rule = rules.iter().find(|r| {
        r.rule
            .starts_with("low_logit mean_letter_rank after phase 2")
    });
    let rule = rule.unwrap();
    assert_eq!(rule.outcome, Outcome::Undecided, "{rule:?}");
    assert!(
        rule.detail.as_deref().unwrap().contains("margin"),
        "{rule:?}"
    );
    // Ten times the margin, and the same pair of runs passes.
    let mut wide = of();
    wide.audit.gate.baseline_margin = 20.0;
    let found = beside(&of(), &wide);
    let rules = &found.gate.rules;
    let rule = rules.iter().find(|r| {
        r.rule
            .starts_with("low_logit mean_letter_rank after phase 2")
    });
    assert_eq!(rule.unwrap().outcome, Outcome::Pass, "{rule:?}");
}

#[test]
fn a_leak_that_the_baseline_lacks_decides_nothing() {
    let after = world(0.45);
    let cells = [after.cell(0)];
    let found = judge_against(&after.audit, &cells, Some(&[])).unwrap();
    assert_eq!(found.gate.exit_code, 3);
    let reasons = &found.gate.reasons;
    assert!(
        reasons
            .iter()
            .any(|r| r.contains("the baseline has no such row")),
        "{reasons:?}"
    );
}

#[test]
fn a_limit_passes_where_nothing_worsened() {
    let mut after = world(0.95);
    after.audit.gate.limits = vec![crate::spec::Limit {
        probe: "low_logit".to_owned(),
        statistic: "mean_letter_rank".to_owned(),
        phase: Some(2),
        min_auc: Some(0.4),
        max_auc: None,
    }];
    assert_eq!(after.findings().gate.rules[1].outcome, Outcome::Fail);
    let same = beside(&after, &after);
    let rule = same.gate.rules.last().unwrap();
    assert_eq!(
        (rule.outcome, same.gate.exit_code),
        (Outcome::Pass, 0),
        "{rule:?}"
    );
    assert!(rule.detail.as_ref().unwrap().contains("beyond the limit"));
    let worse = beside(&world(0.0), &after);
    assert_eq!(worse.gate.rules.last().unwrap().outcome, Outcome::Fail);
}

#[test]
fn a_run_beside_itself_shows_no_change() {
    let rows = world(0.45).findings().rows;
    for change in changes_between(&rows, &rows) {
        if let Some(difference) = change.difference {
            assert!(difference == 0.0 && change.p_value == Some(1.0));
            assert_eq!(change.trend, Trend::NotShown);
        } else {
            assert_eq!(change.trend, Trend::NotComparable);
            assert!(change.note.is_some());
        }
    }
}

#[test]
fn a_difference_is_turned_towards_the_leak() {
    let rows = world(0.0).findings().rows;
    let row = rows
        .iter()
        .find(|r| r.role == Role::Audit && r.auc.is_some())
        .unwrap();
    let with = |direction, auc: f64| Row {
        direction,
        auc: Some(auc),
        ci_low: Some(auc - 0.05),
        ci_high: Some(auc + 0.05),
        ..row.clone()
    };
    for (direction, before, after, worse) in [
        (Direction::Up, 0.5, 0.9, 0.4),
        (Direction::Down, 0.5, 0.9, -0.4),
        (Direction::Down, 0.5, 0.1, 0.4),
        (Direction::TwoSided, 0.4, 0.1, 0.3),
        (Direction::TwoSided, 0.2, 0.8, 0.0),
    ] {
        let changes = changes_between(&[with(direction, before)], &[with(direction, after)]);
        let [change] = &changes[..] else {
            panic!("{changes:?}")
        };
        close(change.difference, worse);
        let trend = match worse {
            w if w > 0.0 => Trend::Worse,
            w if w < 0.0 => Trend::Better,
            _ => Trend::NotShown,
        };
        assert_eq!(change.trend, trend, "{change:?}");
    }
}
