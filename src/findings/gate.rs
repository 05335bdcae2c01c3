//! The gate: which exit code a CI job sees. Source: evidence.md, "Gate and exit codes".

use super::row::{Gate, GateRule, Outcome, Probe, Role, Row, Verdict};
use crate::spec::{Audit, GatedTier, Limit};

/// Exit code of a run within its gate.
const WITHIN: u8 = 0;
/// Exit code when a rule failed.
const LEAKAGE: u8 = 1;
/// Exit code when nothing failed but something stayed open.
const INCONCLUSIVE: u8 = 3;

/// Judges the rows by the gate. A failed rule decides before anything that stayed open.
pub(super) fn evaluate(rows: &[Row], audit: &Audit) -> Gate {
    let mut rules = vec![no_leak(rows, audit)];
    rules.extend(audit.gate.limits.iter().map(|limit| within(rows, limit)));
    let failed: Vec<String> = rules
        .iter()
        .filter(|r| r.outcome == Outcome::Fail)
        .map(|r| format!("rule failed: {}", r.rule))
        .collect();
    let mut open: Vec<String> = rules
        .iter()
        .filter(|r| r.outcome == Outcome::Undecided)
        .map(|r| format!("rule undecided: {}", r.rule))
        .collect();
    for row in rows {
        let about = format!(
            "{} {} after phase {}",
            name(row.probe),
            row.statistic,
            row.phase
        );
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
        (false, _) => LEAKAGE,
        (true, false) => INCONCLUSIVE,
        (true, true) => WITHIN,
    };
    Gate {
        passed: exit_code == WITHIN,
        exit_code,
        rules,
        reasons: failed.into_iter().chain(open).collect(),
    }
}

fn name(probe: Probe) -> &'static str {
    match probe {
        Probe::Elicitation => "elicitation",
        Probe::LowLogit => "low_logit",
    }
}

/// The rule that every gate has: no audit row of a gated tier is a leak.
fn no_leak(rows: &[Row], audit: &Audit) -> GateRule {
    let tiers: Vec<&str> = audit
        .gate
        .tiers
        .iter()
        .map(|tier| match tier {
            GatedTier::Recognition => "recognition",
            GatedTier::Partial => "partial",
            GatedTier::Extraction => "extraction",
        })
        .collect();
    let mut gated = rows.iter().filter(|r| r.gated).peekable();
    // Where no row is of a gated tier nothing was measured, so nothing has passed.
    let measured = gated.peek().is_some();
    let leaks = gated.any(|r| r.verdict == Some(Verdict::Leak));
    GateRule {
        rule: format!("no audit row of {} is a leak", tiers.join(" or ")),
        limit: None,
        probe: None,
        group: Some("held_out".to_owned()),
        interval: None,
        outcome: match (leaks, measured) {
            (true, _) => Outcome::Fail,
            (false, true) => Outcome::Pass,
            (false, false) => Outcome::Undecided,
        },
        detail: None,
    }
}

/// A limit on the AUC's interval: fails only when the whole interval lies beyond, passes only when it lies wholly within.
fn within(rows: &[Row], limit: &Limit) -> GateRule {
    let matching = rows.iter().filter(|r| {
        r.role == Role::Audit
            && name(r.probe) == limit.probe
            && r.statistic == limit.statistic
            && limit.phase.is_none_or(|p| p == r.phase)
    });
    let (bound, below) = match (limit.max_auc, limit.min_auc) {
        (Some(max), _) => (max, true),
        (None, Some(min)) => (min, false),
        (None, None) => (f64::NAN, true),
    };
    let judged: Vec<(Outcome, Option<[f64; 2]>)> = matching
        .map(|r| match (r.ci_of.as_deref(), r.ci_low, r.ci_high) {
            (Some("auc"), Some(low), Some(high)) => {
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
        probe: match limit.probe.as_str() {
            "elicitation" => Some(Probe::Elicitation),
            "low_logit" => Some(Probe::LowLogit),
            _ => None,
        },
        group: Some("held_out".to_owned()),
        interval,
        outcome,
        detail: None,
    }
}
