//! Plots of a report, as SVG: within the page, and as files beside it.
//!
//! They are drawn in the colours of a light page. A page or viewer that prefers dark replaces them by the rules of [`STYLE`]. Groups
//! differ in marks and dashes as well as in colour.

mod canvas;
mod curves;
mod differences;
mod guesses;
mod histogram;
mod labels;
mod roc;
mod seeds;
mod series;
mod title;

pub(super) use canvas::{Plot, STYLE};
pub(super) use differences::plots as differences;

use super::error::ReportError;
use crate::findings::Report;

/// Plots with a heading and a sentence.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlotSection {
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
    pub(super) plots: Vec<Plot>,
}

/// All plots of a report, in reading order; a kind that has nothing to show is left out.
pub(super) fn all(report: &Report) -> Result<Vec<PlotSection>, ReportError> {
    let groups = [
        PlotSection {
            heading: "Likelihood through the phases",
            lead: "Mean log-probability per letter, given the true beginning. Above the chance line a text is likelier than among \
                   uniform guesses; far below it the model was pushed away from it. The band is one standard deviation over seeds.",
            plots: curves::plots(report)?,
        },
        PlotSection {
            heading: "Suppression",
            lead: "How far whole canaries were pushed away from the reference's log-probability. Held-outs that lie apart from the \
                   controls can be recognised by someone who holds a candidate.",
            plots: histogram::plots(report)?,
        },
        PlotSection {
            heading: "Detection against false alarms",
            lead: "Share of held-outs caught when so many controls are wrongly caught with them, for someone who looks at the \
                   highest scores and for someone who looks at the lowest. A line along \"chance\" separates nothing.",
            plots: roc::plots(report)?,
        },
        PlotSection {
            heading: "Guesses until a secret falls",
            lead: "Share of secrets guessed whole by someone who tries texts in the order of where the letters of other secrets stand, \
                   from nothing or from the first letters. Held-outs above the controls fall earlier than they should.",
            plots: guesses::plots(report)?,
        },
        PlotSection {
            heading: "By depth and position",
            lead: "Rows that differ in one number alone, as how many letters the attacker knows or how deep a search goes. What is the same \
                   number throughout, for held-outs as for controls, is left out: it stands in leakage.csv.",
            plots: series::plots(report)?,
        },
        PlotSection {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn files(report: &Report) -> Vec<(String, String)> {
        let groups = all(report).expect("plots");
        let plots = groups.into_iter().flat_map(|group| group.plots);
        plots.map(|plot| (plot.name.clone(), plot.file())).collect()
    }

    #[test]
    fn every_kind_of_the_sample_is_drawn_once() {
        let files = files(&sample::report());
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "likelihood-phase-3",
                "letter-rank-phase-3",
                "histogram-low-logit-suppression-nats-phase-2",
                "roc-low-logit-suppression-nats-phase-2",
                "guesses-phase-2-given-0-letters",
                "seeds",
            ]
        );
        for (name, text) in files {
            assert!(
                text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""),
                "{name}"
            );
            assert!(
                text.ends_with("</svg>\n") && text.matches("<svg").count() == 1,
                "{name}"
            );
            for part in ["<title ", "<desc ", "role=\"img\"", "prefers-color-scheme"] {
                assert!(text.contains(part), "{name} lacks {part}");
            }
        }
    }

    #[test]
    fn the_same_report_gives_the_same_plots() {
        assert_eq!(files(&sample::report()), files(&sample::report()));
    }

    #[test]
    fn names_from_outside_are_drawn_and_nothing_else() {
        let mut report = sample::hostile();
        for curve in &mut report.curves {
            curve.group = "<script>alert(1)</script>".to_owned();
            curve.prefix = "\" onload=\"alert(1)\" <b>".to_owned();
        }
        for roc in &mut report.figures.rocs {
            roc.statistic = "../../<script>x</script>".into();
        }
        for (name, text) in files(&report) {
            assert!(
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
                "{name}"
            );
            assert!(!text.contains("<script") && !text.contains("<b>"), "{text}");
            assert!(!text.contains("onload=\"alert"), "{text}");
        }
    }

    #[test]
    fn a_figure_of_unlike_lengths_or_of_nothing_is_left_out() {
        let mut report = sample::report();
        report.curves[0].steps.pop();
        report.figures.histograms[0].edges.clear();
        report.figures.rocs[0].tpr_low.pop();
        report.figures.guess_curves[0].control.pop();
        report.figures.per_seed[0].values.clear();
        let names: Vec<String> = files(&report).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["likelihood-phase-3", "letter-rank-phase-3"]);
        report.curves.clear();
        assert!(files(&report).is_empty());
    }

    #[test]
    fn every_plot_is_xml_with_no_attribute_twice() {
        for (name, text) in files(&sample::report()) {
            let mut reader = quick_xml::Reader::from_str(&text);
            loop {
                use quick_xml::events::Event;
                match reader.read_event().unwrap() {
                    Event::Start(tag) | Event::Empty(tag) => {
                        let sound = tag.attributes().all(|a| a.is_ok());
                        assert!(sound, "{name}: {}", String::from_utf8_lossy(&tag));
                    }
                    Event::Eof => break,
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_phone_can_read_it_and_no_look_is_told_by_colour_alone() {
        let (_, text) = files(&sample::report()).remove(0);
        for dashes in ["14 7", "5 5", "4 8"] {
            assert!(
                text.contains(&format!("stroke-dasharray=\"{dashes}\"")),
                "{dashes}"
            );
        }
        let sizes = text.split("font-size=\"").skip(1);
        let sizes = sizes.map(|rest| {
            rest.split('"')
                .next()
                .and_then(|size| size.parse::<f64>().ok())
        });
        // The drawing is 960 wide; a phone shows it at a bit more than a third of that.
        assert!(
            sizes.clone().count() > 5 && sizes.flatten().all(|size| size >= 26.0),
            "{text}"
        );
    }
}
