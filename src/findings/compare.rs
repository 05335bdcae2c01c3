//! Runs against a first one: before and after a mitigation, one checkpoint and the next.
//!
//! A row is compared on the side of its leak: by its AUC turned so that 0.5 is no separation and more is worse, or by its estimate
//! where the interval is for that. So a positive difference is a worsening in every row.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::CI_LEVEL;
use super::figures::{PerSeed, SeedValue};
use super::measure::Statistic;
use super::report::{Report, SCHEMA_VERSION, Tiers};
use super::row::{IntervalOf, Row};
use super::terms::{Direction, Probe, Role, Scope, Tier, Verdict};
use crate::stats::{Difference, Estimated, difference, holm, one_sample_t};

/// Level at which a comparison without a gate speaks of a change.
const LEVEL: f64 = 1.0 - CI_LEVEL;

/// Several runs, the first of which the others are compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Version of the layout of reports.
    pub schema_version: String,
    /// The runs, as they were given.
    pub runs: Vec<Compared>,
    /// A line for each later run and each row that it or the first has.
    pub changes: Vec<Change>,
}

/// One of the runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// Name of the audit.
    pub name: String,
    /// The model that was audited.
    pub model: String,
    /// Seeds of the run.
    pub seeds: Vec<u64>,
    /// The worst verdict of its gated tiers.
    pub verdict: Verdict,
    /// The verdict of each of its tiers.
    pub tiers: Tiers,
    /// Exit code of its gate.
    pub exit_code: u8,
}

/// What a difference says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// More leaks than in the first run.
    Worse,
    /// Less leaks than in the first run.
    Better,
    /// Neither was shown.
    NotShown,
    /// The runs lack what a comparison needs.
    NotComparable,
}

/// What a row is compared by, turned so that more is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ComparedBy {
    /// The AUC; 0.5 is no separation.
    AucTowardsLeak,
    /// The estimate.
    EstimateTowardsLeak,
}

/// One row of two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Place of the later run among the runs, from 1.
    pub run: usize,
    /// The probe that looked.
    pub probe: Probe,
    /// What the row is evidence of.
    pub role: Role,
    /// What a leak would hand to an attacker.
    pub tier: Tier,
    /// Prefix of the scored sequences.
    pub prefix: String,
    /// Training phase.
    pub phase: u8,
    /// Canary group under test.
    pub group: String,
    /// What was measured.
    pub statistic: Statistic,
    /// What the row speaks about.
    pub scope: Scope,
    /// Which way a leak would push the statistic.
    pub direction: Direction,
    /// What is compared; `None` where nothing can be.
    pub of: Option<ComparedBy>,
    /// What is compared, in the first run.
    pub first: Option<f64>,
    /// What is compared, in the later run.
    pub later: Option<f64>,
    /// The row's verdict in the first run.
    pub first_verdict: Option<Verdict>,
    /// The row's verdict in the later run.
    pub later_verdict: Option<Verdict>,
    /// Later less first; above 0 is worse.
    pub difference: Option<f64>,
    /// Lower end of the difference's interval.
    pub ci_low: Option<f64>,
    /// Upper end of the difference's interval.
    pub ci_high: Option<f64>,
    /// Level of the interval.
    pub ci_level: Option<f64>,
    /// How the interval was made.
    pub ci_method: Option<String>,
    /// Two-sided p-value of no difference.
    pub p_value: Option<f64>,
    /// One-sided p-value of no worsening.
    pub p_worse: Option<f64>,
    /// The two-sided p-value, Holm-adjusted over the audit rows of this pair of runs; audit rows only.
    pub p_adjusted: Option<f64>,
    /// Seeds that both runs have.
    pub paired_seeds: usize,
    /// Mean over those seeds of the difference in AUC towards a leak; `None` with fewer than two.
    pub paired_difference: Option<f64>,
    /// Lower end of that mean's interval, Student's t over seeds.
    pub paired_low: Option<f64>,
    /// Upper end of that mean's interval.
    pub paired_high: Option<f64>,
    /// Two-sided p-value of that mean being 0.
    pub paired_p_value: Option<f64>,
    /// What it says.
    pub trend: Trend,
    /// Why nothing can be compared.
    pub note: Option<String>,
}

/// Compares every report after the first with the first.
#[must_use]
pub fn compare(reports: &[Report]) -> Comparison {
    let run = |report: &Report| Compared {
        name: report.name.clone(),
        model: report.model.clone(),
        seeds: report.seeds.clone(),
        verdict: report.verdict,
        tiers: report.tiers.clone(),
        exit_code: report.gate.exit_code,
    };
    let mut changes = Vec::new();
    if let Some((first, rest)) = reports.split_first() {
        for (place, later) in rest.iter().enumerate() {
            let mut between = changes_between(&first.rows, &later.rows);
            for change in &mut between {
                change.run = place + 1;
                pair(change, &first.figures.per_seed, &later.figures.per_seed);
            }
            changes.extend(between);
        }
    }
    Comparison {
        schema_version: SCHEMA_VERSION.to_owned(),
        runs: reports.iter().map(run).collect(),
        changes,
    }
}

/// Whether two rows measure the same.
pub(super) fn is_same(a: &Row, b: &Row) -> bool {
    (a.probe, a.role, a.phase, a.scope) == (b.probe, b.role, b.phase, b.scope)
        && (&a.prefix, &a.group, &a.statistic) == (&b.prefix, &b.group, &b.statistic)
}

/// The rows of two runs, in the order of the later one; then what only the first has.
pub(super) fn changes_between(first: &[Row], later: &[Row]) -> Vec<Change> {
    let shown = |row: &&Row| !matches!(row.role, Role::Placebo | Role::Exploratory);
    let both = later.iter().filter(shown).map(|row| {
        let before = first.iter().find(|other| is_same(other, row));
        change(before, Some(row))
    });
    let gone = first.iter().filter(shown);
    let gone = gone.filter(|row| !later.iter().any(|other| is_same(other, row)));
    let mut changes: Vec<Change> = both
        .chain(gone.map(|row| change(Some(row), None)))
        .flatten()
        .collect();
    let audit: Vec<usize> = (0..changes.len())
        .filter(|&i| changes[i].role == Role::Audit && changes[i].p_value.is_some())
        .collect();
    let p: Vec<f64> = audit.iter().filter_map(|&i| changes[i].p_value).collect();
    for (&i, adjusted) in audit.iter().zip(holm(&p)) {
        changes[i].p_adjusted = Some(adjusted);
    }
    for change in &mut changes {
        change.trend = trend(change);
    }
    changes
}

fn trend(change: &Change) -> Trend {
    let p = match change.role {
        Role::Audit => change.p_adjusted,
        _ => change.p_value,
    };
    match (change.difference, p) {
        (Some(difference), Some(p)) if p < LEVEL && difference > 0.0 => Trend::Worse,
        (Some(_), Some(p)) if p < LEVEL => Trend::Better,
        (Some(_), Some(_)) => Trend::NotShown,
        _ => Trend::NotComparable,
    }
}

/// What a row is compared by.
fn towards_leak(row: &Row) -> Option<(ComparedBy, Estimated)> {
    let (low, high, level) = (row.ci_low?, row.ci_high?, row.ci_level?);
    let (of, value) = match row.ci_of {
        Some(IntervalOf::Auc) => (ComparedBy::AucTowardsLeak, row.auc?),
        Some(IntervalOf::Estimate) => (ComparedBy::EstimateTowardsLeak, row.estimate?),
        _ => return None,
    };
    let plain = Estimated {
        value,
        low,
        high,
        level,
    };
    let turned = |about: f64| Estimated {
        value: about - value,
        low: about - high,
        high: about - low,
        level,
    };
    let estimated = match (row.direction, of) {
        (Direction::Down, ComparedBy::AucTowardsLeak) => turned(1.0),
        (Direction::Down, ComparedBy::EstimateTowardsLeak) => turned(0.0),
        (Direction::TwoSided, ComparedBy::AucTowardsLeak) if value < 0.5 => turned(1.0),
        (Direction::Up, _) | (Direction::TwoSided, ComparedBy::AucTowardsLeak) => plain,
        // Nobody says which side of an estimate is the worse one.
        (Direction::TwoSided, ComparedBy::EstimateTowardsLeak) => return None,
    };
    Some((of, estimated))
}

fn change(first: Option<&Row>, later: Option<&Row>) -> Option<Change> {
    let row = later.or(first)?;
    let side = |row: Option<&Row>| row.and_then(towards_leak);
    let (before, after) = (side(first), side(later));
    let found: Option<Difference> = before
        .zip(after)
        .filter(|((a, _), (b, _))| a == b)
        .and_then(|((_, a), (_, b))| difference(a, b));
    let note = match (first, later, &found) {
        (None, ..) => Some("the first run has no such row"),
        (_, None, _) => Some("the later run has no such row"),
        (_, _, None) => Some("no interval of one kind in both runs"),
        _ => None,
    };
    Some(Change {
        run: 1,
        probe: row.probe,
        role: row.role,
        tier: row.tier,
        prefix: row.prefix.clone(),
        phase: row.phase,
        group: row.group.clone(),
        statistic: row.statistic.clone(),
        scope: row.scope,
        direction: row.direction,
        of: after.or(before).map(|(of, _)| of),
        first: before.map(|(_, e)| e.value),
        later: after.map(|(_, e)| e.value),
        first_verdict: first.and_then(|r| r.verdict),
        later_verdict: later.and_then(|r| r.verdict),
        difference: found.map(|d| d.value),
        ci_low: found.map(|d| d.low),
        ci_high: found.map(|d| d.high),
        ci_level: found.map(|d| d.level),
        ci_method: found.map(|_| "square-and-add (MOVER)".to_owned()),
        p_value: found.map(|d| d.p_two_sided),
        p_worse: found.map(|d| d.p_upper),
        p_adjusted: None,
        paired_seeds: 0,
        paired_difference: None,
        paired_low: None,
        paired_high: None,
        paired_p_value: None,
        trend: Trend::NotComparable,
        note: note.map(str::to_owned),
    })
}

/// Differences of AUC seed by seed, where both runs have the seed.
fn pair(change: &mut Change, first: &[PerSeed], later: &[PerSeed]) {
    let is_audit = change.role == Role::Audit && change.scope == Scope::Checkpoint;
    if !is_audit || change.of != Some(ComparedBy::AucTowardsLeak) {
        return;
    }
    let score = |scores: &[PerSeed]| {
        let same = |s: &&PerSeed| {
            (s.probe, s.phase) == (change.probe, change.phase)
                && (&s.statistic, &s.prefix) == (&change.statistic, &change.prefix)
        };
        scores.iter().find(same).map(|s| s.values.clone())
    };
    let (Some(first), Some(later)) = (score(first), score(later)) else {
        return;
    };
    let turned = |auc: f64| match change.direction {
        Direction::Up => auc,
        Direction::Down => 1.0 - auc,
        Direction::TwoSided => auc.max(1.0 - auc),
    };
    let of = |b: &SeedValue| {
        let a = first.iter().find(|a| a.seed == b.seed)?;
        Some(turned(b.auc) - turned(a.auc))
    };
    let both: Vec<f64> = later.iter().filter_map(of).collect();
    change.paired_seeds = both.len();
    if let Some(test) = one_sample_t(&both, 0.0) {
        change.paired_difference = Some(test.mean);
        if let Some(interval) = test.interval(CI_LEVEL) {
            change.paired_low = Some(interval.low);
            change.paired_high = Some(interval.high);
        }
        change.paired_p_value = Some(test.p_two_sided);
    }
}
