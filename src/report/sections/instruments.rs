//! What stands beside the audit: the instruments that show whether a probe could have seen a leak, and the published statistic.

use super::document::{Block, Cell, Grid, Head, Notes, Room, Tone};
use super::intervals::{common_level, interval, interval_head};
use super::{numbers, words};
use crate::findings::{Probe, Report, Role, Row, Scope};

/// Positive controls and placebos; a probe that audited without one gets a line that says so.
pub(super) fn instruments(report: &Report, room: Room) -> Vec<Block> {
    let mut notes = Notes::default();
    let mut lines = Vec::new();
    let shown = |row: &&Row| {
        matches!(row.role, Role::PositiveControl | Role::Placebo) && row.scope == Scope::Checkpoint
    };
    let level = common_level(&report.rows.iter().filter(shown).collect::<Vec<_>>());
    for role in [Role::PositiveControl, Role::Placebo] {
        for probe in audited(report) {
            let of_both = |row: &&Row| row.role == role && row.probe == probe;
            let rows: Vec<_> = report.rows.iter().filter(shown).filter(of_both).collect();
            if rows.is_empty() {
                lines.push(not_run(role, probe));
            }
            lines.extend(
                rows.into_iter()
                    .map(|row| instrument(row, level, &mut notes)),
            );
        }
    }
    if lines.is_empty() {
        return Vec::new();
    }
    let caption = "Positive controls must find their effect, placebos must find none".to_owned();
    let heads = vec![
        Head::text(&["instrument"]),
        Head::text(&["result"]),
        Head::text(&["measured"]),
        Head::numeric(&["found", "against"]),
        Head::numeric(&["AUC", &interval_head(level)]),
        Head::numeric(&["p"]),
    ];
    let grid = Grid {
        caption,
        heads,
        rows: lines,
    };
    let grid = if room == Room::Narrow {
        narrowed(&grid)
    } else {
        grid
    };
    let mut blocks = vec![
        Block::Heading("Instruments: could the probes have seen a leak?".to_owned()),
        Block::Grid(grid),
    ];
    blocks.extend(notes.block());
    blocks
}

/// Without room for six columns, what was measured and found stands in one, each number after the head that it stood under.
fn narrowed(grid: &Grid) -> Grid {
    let narrow = |row: &Vec<Cell>| {
        let [instrument, result, measured, numbers @ ..] = row.as_slice() else {
            return row.clone();
        };
        let named = numbers
            .iter()
            .zip(grid.heads.iter().skip(3))
            .flat_map(|(cell, head)| labelled(cell, head));
        vec![
            instrument.clone(),
            result.clone(),
            Cell::of(measured.lines.iter().cloned().chain(named)),
        ]
    };
    let heads = grid.heads.iter().take(3).cloned().collect();
    Grid {
        caption: grid.caption.clone(),
        heads,
        rows: grid.rows.iter().map(narrow).collect(),
    }
}

fn labelled(cell: &Cell, head: &Head) -> Vec<String> {
    let label = |place: usize| {
        head.lines
            .get(place)
            .map(|name| format!("{name} "))
            .unwrap_or_default()
    };
    cell.lines
        .iter()
        .enumerate()
        .map(|(place, line)| label(place) + line)
        .collect()
}

/// The probes with rows of these roles, in order.
fn audited(report: &Report) -> Vec<Probe> {
    let used = report.rows.iter().filter(|row| {
        matches!(
            row.role,
            Role::Audit | Role::PositiveControl | Role::Placebo
        )
    });
    let mut probes: Vec<_> = used.map(|row| row.probe).collect();
    probes.sort();
    probes.dedup();
    probes
}

fn instrument(row: &Row, level: Option<f64>, notes: &mut Notes) -> Vec<Cell> {
    let tone = match row.passed {
        Some(true) => Tone::Good,
        Some(false) => Tone::Bad,
        None => Tone::Unsure,
    };
    // Measured, but the spec says that nothing depends on it.
    let told = match (row.passed, row.p_value) {
        (None, Some(_)) => "not asked",
        (passed, _) => words::passed(passed),
    };
    let mut result = Cell::line(told).toned(tone);
    result.lines.extend(notes.mark(row.note.as_deref()));
    let mut auc = Cell::line(numbers::proportion(row.auc));
    let mut found = Cell::of([numbers::number(row.estimate), compared_with(row)]);
    match numbers::interval_is_of_auc(row) {
        Some(true) => auc.lines.extend(interval(row, level)),
        Some(false) => found.lines.extend(interval(row, level)),
        None => {}
    }
    let mut measured = Cell::of([
        words::statistic(&row.statistic),
        words::place(row),
        words::counts(row),
    ]);
    if row.role == Role::PositiveControl && row.group != "useful" {
        measured
            .lines
            .push(format!("group {}", words::spaced(&row.group)));
    }
    vec![
        name(row.role, row.probe),
        result,
        measured,
        found,
        auc,
        Cell::line(numbers::p_value(row.p_value, row.p_floor)),
    ]
}

fn compared_with(row: &Row) -> String {
    numbers::number(if row.control.is_some() {
        row.control_estimate
    } else {
        row.chance
    })
}

fn name(role: Role, probe: Probe) -> Cell {
    Cell::of([words::role(role), words::probe(probe)])
}

fn not_run(role: Role, probe: Probe) -> Vec<Cell> {
    let na = || Cell::line(numbers::NA);
    vec![
        name(role, probe),
        Cell::line(words::passed(None)).toned(Tone::Unsure),
        na(),
        na(),
        na(),
        na(),
    ]
}

/// The paper's own statistic, which no verdict rests on.
pub(super) fn replication(report: &Report) -> Vec<Block> {
    let mut notes = Notes::default();
    let shown = report
        .rows
        .iter()
        .filter(|row| row.role == Role::Replication && row.scope == Scope::Checkpoint);
    let rows: Vec<_> = shown.map(|row| replicated(row, &mut notes)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let grid = Grid {
        caption: "The paper's own statistic; no verdict rests on it".to_owned(),
        heads: vec![
            Head::text(&["group", "measured"]),
            Head::numeric(&["estimate", "interval"]),
            Head::numeric(&["chance"]),
            Head::numeric(&["effect"]),
            Head::numeric(&["p"]),
        ],
        rows,
    };
    let mut blocks = vec![
        Block::Heading("Replication: the published metric".to_owned()),
        Block::Grid(grid),
    ];
    blocks.extend(notes.block());
    blocks
}

fn replicated(row: &Row, notes: &mut Notes) -> Vec<Cell> {
    let group = format!("{}, n{}{}", words::spaced(&row.group), numbers::NBSP, row.n);
    let mut measured = Cell::of([group, words::statistic(&row.statistic), words::place(row)]);
    measured.lines.extend(notes.mark(row.note.as_deref()));
    vec![
        measured,
        Cell::of([numbers::number(row.estimate), interval_with_level(row)]),
        Cell::line(numbers::number(row.chance)),
        Cell::line(numbers::effect(row)),
        Cell::line(numbers::p_value(row.p_value, row.p_floor)),
    ]
}

fn interval_with_level(row: &Row) -> String {
    let ends = numbers::interval(row.ci_low, row.ci_high, false);
    match row.ci_level {
        Some(level) if ends != numbers::NA => {
            format!("{ends} ({}{}%)", numbers::level(level), numbers::NBSP)
        }
        _ => ends,
    }
}
