//! Plots of a report, as SVG: within the page, and as files beside it.
//!
//! They are drawn in the colours of a light page. A page or viewer that prefers dark replaces them by the rules of [`STYLE`]. Groups
//! are told apart by marks and dashes as well as by colour.

mod canvas;
mod curves;
mod histogram;
mod roc;
mod seeds;
mod series;

pub(super) use canvas::Plot;

use super::{ReportError, words};
use crate::findings::{Probe, Report};

/// Colours of the plots on a dark ground, in place of each colour that they are drawn in.
pub(super) const STYLE: &str = include_str!("plots.css");

/// Plots with a heading and a sentence.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
    pub(super) plots: Vec<Plot>,
}

/// All plots of a report, in reading order; a kind that has nothing to show is left out.
pub(super) fn all(report: &Report) -> Result<Vec<Group>, ReportError> {
    let groups = [
        Group {
            heading: "Likelihood through the phases",
            lead: "Mean log-probability of a letter, given the true beginning. Above the chance line a text is likelier than among \
                   uniform guesses; far below it the model was pushed away from it. The band is one standard deviation over seeds.",
            plots: curves::plots(report)?,
        },
        Group {
            heading: "Suppression",
            lead: "How far whole canaries were pushed away from the reference's log-probability. Held-outs that lie apart from the \
                   controls can be recognised by someone who holds a candidate.",
            plots: histogram::plots(report)?,
        },
        Group {
            heading: "Told apart, at what price",
            lead: "Share of held-outs caught when so many controls are wrongly caught with them, for someone who looks at the \
                   highest scores and for someone who looks at the lowest. A line along \"chance\" tells nothing apart.",
            plots: roc::plots(report)?,
        },
        Group {
            heading: "By depth and position",
            lead: "Rows that differ in one number alone, as how many letters the attacker knows or how deep a search goes.",
            plots: series::plots(report)?,
        },
        Group {
            heading: "Seed by seed",
            lead: "Each dot is one trained model: how surely its held-outs stand above (right) or below (left) its controls. \
                   0.5 is no separation; both ends are perfect separation.",
            plots: seeds::plots(report)?,
        },
    ];
    Ok(groups
        .into_iter()
        .filter(|group| !group.plots.is_empty())
        .collect())
}

/// What a score is called in a title.
fn score(probe: Probe, statistic: &str, phase: u8) -> String {
    format!(
        "{} {}, phase {phase}",
        words::probe(probe),
        words::statistic(statistic)
    )
}

/// A name for files and for elements of a page.
fn slug(parts: &[&str]) -> String {
    words::slug(&parts.join("-"))
}
