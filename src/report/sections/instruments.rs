//! The instruments: positive controls and placebos, which show whether a probe could have seen a leak.

use crate::findings::{Probe, Report, Role, Row, Scope};
use crate::report::blocks::{Block, Cell, Grid, Head, Notes, Room, Tone};
use crate::report::{numbers, rows, words};

const INSTRUMENTS: [Role; 2] = [Role::PositiveControl, Role::Placebo];

/// Positive controls and placebos; a probe that audited without one gets a line that says so.
pub(in crate::report) fn blocks(report: &Report, room: Room) -> Vec<Block> {
    let mut notes = Notes::default();
    let shown: Vec<&Row> = report
        .rows
        .iter()
        .filter(|row| INSTRUMENTS.contains(&row.role) && row.scope == Scope::Checkpoint)
        .collect();
    let level = rows::common_level(&shown);
    let mut lines = Vec::new();
    for role in INSTRUMENTS {
        for probe in audited(report) {
            let before = lines.len();
            let rows = shown
                .iter()
                .filter(|row| row.role == role && row.probe == probe);
            lines.extend(rows.map(|row| instrument(row, level, &mut notes)));
            if lines.len() == before {
                lines.push(not_run(role, probe));
            }
        }
    }
    if lines.is_empty() {
        return Vec::new();
    }
    let grid = Grid {
        caption: "Positive controls must find their effect, placebos must find none".to_owned(),
        heads: vec![
            Head::text(&["instrument"]),
            Head::text(&["result"]),
            Head::text(&["measured"]),
            Head::numeric(&["found", "against"]),
            Head::numeric(&["AUC", &rows::interval_head(level)]),
            Head::numeric(&["p"]),
        ],
        rows: lines,
    };
    let grid = if room == Room::Narrow {
        grid.stacked(2..6, Head::text(&["measured"]))
    } else {
        grid
    };
    let mut blocks = vec![
        Block::heading("Instruments: could the probes have seen a leak?"),
        Block::Grid(grid),
    ];
    blocks.extend(notes.block());
    blocks
}

/// The probes that have audit rows or instruments, in order.
fn audited(report: &Report) -> Vec<Probe> {
    let used = |row: &&Row| row.role == Role::Audit || INSTRUMENTS.contains(&row.role);
    let mut probes: Vec<_> = report
        .rows
        .iter()
        .filter(used)
        .map(|row| row.probe)
        .collect();
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
    let told = match (row.passed, row.p_value) {
        // Measured, but the spec says that nothing depends on it.
        (None, Some(_)) => "not required",
        (passed, _) => words::passed(passed),
    };
    let mut result = Cell::line(told).toned(tone);
    result.lines.extend(notes.mark(row.note.as_deref()));
    let against = if row.control.is_some() {
        row.control_estimate
    } else {
        row.chance
    };
    let found = [row.estimate, against].map(numbers::number);
    let (found, auc) = rows::with_interval(row, found, level);
    let mut measured = Cell::of(rows::measured(row));
    if row.role == Role::PositiveControl && row.group != "useful" {
        measured
            .lines
            .push(format!("group {}", words::spaced(&row.group)));
    }
    vec![
        name(row.role, row.probe),
        result,
        measured,
        Cell::of(found),
        Cell::of(auc),
        Cell::line(numbers::p_value(row.p_value, row.p_floor)),
    ]
}

fn name(role: Role, probe: Probe) -> Cell {
    Cell::of([words::role(role).to_owned(), words::probe(probe)])
}

fn not_run(role: Role, probe: Probe) -> Vec<Cell> {
    let result = Cell::line(words::passed(None)).toned(Tone::Unsure);
    let mut cells = vec![name(role, probe), result];
    cells.resize(6, Cell::line(numbers::NA));
    cells
}
