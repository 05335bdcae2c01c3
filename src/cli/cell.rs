//! `unsaid run --cell`: one seed of a run, asked for by a user, a cluster's scheduler, or another `unsaid` (`--jobs`).

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;

use super::args::LogArgs;
use super::exit::{ExitCode, Failure};
use super::progress::{Progress, stop, stopped};
use crate::device::Device;
use crate::event::{Event, Observer};
use crate::run::{Line, Options, Worker, run_cell};
use crate::run_dir::RunDir;
use crate::spec::Audit;

/// This program, to be started for the cells of the run in `out`.
pub(super) fn worker(out: &Path, device: Device, allow_change: bool) -> Result<Worker, Failure> {
    let program = std::env::current_exe().map_err(|e| {
        Failure::Other(format!(
            "--jobs: cannot find this program to start it again: {e}; use --jobs 1"
        ))
    })?;
    let mut arguments: Vec<OsString> = vec![
        "run".into(),
        RunDir::existing(out).spec().into(),
        "--out".into(),
        out.into(),
        "--device".into(),
        device.to_string().into(),
    ];
    if allow_change {
        arguments.push("--allow-change".into());
    }
    Ok(Worker { program, arguments })
}

/// Runs one cell. Exit 0 when it is complete: only a report is judged.
pub(super) fn run(
    audit: &Audit,
    options: &Options,
    seed: u64,
    log: &LogArgs,
) -> Result<ExitCode, Failure> {
    if options.threads.is_some() {
        return Ok(run_for_parent(audit, options, seed));
    }
    let mut progress = Progress::new(log);
    let note = format!(
        "seed {seed} of {} in {} on {}",
        audit.name,
        options.out.display(),
        options.device
    );
    progress.event(&Event::Note(&note));
    run_cell(audit, options, seed, &mut progress)?;
    progress.event(&Event::Note(
        "the same command without --cell makes the report, once every seed is complete",
    ));
    Ok(ExitCode::WITHIN_GATE)
}

/// The same for the process at the other end of our standard streams: it says everything there is to say.
fn run_for_parent(audit: &Audit, options: &Options, seed: u64) -> ExitCode {
    std::thread::spawn(|| {
        // Nothing is ever written to it: it ends when the parent wants us to, or is gone.
        let _ = io::stdin().read(&mut [0]);
        stop();
    });
    let mut teller = Teller;
    match run_cell(audit, options, seed, &mut teller) {
        Ok(()) => ExitCode::WITHIN_GATE,
        Err(error) => {
            let failure = Failure::from(error);
            let code = failure.code();
            tell(&Line::Failed {
                message: failure.to_string(),
                code: code.0,
            });
            code
        }
    }
}

/// Tells the parent.
struct Teller;

impl Observer for Teller {
    fn event(&mut self, event: &Event<'_>) {
        tell(&Line::of(event));
    }

    fn interrupted(&self) -> bool {
        stopped()
    }
}

fn tell(line: &Line) {
    if let Ok(json) = serde_json::to_string(line) {
        // A parent that is gone has nobody to show it to; the cell stops by its standard input.
        let _ = writeln!(io::stdout(), "{json}");
    }
}
