//! `unsaid run`.

use std::path::PathBuf;

use super::args::{PrecisionArg, RunArgs, SpecArgs};
use super::cell;
use super::exit::{ExitCode, Failure};
use super::output;
use super::progress::{Progress, watch_signals};
use crate::device::{self, Arithmetic};
use crate::event::{Event, Observer};
use crate::report::{Format, render};
use crate::run::{self, Options};
use crate::spec::{Audit, Override, load};

/// Loads a spec with the options that change it.
pub(super) fn spec(
    path: &std::path::Path,
    args: &SpecArgs,
    more: Vec<Override>,
) -> Result<Audit, Failure> {
    let mut overrides = args.overrides.clone();
    overrides.extend(more);
    let audit = load(path, &overrides)?;
    if args.seeds.is_empty() {
        return Ok(audit);
    }
    Ok(audit.with_seeds(args.seeds.clone())?)
}

pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    output::start_log(&args.log);
    let precision = args.precision.map(|p| match p {
        PrecisionArg::Auto => "model.precision=\"auto\"",
        PrecisionArg::F32 => "model.precision=\"f32\"",
        PrecisionArg::Tf32 => "model.precision=\"tf32\"",
        PrecisionArg::Bf16 => "model.precision=\"bf16\"",
    });
    let more = precision
        .map(Override::parse)
        .transpose()?
        .into_iter()
        .collect();
    let audit = spec(&args.spec, &args.spec_args, more)?;
    let audit = Audit {
        jobs: args.jobs.unwrap_or(audit.jobs),
        ..audit
    };
    // Before any other use of libtorch: its CUDA half registers on first touch only.
    let device = device::resolve(args.device)?;
    watch_signals()?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("runs").join(&audit.name));
    let options = Options {
        arithmetic: Arithmetic::resolve(audit.precision, device)?,
        worker: (audit.jobs > 1)
            .then(|| cell::worker(&out, device, args.allow_change))
            .transpose()?,
        out,
        device,
        command: std::env::args().collect(),
        threads: args.cell_threads,
        is_held: args.cell_threads.is_some(),
        allow_change: args.allow_change,
    };
    if let Some(seed) = args.cell {
        return cell::run(&audit, &options, seed, &args.log);
    }
    let mut progress = Progress::new(&args.log);
    let mode = if args.resume {
        "continuing, where there is something to continue, in"
    } else {
        "in"
    };
    let note = format!(
        "{} {mode} {} on {device}",
        audit.name,
        options.out.display()
    );
    progress.event(&Event::Note(&note));
    let report = run::run(&audit, &options, &mut progress)?;
    let table = render(&report, Format::Table, output::width(), output::color())?;
    // A reader that has seen enough (`| head`) changes nothing about what was found.
    match output::result(&table) {
        Ok(()) | Err(Failure::OutputClosed) => {}
        Err(failure) => return Err(failure),
    }
    let markdown = render(&report, Format::Markdown, output::width(), false)?;
    if let Some(problem) = output::step_summary(&markdown) {
        progress.event(&Event::Note(&problem));
    }
    progress.event(&Event::Note(&format!(
        "run directory: {} (report.md, report.html, report.json, leakage.csv, junit.xml, plots/)",
        options.out.display()
    )));
    Ok(ExitCode(report.gate.exit_code))
}
