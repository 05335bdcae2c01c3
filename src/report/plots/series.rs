//! Rows that differ in one number of their statistic's name: known letters, search depth, repeats.

use super::canvas::{CHANCE, Frame, Plot, draw, look, roomy};
use super::slug;
use crate::findings::{Report, Row};
use crate::report::{ReportError, numbers, words};

/// Fewer points are read in a table.
const LEAST: usize = 3;

/// A statistic's name with its last number taken out, and that number.
fn parted(statistic: &str) -> Option<(String, u32)> {
    let mut parts: Vec<&str> = statistic.split('_').collect();
    let place = parts
        .iter()
        .rposition(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))?;
    let number = parts[place].parse().ok()?;
    parts[place] = "k";
    Some((parts.join("_"), number))
}

/// Rows that are alike but for one number.
struct Series<'r> {
    stem: String,
    points: Vec<(u32, &'r Row)>,
}

fn all(report: &Report) -> Vec<Series<'_>> {
    let mut found: Vec<Series<'_>> = Vec::new();
    for row in report.rows.iter().filter(|row| row.estimate.is_some()) {
        let Some((stem, number)) = parted(&row.statistic) else {
            continue;
        };
        let alike = |series: &&mut Series<'_>| {
            series.stem == stem
                && series.points.first().is_some_and(|(_, first)| {
                    (first.probe, first.role, first.phase, first.scope)
                        == (row.probe, row.role, row.phase, row.scope)
                        && (&first.prefix, &first.group) == (&row.prefix, &row.group)
                })
        };
        if let Some(series) = found.iter_mut().find(alike) {
            series.points.push((number, row));
        } else {
            found.push(Series {
                stem,
                points: vec![(number, row)],
            });
        }
    }
    found.retain(|series| series.points.len() >= LEAST);
    for series in &mut found {
        series.points.sort_by_key(|(number, _)| *number);
    }
    found
}

pub(super) fn plots(report: &Report) -> Result<Vec<Plot>, ReportError> {
    let plots = all(report).into_iter().map(|series| plot(&series));
    let plots: Vec<Option<Plot>> = plots.collect::<Result<_, _>>()?;
    Ok(plots.into_iter().flatten().collect())
}

fn plot(series: &Series<'_>) -> Result<Option<Plot>, ReportError> {
    let Some((_, first)) = series.points.first() else {
        return Ok(None);
    };
    let line = |value: fn(&Row) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = series.points.iter();
        points
            .filter_map(|(k, row)| Some((f64::from(*k), value(row)?)))
            .collect()
    };
    let lines = [
        (words::spaced(&first.group), look(&first.group, 0), line(|row| row.estimate)),
        ("control".to_owned(), look("control", 1), line(|row| row.control_estimate)),
        ("chance".to_owned(), CHANCE, line(|row| row.chance)),
    ];
    let lines: Vec<_> = lines.into_iter().filter(|(_, _, points)| !points.is_empty()).collect();
    let intervals: Vec<(f64, f64, f64)> = series
        .points
        .iter()
        .filter(|(_, row)| numbers::interval_is_of_auc(row) == Some(false))
        .filter_map(|(k, row)| Some((f64::from(*k), row.ci_low?, row.ci_high?)))
        .collect();
    let xs = lines.iter().flat_map(|(_, _, points)| points).map(|p| p.0);
    let ys = lines.iter().flat_map(|(_, _, points)| points).map(|p| p.1);
    let ys = ys.chain(intervals.iter().flat_map(|(_, low, high)| [*low, *high]));
    let (Some(x), Some(y)) = (roomy(xs, 0.04), roomy(ys, 0.06)) else {
        return Ok(None);
    };
    let phase = first.phase.to_string();
    let frame = Frame {
        name: slug(&["by-k", &words::probe(first.probe), &series.stem, &first.group, "phase", &phase]),
        title: format!("{}, {}", words::probe(first.probe), words::place(first).replace(numbers::NBSP, " ")),
        description: described(series),
        x_label: format!("k of \u{201c}{}\u{201d}", words::spaced(&series.stem)),
        y_label: "value".to_owned(),
        x,
        y,
        x_text: |x| if (x - x.round()).abs() < 1e-9 { format!("{x:.0}") } else { String::new() },
        y_text: |y| numbers::number(Some(y)),
        ticks: (8, 5),
        legend: lines.iter().map(|(name, look, _)| (name.clone(), *look)).collect(),
        height: 300,
    };
    draw(frame, |chart| {
        for (k, low, high) in &intervals {
            look(&first.group, 0).line(chart, &[(*k, *low), (*k, *high)], 0)?;
        }
        for (_, look, points) in &lines {
            look.line(chart, points, points.len())?;
        }
        Ok(())
    })
    .map(Some)
}

fn described(series: &Series<'_>) -> String {
    let each = series.points.iter().map(|(k, row)| {
        let against = numbers::number(row.control_estimate.or(row.chance));
        format!("{k}: {} against {against}", numbers::number(row.estimate))
    });
    format!("{} by k. {}.", words::capitalised(&words::spaced(&series.stem)), each.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_of_a_name_is_its_place() {
        assert_eq!(
            parted("lowest_letter_rate_given_12_letters"),
            Some(("lowest_letter_rate_given_k_letters".to_owned(), 12))
        );
        assert_eq!(
            parted("planted_in_top_512_at_depth_3"),
            Some(("planted_in_top_512_at_depth_k".to_owned(), 3))
        );
        assert_eq!(parted("mean_letter_rank"), None);
        assert_eq!(parted("x_99999999999999999999"), None);
    }
}
