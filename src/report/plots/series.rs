//! Rows that differ in one number of their statistic's name: known letters, search depth, repeats.

use super::canvas::{CHANCE, Frame, Plot, draw, look, roomy};
use super::labels::{slug, tick};
use crate::findings::{Report, Row};
use crate::report::error::ReportError;
use crate::report::{numbers, rows, words};

/// Fewer points are read in a table.
const LEAST: usize = 2;

/// A statistic's name with its numbers taken out, the last as k, and those numbers.
fn parted(statistic: &str) -> Option<(String, Vec<u32>)> {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts: Vec<&str> = statistic.split('_').collect();
    let last = parts.iter().rposition(|part| is_number(part))?;
    let mut numbers = Vec::new();
    for (place, part) in parts.iter_mut().enumerate() {
        if is_number(part) {
            numbers.push(part.parse().ok()?);
            *part = if place == last { "k" } else { "n" };
        }
    }
    Some((parts.join("_"), numbers))
}

/// Rows that are alike but for one number.
struct Series<'r> {
    stem: String,
    points: Vec<(u32, &'r Row)>,
}

impl Series<'_> {
    /// Whether anything is to be seen: not the same number throughout, for held-outs as for controls.
    fn tells(&self) -> bool {
        let values = self
            .points
            .iter()
            .flat_map(|(_, row)| row.estimate.into_iter().chain(row.control_estimate));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        low < high
    }
}

/// Rows that are alike but for numbers.
struct Family<'r> {
    stem: String,
    rows: Vec<(Vec<u32>, &'r Row)>,
}

fn families(report: &Report) -> Vec<Family<'_>> {
    let mut found: Vec<Family<'_>> = Vec::new();
    for row in report.rows.iter().filter(|row| row.estimate.is_some()) {
        let Some((stem, numbers)) = parted(&row.statistic) else {
            continue;
        };
        let alike = |family: &&mut Family<'_>| {
            family.stem == stem
                && family.rows.first().is_some_and(|(_, first)| {
                    (first.probe, first.role, first.phase, first.scope)
                        == (row.probe, row.role, row.phase, row.scope)
                        && (&first.prefix, &first.group) == (&row.prefix, &row.group)
                })
        };
        if let Some(family) = found.iter_mut().find(alike) {
            family.rows.push((numbers, row));
        } else {
            found.push(Family {
                stem,
                rows: vec![(numbers, row)],
            });
        }
    }
    found
}

impl<'r> Family<'r> {
    /// One series over the last number where it never comes twice, else one for each choice of the others.
    fn series(&self) -> Vec<Series<'r>> {
        let last = |numbers: &[u32]| numbers.last().copied().unwrap_or(0);
        let mut places: Vec<u32> = self.rows.iter().map(|(numbers, _)| last(numbers)).collect();
        places.sort_unstable();
        places.dedup();
        let is_one = places.len() == self.rows.len();
        let mut others: Vec<&[u32]> = Vec::new();
        for (numbers, _) in &self.rows {
            let other = numbers.split_last().map_or(&[][..], |(_, other)| other);
            if !others.contains(&other) {
                others.push(other);
            }
        }
        let choices: Vec<Option<&[u32]>> = if is_one {
            vec![None]
        } else {
            others.into_iter().map(Some).collect()
        };
        let of = |choice: Option<&[u32]>| {
            let fits = |numbers: &[u32]| choice.is_none_or(|other| numbers.starts_with(other));
            let rows = self.rows.iter().filter(|(numbers, _)| fits(numbers));
            let mut points: Vec<(u32, &Row)> = rows.map(|(n, row)| (last(n), *row)).collect();
            points.sort_by_key(|(number, _)| *number);
            let named = choice.unwrap_or_default().iter();
            let stem = named.fold(self.stem.clone(), |stem, number| {
                stem.replacen("_n_", &format!("_{number}_"), 1)
            });
            Series { stem, points }
        };
        let all = choices.into_iter().map(of);
        all.filter(|series| series.points.len() >= LEAST && series.tells())
            .collect()
    }
}

pub(super) fn plots(report: &Report) -> Result<Vec<Plot>, ReportError> {
    let families = families(report);
    let plots = families
        .iter()
        .flat_map(Family::series)
        .map(|series| plot(&series));
    plots.filter_map(Result::transpose).collect()
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
        (
            words::spaced(&first.group),
            look(&first.group, 0),
            line(|row| row.estimate),
        ),
        (
            "control".to_owned(),
            look("control", 1),
            line(|row| row.control_estimate),
        ),
        ("chance".to_owned(), CHANCE, line(|row| row.chance)),
    ];
    let lines: Vec<_> = lines
        .into_iter()
        .filter(|(_, _, points)| !points.is_empty())
        .collect();
    let intervals: Vec<(f64, f64, f64)> = series
        .points
        .iter()
        .filter(|(_, row)| rows::interval_is_of_auc(row) == Some(false))
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
        name: slug(&[
            "by-k",
            &words::probe(first.probe),
            &series.stem,
            &first.group,
            "phase",
            &phase,
        ]),
        title: format!(
            "{}, phase {}, {}: {}",
            words::probe(first.probe),
            first.phase,
            words::clean(&first.prefix),
            words::spaced(&series.stem)
        ),
        description: described(series),
        x_label: "k".to_owned(),
        y_label: "estimate".to_owned(),
        x,
        y,
        x_text: |x| {
            if (x - x.round()).abs() < 1e-9 {
                format!("{x:.0}")
            } else {
                String::new()
            }
        },
        y_text: tick,
        ticks: (8, 5),
        legend: lines
            .iter()
            .map(|(name, look, _)| (name.clone(), *look))
            .collect(),
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
    format!(
        "{} by k. {}.",
        words::capitalised(&words::spaced(&series.stem)),
        each.collect::<Vec<_>>().join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::report::sample;

    #[test]
    fn the_last_number_of_a_name_is_its_place() {
        assert_eq!(
            parted("lowest_letter_rate_given_12_letters"),
            Some(("lowest_letter_rate_given_k_letters".to_owned(), vec![12]))
        );
        assert_eq!(
            parted("planted_in_top_512_at_depth_3"),
            Some(("planted_in_top_n_at_depth_k".to_owned(), vec![512, 3]))
        );
        assert_eq!(parted("mean_letter_rank"), None);
        assert_eq!(parted("x_99999999999999999999"), None);
    }

    #[test]
    fn rows_by_depth_are_one_series_and_several_tops_several() {
        let with = |names: &[&str]| {
            let mut report = sample::report();
            let row = report.rows[0].clone();
            report.rows = names
                .iter()
                .map(|name| Row {
                    statistic: (*name).to_owned(),
                    ..row.clone()
                })
                .collect();
            let of = |family: &Family<'_>| {
                let series = family.series();
                series
                    .iter()
                    .map(|s| (s.stem.clone(), s.points.len()))
                    .collect::<Vec<_>>()
            };
            families(&report).iter().flat_map(of).collect::<Vec<_>>()
        };
        assert_eq!(
            with(&["top_9_of_1", "top_99_of_2", "top_99_of_3", "other"]),
            [("top_n_of_k".to_owned(), 3)]
        );
        assert_eq!(
            with(&["top_9_of_1", "top_99_of_1", "top_9_of_2", "top_99_of_2"]),
            [("top_9_of_k".to_owned(), 2), ("top_99_of_k".to_owned(), 2)]
        );
        assert!(with(&["top_9_of_1"]).is_empty());
    }
}
