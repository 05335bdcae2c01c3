//! Rows beside the leakage table that readers should see: about the recipe, and of roles that have no table of their own.

use super::document::{Block, Cell, Grid, Head, Notes};
use super::intervals::interval;
use super::{numbers, words};
use crate::findings::{Report, Role, Row, Scope};

/// A table of the rows about the recipe, and one for each further role; none where there are no such rows.
pub(super) fn blocks(report: &Report) -> Vec<Block> {
    let recipe = report.rows.iter().filter(|row| row.scope == Scope::Recipe);
    let mut blocks = table(
        "The recipe, over seeds",
        "Rows about the training recipe: seeds are the sample",
        recipe.collect(),
    );
    let known = |row: &Row| {
        matches!(
            row.role,
            Role::Audit
                | Role::PositiveControl
                | Role::Placebo
                | Role::Replication
                | Role::Exploratory
        )
    };
    let mut roles: Vec<String> = Vec::new();
    for row in report.rows.iter().filter(|row| !known(row)) {
        let name = words::role(row.role);
        if !roles.contains(&name) {
            roles.push(name);
        }
    }
    for role in roles {
        let rows = report
            .rows
            .iter()
            .filter(|row| words::role(row.role) == role);
        let caption = format!("Rows of the role \u{201c}{role}\u{201d}");
        blocks.extend(table(&words::capitalised(&role), &caption, rows.collect()));
    }
    blocks
}

fn table(heading: &str, caption: &str, rows: Vec<&Row>) -> Vec<Block> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut notes = Notes::default();
    let rows = rows.into_iter().map(|row| line(row, &mut notes)).collect();
    let mut blocks = vec![
        Block::Heading(heading.to_owned()),
        Block::Grid(Grid {
            caption: caption.to_owned(),
            heads: vec![
                Head::text(&["probe", "statistic", "where", "n"]),
                Head::numeric(&["estimate", "against", "interval"]),
                Head::numeric(&["AUC", "interval"]),
                Head::numeric(&["p"]),
            ],
            rows,
        }),
    ];
    blocks.extend(notes.block());
    blocks
}

fn line(row: &Row, notes: &mut Notes) -> Vec<Cell> {
    let mut measured = vec![
        words::probe(row.probe),
        words::statistic(&row.statistic),
        words::place(row),
        format!("{}, {}", words::spaced(&row.group), words::counts(row)),
        words::seeds(&row.seeds),
    ];
    if let (Some(finds), Some(asked)) = (row.min_detectable, row.smallest_effect) {
        let of = |value| numbers::number(Some(value));
        let unit = row.effect_unit.as_deref().unwrap_or_default();
        measured.push(format!("finds {}, asked {} {unit}", of(finds), of(asked)));
    }
    measured.extend(notes.mark(row.note.as_deref()));
    let mut found = vec![
        numbers::number(row.estimate),
        numbers::number(row.control_estimate.or(row.chance)),
    ];
    let mut auc = vec![numbers::proportion(row.auc)];
    match numbers::interval_is_of_auc(row) {
        Some(true) => auc.extend(interval(row, None)),
        Some(false) => found.extend(interval(row, None)),
        None => {}
    }
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
    use crate::findings::IntervalOf;
    use crate::report::sample;

    #[test]
    fn what_is_about_the_recipe_is_shown_with_its_interval() {
        let mut report = sample::report();
        let recipe = |row: &&mut Row| row.scope == Scope::Recipe;
        let row = report.rows.iter_mut().find(recipe).expect("a recipe row");
        (row.estimate, row.ci_low, row.ci_high) = (Some(0.25), Some(0.125), Some(0.375));
        (row.ci_of, row.ci_level) = (Some(IntervalOf::Estimate), Some(0.95));
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
