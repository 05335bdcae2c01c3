//! Differences between runs, with their intervals.

use super::canvas::{CHANCE, Frame, Plot, draw, line_style, note, roomy};
use super::labels::{score, tick};
use crate::findings::{Change, Comparison, Role, Scope};
use crate::report::error::ReportError;
use crate::report::{numbers, words};

/// Height of a row with its label, and around the rows, in the view's units.
const ROW: usize = 42;
const AROUND: usize = 90;

/// One plot per later run.
pub(in crate::report) fn plots(comparison: &Comparison) -> Result<Vec<Plot>, ReportError> {
    let plots = (1..comparison.runs.len()).map(|run| plot(comparison, run));
    plots.filter_map(Result::transpose).collect()
}

/// A change that has a difference, with the ends of its interval.
type Found<'c> = (&'c Change, f64, f64, f64);

fn plot(comparison: &Comparison, run: usize) -> Result<Option<Plot>, ReportError> {
    let audited = comparison
        .changes
        .iter()
        .filter(|c| c.run == run && c.role == Role::Audit && c.scope == Scope::Checkpoint);
    let found: Vec<Found<'_>> = audited
        .filter_map(|c| Some((c, c.difference?, c.ci_low?, c.ci_high?)))
        .collect();
    let ends = found
        .iter()
        .flat_map(|(_, _, low, high)| [*low, *high, 0.0]);
    let Some(x) = roomy(ends, 0.05) else {
        return Ok(None);
    };
    let inside = ROW * found.len();
    let frame = Frame {
        name: format!("differences-run-{}", run + 1),
        title: format!("Run {} less run 1", run + 1),
        description: described(&found),
        x_label: "difference; right of 0 is worse".to_owned(),
        y_label: String::new(),
        x: x.clone(),
        y: 0.0..inside as f64,
        x_text: tick,
        y_text: |_| String::new(),
        ticks: (6, 1),
        legend: vec![
            ("difference, interval".to_owned(), line_style("held_out", 0)),
            ("no difference".to_owned(), CHANCE),
        ],
        height: i32::try_from(inside + AROUND).unwrap_or(i32::MAX / 4),
    };
    let style = line_style("held_out", 0);
    draw(frame, |chart| {
        CHANCE.line(chart, &[(0.0, 0.0), (0.0, inside as f64)], 0)?;
        let mut y = inside as f64;
        for (change, difference, low, high) in &found {
            y -= ROW as f64;
            let name = score(change.probe, &change.statistic, change.phase);
            note(chart, &name, (x.start, y + 16.0), 3)?;
            style.line(chart, &[(*low, y + 8.0), (*high, y + 8.0)], 0)?;
            style.dot(chart, (*difference, y + 8.0))?;
        }
        Ok(())
    })
    .map(Some)
}

fn described(found: &[Found<'_>]) -> String {
    let each = found.iter().map(|(change, difference, low, high)| {
        format!(
            "{}: {}, interval {}, {}",
            score(change.probe, &change.statistic, change.phase),
            numbers::signed_number(Some(*difference)),
            numbers::interval(Some(*low), Some(*high), false),
            words::trend(change.trend)
        )
    });
    each.collect::<Vec<_>>().join("; ") + "."
}
