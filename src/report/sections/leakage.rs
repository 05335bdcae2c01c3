//! The leakage table: every audit row about these checkpoints, worst tier first.

use crate::findings::{Report, Role, Row, Scope};
use crate::report::blocks::{Block, Cell, Grid, Head, Notes, Room, Tone};
use crate::report::{numbers, rows, words};

/// The table, its notes, and a count of the rows that it leaves out.
pub(in crate::report) fn blocks(report: &Report, room: Room) -> Vec<Block> {
    let rows = audit_rows(report);
    let mut blocks = vec![Block::heading(
        "Leakage: held-out canaries against controls",
    )];
    if rows.is_empty() {
        blocks.push(Block::text("No audit rows: nothing was tested."));
    } else {
        let mut notes = Notes::default();
        blocks.push(Block::Grid(grid(&rows, room, &mut notes)));
        blocks.extend(notes.block());
    }
    blocks.extend(left_out(report).map(Block::Text));
    blocks
}

/// The audit rows about these checkpoints, by tier from the worst; within a tier in the order of the report.
fn audit_rows(report: &Report) -> Vec<&Row> {
    let shown = |row: &&Row| row.role == Role::Audit && row.scope == Scope::Checkpoint;
    let mut rows: Vec<_> = report.rows.iter().filter(shown).collect();
    rows.sort_by_key(|row| words::TIERS.iter().position(|tier| *tier == row.tier));
    rows
}

fn left_out(report: &Report) -> Option<String> {
    let exploratory = report
        .rows
        .iter()
        .filter(|row| row.role == Role::Exploratory && row.scope == Scope::Checkpoint)
        .count();
    let rows = match exploratory {
        0 => return None,
        1 => "1 exploratory row. It is".to_owned(),
        _ => format!("{exploratory} exploratory rows. They are"),
    };
    Some(format!("Not shown here: {rows} in leakage.csv."))
}

fn grid(rows: &[&Row], room: Room, notes: &mut Notes) -> Grid {
    let level = rows::common_level(rows);
    let smallest = if room == Room::Wide {
        "min.\u{a0}detectable"
    } else {
        "detectable"
    };
    let mut heads = vec![
        Head::text(&["probe", "statistic", "where", "n"]),
        Head::numeric(&["held-out", "control", "effect", "interval"]),
        Head::numeric(&["AUC", &rows::interval_head(level)]),
        Head::numeric(&["p", "adj. p"]),
        Head::numeric(&[smallest, "to\u{a0}rule\u{a0}out", "unit"]),
    ];
    let verdict_head = Head::text(&["verdict", "tier"]);
    if room == Room::Wide {
        let shares = ["TPR,\u{a0}high", "TPR,\u{a0}low", "1\u{a0}%\u{a0}FPR"];
        heads.insert(3, Head::numeric(&shares));
        heads.push(Head::text(&["needs"]));
        // Where the table scrolls, the verdict must not be what scrolls away.
        heads.insert(1, verdict_head);
    } else {
        heads.push(verdict_head);
    }
    let line = |row: &&Row| {
        let verdict = verdict(row, notes.mark(row.note.as_deref()));
        let (estimates, auc) = estimates(row, level);
        let mut cells = vec![
            measured(row),
            estimates,
            auc,
            Cell::of([
                numbers::p_value(row.p_value, row.p_floor),
                rows::p_adjusted(row),
            ]),
            detectable(row),
        ];
        if room == Room::Wide {
            let shares = [row.tpr_at_1pct_fpr, row.tpr_low_at_1pct_fpr];
            cells.insert(3, Cell::of(shares.map(numbers::share)));
            cells.push(Cell::line(words::access(row.access)));
            cells.insert(1, verdict);
        } else {
            cells.push(verdict);
        }
        cells
    };
    let grid = Grid {
        caption: "Audit rows, the worst tier first".to_owned(),
        heads,
        rows: rows.iter().map(line).collect(),
    };
    if room == Room::Narrow {
        grid.stacked(1..5, Head::text(&["what was found"]))
    } else {
        grid
    }
}

fn measured(row: &Row) -> Cell {
    let mut cell = Cell::line(words::probe(row.probe));
    cell.lines.extend(rows::measured(row));
    if row.group != "held_out" {
        cell.lines
            .push(format!("group {}", words::spaced(&row.group)));
    }
    cell
}

/// What was found among held-outs, among what they are compared with, and between the two; and how well the two are separated.
fn estimates(row: &Row, level: Option<f64>) -> (Cell, Cell) {
    let against = match (&row.control, row.chance) {
        (None, Some(chance)) => format!("chance\u{a0}{}", numbers::number(Some(chance))),
        _ => numbers::number(row.control_estimate),
    };
    let found = [numbers::number(row.estimate), against, rows::effect(row)];
    let (found, mut auc) = rows::with_interval(row, found, level);
    if auc.len() == 1 && row.auc.is_some() {
        auc.push(numbers::NA.to_owned());
    }
    (Cell::of(found), Cell::of(auc))
}

fn detectable(row: &Row) -> Cell {
    let mut lines = [row.min_detectable, row.smallest_effect]
        .map(numbers::number)
        .to_vec();
    lines.extend(row.effect_unit.as_deref().map(words::unit));
    let both = [row.min_detectable_advantage, row.smallest_effect_advantage];
    if let [Some(found), Some(asked)] = both {
        let [found, asked] = [found, asked].map(|x| format!("{:+.0}\u{a0}%", 100.0 * x));
        lines.push(format!("{found}, {asked} guesses"));
    }
    Cell::of(lines)
}

fn verdict(row: &Row, note: Option<String>) -> Cell {
    let mut lines = vec![words::verdict(row.verdict), words::tier(row.tier)];
    if !row.gated {
        lines.push("not gated");
    }
    let mut cell = Cell::of(lines).toned(row.verdict.map_or(Tone::Plain, Tone::from));
    cell.lines.extend(note);
    cell
}
