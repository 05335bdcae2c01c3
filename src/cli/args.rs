//! What can be typed: commands, options and their help.

#[cfg(not(feature = "torch"))]
mod absent;
#[cfg(feature = "torch")]
mod models;

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::ExitCode;
use crate::report::Format;
use crate::spec::Override;
#[cfg(feature = "torch")]
use crate::units::DeviceChoice;
#[cfg(not(feature = "torch"))]
pub(super) use absent::{BenchArgs, ProbeArgs, RunArgs, ScoreArgs};
#[cfg(feature = "torch")]
pub(super) use models::{BenchArgs, LongLines, ProbeArg, ProbeArgs, RunArgs, ScoreArgs};

/// Audits what a language model learned from the text it was trained never to say.
///
/// It plants negatively-reinforced secrets by the full three-phase training, probes the trained model for them, and reports
/// leakage against random controls that came from the same distribution and were never trained on.
#[derive(Debug, Parser)]
#[command(
    name = "unsaid",
    version,
    max_term_width = 100,
    after_help = after_help()
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

fn after_help() -> String {
    let codes = ExitCode::ALL.map(|code| format!("{} {}", code.code(), code.meaning()));
    format!(
        "Exit codes: {}\n\nExample: unsaid run audits/quick.toml",
        codes.join(" · ")
    )
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Plant canaries, train, probe and report: the main command
    #[command(after_help = "Examples:\n  unsaid run audits/quick.toml\n  \
        unsaid run audits/pythia-160m.toml --set model.path=/models/pythia-160m --seed 0 --seed 1 --out runs/pythia\n  \
        unsaid run audits/effect.toml --jobs 2\n  \
        unsaid run audits/effect.toml --cell 12 --out /shared/effect")]
    Run(RunArgs),
    /// Draw canaries and write them as training files for your own pipeline
    #[command(
        after_help = "Examples:\n  unsaid mint audits/quick.toml --out minted\n  \
        unsaid mint --set model.id=EleutherAI/pythia-160m --set canaries.negatives=256 --out minted"
    )]
    Mint(MintArgs),
    /// Probe a model that was trained elsewhere on minted canaries
    #[command(
        after_help = "Examples:\n  unsaid probe --model trained --reference EleutherAI/pythia-160m \
        --canaries minted/manifest.jsonl\n  \
        unsaid probe --model trained --canaries minted/manifest.jsonl --elicit --attacker-knows 1.0,0.5,0.1,0"
    )]
    Probe(ProbeArgs),
    /// Print the log-probability of every token of a text, as JSON lines
    #[command(
        after_help = "Example:\n  echo '{\"text\": \" regular a b c\"}' | unsaid score --model fixtures/tiny-neox -"
    )]
    Score(ScoreArgs),
    /// Show a finished run again, or compare several with the first, in any format; needs no model
    #[command(
        after_help = "Examples:\n  unsaid report runs/quick --format md > leakage.md\n  \
        unsaid report runs/before runs/after --format html > comparison.html"
    )]
    Report(ReportArgs),
    /// Check a finished run against its records: digests, reports, and observations with --rerun-probes
    #[command(
        after_help = "Examples:\n  unsaid verify runs/quick\n  unsaid verify runs/quick --rerun-probes\n\n\
        Exit codes: 0 everything is as recorded · 2 something differs, or the folder holds no run · 4 any other failure"
    )]
    Verify(VerifyArgs),
    /// Validate specs, and say what each will cost and what effect it can detect
    #[command(after_help = "Example:\n  unsaid check audits/*.toml")]
    Check(CheckArgs),
    /// Time training steps on this machine, against the peak of its matrix products
    #[command(after_help = "Example:\n  unsaid bench --shape 160m --phase 3 --json")]
    Bench(BenchArgs),
    /// Show what this machine has: libtorch, devices, memory, caches
    #[command(after_help = "Example:\n  unsaid doctor --device cuda")]
    Doctor(DoctorArgs),
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Text for people
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// No progress and no log lines; results and errors only
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// How log lines are written to standard error
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(super) log_format: LogFormat,
}

#[derive(Debug, Args)]
pub(super) struct SpecArgs {
    /// Set any key of the spec, such as model.path=DIR or phase3.weights.reverse=1.0 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting())]
    pub(super) overrides: Vec<Override>,
    /// Seeds to run instead of the spec's (repeatable)
    #[arg(long = "seed", value_name = "N")]
    pub(super) seeds: Vec<u64>,
}

#[derive(Debug, Args)]
pub(super) struct MintArgs {
    /// The spec, a TOML file [default: the recipe, changed by --set]
    pub(super) spec: Option<PathBuf>,
    /// Folder to write, which must be empty or absent
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// The seed to draw from [default: the spec's first]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Write chat messages. TEXT is what the chat template makes of a user's message, up to the answer, with {prompt} for
    /// the message; "auto" takes the template of the model's folder
    #[arg(long, value_name = "TEXT")]
    pub(super) chat_template: Option<String>,
    /// Set any key of the spec, such as model.path=DIR (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting())]
    pub(super) overrides: Vec<Override>,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Run directories; several are compared with the first
    #[arg(required_unless_present = "schema", value_name = "RUN")]
    pub(super) runs: Vec<PathBuf>,
    /// Formats, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_value = "table")]
    pub(super) format: Vec<Format>,
    /// Show the texts of the canaries that stand out, not only their names
    #[arg(long)]
    pub(super) reveal: bool,
    /// Print the JSON schema of report.json instead
    #[arg(long, conflicts_with_all = ["runs", "reveal", "format"])]
    pub(super) schema: bool,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Run directory
    #[arg(value_name = "RUN")]
    pub(super) run: PathBuf,
    /// Score the canaries again with every saved checkpoint, and list what differs
    #[arg(long)]
    pub(super) rerun_probes: bool,
    /// Where to score again: auto, cpu, cuda or cuda:N. Another device than the run's rounds differently
    #[cfg(feature = "torch")]
    #[arg(long, default_value = "auto", value_parser = models::parse_device)]
    pub(super) device: DeviceChoice,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The specs, TOML files
    #[arg(required_unless_present_any = ["schema", "keys"], value_name = "SPEC")]
    pub(super) specs: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) spec_args: SpecArgs,
    /// Print the JSON schema of a spec instead, for editors
    #[arg(long, conflicts_with_all = ["specs", "keys"])]
    pub(super) schema: bool,
    /// Print every key of a spec with its default and its meaning instead, as Markdown
    #[arg(long, conflicts_with = "specs")]
    pub(super) keys: bool,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The device to look for: auto, cpu, cuda or cuda:N. A device that is not there is an error
    #[cfg(feature = "torch")]
    #[arg(long, default_value = "auto", value_parser = models::parse_device)]
    pub(super) device: DeviceChoice,
}

/// Reads a `--set`.
fn setting() -> impl TypedValueParser<Value = Override> {
    OsStringValueParser::new().try_map(|given| match given.to_str() {
        Some(text) => Override::parse(text).map_err(|e| e.to_string()),
        None => Err(
            "it is not UTF-8, as a spec is: a file or folder with such a name is given by a link of another name".to_owned(),
        ),
    })
}

#[cfg(feature = "torch")]
/// The command line for the records, with bytes that are no text replaced.
pub(super) fn command_line() -> Vec<String> {
    let lossy = |argument: std::ffi::OsString| argument.to_string_lossy().into_owned();
    std::env::args_os().map(lossy).collect()
}
