//! The commands that run models, in a build without libtorch: any arguments, and an error that says which build has them.

use std::ffi::OsString;

use clap::Args;

/// What was typed after the command.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(in crate::cli) struct Absent {
    /// Anything
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _arguments: Vec<OsString>,
}

pub(in crate::cli) type RunArgs = Absent;
pub(in crate::cli) type ProbeArgs = Absent;
pub(in crate::cli) type ScoreArgs = Absent;
pub(in crate::cli) type BenchArgs = Absent;
