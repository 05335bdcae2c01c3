//! Intervals of rows, with what they are for and their level: one that does not say so means nothing.

use super::{numbers, words};
use crate::findings::{IntervalOf, Row};

/// The level of the intervals, where all share one: it then stands in the head of the table.
pub(super) fn common_level(rows: &[&Row]) -> Option<f64> {
    let mut levels = rows
        .iter()
        .filter(|row| numbers::interval_is_of_auc(row).is_some())
        .map(|row| row.ci_level);
    let first = levels.next()??;
    levels.all(|level| level == Some(first)).then_some(first)
}

/// The head over intervals of this level.
pub(super) fn interval_head(level: Option<f64>) -> String {
    let named = |level| format!("{} % int.", numbers::level(level)).replace(' ', "\u{a0}");
    level.map_or_else(|| "interval".to_owned(), named)
}

/// The interval with its level, where the head does not name it.
pub(super) fn interval(row: &Row, level: Option<f64>) -> Vec<String> {
    let of_auc = numbers::interval_is_of_auc(row) == Some(true);
    let mut lines = vec![numbers::interval(row.ci_low, row.ci_high, of_auc)];
    if level.is_none()
        && let Some(own) = row.ci_level
    {
        lines.push(format!("({}{}%)", numbers::level(own), numbers::NBSP));
    }
    if let Some(IntervalOf::Other(other)) = &row.ci_of {
        lines.push(format!("of {}", words::spaced(other)));
    }
    lines
}
