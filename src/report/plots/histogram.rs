//! How scores are spread, group by group.

use super::canvas::{Frame, Plot, draw, line_style, roomy};
use super::labels::{score, slug, tick};
use crate::findings::{GroupCounts, Histogram, Report};
use crate::report::error::ReportError;
use crate::report::{numbers, words};

pub(super) fn plots(report: &Report) -> Result<Vec<Plot>, ReportError> {
    let plots = report.figures.histograms.iter().map(plot);
    plots.filter_map(Result::transpose).collect()
}

fn total(group: &GroupCounts) -> usize {
    group.counts.iter().sum()
}

/// The share of the group in each bin.
fn shares(group: &GroupCounts) -> impl Iterator<Item = f64> + '_ {
    let all = total(group).max(1) as f64;
    group.counts.iter().map(move |count| *count as f64 / all)
}

fn plot(histogram: &Histogram) -> Result<Option<Plot>, ReportError> {
    let bins = histogram.edges.len().saturating_sub(1);
    let groups = histogram.groups.iter();
    let groups: Vec<&GroupCounts> = groups
        .filter(|g| g.counts.len() == bins && total(g) > 0)
        .collect();
    let edges = histogram.edges.iter().copied();
    let heights = groups.iter().flat_map(|group| shares(group));
    let (Some(x), Some(y)) = (roomy(edges, 0.02), roomy(heights.chain([0.0]), 0.04)) else {
        return Ok(None);
    };
    if groups.is_empty() {
        return Ok(None);
    }
    let legend = groups.iter().enumerate().map(|(i, group)| {
        let label = format!("{}, n {}", words::group(&group.group), total(group));
        (label, line_style(&group.group, i))
    });
    let phase = histogram.phase.to_string();
    let frame = Frame {
        name: slug(&[
            "histogram",
            &words::probe(histogram.probe),
            &histogram.statistic.to_string(),
            "phase",
            &phase,
        ]),
        title: score(histogram.probe, &histogram.statistic, histogram.phase),
        description: described(histogram, &groups),
        x_label: words::statistic(&histogram.statistic),
        y_label: "share of the group".to_owned(),
        x,
        y: 0.0..y.end,
        x_text: tick,
        y_text: |y| format!("{:.0} %", 100.0 * y),
        ticks: (6, 5),
        legend: legend.collect(),
        height: 330,
    };
    draw(frame, |chart| {
        for (place, group) in groups.iter().enumerate() {
            let outline = steps(&histogram.edges, group);
            let style = line_style(&group.group, place);
            style.band(chart, outline.clone(), 0.14)?;
            style.line(chart, &outline, 0)?;
            // The mark stands on the group's highest bin, so that the legend's marks are found again.
            let top = outline
                .iter()
                .copied()
                .reduce(|a, b| if b.1 > a.1 { b } else { a });
            let after = outline.iter().skip_while(|p| Some(**p) != top).nth(1);
            if let (Some(top), Some(after)) = (top, after) {
                style.dot(chart, (f64::midpoint(top.0, after.0), top.1))?;
            }
        }
        Ok(())
    })
    .map(Some)
}

/// The outline of the bars, from the axis and back to it.
fn steps(edges: &[f64], group: &GroupCounts) -> Vec<(f64, f64)> {
    let mut outline = Vec::new();
    outline.extend(edges.first().map(|edge| (*edge, 0.0)));
    for (ends, share) in edges.windows(2).zip(shares(group)) {
        outline.extend(ends.iter().map(|edge| (*edge, share)));
    }
    outline.extend(edges.last().map(|edge| (*edge, 0.0)));
    outline
}

fn described(histogram: &Histogram, groups: &[&GroupCounts]) -> String {
    let middle = |group: &GroupCounts| {
        let half = total(group).div_ceil(2);
        let mut seen = 0;
        let bin = group.counts.iter().position(|count| {
            seen += count;
            seen >= half
        });
        let bin = bin.and_then(|i| histogram.edges.get(i).zip(histogram.edges.get(i + 1)));
        let [low, high] = [bin.map(|b| *b.0), bin.map(|b| *b.1)];
        format!(
            "half of the {} lie below about {}",
            words::spaced(&group.group),
            numbers::number(low.zip(high).map(|(l, h)| f64::midpoint(l, h)))
        )
    };
    let halves: Vec<String> = groups.iter().map(|g| middle(g)).collect();
    format!(
        "Histogram of {} by group: {}.",
        words::statistic(&histogram.statistic),
        halves.join("; ")
    )
}
