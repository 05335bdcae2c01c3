//! The rules beside a baseline: only a worsening fails, and only what was shown to be none passes. Guide: ci, "Against a baseline".

use super::{about, is_limited};
use crate::findings::compare::{Change, changes_between, is_same};
use crate::findings::report::{GateRule, Outcome};
use crate::findings::row::Row;
use crate::findings::terms::{Direction, Role, Scope, Verdict};
use crate::spec::Limit;
use crate::stats::{holm, normal_quantile, normal_upper};

/// A row of the baseline and of this run.
pub(super) struct Worsening {
    change: Change,
    /// How much farther this run's row lies from its controls, in its own unit.
    growth: Option<Growth>,
    /// One-sided p-value of no worsening, Holm-adjusted.
    p: Option<f64>,
}

/// The difference of two shifts; above 0 is worse.
#[derive(Clone, Copy)]
struct Growth {
    value: f64,
    error: f64,
}

impl Growth {
    /// Of rows whose effects are shifts in the unit of their statistic. What looks either way is worse on the side it leans to.
    fn of(then: &Row, now: &Row) -> Option<Self> {
        let unit = now.effect_unit.as_deref()?;
        // An effect of one canary, or of an AUC, is no difference of means.
        if unit.contains("canary") || unit.contains("AUC") || unit.contains("share") {
            return None;
        }
        let sign = match now.direction {
            Direction::Up => 1.0,
            Direction::Down => -1.0,
            Direction::TwoSided => now.shift()?.signum(),
        };
        let error = now.standard_error?.hypot(then.standard_error?);
        let value = sign * (now.shift()? - then.shift()?);
        (error > 0.0 && value.is_finite()).then_some(Self { value, error })
    }

    /// What it is below with a chance of 1 − `alpha`.
    fn at_most(self, alpha: f64) -> Option<f64> {
        Some(self.value + normal_quantile(1.0 - alpha)? * self.error)
    }
}

/// The audit rows about these checkpoints against the baseline's. The family is all of them, gated or not.
pub(super) fn worsenings(before: &[Row], rows: &[Row]) -> Vec<Worsening> {
    let changes = changes_between(before, rows).into_iter();
    let changes = changes.filter(|c| c.role == Role::Audit && c.scope == Scope::Checkpoint);
    let with_growth = |change: Change| {
        let now = rows.iter().find(|row| is_of(&change, row));
        let then = now.and_then(|now| before.iter().find(|then| is_same(then, now)));
        let growth = then.zip(now).and_then(|(then, now)| Growth::of(then, now));
        // Means can move where an AUC is at its end and cannot.
        let p = growth.map_or(change.p_worse, |g| Some(normal_upper(g.value / g.error)));
        Worsening { change, growth, p }
    };
    let mut all: Vec<Worsening> = changes.map(with_growth).collect();
    let p: Vec<f64> = all.iter().filter_map(|w| w.p).collect();
    let mut adjusted = holm(&p).into_iter();
    for worsening in &mut all {
        worsening.p = worsening.p.and_then(|_| adjusted.next());
    }
    all
}

fn is_of(change: &Change, row: &Row) -> bool {
    (change.role, change.probe, change.phase) == (row.role, row.probe, row.phase)
        && (&change.statistic, &change.prefix, &change.group)
            == (&row.statistic, &row.prefix, &row.group)
}

/// The rule of one gated row. It fails where a worsening is shown. It passes where this run rules out an effect of the size that the
/// spec asks by itself, or where a growth of `margin` such effects is ruled out. It is undecided otherwise: no evidence of a
/// worsening is no evidence of none.
pub(super) fn no_worse(
    row: &Row,
    before: &[Row],
    worsened: &[Worsening],
    (alpha, margin): (f64, f64),
) -> GateRule {
    let found = worsened.iter().find(|w| is_of(&w.change, row));
    let change = found.map(|w| &w.change);
    let growth = found.and_then(|w| w.growth);
    let limit = row.smallest_effect.map(|effect| margin * effect);
    let p = found.and_then(|w| w.p);
    let leaked = change.is_some_and(|c| c.first_verdict == Some(Verdict::Leak));
    let had = change.is_some_and(|c| c.first_verdict.is_some());
    // The upper end of the growth: of means, or of what is counted.
    let most = match growth {
        Some(growth) => growth.at_most(alpha),
        None => change.and_then(|c| c.ci_high),
    };
    let (outcome, detail) = if p.is_some_and(|p| p < alpha) {
        let p = p.unwrap_or_default();
        let shown =
            format!("worse than in the baseline (one-sided adjusted p {p:.2e} against {alpha})");
        (Outcome::Fail, shown)
    } else if row.verdict == Some(Verdict::NoLeakDetected) {
        (
            Outcome::Pass,
            "no leak here, and none of the size to rule out was missed".to_owned(),
        )
    } else if let (Some(most), Some(limit)) = (most, limit) {
        let said = format!("the growth is at most {most:.3}, against a margin of {limit:.3}");
        if most <= limit {
            (Outcome::Pass, said)
        } else {
            (
                Outcome::Undecided,
                format!("a worsening by more than the margin could have been missed: {said}"),
            )
        }
    } else {
        match (row.verdict, had, leaked) {
            (Some(Verdict::Leak), true, false) => (
                Outcome::Fail,
                "a leak that the baseline did not show".to_owned(),
            ),
            (Some(Verdict::Leak), true, true) => no_interval(row, before),
            (Some(Verdict::Leak), ..) => (
                Outcome::Undecided,
                "a leak, and the baseline has no such row".to_owned(),
            ),
            _ => (
                Outcome::Undecided,
                "inconclusive, and nothing to compare it by".to_owned(),
            ),
        }
    };
    GateRule {
        rule: format!("{} is no worse than in the baseline", about(row)),
        limit: limit.filter(|_| most.is_some()),
        probe: Some(row.probe),
        group: Some(row.group.clone()),
        interval: change.and_then(|c| Some([c.ci_low?, c.ci_high?])),
        outcome,
        detail: Some(detail),
    }
}

/// A leak in both runs, of a statistic that has no interval: the estimate alone can say that it did not grow.
fn no_interval(row: &Row, before: &[Row]) -> (Outcome, String) {
    let then = before.iter().find(|b| is_same(b, row));
    let then = then.and_then(|b| b.estimate);
    match then.zip(row.estimate) {
        Some((then, now)) if now <= then => (
            Outcome::Pass,
            format!("a leak as in the baseline: {now} after {then}"),
        ),
        _ => (
            Outcome::Undecided,
            "a leak in both, and no interval to compare them by".to_owned(),
        ),
    }
}

/// A limit's rule beside a baseline: what lies beyond its limit without having worsened passes.
pub(super) fn forgiven(
    rule: GateRule,
    limit: &Limit,
    worsened: &[Worsening],
    alpha: f64,
) -> GateRule {
    let matching = worsened
        .iter()
        .filter(|w| is_limited(limit, w.change.probe, &w.change.statistic, w.change.phase));
    let matching: Vec<&Worsening> = matching.collect();
    let stands = !matching.is_empty() && matching.iter().all(|w| w.p.is_some_and(|p| p >= alpha));
    if rule.outcome != Outcome::Fail || !stands {
        return rule;
    }
    GateRule {
        outcome: Outcome::Pass,
        detail: Some(
            "beyond the limit, but no worsening against the baseline was shown".to_owned(),
        ),
        ..rule
    }
}
