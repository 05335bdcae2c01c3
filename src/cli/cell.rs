//! `unsaid run --cell`: one seed of a run, for a user, a cluster's scheduler, or the `unsaid run --jobs` that started it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;

use super::args::LogArgs;
use super::failure::Failure;
use super::progress::{Progress, stop, stopped};
use crate::device::Device;
use crate::event::{Event, Observer};
use crate::exit::ExitCode;
use crate::run::{Message, Options, Worker, run_cell};
use crate::run_dir::RunDir;
use crate::spec::Audit;

/// How to start this program again for each cell of the run in `out`.
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

/// Runs one cell. A complete cell ends [`ExitCode::WithinGate`]: only a report is judged.
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
    Ok(ExitCode::WithinGate)
}

/// Runs one cell for the `--jobs` process at the other end of our standard streams, which shows the progress and the failure.
fn run_for_parent(audit: &Audit, options: &Options, seed: u64) -> ExitCode {
    std::thread::spawn(|| {
        // Nothing is ever written to it: it closes when the parent wants us to stop, or is gone.
        let _ = io::stdin().read(&mut [0]);
        stop();
    });
    let mut parent = Parent;
    match run_cell(audit, options, seed, &mut parent) {
        Ok(()) => ExitCode::WithinGate,
        Err(error) => {
            let failure = Failure::from(error);
            let code = failure.code();
            send(&Message::Failed {
                message: failure.to_string(),
                code,
            });
            code
        }
    }
}

/// Sends events to the parent, one line of JSON each, on standard output.
struct Parent;

impl Observer for Parent {
    fn event(&mut self, event: &Event<'_>) {
        send(&Message::of(event));
    }

    fn interrupted(&self) -> bool {
        stopped()
    }
}

fn send(line: &Message) {
    if let Ok(json) = serde_json::to_string(line) {
        // If the parent is gone, the end of standard input stops the cell.
        let _ = writeln!(io::stdout(), "{json}");
    }
}
