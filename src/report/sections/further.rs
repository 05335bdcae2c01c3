//! Rows beside the leakage table that readers should see: about the recipe, and by dose.

use crate::findings::{Report, Role, Row, Scope};
use crate::report::blocks::{Block, Cell, Head, Notes};
use crate::report::{numbers, rows, words};

/// A table of the rows about the recipe, and one of the dose rows; none where there are no such rows.
pub(in crate::report) fn blocks(report: &Report) -> Vec<Block> {
    let mut blocks = table(
        "The recipe, over seeds",
        "Rows about the training recipe: seeds are the sample",
        report.rows.iter().filter(|row| row.scope == Scope::Recipe),
    );
    blocks.extend(table(
        "Dose",
        "Held-outs by how often each stood on the rejected side, the highest dose first",
        report.rows.iter().filter(|row| row.role == Role::Dose),
    ));
    blocks
}

fn table<'r>(heading: &str, caption: &str, rows: impl Iterator<Item = &'r Row>) -> Vec<Block> {
    let mut notes = Notes::default();
    let rows: Vec<_> = rows.map(|row| line(row, &mut notes)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let heads = [
        Head::text(&["probe", "statistic", "where", "n"]),
        Head::numeric(&["estimate", "against", "interval"]),
        Head::numeric(&["AUC", "interval"]),
        Head::numeric(&["p"]),
    ];
    let mut blocks = vec![Block::heading(heading), Block::grid(caption, heads, rows)];
    blocks.extend(notes.block());
    blocks
}

fn line(row: &Row, notes: &mut Notes) -> Vec<Cell> {
    let mut measured = vec![
        words::probe(row.probe),
        words::statistic(&row.statistic),
        words::place(row.phase, &row.prefix),
        format!("{}, {}", words::spaced(&row.group), words::counts(row)),
        words::seeds(&row.seeds),
    ];
    if row.min_detectable.is_some() && row.smallest_effect.is_some() {
        let [found, wanted] = [row.min_detectable, row.smallest_effect].map(numbers::number);
        let unit = row.effect_unit.as_deref().unwrap_or_default();
        measured.push(format!(
            "detectable {found}, to\u{a0}rule\u{a0}out {wanted} {unit}"
        ));
    }
    measured.extend(notes.mark(row.note.as_deref()));
    let found = [row.estimate, row.control_estimate.or(row.chance)].map(numbers::number);
    let (found, auc) = rows::with_interval(row, found, None);
    vec![
        Cell::of(measured),
        Cell::of(found),
        Cell::of(auc),
        Cell::line(numbers::p_value(row.p_value, row.p_floor)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_is_about_the_recipe_is_shown_with_its_interval() {
        let mut report = sample::report();
        let recipe = |row: &&mut Row| row.scope == Scope::Recipe;
        let row = report.rows.iter_mut().find(recipe).expect("a recipe row");
        (row.estimate, row.ci_low, row.ci_high) = (Some(0.25), Some(0.125), Some(0.375));
        (row.ci_of, row.ci_level) = (Some(crate::findings::IntervalOf::Estimate), Some(0.95));
        let blocks = blocks(&report);
        let [Block::Heading(_), Block::Grid(grid)] = &blocks[..] else {
            panic!("{blocks:?}")
        };
        assert_eq!(grid.rows.len(), 1);
        let expected = ["0.25", "n/a", "0.125 to 0.375", "(95\u{a0}%)"];
        assert_eq!(grid.rows[0][1].lines, expected);
        report.rows.retain(|row| row.scope != Scope::Recipe);
        assert!(super::blocks(&report).is_empty());
    }
}
