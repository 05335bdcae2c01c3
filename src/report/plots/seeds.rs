//! Every seed as a dot with its interval.

use super::canvas::{CHANCE, Frame, Plot, draw, line_style, note};
use super::labels::score;
use crate::findings::{PerSeed, Report};
use crate::report::error::ReportError;
use crate::report::numbers;

/// Height of a score's label, of a seed's dot, and around the scores, in the view's units.
const LABEL: usize = 26;
const DOT: usize = 16;
const AROUND: usize = 90;

pub(super) fn plots(report: &Report) -> Result<Vec<Plot>, ReportError> {
    let scores: Vec<&PerSeed> = report
        .figures
        .per_seed
        .iter()
        .filter(|score| !score.values.is_empty())
        .collect();
    if scores.is_empty() {
        return Ok(Vec::new());
    }
    let height = |score: &PerSeed| LABEL + DOT * score.values.len();
    let inside: usize = scores.iter().map(|s| height(s)).sum();
    let frame = Frame {
        name: "seeds".to_owned(),
        title: "AUC of each seed".to_owned(),
        description: described(&scores),
        x_label: "AUC, held-out above control".to_owned(),
        y_label: String::new(),
        x: 0.0..1.0,
        y: 0.0..inside as f64,
        x_text: |x| format!("{x:.1}"),
        y_text: |_| String::new(),
        ticks: (6, 1),
        legend: vec![
            (interval_name(&scores), line_style("held_out", 0)),
            ("no separation".to_owned(), CHANCE),
        ],
        height: i32::try_from(inside + AROUND).unwrap_or(i32::MAX / 4),
    };
    let style = line_style("held_out", 0);
    let plot = draw(frame, |chart| {
        CHANCE.line(chart, &[(0.5, 0.0), (0.5, inside as f64)], 0)?;
        let mut y = inside as f64;
        for seeds in &scores {
            y -= LABEL as f64;
            let name = score(seeds.probe, &seeds.statistic, seeds.phase);
            note(chart, &name, (0.0, y), 3)?;
            for value in &seeds.values {
                let middle = y - DOT as f64 / 2.0;
                style.line(
                    chart,
                    &[(value.auc_low, middle), (value.auc_high, middle)],
                    0,
                )?;
                style.dot(chart, (value.auc, middle))?;
                y -= DOT as f64;
            }
        }
        Ok(())
    })?;
    Ok(vec![plot])
}

fn interval_name(scores: &[&PerSeed]) -> String {
    let level = scores.first().map_or(0.0, |s| s.ci_level);
    format!("one seed, {} % interval", numbers::level(level))
}

fn described(scores: &[&PerSeed]) -> String {
    let each = scores.iter().map(|seeds| {
        let aucs = || seeds.values.iter().map(|v| v.auc);
        let (low, high) = (
            aucs().fold(f64::INFINITY, f64::min),
            aucs().fold(f64::NEG_INFINITY, f64::max),
        );
        let range = if seeds.values.len() == 1 {
            numbers::proportion(Some(low))
        } else {
            format!(
                "{} to {} over {} seeds",
                numbers::proportion(Some(low)),
                numbers::proportion(Some(high)),
                seeds.values.len()
            )
        };
        format!(
            "{}: {range}",
            score(seeds.probe, &seeds.statistic, seeds.phase)
        )
    });
    format!(
        "AUC of held-outs against controls. {}.",
        each.collect::<Vec<_>>().join("; ")
    )
}
