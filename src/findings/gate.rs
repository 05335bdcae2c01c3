//! The gate: which exit code a CI job sees. Guide: evidence, "Gate and exit codes".

mod baseline;

use super::measure::Statistic;
use super::report::{Gate, GateRule, Outcome};
use super::row::{IntervalOf, Row};
use super::terms::{Probe, Role, Tier, Verdict};
use crate::canary::Group;
use crate::exit::ExitCode;
use crate::spec::{Audit, Limit};
use baseline::{forgiven, no_worse, worsenings};

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
            let (alpha, margin) = (audit.gate.alpha, audit.gate.baseline_margin);
            let gated = rows.iter().filter(|r| r.gated);
            let mut rules: Vec<GateRule> = gated
                .map(|row| no_worse(row, before, &worsened, (alpha, margin)))
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
