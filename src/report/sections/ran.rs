//! What was run: scope, threat model, setting, versions, digests, times.

use crate::findings::{Access, Probe, Report, Role, Row, Setting};
use crate::report::blocks::{Block, Cell, Head};
use crate::report::{numbers, words};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Facts first, then every recorded value, then the spec.
pub(in crate::report) fn blocks(report: &Report) -> Vec<Block> {
    let mut rows = vec![
        fact("model", &words::clean(&report.model)),
        fact("seeds", &words::seeds(&report.seeds)),
        fact("scope", &words::clean(&report.scope_note)),
    ];
    rows.extend(threats(report));
    rows.extend(report.setting.iter().flat_map(setting));
    rows.push(fact("audit rows", &tested(report)));
    rows.extend(duration(&report.provenance).map(|text| fact("duration", &text)));
    let heads = [Head::text(&["what"]), Head::text(&["here"])];
    let mut blocks = vec![
        Block::heading("What was run"),
        Block::grid("Scope, threat model and setting", heads, rows),
    ];
    blocks.push(provenance(&report.provenance));
    let spec = report.setting.as_ref().filter(|s| !s.spec.is_empty());
    blocks.extend(spec.map(|s| Block::Listing("The resolved spec".to_owned(), s.spec.clone())));
    blocks
}

fn fact(name: &str, value: &str) -> Vec<Cell> {
    vec![Cell::line(name), Cell::line(value)]
}

/// A line per tested tier: who could do what, and with which access it was tried.
fn threats(report: &Report) -> Vec<Vec<Cell>> {
    let audited = |row: &&Row| row.role == Role::Audit;
    let line = |tier| {
        let rows = report.rows.iter().filter(audited);
        let rows = rows.filter(|row| row.tier == tier);
        let access: BTreeSet<Access> = rows.map(|row| row.access).collect();
        if access.is_empty() {
            return None;
        }
        let needs: Vec<&str> = access.into_iter().map(words::access).collect();
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
                "{} letters each, drawn uniformly from {}; chance is {} nats per letter",
                setting.length,
                setting.letters,
                numbers::number(Some(setting.chance_logprob))
            ),
        ),
        fact(
            "canaries per seed",
            &format!(
                "{} held-out (under audit), {} useful: elicited (positive control), {} controls (never trained on)",
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
    let mut counts: BTreeMap<Probe, usize> = BTreeMap::new();
    rows.for_each(|row| *counts.entry(row.probe).or_default() += 1);
    if counts.is_empty() {
        return "none".to_owned();
    }
    let parts: Vec<String> = counts
        .into_iter()
        .map(|(probe, n)| format!("{n} of {}", words::probe(probe)))
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

/// What ran where, one line per value, nested names joined by dots.
fn provenance(value: &Value) -> Block {
    let mut rows = Vec::new();
    flatten("", value, &mut rows);
    if rows.is_empty() {
        return Block::text("No provenance was recorded.");
    }
    Block::grid(
        "Provenance: versions, device, digests and times",
        [Head::text(&["what"]), Head::text(&["value"])],
        rows,
    )
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
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            rows.push(fact(&words::clean(name), &words::clean(&items.join(", "))));
        }
        Value::Null if name.is_empty() => {}
        other => rows.push(fact(&words::clean(name), &words::clean(&scalar(other)))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => numbers::NA.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
