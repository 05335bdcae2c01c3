//! The ends of a report: its verdicts first, its gate and provenance last.

use super::document::{Block, Cell, Grid, Head, Tone};
use super::{numbers, words};
use crate::findings::{Access, Gate, GateRule, Report, Role, Tier, Verdict};

/// The verdict of the run, one line a tier, and how far they reach.
pub(super) fn verdicts(report: &Report) -> Vec<Block> {
    let rows = words::TIERS
        .into_iter()
        .map(|tier| tier_line(report, tier))
        .collect();
    vec![
        Block::Text(format!(
            "Model {}, {}.",
            words::clean(&report.model),
            words::seeds(&report.seeds)
        )),
        Block::Headline(
            report.verdict.into(),
            words::headline(report.verdict).to_owned(),
        ),
        Block::Text(words::headline_sentence(report.verdict).to_owned()),
        Block::Grid(Grid {
            caption: "Verdict by tier".to_owned(),
            heads: vec![
                Head::text(&["tier"]),
                Head::text(&["verdict"]),
                Head::text(&["what it means"]),
            ],
            rows,
        }),
        Block::Text(format!("Scope: {}", words::clean(&report.scope_note))),
    ]
}

fn tier_line(report: &Report, tier: Tier) -> Vec<Cell> {
    let verdict = match tier {
        Tier::Recognition => report.tiers.recognition,
        Tier::Partial => report.tiers.partial,
        Tier::Extraction => report.tiers.extraction,
    };
    let shown = Cell::line(if verdict.is_some() {
        words::verdict(verdict)
    } else {
        "not tested"
    });
    let mut sentence = words::tier_sentence(tier, verdict);
    if verdict == Some(Verdict::Leak)
        && let Some(needs) = least_access(report, tier)
    {
        sentence = format!("{sentence} An attacker needs {}.", words::access(needs));
    }
    let mut name = vec![words::tier(tier)];
    if verdict.is_some()
        && !report
            .rows
            .iter()
            .any(|row| row.role == Role::Audit && row.tier == tier && row.gated)
    {
        name.push("(not gated)");
    }
    vec![
        Cell::of(name),
        shown.toned(verdict.map_or(Tone::Plain, Tone::from)),
        Cell::line(sentence),
    ]
}

/// The least that an attacker needs for a leak of the tier.
fn least_access(report: &Report, tier: Tier) -> Option<Access> {
    let leaks = report.rows.iter().filter(|row| {
        row.role == Role::Audit && row.tier == tier && row.verdict == Some(Verdict::Leak)
    });
    leaks
        .map(|row| row.access)
        .min_by_key(|access| words::access_rank(*access))
}

/// Each rule with its outcome, the reasons and the exit code.
pub(super) fn gate(gate: &Gate) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("Gate".to_owned())];
    if gate.rules.is_empty() {
        blocks.push(Block::Text("No rules.".to_owned()));
    } else {
        blocks.push(Block::Grid(Grid {
            caption: "Rules of the gate".to_owned(),
            heads: vec![
                Head::text(&["outcome"]),
                Head::text(&["rule", "what decided it"]),
                Head::numeric(&["limit"]),
                Head::numeric(&["interval"]),
            ],
            rows: gate.rules.iter().map(rule_line).collect(),
        }));
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
    let tone = match (gate.passed, gate.exit_code) {
        (true, _) => Tone::Good,
        (false, 3) => Tone::Unsure,
        (false, _) => Tone::Bad,
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
    let [low, high] = rule.interval.map_or([None, None], |ends| ends.map(Some));
    vec![
        Cell::line(words::outcome(rule.outcome)).toned(rule.outcome.into()),
        Cell::of([rule_name(rule)].into_iter().chain(rule_margin(rule))),
        Cell::line(numbers::number(rule.limit)),
        Cell::line(numbers::interval(low, high, false)),
    ]
}

/// What decided a rule, and by how much: as the gate says it, or how its interval lies to its limit.
pub(super) fn rule_margin(rule: &GateRule) -> Option<String> {
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
pub(super) fn rule_name(rule: &GateRule) -> String {
    let scope: Vec<String> = [
        rule.probe.map(words::probe),
        rule.group.as_deref().map(words::spaced),
    ]
    .into_iter()
    .flatten()
    .collect();
    let name = words::clean(&rule.rule);
    if scope.is_empty() {
        name
    } else {
        format!("{name} ({})", scope.join(", "))
    }
}
