//! True against false positives, from both ends of a score.

use super::canvas::{CHANCE, Frame, Plot, draw, line_style};
use super::labels::{score, slug};
use crate::findings::{Report, Roc};
use crate::report::error::ReportError;
use crate::report::{numbers, words};

/// Marks along a curve.
const MARKS: usize = 7;

pub(super) fn plots(report: &Report) -> Result<Vec<Plot>, ReportError> {
    let plots = report.figures.rocs.iter().map(plot);
    plots.filter_map(Result::transpose).collect()
}

fn plot(roc: &Roc) -> Result<Option<Plot>, ReportError> {
    let least = roc
        .fpr
        .iter()
        .copied()
        .filter(|f| *f > 0.0)
        .fold(1.0, f64::min);
    let fits = roc.fpr.len() == roc.tpr_high.len() && roc.fpr.len() == roc.tpr_low.len();
    if least >= 1.0 || !fits {
        return Ok(None);
    }
    let (high, low) = (line_style("", 0), line_style("", 1));
    let phase = roc.phase.to_string();
    let frame = Frame {
        name: slug(&[
            "roc",
            &words::probe(roc.probe),
            &roc.statistic.to_string(),
            "phase",
            &phase,
        ]),
        title: score(roc.probe, &roc.statistic, roc.phase),
        description: described(roc),
        x_label: "controls wrongly caught (log scale)".to_owned(),
        y_label: "held-outs caught".to_owned(),
        x: least.log10()..0.0,
        y: -0.02..1.02,
        x_text: |x| percent(10f64.powf(x)),
        y_text: |y| format!("{:.0} %", 100.0 * y),
        ticks: (4, 5),
        legend: vec![
            ("the highest scores".to_owned(), high),
            ("the lowest".to_owned(), low),
            ("chance".to_owned(), CHANCE),
        ],
        height: 300,
    };
    draw(frame, |chart| {
        let diagonal = roc.fpr.iter().map(|f| (f.log10(), *f));
        CHANCE.line(chart, &diagonal.collect::<Vec<_>>(), 0)?;
        for (style, caught) in [(high, &roc.tpr_high), (low, &roc.tpr_low)] {
            let points = roc.fpr.iter().zip(caught).map(|(f, t)| (f.log10(), *t));
            style.line(chart, &points.collect::<Vec<_>>(), MARKS)?;
        }
        Ok(())
    })
    .map(Some)
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 0.995 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// The shares caught at the rate that comes nearest to `rate`.
fn at(roc: &Roc, rate: f64) -> Option<(f64, f64, f64)> {
    let places = roc.fpr.iter().zip(&roc.tpr_high).zip(&roc.tpr_low);
    places
        .map(|((f, high), low)| (*f, *high, *low))
        .min_by(|a, b| (a.0 - rate).abs().total_cmp(&(b.0 - rate).abs()))
}

fn described(roc: &Roc) -> String {
    let parts = [0.01, 0.1].into_iter().filter_map(|rate| at(roc, rate));
    let parts: Vec<String> = parts
        .map(|(rate, high, low)| {
            format!(
                "with {} of the controls wrongly caught, {} of the held-outs are caught from the top and {} from the bottom",
                percent(rate),
                numbers::share(Some(high)),
                numbers::share(Some(low))
            )
        })
        .collect();
    words::capitalised(&format!("{}.", parts.join("; ")))
}
