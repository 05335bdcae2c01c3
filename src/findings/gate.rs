//! The gate: which exit code a CI job sees. Guide: evidence, "Gate and exit codes".

use super::compare::{Change, changes_between, is_same};
use super::measure::Statistic;
use super::report::{Gate, GateRule, Outcome};
use super::row::{IntervalOf, Row};
use super::terms::{Probe, Role, Scope, Tier, Verdict};
use crate::canary::Group;
use crate::exit::ExitCode;
use crate::spec::{Audit, Limit};
use crate::stats::holm;

/// Judges the rows by the gate. A failed rule decides before anything that stayed open.
///
/// With a `baseline`, the rows of another run, only a worsening fails.
pub(super) fn evaluate(rows: &[Row], audit: &Audit, baseline: Option<&[Row]>) -> Gate {
    let rules = match baseline {
        None => {
            let mut rules = vec![no_leak(rows, audit)];
            rules.extend(audit.gate.limits.iter().map(|limit| within(rows, limit)));
            rules
        }
        Some(before) => {
            let worsened = worsenings(before, rows);
            let alpha = audit.gate.alpha;
            let gated = rows.iter().filter(|r| r.gated);
            let mut rules: Vec<GateRule> = gated
                .map(|row| no_worse(row, before, &worsened, alpha))
                .collect();
            if rules.is_empty() {
                rules.push(no_leak(rows, audit));
            }
            let limits = audit.gate.limits.iter();
            rules
                .extend(limits.map(|limit| forgiven(within(rows, limit), limit, &worsened, alpha)));
            rules
        }
    };
    judge(rules, rows)
}

fn judge(rules: Vec<GateRule>, rows: &[Row]) -> Gate {
    let failed: Vec<String> = rules
        .iter()
        .filter(|r| r.outcome == Outcome::Fail)
        .map(|r| format!("rule failed: {}", told(r)))
        .collect();
    let mut open: Vec<String> = rules
        .iter()
        .filter(|r| r.outcome == Outcome::Undecided)
        .map(|r| format!("rule undecided: {}", told(r)))
        .collect();
    for row in rows {
        let about = about(row);
        if row.gated && row.verdict == Some(Verdict::Inconclusive) {
            let why = row.note.as_deref().unwrap_or("see the row");
            open.push(format!("inconclusive: {about} ({why})"));
        }
        if row.passed == Some(false) {
            let instrument = match row.role {
                Role::Placebo => "placebo",
                _ => "positive control",
            };
            open.push(format!("{instrument} failed: {about}"));
        }
    }
    let exit_code = match (failed.is_empty(), open.is_empty()) {
        (false, _) => ExitCode::Leakage,
        (true, false) => ExitCode::Inconclusive,
        (true, true) => ExitCode::WithinGate,
    };
    Gate {
        passed: exit_code == ExitCode::WithinGate,
        exit_code: exit_code.code(),
        rules,
        reasons: failed.into_iter().chain(open).collect(),
    }
}

/// A rule with what decided it.
fn told(rule: &GateRule) -> String {
    match &rule.detail {
        Some(detail) => format!("{}: {detail}", rule.rule),
        None => rule.rule.clone(),
    }
}

fn about(row: &Row) -> String {
    format!(
        "{} {} after phase {}",
        row.probe.name(),
        row.statistic,
        row.phase
    )
}

/// The rule that every gate has: no audit row of a gated tier is a leak.
fn no_leak(rows: &[Row], audit: &Audit) -> GateRule {
    let tiers = audit.gate.tiers.iter();
    let tiers: Vec<&str> = tiers.map(|&tier| Tier::from(tier).name()).collect();
    let mut gated = rows.iter().filter(|r| r.gated).peekable();
    // Where no row is of a gated tier nothing was measured, so nothing has passed.
    let measured = gated.peek().is_some();
    let leaking: Vec<&Row> = gated.filter(|r| r.verdict == Some(Verdict::Leak)).collect();
    let leaks = !leaking.is_empty();
    let each = leaking.iter().map(|row| {
        let p = row.p_adjusted.map_or_else(String::new, |p| {
            format!(" (adjusted p {p:.1e} against {})", audit.gate.alpha)
        });
        about(row) + &p
    });
    let detail = leaks.then(|| each.collect::<Vec<_>>().join("; "));
    GateRule {
        rule: format!("no audit row of {} is a leak", tiers.join(" or ")),
        limit: None,
        probe: None,
        group: Some(Group::HeldOut.name().to_owned()),
        interval: None,
        outcome: match (leaks, measured) {
            (true, _) => Outcome::Fail,
            (false, true) => Outcome::Pass,
            (false, false) => Outcome::Undecided,
        },
        detail,
    }
}

/// A row of the baseline and of this run, and the Holm-adjusted one-sided p-value of no worsening.
struct Worsening {
    change: Change,
    p: Option<f64>,
}

/// The audit rows about these checkpoints against the baseline's. The family is all of them, gated or not.
fn worsenings(before: &[Row], rows: &[Row]) -> Vec<Worsening> {
    let changes = changes_between(before, rows).into_iter();
    let changes: Vec<Change> = changes
        .filter(|c| c.role == Role::Audit && c.scope == Scope::Checkpoint)
        .collect();
    let p: Vec<f64> = changes.iter().filter_map(|c| c.p_worse).collect();
    let mut adjusted = holm(&p).into_iter();
    let with_p = |change: Change| Worsening {
        p: change.p_worse.and_then(|_| adjusted.next()),
        change,
    };
    changes.into_iter().map(with_p).collect()
}

/// The rule of one gated row against a baseline: fails where a worsening is shown; a new leak that no interval shows to be a
/// worsening leaves it open.
fn no_worse(row: &Row, before: &[Row], worsened: &[Worsening], alpha: f64) -> GateRule {
    let is_of = |c: &Change| {
        (c.probe, c.phase) == (row.probe, row.phase)
            && (&c.statistic, &c.prefix, &c.group) == (&row.statistic, &row.prefix, &row.group)
    };
    let found = worsened.iter().find(|w| is_of(&w.change));
    let change = found.map(|w| &w.change);
    let leaks = row.verdict == Some(Verdict::Leak);
    let had = change.is_some_and(|c| c.first_verdict.is_some());
    let leaked = change.is_some_and(|c| c.first_verdict == Some(Verdict::Leak));
    let p = found.and_then(|w| w.p);
    let shown = p.map_or_else(String::new, |p| {
        format!(" (one-sided adjusted p {p:.2e} against {alpha})")
    });
    let (outcome, detail) = match (p.is_some_and(|p| p < alpha), leaks) {
        (true, _) => (Outcome::Fail, format!("worse than in the baseline{shown}")),
        (false, false) => (
            Outcome::Pass,
            format!("no leak here, and no worsening shown{shown}"),
        ),
        (false, true) if p.is_some() && leaked => (
            Outcome::Pass,
            format!("a leak as in the baseline, no worsening shown{shown}"),
        ),
        (false, true) if p.is_some() => (
            Outcome::Undecided,
            format!(
                "a leak that the baseline did not show, but the difference may be chance{shown}"
            ),
        ),
        (false, true) if !had => (
            Outcome::Undecided,
            "a leak, and the baseline has no such row".to_owned(),
        ),
        (false, true) if !leaked => (
            Outcome::Fail,
            "a leak that the baseline did not show".to_owned(),
        ),
        (false, true) => no_interval(row, before),
    };
    GateRule {
        rule: format!("{} is no worse than in the baseline", about(row)),
        limit: change.and_then(|c| c.difference).map(|_| 0.0),
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
fn forgiven(rule: GateRule, limit: &Limit, worsened: &[Worsening], alpha: f64) -> GateRule {
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

fn is_limited(limit: &Limit, probe: Probe, statistic: &Statistic, phase: u8) -> bool {
    probe.name() == limit.probe
        && *statistic == limit.statistic.as_str()
        && limit.phase.is_none_or(|p| p == phase)
}

/// A limit on the AUC's interval: fails only when the whole interval lies beyond, passes only when it lies wholly within.
fn within(rows: &[Row], limit: &Limit) -> GateRule {
    let matching = rows.iter().filter(|r| r.role == Role::Audit);
    let matching = matching.filter(|r| is_limited(limit, r.probe, &r.statistic, r.phase));
    let (bound, below) = match (limit.max_auc, limit.min_auc) {
        (Some(max), _) => (max, true),
        (None, Some(min)) => (min, false),
        (None, None) => (f64::NAN, true),
    };
    let judged: Vec<(Outcome, Option<[f64; 2]>)> = matching
        .map(|r| match (&r.ci_of, r.ci_low, r.ci_high) {
            (Some(IntervalOf::Auc), Some(low), Some(high)) => {
                let (inside, outside) = if below {
                    (high <= bound, low > bound)
                } else {
                    (low >= bound, high < bound)
                };
                let outcome = match (inside, outside) {
                    (true, _) => Outcome::Pass,
                    (_, true) => Outcome::Fail,
                    _ => Outcome::Undecided,
                };
                (outcome, Some([low, high]))
            }
            _ => (Outcome::Undecided, None),
        })
        .collect();
    let severity = |o: &Outcome| match o {
        Outcome::Fail => 2,
        Outcome::Undecided => 1,
        Outcome::Pass => 0,
    };
    // No row matches: nothing was measured, so nothing is decided.
    let (outcome, interval) = judged
        .into_iter()
        .max_by_key(|(o, _)| severity(o))
        .unwrap_or((Outcome::Undecided, None));
    let phase = limit
        .phase
        .map_or(String::new(), |p| format!(" after phase {p}"));
    GateRule {
        rule: format!(
            "AUC of {} {}{phase} {} {bound}",
            limit.probe,
            limit.statistic,
            if below { "at most" } else { "at least" },
        ),
        limit: Some(bound),
        probe: Probe::ALL.into_iter().find(|p| p.name() == limit.probe),
        group: Some(Group::HeldOut.name().to_owned()),
        interval,
        outcome,
        detail: None,
    }
}
