//! `unsaid verify`.

use std::fmt::Write as _;

use super::args::VerifyArgs;
use super::failure::Failure;
use super::output;
#[cfg(feature = "torch")]
use super::progress::{Progress, watch_signals};
#[cfg(feature = "torch")]
use crate::device;
use crate::exit::ExitCode;
use crate::verify::{Verified, verify};

/// Ends [`ExitCode::Input`] where something differs from the record.
pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    output::start_log(&args.log);
    let (found, device) = look(args)?;
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
    if let (Some(observations), Some(device)) = (found.observations, device) {
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

/// What was found, and where observations were made again.
#[cfg(feature = "torch")]
fn look(args: &VerifyArgs) -> Result<(Verified, Option<String>), Failure> {
    let device = device::resolve(args.device)?;
    watch_signals()?;
    if !args.rerun_probes {
        return Ok((verify(&args.run)?, None));
    }
    let mut progress = Progress::new(&args.log);
    let found = crate::verify::verify_and_rerun(&args.run, device, &mut progress)?;
    Ok((found, Some(device.to_string())))
}

/// What was found; observations cannot be made again in this build.
#[cfg(not(feature = "torch"))]
fn look(args: &VerifyArgs) -> Result<(Verified, Option<String>), Failure> {
    if args.rerun_probes {
        return Err(Failure::NeedsLibtorch("verify --rerun-probes"));
    }
    Ok((verify(&args.run)?, None))
}
