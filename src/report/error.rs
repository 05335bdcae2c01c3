//! Why a report could not be written or read.

/// The narrowest terminal that the table is laid out for, in columns.
pub const MIN_WIDTH: usize = 60;

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
    Csv(#[from] csv::Error),
    /// The gate could not be written as `JUnit` XML.
    #[error("cannot write the gate as JUnit XML")]
    Junit(#[from] quick_junit::SerializeError),
}
