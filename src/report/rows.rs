//! What a row says, as text: one copy for every table.

use super::{numbers, words};
use crate::findings::{IntervalOf, Row};

/// What was measured, where, and on how many canaries.
pub(super) fn measured(row: &Row) -> [String; 3] {
    [
        words::statistic(&row.statistic),
        words::place(row.phase, &row.prefix),
        words::counts(row),
    ]
}

/// The size of what was seen: guess advantage, suppression beyond the control's, or the difference to control or chance.
pub(super) fn effect(row: &Row) -> String {
    if row.guess_advantage.is_some_and(f64::is_finite) {
        return numbers::signed_share(row.guess_advantage);
    }
    if let Some(nats) = row.suppression_nats.filter(|nats| nats.is_finite()) {
        let beyond = nats - row.control_estimate.unwrap_or(0.0);
        return numbers::signed_number(Some(beyond)) + "\u{a0}nats";
    }
    let against = row.control_estimate.or(row.chance);
    let difference = row
        .estimate
        .zip(against)
        .map(|(found, other)| found - other);
    numbers::signed_number(difference)
}

/// The adjusted p-value of a row: a bound where the p-value that it was made from is one.
pub(super) fn p_adjusted(row: &Row) -> String {
    let is_bound = numbers::is_at_floor(row.p_value, row.p_floor);
    let floor = row
        .p_adjusted
        .filter(|adjusted| is_bound && *adjusted < 1.0);
    numbers::p_value(row.p_adjusted, floor)
}

/// Whether the interval of the row is for the AUC; `None` where the row has none.
pub(super) fn interval_is_of_auc(row: &Row) -> Option<bool> {
    let ends = [row.ci_low?, row.ci_high?];
    let is_auc = row.ci_of == Some(IntervalOf::Auc);
    ends.iter().all(|end| end.is_finite()).then_some(is_auc)
}

/// The level of the intervals, where all share one: it then stands in the head of the table.
pub(super) fn common_level(rows: &[&Row]) -> Option<f64> {
    let with_interval = rows.iter().filter(|row| interval_is_of_auc(row).is_some());
    let mut levels = with_interval.map(|row| row.ci_level);
    let first = levels.next()??;
    levels.all(|level| level == Some(first)).then_some(first)
}

/// The head over intervals of this level.
pub(super) fn interval_head(level: Option<f64>) -> String {
    level.map_or_else(
        || "interval".to_owned(),
        |level| format!("{0}{1}%{1}int.", numbers::level(level), numbers::NBSP),
    )
}

/// These lines about the estimate, and the AUC, each with the interval where it is its own. `level`: the level that the head names.
pub(super) fn with_interval<const N: usize>(
    row: &Row,
    estimate: [String; N],
    level: Option<f64>,
) -> (Vec<String>, Vec<String>) {
    let (mut estimate, mut auc) = (Vec::from(estimate), vec![numbers::proportion(row.auc)]);
    match interval_is_of_auc(row) {
        Some(true) => auc.extend(interval(row, level)),
        Some(false) => estimate.extend(interval(row, level)),
        None => {}
    }
    (estimate, auc)
}

/// The interval with its level, where the head does not name it, and with what it is for, where that is neither estimate nor AUC.
fn interval(row: &Row, level: Option<f64>) -> Vec<String> {
    let of_auc = row.ci_of == Some(IntervalOf::Auc);
    let mut lines = vec![numbers::interval(row.ci_low, row.ci_high, of_auc)];
    let own = row.ci_level.filter(|_| level.is_none());
    lines.extend(own.map(|own| format!("({}{}%)", numbers::level(own), numbers::NBSP)));
    if let Some(IntervalOf::Other(other)) = &row.ci_of {
        lines.push(format!("of {}", words::spaced(other)));
    }
    lines
}
