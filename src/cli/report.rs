//! `unsaid report`.

use super::args::{FormatArg, ReportArgs};
use super::exit::{ExitCode, Failure};
use super::output;
use crate::bounded;
use crate::report::{Format, parse, render};
use crate::run_dir::{RunDir, holder};

/// Exit 0: showing a report is not judging it again.
pub(super) fn report(args: &ReportArgs) -> Result<ExitCode, Failure> {
    for run in &args.runs {
        let path = RunDir::existing(run).report("report.json");
        let text = bounded::read_text(&path, bounded::LARGE).map_err(|e| {
            let mend = match holder(run) {
                Some(holder) => format!("{holder} works on it: wait until it has ended"),
                None => "give the folder of a finished run (unsaid run SPEC --out DIR)".to_owned(),
            };
            Failure::Input(format!("cannot read {}: {e}; {mend}", path.display()))
        })?;
        let report =
            parse(&text).map_err(|e| Failure::Input(format!("{}: {e}", path.display())))?;
        for format in &args.format {
            let format = match format {
                FormatArg::Table => Format::Table,
                FormatArg::Md => Format::Markdown,
                FormatArg::Html => Format::Html,
                FormatArg::Csv => Format::Csv,
                FormatArg::Json => Format::Json,
                FormatArg::Junit => Format::Junit,
            };
            output::result(&render(&report, format, output::width(), output::color())?)?;
        }
    }
    Ok(ExitCode::WITHIN_GATE)
}
