//! The paper's own statistic, which no verdict rests on.

use crate::findings::{Report, Role, Row, Scope};
use crate::report::blocks::{Block, Cell, Head, Notes};
use crate::report::{numbers, rows, words};

pub(in crate::report) fn blocks(report: &Report) -> Vec<Block> {
    let mut notes = Notes::default();
    let shown = report
        .rows
        .iter()
        .filter(|row| row.role == Role::Replication && row.scope == Scope::Checkpoint);
    let rows: Vec<_> = shown.map(|row| line(row, &mut notes)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![
        Block::heading("Replication: the published metric"),
        Block::grid(
            "The paper's own statistic; no verdict rests on it",
            [
                Head::text(&["group", "measured"]),
                Head::numeric(&["estimate", "interval"]),
                Head::numeric(&["chance"]),
                Head::numeric(&["effect"]),
                Head::numeric(&["p"]),
            ],
            rows,
        ),
    ];
    blocks.extend(notes.block());
    blocks
}

fn line(row: &Row, notes: &mut Notes) -> Vec<Cell> {
    let group = format!("{}, n\u{a0}{}", words::group(&row.group), row.n);
    let mut measured = Cell::of([
        group,
        words::statistic(&row.statistic),
        words::place(row.phase, &row.prefix),
    ]);
    measured.lines.extend(notes.mark(row.note.as_deref()));
    let ends = numbers::interval(row.ci_low, row.ci_high, false);
    let interval = match row.ci_level {
        Some(level) if ends != numbers::NA => {
            format!("{ends} ({}\u{a0}%)", numbers::level(level))
        }
        _ => ends,
    };
    vec![
        measured,
        Cell::of([numbers::number(row.estimate), interval]),
        Cell::line(numbers::number(row.chance)),
        Cell::line(rows::effect(row)),
        Cell::line(numbers::p_value(row.p_value, row.p_floor)),
    ]
}
