//! A finished report as a terminal table, Markdown, HTML, CSV, JSON or `JUnit` XML.
//!
//! `sections` turn a report into `blocks`, `document` puts them in order for a medium, and `formats` draw them; so terminal,
//! Markdown and HTML say the same. CSV and JSON carry every row and field, at full precision. Nothing here knows how a number was
//! computed, and nothing reads a clock, a locale or a terminal: the same report gives the same bytes.

mod blocks;
mod comparison;
mod document;
mod error;
mod formats;
mod numbers;
mod plots;
mod rows;
#[cfg(test)]
mod sample;
mod sections;
mod words;

pub use error::{MIN_WIDTH, ReportError};
pub use formats::json::{parse, schema};

use crate::findings::{Comparison, Report};
use blocks::Medium;
use formats::{csv, html, json, junit, markdown, table};

/// What a report can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Format {
    /// Text for a terminal.
    Table,
    /// GitHub Markdown: report.md.
    #[value(name = "md")]
    Markdown,
    /// One self-contained page: report.html.
    Html,
    /// Every row, one column per field: leakage.csv.
    Csv,
    /// Everything: report.json.
    Json,
    /// The gate as test cases: junit.xml.
    Junit,
}

/// The report in one of its formats, ending in a newline.
///
/// `width`: columns of the terminal, at least [`MIN_WIDTH`]; no line of the table is longer. `color`: whether the table may carry ANSI
/// colours; every verdict is also told in words. Both concern [`Format::Table`] alone.
pub fn render(
    report: &Report,
    format: Format,
    width: usize,
    color: bool,
) -> Result<String, ReportError> {
    let document = |medium| document::of(report, medium);
    match format {
        Format::Table => table::written(width, color, document),
        Format::Markdown => Ok(markdown::written(&document(Medium::Markdown)?)),
        Format::Html => Ok(html::written(&document(Medium::Page)?)),
        Format::Csv => csv::report(report),
        Format::Json => json::report(report),
        Format::Junit => junit::report(report),
    }
}

/// A comparison of runs in one of the formats, ending in a newline. `width` and `color` as for [`render`].
pub fn render_comparison(
    comparison: &Comparison,
    format: Format,
    width: usize,
    color: bool,
) -> Result<String, ReportError> {
    let document = |medium| comparison::of(comparison, medium);
    match format {
        Format::Table => table::written(width, color, document),
        Format::Markdown => Ok(markdown::written(&document(Medium::Markdown)?)),
        Format::Html => Ok(html::written(&document(Medium::Page)?)),
        Format::Csv => csv::comparison(comparison),
        Format::Json => json::comparison(comparison),
        Format::Junit => junit::comparison(comparison),
    }
}

/// A plot as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlotFile {
    /// Its name without an ending: small letters, digits and hyphens.
    pub name: String,
    /// The picture, SVG.
    pub svg: String,
}

/// The report's plots, one file per plot.
pub fn plots(report: &Report) -> Result<Vec<PlotFile>, ReportError> {
    let groups = plots::all(report)?;
    let plots = groups.into_iter().flat_map(|group| group.plots);
    Ok(plots
        .map(|plot| PlotFile {
            svg: plot.file(),
            name: plot.name,
        })
        .collect())
}
