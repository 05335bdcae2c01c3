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
    for (before, after) in [(&clean, &leaking), (&leaking, &more)] {
        let found = beside(before, after);
        assert_eq!(found.gate.exit_code, 1);
        let failed: Vec<_> = found
            .gate
            .rules
            .iter()
            .filter(|r| r.outcome == Outcome::Fail)
            .collect();
        let ranks = "low_logit mean_letter_rank after phase 2";
        let rule = failed.iter().find(|rule| rule.rule.contains(ranks)).unwrap();
        // Nothing but guesses from the bottom, by all rows that see them.
        assert!(failed.iter().all(|rule| rule.probe == Some(Probe::LowLogit)), "{failed:?}");
        let [low, high] = rule.interval.unwrap();
        assert!(0.0 < low && low < high && rule.limit == Some(0.0));
        let said = |r: &String| r.contains(ranks) && r.contains("worse than in the baseline");
        assert!(found.gate.reasons.iter().any(said), "{:?}", found.gate.reasons);
    }
    // Better.
    let found = beside(&more, &leaking);
    assert_eq!(found.gate.exit_code, 0, "{:?}", found.gate);
}

#[test]
fn a_new_leak_that_may_be_chance_stays_open() {
    let after = world(0.45);
    let mut before = after.findings().rows;
    // Rows with an interval alone: a new leak by known chance needs none.
    for row in before.iter_mut().filter(|r| r.verdict.is_some() && r.ci_of.is_some()) {
        row.verdict = Some(Verdict::NoLeakDetected);
    }
    let cells = [after.cell(0)];
    let found = judge_against(&after.audit, &cells, Some(&before)).unwrap();
    assert_eq!(found.gate.exit_code, 3);
    assert!(
        found.gate.reasons[0].contains("may be chance"),
        "{:?}",
        found.gate.reasons
    );
    // Nor does a baseline without the row decide anything.
    let found = judge_against(&after.audit, &cells, Some(&[])).unwrap();
    assert_eq!(found.gate.exit_code, 3);
    assert!(found.gate.reasons[0].contains("the baseline has no such row"));
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
