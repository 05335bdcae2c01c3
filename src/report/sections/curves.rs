//! The groups' curves through phase 3, as one line of blocks each.

use crate::findings::{Curve, Report};
use crate::report::blocks::{Block, Cell, Head};
use crate::report::{numbers, words};

/// Blocks of rising height.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Most points drawn: what fits beside the numbers at 80 columns.
const POINTS: usize = 24;

/// The phase in which elicitation shows.
const ELICITATION: u8 = 3;

/// A table of curves; empty where the report has none.
pub(in crate::report) fn blocks(report: &Report) -> Vec<Block> {
    let curves: Vec<&Curve> = report
        .curves
        .iter()
        .filter(|c| c.phase == ELICITATION && !c.mean_letter_rank.is_empty())
        .collect();
    let Some(first) = curves.first() else {
        return Vec::new();
    };
    let all = || curves.iter().flat_map(|c| &c.mean_letter_rank).copied();
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    let prefix = words::clean(&first.prefix);
    let caption = format!(
        "{} evaluations, {prefix} prefix; 0.5 knows nothing",
        first.steps.len()
    );
    let [from, to] = [low, high].map(|end| numbers::number(Some(end)));
    let heads = [
        Head::text(&["group"]),
        Head::text(&[&format!("{from} to {to}")]),
        Head::numeric(&["first"]),
        Head::numeric(&["highest"]),
        Head::numeric(&["last"]),
    ];
    let rows = curves.iter().map(|c| row(c, low, high)).collect();
    vec![
        Block::heading("Through phase 3: mean letter rank"),
        Block::grid(caption, heads, rows),
    ]
}

fn row(curve: &Curve, low: f64, high: f64) -> Vec<Cell> {
    let values = &curve.mean_letter_rank;
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let number = |value: Option<f64>| Cell::line(numbers::number(value));
    vec![
        Cell::line(format!(
            "{}, n\u{a0}{}",
            words::group(&curve.group),
            curve.n
        )),
        Cell::line(sparkline(values, low, high)),
        number(values.first().copied()),
        number(Some(highest)),
        number(values.last().copied()),
    ]
}

/// At most [`POINTS`] blocks, evenly spaced over the values, their height from `low` to `high`.
fn sparkline(values: &[f64], low: f64, high: f64) -> String {
    let points = values.len().min(POINTS);
    let last = values.len().saturating_sub(1);
    (0..points)
        .filter_map(|i| values.get(i * last / points.saturating_sub(1).max(1)))
        .map(|value| {
            let share = (value - low) / (high - low).max(f64::MIN_POSITIVE);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let height = (share.clamp(0.0, 1.0) * 7.0).round() as usize;
            HEIGHTS[height.min(7)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_rises_as_its_values_do_and_keeps_its_ends() {
        assert_eq!(sparkline(&[0.0, 0.5, 1.0], 0.0, 1.0), "▁▅█");
        assert_eq!(sparkline(&[0.3; 4], 0.3, 0.3), "▁▁▁▁");
        let many: Vec<f64> = (0..240u8).map(f64::from).collect();
        let drawn: Vec<char> = sparkline(&many, 0.0, 239.0).chars().collect();
        assert_eq!((drawn.len(), drawn[0], drawn[23]), (24, '▁', '█'));
        assert_eq!(sparkline(&[], 0.0, 1.0), "");
    }
}
