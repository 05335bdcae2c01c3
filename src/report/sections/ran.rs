//! What was run: scope, threat model, setting, versions, digests, times.

use super::document::{Block, Cell, Grid, Head};
use super::{numbers, words};
use crate::findings::{Access, Report, Role, Row, Setting};
use serde_json::Value;

/// Facts first, then every recorded value, then the spec.
pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let heads = vec![Head::text(&["what"]), Head::text(&["here"])];
    let mut rows = vec![
        fact("model", &words::clean(&report.model)),
        fact("seeds", &words::seeds(&report.seeds)),
        fact("scope", &words::clean(&report.scope_note)),
    ];
    rows.extend(threats(report));
    rows.extend(report.setting.iter().flat_map(setting));
    rows.push(fact("audit rows", &tested(report)));
    rows.extend(duration(&report.provenance).map(|text| fact("duration", &text)));
    let mut blocks = vec![
        Block::Heading("What was run".to_owned()),
        Block::Grid(Grid {
            caption: "Scope, threat model and setting".to_owned(),
            heads,
            rows,
        }),
    ];
    blocks.extend(provenance(&report.provenance));
    let spec = report.setting.as_ref().filter(|s| !s.spec.is_empty());
    blocks.extend(spec.map(|s| Block::Listing("The resolved spec".to_owned(), s.spec.clone())));
    blocks
}

fn fact(name: &str, value: &str) -> Vec<Cell> {
    vec![Cell::line(name), Cell::line(value)]
}

/// A line a tier that was tested: who could do what, and with which access it was tried.
fn threats(report: &Report) -> Vec<Vec<Cell>> {
    let audited = |row: &&Row| row.role == Role::Audit;
    let line = |tier| {
        let rows = report
            .rows
            .iter()
            .filter(audited)
            .filter(|r| r.tier == tier);
        let mut access: Vec<Access> = rows.map(|row| row.access).collect();
        access.sort_by_key(|access| words::access_rank(*access));
        access.dedup();
        if access.is_empty() {
            return None;
        }
        let needs: Vec<String> = access.into_iter().map(words::access).collect();
        let text = format!(
            "{}. Tried with: {}.",
            words::capitalised(words::clause(tier)),
            needs.join("; ")
        );
        Some(fact(&format!("threat: {}", words::tier(tier)), &text))
    };
    words::TIERS.into_iter().filter_map(line).collect()
}

fn setting(setting: &Setting) -> Vec<Vec<Cell>> {
    let prefixes = match &setting.prefixes {
        Some([regular, reverse]) => {
            let [regular, reverse] = [regular, reverse].map(|p| words::clean(p));
            format!(
                "\u{201c}{regular}\u{201d} in ordinary context, \u{201c}{reverse}\u{201d} for elicitation"
            )
        }
        None => "none".to_owned(),
    };
    vec![
        fact(
            "secrets",
            &format!(
                "{} letters each, drawn uniformly from {}; chance is {} nats a letter",
                setting.length,
                setting.letters,
                numbers::number(Some(setting.chance_logprob))
            ),
        ),
        fact(
            "canaries a seed",
            &format!(
                "{} held-out (under audit), {} useful (positive control), {} controls (never trained on)",
                setting.held_out, setting.useful, setting.controls
            ),
        ),
        fact(
            "training against",
            &format!(
                "each held-out and useful canary {} on the rejected side",
                words::times(setting.repeats)
            ),
        ),
        fact("prefixes", &prefixes),
        fact(
            "level",
            &format!(
                "{} for all audit rows together (Holm)",
                numbers::number(Some(setting.alpha))
            ),
        ),
    ]
}

/// How many rows the verdicts rest on, by probe.
fn tested(report: &Report) -> String {
    let rows = report.rows.iter().filter(|row| row.role == Role::Audit);
    let mut counts: Vec<(String, usize)> = Vec::new();
    for name in rows.map(|row| words::probe(row.probe)) {
        match counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    if counts.is_empty() {
        return "none".to_owned();
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(name, n)| format!("{n} of {name}"))
        .collect();
    parts.join(", ")
}

fn duration(provenance: &Value) -> Option<String> {
    let seconds = provenance.get("seconds")?.as_f64().filter(|s| *s >= 0.0)?;
    Some(if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else if seconds < 7200.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    })
}

/// What ran where, one line a value, nested names joined by dots.
fn provenance(value: &Value) -> Vec<Block> {
    let mut rows = Vec::new();
    flatten("", value, &mut rows);
    if rows.is_empty() {
        return vec![Block::Text("No provenance was recorded.".to_owned())];
    }
    let heads = vec![Head::text(&["what"]), Head::text(&["value"])];
    vec![Block::Grid(Grid {
        caption: "Provenance: versions, device, digests and times".to_owned(),
        heads,
        rows,
    })]
}

fn flatten(name: &str, value: &Value, rows: &mut Vec<Vec<Cell>>) {
    let under = |part: &str| {
        if name.is_empty() {
            part.to_owned()
        } else {
            format!("{name}.{part}")
        }
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, field)| flatten(&under(key), field, rows)),
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items
                .iter()
                .enumerate()
                .for_each(|(place, item)| flatten(&under(&place.to_string()), item, rows));
        }
        Value::Array(items) => rows.push(named(
            name,
            &items.iter().map(scalar).collect::<Vec<_>>().join(", "),
        )),
        Value::Null if name.is_empty() => {}
        other => rows.push(named(name, &scalar(other))),
    }
}

fn named(name: &str, value: &str) -> Vec<Cell> {
    vec![
        Cell::line(words::clean(name)),
        Cell::line(words::clean(value)),
    ]
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => numbers::NA.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
