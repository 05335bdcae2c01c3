//! The verdict of the run and of each tier.

use crate::findings::{Access, Probe, Report, Role, Row, Tier, Verdict};
use crate::report::blocks::{Block, Cell, Head, Tone};
use crate::report::words;

/// The verdict of the run, one line per tier, and how far they reach.
pub(in crate::report) fn blocks(report: &Report) -> Vec<Block> {
    let rows = words::TIERS
        .into_iter()
        .map(|tier| tier_line(report, tier))
        .collect();
    let model = words::clean(&report.model);
    let heads = ["tier", "verdict", "what it means"].map(|head| Head::text(&[head]));
    vec![
        Block::text(format!("Model {model}, {}.", words::seeds(&report.seeds))),
        Block::Headline(
            report.verdict.into(),
            words::headline(report.verdict).to_owned(),
        ),
        Block::text(words::headline_sentence(report.verdict)),
        Block::grid("Verdict by tier", heads, rows),
        Block::text(format!("Scope: {}", words::clean(&report.scope_note))),
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
    let looked = |probe: &Probe| {
        let looks = |row: &Row| row.role == Role::Audit && (row.tier, row.probe) == (tier, *probe);
        report.rows.iter().any(looks)
    };
    let probes: Vec<String> = Probe::ALL
        .into_iter()
        .filter(looked)
        .map(words::probe)
        .collect();
    let mut sentence = words::tier_sentence(tier, verdict, &probes);
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
    leaks.map(|row| row.access).min()
}
