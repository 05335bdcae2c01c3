//! The command line: arguments to a call, events to progress bars, results to exit codes. The only place that prints.

mod args;
mod bench;
mod cell;
mod check;
mod doctor;
mod failure;
mod mint;
mod model;
mod output;
mod probe;
mod progress;
mod report;
mod run;
mod score;
mod verify;

use args::{Cli, Command};
use clap::Parser;
use failure::Failure;
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
        Command::Run(args) => run::run(&args),
        Command::Mint(args) => mint::mint(&args),
        Command::Probe(args) => probe::probe(&args),
        Command::Score(args) => score::score(&args),
        Command::Report(args) => report::report(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Doctor(args) => doctor::doctor(&args),
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
pub fn leave(code: ExitCode) -> ! {
    crate::native::leave(code.code())
}
