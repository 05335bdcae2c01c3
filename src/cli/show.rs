//! Shows a report that was just made: on the terminal, and in the summary of a CI job.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::failure::Failure;
use super::output;
use super::progress::Progress;
use crate::event::{Event, Observer};
use crate::exit::ExitCode;
use crate::findings::Report;
use crate::report::{Format, render};

/// Shows a report that was just made: a table on standard output, Markdown in a CI job's summary, and where its files are.
///
/// Gives the exit code of its gate.
pub(super) fn show(
    report: &Report,
    files: &str,
    progress: &mut Progress,
) -> Result<ExitCode, Failure> {
    let table = render(report, Format::Table, output::width(), output::color())?;
    // A reader that has seen enough (`| head`) changes nothing about what was found.
    match output::result(&table) {
        Ok(()) | Err(Failure::OutputClosed) => {}
        Err(failure) => return Err(failure),
    }
    let markdown = render(report, Format::Markdown, output::width(), false)?;
    if let Some(problem) = step_summary(&markdown) {
        progress.event(&Event::Note(&problem));
    }
    progress.event(&Event::Note(files));
    ExitCode::try_from(report.gate.exit_code).map_err(Failure::Other)
}

/// Largest summary of a step that GitHub takes, bytes.
const STEP_SUMMARY_MAX: u64 = 1024 * 1024;

/// Appends Markdown to the file that `GITHUB_STEP_SUMMARY` names, if it names one. Returns what went wrong, which is no reason to
/// fail a run.
///
/// Source: GitHub's documentation of workflow commands, "Adding a job summary".
fn step_summary(markdown: &str) -> Option<String> {
    let path = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty())?;
    let open = || OpenOptions::new().append(true).create(true).open(&path);
    let add = |mut file: File| {
        let before = file.metadata()?.len();
        if before + markdown.len() as u64 + 1 > STEP_SUMMARY_MAX {
            return Err(io::Error::other(
                "it would be larger than the 1 MiB that GitHub shows",
            ));
        }
        // Other commands of the step may have left an unfinished line.
        let text = if before > 0 {
            format!("\n{markdown}")
        } else {
            markdown.to_owned()
        };
        file.write_all(text.as_bytes())
    };
    let failure = open().and_then(add).err()?;
    Some(format!(
        "no summary was written to {} (GITHUB_STEP_SUMMARY): {failure}",
        Path::new(&path).display()
    ))
}
