//! A finished report as a terminal table, Markdown, HTML, CSV, JSON or `JUnit` XML.
//!
//! Terminal, Markdown and HTML draw one `document::Document`, so that they say the same in the same order; its words are in `words`, its
//! numbers in `numbers`. CSV and JSON carry every row and field, at full precision. Nothing here knows how a number was computed, and
//! nothing reads a clock, a locale or a terminal: the same report gives the same bytes.

mod columns;
mod comparison;
mod csv;
mod curves;
mod document;
mod further;
mod html;
mod intervals;
mod json;
mod junit;
mod leakage;
mod limits;
mod markdown;
mod numbers;
mod plots;
mod ran;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod sample_figures;
#[cfg(test)]
mod sample_rows;
mod standing;
mod summary;
mod table;
mod witnesses;
mod words;

pub use json::{parse, schema};

use crate::findings::{Comparison, Report};
use document::Medium;

/// The narrowest terminal that the table is laid out for, in columns.
pub const MIN_WIDTH: usize = 60;

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

/// Why a report could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The terminal is too narrow for the table.
    #[error(
        "a table needs a width of at least {MIN_WIDTH} columns, not {width}: widen the terminal, or take another format"
    )]
    TooNarrow {
        /// The width that was asked for.
        width: usize,
    },
    /// JSON and CSV have no NaN and no infinity, and null would say "does not apply".
    #[error("{place} holds a number that is not finite: write null where a value is undefined")]
    NotFinite {
        /// Where in the report.
        place: String,
    },
    /// The report is of another layout.
    #[error(
        "schema_version is {found}, this version of unsaid reads \"{supported}\": use the version that wrote the report"
    )]
    SchemaVersion {
        /// What the report says, as JSON.
        found: String,
        /// What can be read.
        supported: &'static str,
    },
    /// The report has no `schema_version`.
    #[error(
        "no schema_version: this is not a report.json of unsaid (it would say \"{supported}\")"
    )]
    NoSchemaVersion {
        /// What can be read.
        supported: &'static str,
    },
    /// The text is not JSON, or not a report.
    #[error("cannot convert between the report and JSON")]
    Json(#[from] serde_json::Error),
    /// A plot could not be drawn.
    #[error("cannot draw a plot: {message}")]
    Plot {
        /// What the plotting library said.
        message: String,
    },
    /// The rows could not be written as CSV.
    #[error("cannot write the rows as CSV")]
    Csv(#[from] ::csv::Error),
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
    match format {
        Format::Table => table::render(report, width, color),
        Format::Markdown => markdown::render(report),
        Format::Csv => csv::render(report),
        Format::Json => json::render(report),
        Format::Html => html::render(report),
        Format::Junit => Ok(junit::render(report)),
    }
}

/// A comparison of runs in one of the formats, ending in a newline. `width` and `color` as for [`render`].
pub fn render_comparison(
    comparison: &Comparison,
    format: Format,
    width: usize,
    color: bool,
) -> Result<String, ReportError> {
    match format {
        Format::Table => {
            let document = table::roomiest(width, |room| {
                comparison::document(comparison, Medium::Terminal(room))
            })?;
            table::written(&document, width, color)
        }
        Format::Markdown => Ok(markdown::written(&comparison::document(
            comparison,
            Medium::Markdown,
        )?)),
        Format::Html => Ok(html::page(&comparison::document(comparison, Medium::Page)?)),
        Format::Csv => csv::comparison(comparison),
        Format::Json => json::comparison(comparison),
        Format::Junit => Ok(junit::comparison(comparison)),
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

/// The report's plots, each as a file of its own.
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
