//! The leakage table: every audit row about these checkpoints, worst tier first.

use super::document::{Block, Cell, Grid, Head, Notes, Room, Tone};
use super::intervals::{common_level, interval, interval_head};
use super::{numbers, words};
use crate::findings::{Report, Role, Row, Scope};

/// The table, its notes, and a count of the rows that it leaves out.
pub(super) fn blocks(report: &Report, room: Room) -> Vec<Block> {
    let rows = audit_rows(report);
    let mut blocks = vec![Block::Heading(
        "Leakage: held-out canaries against controls".to_owned(),
    )];
    if rows.is_empty() {
        blocks.push(Block::Text("No audit rows: nothing was tested.".to_owned()));
    } else {
        let mut notes = Notes::default();
        let level = common_level(&rows);
        let columns = columns(room, level);
        let cells = rows
            .iter()
            .map(|row| line(row, &columns, level, &mut notes))
            .collect();
        let heads = columns.into_iter().map(|column| column.head).collect();
        blocks.push(Block::Grid(Grid {
            caption: "Audit rows, the worst tier first".to_owned(),
            heads,
            rows: cells,
        }));
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

/// A column: its head, and what it shows of a row. `level`: the level that the head already names.
struct Column {
    head: Head,
    cell: fn(&Row, level: Option<f64>) -> Cell,
    is_verdict: bool,
}

impl Column {
    fn new(head: Head, cell: fn(&Row, level: Option<f64>) -> Cell) -> Self {
        Self {
            head,
            cell,
            is_verdict: false,
        }
    }
}

fn columns(room: Room, level: Option<f64>) -> Vec<Column> {
    let interval = interval_head(level);
    let verdict = Column {
        head: Head::text(&["verdict", "tier"]),
        cell: verdict,
        is_verdict: true,
    };
    if room == Room::Narrow {
        let numbers = format!("what was found, {}", interval.replace("int.", "interval"));
        return vec![
            Column::new(Head::text(&["measured"]), measured),
            Column::new(Head::text(&[&numbers]), labelled),
            verdict,
        ];
    }
    let mut columns = vec![
        Column::new(Head::text(&["probe", "statistic", "where", "n"]), measured),
        Column::new(Head::numeric(&["held-out", "control", "effect"]), estimates),
        Column::new(Head::numeric(&["AUC", &interval]), auc),
        Column::new(Head::numeric(&["p", "adj. p"]), p_values),
        Column::new(Head::numeric(&["finds", "asked", "unit"]), detectable),
    ];
    if room == Room::Wide {
        let head = Head::numeric(&["TPR,\u{a0}high", "TPR,\u{a0}low", "1\u{a0}%\u{a0}FPR"]);
        columns.insert(3, Column::new(head, caught));
        let needs: fn(&Row, Option<f64>) -> Cell = |row, _| Cell::line(words::access(row.access));
        columns.push(Column::new(Head::text(&["needs"]), needs));
        // Where the table scrolls, the verdict must not be what scrolls away.
        columns.insert(1, verdict);
    } else {
        columns.push(verdict);
    }
    columns
}

fn line(row: &Row, columns: &[Column], level: Option<f64>, notes: &mut Notes) -> Vec<Cell> {
    let mark = notes.mark(row.note.as_deref());
    let cell = |column: &Column| {
        let mut cell = (column.cell)(row, level);
        if column.is_verdict {
            cell.lines.extend(mark.clone());
        }
        cell
    };
    columns.iter().map(cell).collect()
}

fn measured(row: &Row, _: Option<f64>) -> Cell {
    let mut lines = vec![
        words::probe(row.probe),
        words::statistic(&row.statistic),
        words::place(row),
        words::counts(row),
    ];
    if row.group != "held_out" {
        lines.push(format!("group {}", words::spaced(&row.group)));
    }
    Cell::of(lines)
}

/// What the row is compared with: the control group, or chance where it has none.
fn against(row: &Row) -> String {
    match (&row.control, row.chance) {
        (None, Some(chance)) => format!("chance{}{}", numbers::NBSP, numbers::number(Some(chance))),
        _ => numbers::number(row.control_estimate),
    }
}

fn estimates(row: &Row, level: Option<f64>) -> Cell {
    let mut lines = vec![
        numbers::number(row.estimate),
        against(row),
        numbers::effect(row),
    ];
    if numbers::interval_is_of_auc(row) == Some(false) {
        lines.extend(interval(row, level));
    }
    Cell::of(lines)
}

fn auc(row: &Row, level: Option<f64>) -> Cell {
    let mut lines = vec![numbers::proportion(row.auc)];
    if numbers::interval_is_of_auc(row) == Some(true) {
        lines.extend(interval(row, level));
    } else if row.auc.is_some() {
        lines.push(numbers::NA.to_owned());
    }
    Cell::of(lines)
}

fn p_values(row: &Row, _: Option<f64>) -> Cell {
    Cell::of([
        numbers::p_value(row.p_value, row.p_floor),
        numbers::p_adjusted(row),
    ])
}

fn detectable(row: &Row, _: Option<f64>) -> Cell {
    let mut lines = vec![
        numbers::number(row.min_detectable),
        numbers::number(row.smallest_effect),
    ];
    lines.extend(row.effect_unit.as_deref().map(words::unit));
    Cell::of(lines)
}

fn caught(row: &Row, _: Option<f64>) -> Cell {
    Cell::of([
        numbers::share(row.tpr_at_1pct_fpr),
        numbers::share(row.tpr_low_at_1pct_fpr),
    ])
}

fn verdict(row: &Row, _: Option<f64>) -> Cell {
    let mut lines = vec![words::verdict(row.verdict), words::tier(row.tier)];
    if !row.gated {
        lines.push("not gated");
    }
    Cell::of(lines).toned(row.verdict.map_or(Tone::Plain, Tone::from))
}

/// The numbers of a row as labelled lines, for a terminal without room for columns.
fn labelled(row: &Row, level: Option<f64>) -> Cell {
    let label = |name: &str, value: &str| format!("{name} {value}");
    let of_auc = numbers::interval_is_of_auc(row);
    let ends = of_auc
        .map(|_| {
            let ends = interval(row, level).join(" ").replace(' ', "\u{a0}");
            format!(" ({ends})")
        })
        .unwrap_or_default();
    let estimate = numbers::number(row.estimate);
    let mut lines = vec![label(
        "held-out",
        &if of_auc == Some(false) {
            estimate + &ends
        } else {
            estimate
        },
    )];
    lines.push(if row.control.is_some() {
        label("control", &against(row))
    } else {
        against(row)
    });
    lines.push(label("effect", &numbers::effect(row)));
    let auc = numbers::proportion(row.auc);
    lines.push(label(
        "AUC",
        &if of_auc == Some(true) {
            auc + &ends
        } else {
            auc
        },
    ));
    lines.push(label("p", &numbers::p_value(row.p_value, row.p_floor)));
    lines.push(label("adj. p", &numbers::p_adjusted(row)));
    lines.push(label("finds", &numbers::number(row.min_detectable)));
    let unit = row
        .effect_unit
        .as_deref()
        .map(words::unit)
        .unwrap_or_default();
    lines.push(label(
        "asked",
        format!("{} {unit}", numbers::number(row.smallest_effect)).trim_end(),
    ));
    Cell::of(lines)
}
