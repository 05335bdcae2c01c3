//! `unsaid verify`.

use std::fmt::Write as _;

use super::args::VerifyArgs;
use super::failure::Failure;
use super::output;
use super::progress::{Progress, watch_signals};
use crate::device;
use crate::exit::ExitCode;
use crate::verify::{verify, verify_and_rerun};

/// Ends [`ExitCode::Input`] where something differs from the record.
pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    output::start_log(&args.log);
    let device = device::resolve(args.device)?;
    watch_signals()?;
    let mut progress = Progress::new(&args.log);
    let found = if args.rerun_probes {
        verify_and_rerun(&args.run, device, &mut progress)?
    } else {
        verify(&args.run)?
    };
    let mut text = String::new();
    let run = args.run.display();
    // Writing to a String cannot fail.
    for difference in &found.differences {
        let _ = writeln!(text, "{run}: differs: {difference}");
    }
    for note in &found.notes {
        let _ = writeln!(text, "{run}: note: {note}");
    }
    let (files, differences) = (found.files, found.differences.len());
    let _ = write!(text, "{run}: {files} files checked");
    if let Some(observations) = found.observations {
        let _ = write!(text, ", {observations} observations made again on {device}");
    }
    let _ = writeln!(text, "; {differences} differences");
    output::result(&text)?;
    Ok(if differences == 0 {
        ExitCode::WithinGate
    } else {
        ExitCode::Input
    })
}
