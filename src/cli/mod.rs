//! The command line: arguments to a call, events to progress bars, results to exit codes. The only place that prints.

mod args;
#[cfg(feature = "torch")]
mod bench;
#[cfg(feature = "torch")]
mod cell;
mod check;
mod doctor;
mod failure;
mod mint;
#[cfg(feature = "torch")]
mod model;
mod output;
#[cfg(feature = "torch")]
mod probe;
mod progress;
mod report;
#[cfg(feature = "torch")]
mod run;
#[cfg(feature = "torch")]
mod score;
#[cfg(feature = "torch")]
mod show;
mod spec;
mod verify;

use args::{Cli, Command};
use clap::Parser;
use failure::Failure;
#[cfg(feature = "torch")]
pub use score::{Asked, parse_line};

use crate::exit::ExitCode;

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are results; a usage error is exit 2, as clap has it.
            let code = if e.use_stderr() {
                ExitCode::Input
            } else {
                ExitCode::WithinGate
            };
            let _ = e.print();
            return code;
        }
    };
    // A run keeps its finished stages; every other command writes all of its result or none.
    let next = match cli.command {
        Command::Run(_) => "the same command continues where this one stopped",
        _ => "the same command starts over",
    };
    let result = match cli.command {
        #[cfg(feature = "torch")]
        Command::Run(args) => run::run(&args),
        Command::Mint(args) => mint::mint(&args),
        #[cfg(feature = "torch")]
        Command::Probe(args) => probe::probe(&args),
        #[cfg(feature = "torch")]
        Command::Score(args) => score::score(&args),
        Command::Report(args) => report::report(&args),
        Command::Verify(args) => verify::run(&args),
        #[cfg(feature = "torch")]
        Command::Bench(args) => bench::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        #[cfg(not(feature = "torch"))]
        Command::Run(_) => Err(Failure::NeedsLibtorch("run")),
        #[cfg(not(feature = "torch"))]
        Command::Probe(_) => Err(Failure::NeedsLibtorch("probe")),
        #[cfg(not(feature = "torch"))]
        Command::Score(_) => Err(Failure::NeedsLibtorch("score")),
        #[cfg(not(feature = "torch"))]
        Command::Bench(_) => Err(Failure::NeedsLibtorch("bench")),
    };
    match result {
        Ok(code) => code,
        // The reader has closed our output: nothing is left to say, and nobody to say it to.
        Err(Failure::OutputClosed) => ExitCode::WithinGate,
        Err(failure) => {
            output::error(&failure.to_string());
            if failure.code() == ExitCode::Interrupted {
                output::hint(next);
            }
            failure.code()
        }
    }
}

/// Ends the process, output flushed, without running libtorch's static destructors (they can crash after CUDA work:
/// pytorch issue 36408).
#[cfg(feature = "torch")]
pub fn leave(code: ExitCode) -> ! {
    crate::native::leave(code.code())
}

/// Ends the process, output flushed.
#[cfg(not(feature = "torch"))]
#[expect(
    clippy::disallowed_methods,
    reason = "called by `main`, and by a second signal"
)]
pub fn leave(code: ExitCode) -> ! {
    use std::io::Write;
    let _ = std::io::stdout().flush();
    std::process::exit(code.code().into())
}
