//! What can be typed: commands, options and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::ExitCode;
use crate::report::Format;
use crate::spec::{JOBS_MAX, Override, Precision};
use crate::units::DeviceChoice;

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
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = Override::parse)]
    pub(super) overrides: Vec<Override>,
    /// Seeds to run instead of the spec's (repeatable)
    #[arg(long = "seed", value_name = "N")]
    pub(super) seeds: Vec<u64>,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The spec, a TOML file
    pub(super) spec: PathBuf,
    /// Run directory [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N. A device that is not there is an error
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(super) device: DeviceChoice,
    /// Numerical precision of training and scoring [default: model.precision of the spec]
    #[arg(long, value_enum)]
    pub(super) precision: Option<Precision>,
    #[command(flatten)]
    pub(super) spec_args: SpecArgs,
    /// Seeds to run at once, one process per seed [default: run.jobs of the spec, 1]
    #[arg(long, value_name = "N", value_parser = parse_jobs)]
    pub(super) jobs: Option<usize>,
    /// Run only this seed of the spec, without a report: for job arrays. The same command without --cell makes the report
    /// once every seed is complete
    #[arg(long, value_name = "SEED", conflicts_with = "jobs")]
    pub(super) cell: Option<u64>,
    /// How `--jobs` starts cells: CPU threads to use. Standard output then carries progress, and the end of standard input
    /// stops the cell
    #[arg(long, hide = true, requires = "cell")]
    pub(super) cell_threads: Option<usize>,
    /// Continue an unfinished run (the default where the folder holds one of the same spec)
    #[arg(long)]
    pub(super) resume: bool,
    /// Continue with another device, precision or number of threads than the run began with, and record the change
    #[arg(long)]
    pub(super) allow_change: bool,
    #[command(flatten)]
    pub(super) log: LogArgs,
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
    /// the message
    #[arg(long, value_name = "TEXT")]
    pub(super) chat_template: Option<String>,
    /// Set any key of the spec, such as model.path=DIR (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = Override::parse)]
    pub(super) overrides: Vec<Override>,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// The trained model: a folder, or a model of the hub as OWNER/NAME or OWNER/NAME@REVISION
    #[arg(long, value_name = "MODEL")]
    pub(super) model: String,
    /// The model that it was trained from
    #[arg(long, value_name = "BASE")]
    pub(super) reference: Option<String>,
    /// Folder of the base model, where the model is a PEFT adapter whose config names another place
    #[arg(long, value_name = "DIR")]
    pub(super) base: Option<PathBuf>,
    /// The manifest.jsonl that `unsaid mint` wrote, with its spec.toml beside it
    #[arg(long, value_name = "FILE")]
    pub(super) canaries: PathBuf,
    /// A file that the model was trained on; refused if a control stands in it (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(super) training: Vec<PathBuf>,
    /// Also try to elicit the held-out canaries: fine-tune a copy of the model on the useful ones after the reverse prefix,
    /// as phase 3 of the spec does
    #[arg(long)]
    pub(super) elicit: bool,
    /// Shares of the useful canaries that the attacker knows, one attack per share; verdicts rest on the largest
    #[arg(long, value_name = "SHARES", value_delimiter = ',', default_value = "1.0", value_parser = parse_share, requires = "elicit")]
    pub(super) attacker_knows: Vec<f64>,
    /// Folder of the reports [default: runs/NAME-probe]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N. A device that is not there is an error
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(super) device: DeviceChoice,
    /// Set a key of [gate] or [probes], such as gate.alpha=0.01, or of [phase3] with --elicit (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = Override::parse)]
    pub(super) overrides: Vec<Override>,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct ScoreArgs {
    /// JSON lines of {"tokens": [...]} or {"text": "..."}; - is standard input
    pub(super) input: PathBuf,
    /// The model: a folder, or a model of the hub as OWNER/NAME or OWNER/NAME@REVISION
    #[arg(long, value_name = "MODEL")]
    pub(super) model: String,
    /// A reference model, which adds the key `reference_logprobs` to every line
    #[arg(long, value_name = "MODEL")]
    pub(super) reference: Option<String>,
    /// Folder of the base model, where the model is a PEFT adapter whose config names another place
    #[arg(long, value_name = "DIR")]
    pub(super) base: Option<PathBuf>,
    /// What to do with a line that is longer than the model's context
    #[arg(long, value_enum, default_value = "refuse", value_name = "WHAT")]
    pub(super) long: LongLines,
    /// Score texts without the special tokens (such as beginning of sequence) that the tokenizer adds
    #[arg(long)]
    pub(super) no_special_tokens: bool,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(super) device: DeviceChoice,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// What `unsaid score` does with a line that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LongLines {
    /// Stop with an error that names the line
    Refuse,
    /// Score its beginning, and warn
    Cut,
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
    #[arg(long, default_value = "auto", value_parser = parse_device)]
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

/// A probe that `unsaid bench` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProbeArg {
    Scan,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// A published Pythia shape, such as 14m or 160m; weights are random
    #[arg(long, default_value = "160m")]
    pub(super) shape: String,
    /// Take the shape of the model in this folder instead; weights are still random
    #[arg(long, value_name = "DIR", conflicts_with = "shape")]
    pub(super) model: Option<PathBuf>,
    /// Number of layers [default: the shape's]
    #[arg(long, value_name = "N")]
    pub(super) layers: Option<usize>,
    /// The phase whose step is timed: 1, 2 or 3
    #[arg(long, default_value_t = 3, value_name = "P")]
    pub(super) phase: u8,
    /// Time a probe at its default budget instead of a phase
    #[arg(long, value_enum, value_name = "PROBE", conflicts_with_all = ["phase", "batch", "micro_batch"])]
    pub(super) probe: Option<ProbeArg>,
    /// Rows per loss term
    #[arg(long, default_value_t = 128, value_name = "B")]
    pub(super) batch: usize,
    /// Timed steps or scans, after one to warm up
    #[arg(long, default_value_t = 3, value_name = "K")]
    pub(super) repeat: usize,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(super) device: DeviceChoice,
    /// Numerical precision
    #[arg(long, value_enum, default_value = "f32")]
    pub(super) precision: Precision,
    /// Rows per loss term that go through the model at once [default: as many as fit]
    #[arg(long, value_name = "B")]
    pub(super) micro_batch: Option<usize>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The device to look for: auto, cpu, cuda or cuda:N. A device that is not there is an error
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(super) device: DeviceChoice,
}

fn parse_device(text: &str) -> Result<DeviceChoice, String> {
    text.parse()
}

fn parse_jobs(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|jobs| (1..=JOBS_MAX).contains(jobs))
        .ok_or_else(|| format!("a whole number from 1 to {JOBS_MAX}"))
}

fn parse_share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "a share from 0 to 1, such as 0.5".to_owned())
}
