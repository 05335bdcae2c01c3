//! `unsaid report`.

use std::collections::HashMap;
use std::path::Path;

use super::args::ReportArgs;
use super::failure::Failure;
use super::output;
use crate::bounded;
use crate::canary::read_manifest;
use crate::exit::ExitCode;
use crate::findings::{Report, compare};
use crate::report::{parse, render, render_comparison, schema};
use crate::run_dir::{RunDir, holder};

/// Ends [`ExitCode::WithinGate`] whatever the report says: showing it is not judging it again.
pub(super) fn report(args: &ReportArgs) -> Result<ExitCode, Failure> {
    if args.schema {
        output::result(&schema()?)?;
        return Ok(ExitCode::WithinGate);
    }
    let mut reports = args
        .runs
        .iter()
        .map(|run| read(run))
        .collect::<Result<Vec<_>, _>>()?;
    if args.reveal {
        let ([run], [report]) = (args.runs.as_slice(), reports.as_mut_slice()) else {
            let message = "--reveal shows the canaries of one run: give one run directory";
            return Err(Failure::Input(message.to_owned()));
        };
        reveal(run, report)?;
    }
    let comparison = (reports.len() > 1).then(|| compare(&reports));
    for &format in &args.format {
        let (width, color) = (output::width(), output::color());
        let text = match (&comparison, reports.first()) {
            (Some(comparison), _) => render_comparison(comparison, format, width, color)?,
            (None, Some(report)) => render(report, format, width, color)?,
            (None, None) => continue,
        };
        output::result(&text)?;
    }
    Ok(ExitCode::WithinGate)
}

fn read(run: &Path) -> Result<Report, Failure> {
    let path = RunDir::existing(run).report("report.json");
    let text = bounded::read_text(&path, bounded::LARGE).map_err(|e| {
        let mend = match holder(run) {
            Some(holder) => format!("{holder} works on it: wait until it has ended"),
            None => "give the folder of a finished run (unsaid run SPEC --out DIR)".to_owned(),
        };
        Failure::Input(format!("cannot read {}: {e}; {mend}", path.display()))
    })?;
    parse(&text).map_err(|e| Failure::Input(format!("{}: {e}", path.display())))
}

/// Adds to the canaries that a report names their texts, from the manifests of its seeds.
fn reveal(run: &Path, report: &mut Report) -> Result<(), Failure> {
    let dir = RunDir::existing(run);
    let mut texts: HashMap<(u64, String), String> = HashMap::new();
    for &seed in &report.seeds {
        let path = dir.cell(seed).canaries();
        let refused = |message: String| {
            Failure::Input(format!(
                "cannot read {}: {message}; --reveal needs the manifests of the run",
                path.display()
            ))
        };
        let text = bounded::read_text(&path, bounded::LARGE).map_err(|e| refused(e.to_string()))?;
        let lines = read_manifest(&text).map_err(|e| refused(e.to_string()))?;
        texts.extend(lines.into_iter().map(|line| ((seed, line.id), line.text)));
    }
    for canary in &mut report.figures.canaries {
        canary.text = texts.get(&(canary.seed, canary.id.clone())).cloned();
    }
    Ok(())
}
