//! `unsaid run`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::args::{RunArgs, command_line};
use super::cell;
use super::failure::Failure;
use super::output;
use super::progress::{Progress, watch_signals};
use super::show::show;
use super::spec::spec;
use crate::device::{self, Arithmetic};
use crate::event::{Event, Observer};
use crate::exit::ExitCode;
use crate::run::{self, Options};
use crate::spec::{Audit, Override};

pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    output::start_log(&args.log);
    let precision = args.precision.and_then(|p| p.to_possible_value());
    let more = precision
        .map(|p| Override::parse(&format!("model.precision=\"{}\"", p.get_name())))
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
        command: command_line(),
        threads: args.cell_threads,
        is_held: args.cell_threads.is_some(),
        allow_change: args.allow_change,
    };
    if let Some(seed) = args.cell {
        return cell::run(&audit, &options, seed, &args.log);
    }
    let mut progress = Progress::new(&args.log);
    let mode = if args.resume {
        "continuing, if there is something to continue, in"
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
    let files = format!(
        "run directory: {} (report.md, report.html, report.json, leakage.csv, junit.xml, plots/)",
        options.out.display()
    );
    show(&report, &files, &mut progress)
}
