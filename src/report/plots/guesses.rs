//! How many secrets have fallen after so many guesses.

use super::canvas::{CHANCE, Frame, Plot, RECKONED, draw, line_style};
use super::labels::slug;
use crate::findings::{Access, GuessCurve, Report};
use crate::report::error::ReportError;
use crate::report::numbers;

/// Marks along a curve.
const MARKS: usize = 7;

/// After the first phase that trains against the negatives, by the logits alone.
pub(super) fn plots(report: &Report) -> Result<Vec<Plot>, ReportError> {
    let curves = &report.figures.guess_curves;
    let Some(first) = curves.iter().map(|curve| curve.phase).min() else {
        return Ok(Vec::new());
    };
    let shown = |curve: &&GuessCurve| curve.phase == first && curve.access == Access::Logits;
    let plots = curves.iter().filter(shown).map(plot);
    plots.filter_map(Result::transpose).collect()
}

fn plot(curve: &GuessCurve) -> Result<Option<Plot>, ReportError> {
    let n = curve.log10_guesses.len();
    let all = [&curve.held_out, &curve.control, &curve.chance];
    if n < 2 || all.iter().any(|shares| shares.len() != n) {
        return Ok(None);
    }
    let (held_out, control) = (line_style("held_out", 0), line_style("control", 0));
    // No useful canaries are drawn here: their style is free.
    let hunted = line_style("useful", 0);
    let mut legend = vec![
        ("held-outs, by ranks".to_owned(), held_out),
        ("controls".to_owned(), control),
        ("chance".to_owned(), CHANCE),
    ];
    if !curve.hunted.is_empty() {
        legend.push(("held-outs, by the scan's beam".to_owned(), hunted));
    }
    if !curve.sought.is_empty() {
        legend.push(("held-outs, by a scan without bounds".to_owned(), RECKONED));
    }
    let (phase, known) = (curve.phase.to_string(), curve.known_letters.to_string());
    let frame = Frame {
        name: slug(&["guesses", "phase", &phase, "given", &known, "letters"]),
        title: match curve.known_letters {
            0 => format!("phase {phase}: whole secrets guessed from nothing"),
            _ => format!("phase {phase}: whole secrets guessed, {known} first letters known"),
        },
        description: described(curve),
        x_label: "guesses (log scale)".to_owned(),
        y_label: "canaries guessed whole".to_owned(),
        x: curve.log10_guesses[0]..curve.log10_guesses[n - 1],
        y: -0.02..1.02,
        x_text: |x| format!("1e{x:.0}"),
        y_text: |y| format!("{:.0} %", 100.0 * y),
        ticks: (5, 5),
        legend,
        height: 300,
    };
    draw(frame, |chart| {
        let styled = [
            (CHANCE, &curve.chance, 0),
            (control, &curve.control, MARKS),
            (RECKONED, &curve.sought, 0),
            (hunted, &curve.hunted, MARKS),
            (held_out, &curve.held_out, MARKS),
        ];
        for (style, shares, marks) in styled {
            let points = curve.log10_guesses.iter().zip(shares);
            let points: Vec<(f64, f64)> = points.map(|(x, y)| (*x, *y)).collect();
            style.line(chart, &points, marks)?;
        }
        Ok(())
    })
    .map(Some)
}

fn described(curve: &GuessCurve) -> String {
    let at = |power: f64| {
        let place = curve.log10_guesses.iter().position(|x| *x >= power)?;
        Some(format!(
            "within 1e{power:.0} guesses {} of the held-outs fall, {} of the controls, {} by chance",
            numbers::share(curve.held_out.get(place).copied()),
            numbers::share(curve.control.get(place).copied()),
            numbers::share(curve.chance.get(place).copied()),
        ))
    };
    let parts: Vec<String> = [3.0, 6.0, 9.0].into_iter().filter_map(at).collect();
    format!("{}.", crate::report::words::capitalised(&parts.join("; ")))
}
