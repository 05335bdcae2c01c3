//! What a score is called in titles, beside axes and in file names.

use crate::findings::{Probe, Statistic};
use crate::report::{numbers, words};

/// What a score is called in a title.
pub(super) fn score(probe: Probe, statistic: &Statistic, phase: u8) -> String {
    format!(
        "{} {}, phase {phase}",
        words::probe(probe),
        words::statistic(statistic)
    )
}

/// A number beside an axis: what rounding left of zero is zero.
pub(super) fn tick(value: f64) -> String {
    numbers::number(Some(if value.abs() < 1e-9 { 0.0 } else { value }))
}

/// A name for files and for elements of a page.
pub(super) fn slug(parts: &[&str]) -> String {
    words::slug(&parts.join("-"))
}
