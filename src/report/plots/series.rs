//! Rows that differ in one count that their statistic is given for: known letters, known negatives, search depth.

use super::canvas::{CHANCE, Frame, Plot, draw, line_style, roomy};
use super::labels::{slug, tick};
use crate::findings::{Report, Row, Statistic};
use crate::report::error::ReportError;
use crate::report::{numbers, rows, words};

/// Fewer points are read in a table.
const LEAST: usize = 2;

/// The name of a series over the last of so many counts: that one is k. The others are `shown`, or n.
fn stem(statistic: &Statistic, shown: &[usize]) -> String {
    let last = statistic.counts().len().saturating_sub(1);
    let other = |place: usize| {
        shown
            .get(place)
            .map_or_else(|| "n".to_owned(), usize::to_string)
    };
    let mut words: Vec<String> = (0..last).map(other).collect();
    words.push("k".to_owned());
    statistic.name_with(&words)
}

/// Rows that are alike but for one number.
struct Series<'r> {
    stem: String,
    points: Vec<(usize, &'r Row)>,
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
    rows: Vec<(Vec<usize>, &'r Row)>,
}

fn families(report: &Report) -> Vec<Family<'_>> {
    let mut found: Vec<Family<'_>> = Vec::new();
    for row in report.rows.iter().filter(|row| row.estimate.is_some()) {
        let numbers = row.statistic.counts();
        if numbers.is_empty() {
            continue;
        }
        let stem = stem(&row.statistic, &[]);
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
        let last = |numbers: &[usize]| numbers.last().copied().unwrap_or(0);
        let mut places: Vec<usize> = self.rows.iter().map(|(numbers, _)| last(numbers)).collect();
        places.sort_unstable();
        places.dedup();
        let is_one = places.len() == self.rows.len();
        let mut others: Vec<&[usize]> = Vec::new();
        for (numbers, _) in &self.rows {
            let other = numbers.split_last().map_or(&[][..], |(_, other)| other);
            if !others.contains(&other) {
                others.push(other);
            }
        }
        let choices: Vec<Option<&[usize]>> = if is_one {
            vec![None]
        } else {
            others.into_iter().map(Some).collect()
        };
        let of = |choice: Option<&[usize]>| {
            let fits = |numbers: &[usize]| choice.is_none_or(|other| numbers.starts_with(other));
            let rows = self.rows.iter().filter(|(numbers, _)| fits(numbers));
            let mut points: Vec<(usize, &Row)> = rows.map(|(n, row)| (last(n), *row)).collect();
            points.sort_by_key(|(number, _)| *number);
            let stem = points.first().map_or_else(String::new, |(_, row)| {
                stem(&row.statistic, choice.unwrap_or_default())
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
            .filter_map(|(k, row)| Some((*k as f64, value(row)?)))
            .collect()
    };
    let lines = [
        (
            words::spaced(&first.group),
            line_style(&first.group, 0),
            line(|row| row.estimate),
        ),
        (
            "control".to_owned(),
            line_style("control", 1),
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
        .filter_map(|(k, row)| Some((*k as f64, row.ci_low?, row.ci_high?)))
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
            .map(|(name, style, _)| (name.clone(), *style))
            .collect(),
        height: 300,
    };
    draw(frame, |chart| {
        for (k, low, high) in &intervals {
            line_style(&first.group, 0).line(chart, &[(*k, *low), (*k, *high)], 0)?;
        }
        for (_, style, points) in &lines {
            style.line(chart, points, points.len())?;
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
    fn the_last_count_of_a_name_is_its_place() {
        let stem = |name: &str, shown: &[usize]| stem(&name.into(), shown);
        assert_eq!(
            stem("lowest_letter_rate_given_12_letters", &[]),
            "lowest_letter_rate_given_k_letters"
        );
        let planted = "planted_among_the_512_most_suppressed_of_3_letters_plain";
        assert_eq!(
            stem(planted, &[]),
            "planted_among_the_n_most_suppressed_of_k_letters_plain"
        );
        assert_eq!(
            stem(planted, &[512]),
            "planted_among_the_512_most_suppressed_of_k_letters_plain"
        );
    }

    #[test]
    fn rows_by_depth_are_one_series_and_several_tops_several() {
        let planted = |top: &str, depth: &str| {
            format!("planted_among_the_{top}_most_suppressed_of_{depth}_letters_plain")
        };
        let with = |names: &[&str]| {
            let mut report = sample::report();
            let row = report.rows[0].clone();
            report.rows = names
                .iter()
                .map(|name| Row {
                    statistic: (*name).into(),
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
        let [a1, a2] = ["1", "2"].map(|depth| planted("9", depth));
        let [b1, b2, b3] = ["1", "2", "3"].map(|depth| planted("99", depth));
        assert_eq!(with(&[&a1, &b2, &b3, "other"]), [(planted("n", "k"), 3)]);
        assert_eq!(
            with(&[&a1, &b1, &a2, &b2]),
            [(planted("9", "k"), 2), (planted("99", "k"), 2)]
        );
        assert!(with(&[&a1]).is_empty());
    }
}
