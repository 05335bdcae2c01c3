//! The groups' curves through each phase: the paper's figure.

use super::canvas::{CHANCE, Frame, Plot, draw, line_style, roomy};
use super::labels::{slug, tick};
use crate::findings::{Band, Curve, Report};
use crate::report::error::ReportError;
use crate::report::{numbers, words};

/// Marks along a curve.
const MARKS: usize = 8;

/// A curve, its values, and their spread where there were seeds enough for one.
type Drawn<'r> = (&'r Curve, &'r [f64], Option<&'r [f64]>);

/// What is drawn of a curve.
struct Quantity {
    name: &'static str,
    title: &'static str,
    label: &'static str,
    values: fn(&Curve) -> &[f64],
    spread: fn(&Band) -> &[f64],
}

const LIKELIHOOD: Quantity = Quantity {
    name: "likelihood",
    title: "likelihood",
    label: "mean log p, nats per letter",
    values: |curve| &curve.mean_logprob,
    spread: |band| &band.sd_logprob,
};

const RANK: Quantity = Quantity {
    name: "letter-rank",
    title: "letter rank",
    label: "mean rank of the letter",
    values: |curve| &curve.mean_letter_rank,
    spread: |band| &band.sd_letter_rank,
};

/// Likelihood through every phase, and ranks through the last.
pub(super) fn plots(report: &Report) -> Result<Vec<Plot>, ReportError> {
    let mut phases: Vec<u8> = report.curves.iter().map(|c| c.phase).collect();
    phases.sort_unstable();
    phases.dedup();
    let chance = report.setting.as_ref().map(|s| s.chance_logprob);
    let last = phases.last().copied();
    let mut plots = Vec::new();
    for phase in phases {
        plots.extend(plot(report, phase, &LIKELIHOOD, chance)?);
    }
    if let Some(phase) = last {
        plots.extend(plot(report, phase, &RANK, Some(0.5))?);
    }
    Ok(plots)
}

fn plot(
    report: &Report,
    phase: u8,
    quantity: &Quantity,
    chance: Option<f64>,
) -> Result<Option<Plot>, ReportError> {
    let curves: Vec<Drawn<'_>> = report
        .curves
        .iter()
        .filter(|c| c.phase == phase)
        .filter_map(|c| usable(report, c, quantity))
        .collect();
    let bands = curves
        .iter()
        .flat_map(|(_, values, spread)| edges(values, *spread));
    let steps = curves
        .iter()
        .flat_map(|(c, ..)| &c.steps)
        .map(|s| *s as f64);
    let (Some(x), Some(y)) = (roomy(steps, 0.02), roomy(bands.chain(chance), 0.06)) else {
        return Ok(None);
    };
    let mut legend: Vec<_> = curves
        .iter()
        .enumerate()
        .map(|(i, (c, ..))| {
            (
                format!("{}, n {}", words::group(&c.group), c.n),
                line_style(&c.group, i),
            )
        })
        .collect();
    legend.extend(chance.map(|c| (format!("chance {}", numbers::number(Some(c))), CHANCE)));
    let prefix = curves.first().map_or("", |(c, ..)| c.prefix.as_str());
    let frame = Frame {
        name: slug(&[quantity.name, "phase", &phase.to_string()]),
        title: format!(
            "Phase {phase}, {} prefix: {}",
            words::clean(prefix),
            quantity.title
        ),
        description: described(&curves, quantity, chance),
        x_label: format!("step of phase {phase}"),
        y_label: quantity.label.to_owned(),
        x: x.clone(),
        y,
        x_text: |x| format!("{x:.0}"),
        y_text: tick,
        ticks: (6, 5),
        legend,
        height: 330,
    };
    draw(frame, |chart| {
        if let Some(chance) = chance {
            CHANCE.line(chart, &[(x.start, chance), (x.end, chance)], 0)?;
        }
        for (place, (curve, values, spread)) in curves.iter().enumerate() {
            let style = line_style(&curve.group, place);
            let at = |shift: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
                (values.iter().zip(&curve.steps).enumerate())
                    .map(|(i, (value, step))| (*step as f64, value + shift(i)))
                    .collect()
            };
            if let Some(spread) = spread {
                let mut outline = at(&|i| spread[i]);
                outline.extend(at(&|i| -spread[i]).into_iter().rev());
                style.band(chart, outline, 0.18)?;
            }
            style.line(chart, &at(&|_| 0.0), MARKS)?;
        }
        Ok(())
    })
    .map(Some)
}

/// What is drawn of a curve; `None` where lengths do not fit.
fn usable<'r>(report: &'r Report, curve: &'r Curve, quantity: &Quantity) -> Option<Drawn<'r>> {
    let values = (quantity.values)(curve);
    let band = report
        .figures
        .bands
        .iter()
        .find(|b| b.phase == curve.phase && b.group == curve.group && b.seeds > 1)
        .map(|b| (quantity.spread)(b))
        .filter(|spread| spread.len() == values.len());
    (!values.is_empty() && values.len() == curve.steps.len()).then_some((curve, values, band))
}

/// The values and both edges of their band.
fn edges<'v>(values: &'v [f64], spread: Option<&'v [f64]>) -> impl Iterator<Item = f64> + 'v {
    values.iter().enumerate().flat_map(move |(i, value)| {
        let width = spread.map_or(0.0, |s| s[i]);
        [value - width, value + width]
    })
}

fn described(curves: &[Drawn<'_>], quantity: &Quantity, chance: Option<f64>) -> String {
    let shown = |value: Option<&f64>| numbers::number(value.copied());
    let each = curves.iter().map(|(curve, values, _)| {
        format!(
            "{}: from {} at the first evaluation to {} at the last",
            words::spaced(&curve.group),
            shown(values.first()),
            shown(values.last())
        )
    });
    let mut parts: Vec<String> = each.collect();
    parts.extend(chance.map(|c| format!("chance is {}", numbers::number(Some(c)))));
    format!(
        "{}. {}.",
        words::capitalised(quantity.label),
        parts.join("; ")
    )
}
