//! The gate: its rules, what decided each, and the exit code.

use crate::exit::ExitCode;
use crate::findings::{Gate, GateRule};
use crate::report::blocks::{Block, Cell, Head, Tone};
use crate::report::{numbers, words};

/// Each rule with its outcome, the reasons and the exit code.
pub(in crate::report) fn blocks(gate: &Gate) -> Vec<Block> {
    let mut blocks = vec![Block::heading("Gate")];
    if gate.rules.is_empty() {
        blocks.push(Block::text("No rules."));
    } else {
        let heads = [
            Head::text(&["outcome"]),
            Head::text(&["rule", "what decided it"]),
            Head::numeric(&["limit"]),
            Head::numeric(&["interval"]),
        ];
        let rows = gate.rules.iter().map(rule_line).collect();
        blocks.push(Block::grid("Rules of the gate", heads, rows));
    }
    // What the table says of a rule need not be said twice.
    let is_told = |reason: &str| {
        let of_rule = |rule: &GateRule| reason.starts_with("rule ") && reason.contains(&rule.rule);
        gate.rules.iter().any(of_rule)
    };
    let reasons = gate.reasons.iter().filter(|reason| !is_told(reason));
    let reasons: Vec<String> = reasons.map(|reason| words::spaced(reason)).collect();
    if !reasons.is_empty() {
        blocks.push(Block::List(reasons));
    }
    let tone = match ExitCode::try_from(gate.exit_code) {
        Ok(ExitCode::WithinGate) => Tone::Good,
        Ok(ExitCode::Inconclusive) => Tone::Unsure,
        _ => Tone::Bad,
    };
    let outcome = if gate.passed {
        "gate passed"
    } else {
        "gate not passed"
    };
    blocks.push(Block::Headline(
        tone,
        format!(
            "{outcome}: exit code {} ({})",
            gate.exit_code,
            words::exit_code(gate.exit_code)
        ),
    ));
    blocks
}

fn rule_line(rule: &GateRule) -> Vec<Cell> {
    let [low, high] = rule.interval.map_or([None; 2], |ends| ends.map(Some));
    vec![
        Cell::line(words::outcome(rule.outcome)).toned(rule.outcome.into()),
        Cell::of([rule_name(rule)].into_iter().chain(rule_margin(rule))),
        Cell::line(numbers::number(rule.limit)),
        Cell::line(numbers::interval(low, high, false)),
    ]
}

/// What decided a rule, and by how much: as the gate says it, or how its interval lies to its limit.
pub(in crate::report) fn rule_margin(rule: &GateRule) -> Option<String> {
    if let Some(detail) = &rule.detail {
        return Some(words::spaced(detail));
    }
    let ([low, high], limit) = (rule.interval?, rule.limit?);
    let by = |distance: f64| numbers::number(Some(distance));
    Some(if low > limit {
        format!(
            "the whole interval lies above the limit, by {}",
            by(low - limit)
        )
    } else if high < limit {
        format!(
            "the whole interval lies below the limit, by {}",
            by(limit - high)
        )
    } else {
        format!(
            "the interval reaches {} below and {} above the limit",
            by(limit - low),
            by(high - limit)
        )
    })
}

/// A rule in words, with the probe and the group that it looks at.
pub(in crate::report) fn rule_name(rule: &GateRule) -> String {
    let group = rule.group.as_deref().map(words::spaced);
    let scope: Vec<String> = rule
        .probe
        .map(words::probe)
        .into_iter()
        .chain(group)
        .collect();
    let name = words::clean(&rule.rule);
    if scope.is_empty() {
        name
    } else {
        format!("{name} ({})", scope.join(", "))
    }
}
