//! Arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    after_help = "Exit codes: 0 completed and within the gate · 1 the gate tripped: leakage · 2 usage, spec or input error · \
        3 inconclusive · 4 any other failure · 130 interrupted\n\nExample: unsaid run audits/quick.toml"
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Plant, probe and report: the main job
    #[command(after_help = "Examples:\n  unsaid run audits/quick.toml\n  \
        unsaid run audits/pythia-160m.toml --set model.path=/models/pythia-160m --seed 0 --seed 1 --out runs/pythia\n  \
        unsaid run audits/effect.toml --jobs 2\n  \
        unsaid run audits/effect.toml --cell 12 --out /shared/effect")]
    Run(RunArgs),
    /// Draw canaries and write the training files for someone else's pipeline
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
    /// Per-token log-probabilities of text or tokens, as JSON lines
    #[command(
        after_help = "Example:\n  echo '{\"text\": \" regular a b c\"}' | unsaid score --model fixtures/tiny-neox -"
    )]
    Score(ScoreArgs),
    /// Show a finished run again, or compare several with the first, in any format, without any model
    #[command(
        after_help = "Examples:\n  unsaid report runs/quick --format md > leakage.md\n  \
        unsaid report runs/before runs/after --format html > comparison.html"
    )]
    Report(ReportArgs),
    /// Hold a run against its own records: digests, reports made again, observations made again
    #[command(
        after_help = "Examples:\n  unsaid verify runs/quick\n  unsaid verify runs/quick --rerun-probes\n\n\
        Exit codes: 0 everything is as recorded · 2 something differs, or the folder holds no run · 4 any other failure"
    )]
    Verify(VerifyArgs),
    /// Validate specs and say what each will cost
    #[command(after_help = "Example:\n  unsaid check audits/*.toml")]
    Check(CheckArgs),
    /// Time the phases' steps on this machine against its own measured matrix-product peak
    #[command(after_help = "Example:\n  unsaid bench --shape 160m --phase 3 --json")]
    Bench(BenchArgs),
    /// Say what was found on this machine: libtorch, devices, memory, caches
    #[command(after_help = "Example:\n  unsaid doctor --device cuda")]
    Doctor(DoctorArgs),
}

/// Log lines for people or for machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people
    Text,
    /// A JSON object a line
    Json,
}

/// Arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PrecisionArg {
    /// The tool's choice: f32
    Auto,
    /// Strict 32-bit floats
    F32,
    /// Float32 with TF32 products: CUDA only
    Tf32,
    /// bfloat16 products; weights, moments and losses in float32. Emulated, slowly, on a CPU without such instructions
    Bf16,
}

impl From<PrecisionArg> for Precision {
    fn from(precision: PrecisionArg) -> Self {
        match precision {
            PrecisionArg::Auto => Self::Auto,
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::Tf32 => Self::Tf32,
            PrecisionArg::Bf16 => Self::Bf16,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// No progress and no log lines; results and errors only
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Log lines on standard error
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(super) log_format: LogFormat,
}

#[derive(Debug, Args)]
pub(super) struct SpecArgs {
    /// Set any key of the spec, as model.path=DIR or phase3.weights.reverse=1.0 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_override)]
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
    /// Arithmetic of training and scoring
    #[arg(long, value_enum)]
    pub(super) precision: Option<PrecisionArg>,
    #[command(flatten)]
    pub(super) spec_args: SpecArgs,
    /// Seeds to run at once, each in a process of its own [default: run.jobs of the spec, 1]
    #[arg(long, value_name = "N", value_parser = parse_jobs)]
    pub(super) jobs: Option<usize>,
    /// Run this one seed of the spec into the run directory and make no report: for job arrays. The same command without
    /// it makes the report
    #[arg(long, value_name = "SEED", conflicts_with = "jobs")]
    pub(super) cell: Option<u64>,
    /// How `--jobs` starts cells: CPU threads to use. Standard output then carries progress, and the end of standard input
    /// stops the cell
    #[arg(long, hide = true, requires = "cell")]
    pub(super) cell_threads: Option<usize>,
    /// Continue an unfinished run (also what happens without it, where the folder holds one of the same spec)
    #[arg(long)]
    pub(super) resume: bool,
    /// Continue although device, precision or threads are not those that the run began with; the change is recorded
    #[arg(long)]
    pub(super) allow_change: bool,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct MintArgs {
    /// The spec, a TOML file; without it the recipe's, with --set for what differs
    pub(super) spec: Option<PathBuf>,
    /// Folder to write, which must be empty or absent
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// The seed to draw from [default: the spec's first]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Write chat messages; TEXT is what the template makes of a user's message up to the answer, with {prompt} for the message
    #[arg(long, value_name = "TEXT")]
    pub(super) chat_template: Option<String>,
    /// Set any key of the spec, as model.path=DIR (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_override)]
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
    /// Folder of the base, where the model is an adapter (a PEFT folder) whose config names another place
    #[arg(long, value_name = "DIR")]
    pub(super) base: Option<PathBuf>,
    /// manifest.jsonl of `unsaid mint`, with its spec.toml beside it
    #[arg(long, value_name = "FILE")]
    pub(super) canaries: PathBuf,
    /// A file that the model was trained on: refused where it holds a control (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(super) training: Vec<PathBuf>,
    /// Also attack: fine-tune a copy of the model on the manifest's useful canaries after the reverse prefix, as phase 3 of the
    /// spec does, and watch the held-out ones
    #[arg(long)]
    pub(super) elicit: bool,
    /// Shares of the useful canaries that the attacker is taken to know, an attack each; verdicts rest on the largest
    #[arg(long, value_name = "SHARES", value_delimiter = ',', default_value = "1.0", value_parser = parse_share, requires = "elicit")]
    pub(super) attacker_knows: Vec<f64>,
    /// Folder of the reports [default: runs/NAME-probe]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N. A device that is not there is an error
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(super) device: DeviceChoice,
    /// Set a key of [gate] or [probes], as gate.alpha=0.01, and with --elicit of [phase3] (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_override)]
    pub(super) overrides: Vec<Override>,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct ScoreArgs {
    /// Lines of {"tokens": [...]} or {"text": "..."}; - is standard input
    pub(super) input: PathBuf,
    /// Checkpoint: a folder, or a model of the hub as OWNER/NAME or OWNER/NAME@REVISION
    #[arg(long, value_name = "MODEL")]
    pub(super) model: String,
    /// Checkpoint of a reference: adds the key `reference_logprobs` to every line
    #[arg(long, value_name = "MODEL")]
    pub(super) reference: Option<String>,
    /// Folder of the base, where the model is an adapter (a PEFT folder) whose config names another place
    #[arg(long, value_name = "DIR")]
    pub(super) base: Option<PathBuf>,
    /// What becomes of a line that is longer than the model's context
    #[arg(long, value_enum, default_value = "refuse", value_name = "WHAT")]
    pub(super) long: LongLines,
    /// Score texts without the special tokens (such as a beginning of sequence) that the tokenizer itself puts around them
    #[arg(long)]
    pub(super) no_special_tokens: bool,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(super) device: DeviceChoice,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

/// What `unsaid score` does with lines that are too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LongLines {
    /// End with an error that names the line
    Refuse,
    /// Score the beginning, and warn
    Cut,
}

/// A format of `unsaid report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatArg {
    Table,
    Md,
    Html,
    Csv,
    Json,
    Junit,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Run directories; several are compared with the first
    #[arg(required_unless_present = "schema", value_name = "RUN")]
    pub(super) runs: Vec<PathBuf>,
    /// Formats, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_value = "table")]
    pub(super) format: Vec<FormatArg>,
    /// Show the texts of the canaries that stand out, not their names alone
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
    /// Score the canaries again with every saved checkpoint, and say what differs
    #[arg(long)]
    pub(super) rerun_probes: bool,
    /// Where to score again: auto, cpu, cuda or cuda:N. Another device than the run's rounds otherwise
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(super) device: DeviceChoice,
    #[command(flatten)]
    pub(super) log: LogArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Specs
    #[arg(required = true, value_name = "SPEC")]
    pub(super) specs: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) spec_args: SpecArgs,
}

/// A probe of `unsaid bench`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProbeArg {
    Scan,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// A published Pythia shape, as 14m or 160m; weights are random
    #[arg(long, default_value = "160m")]
    pub(super) shape: String,
    /// The shape of a checkpoint folder instead; weights are random all the same
    #[arg(long, value_name = "DIR", conflicts_with = "shape")]
    pub(super) model: Option<PathBuf>,
    /// Other than the shape's number of layers
    #[arg(long, value_name = "N")]
    pub(super) layers: Option<usize>,
    /// 1, 2 or 3
    #[arg(long, default_value_t = 3, value_name = "P")]
    pub(super) phase: u8,
    /// Time a probe at its default budget, not a phase
    #[arg(long, value_enum, value_name = "PROBE", conflicts_with_all = ["phase", "batch", "micro_batch"])]
    pub(super) probe: Option<ProbeArg>,
    /// Rows of each loss term
    #[arg(long, default_value_t = 128, value_name = "B")]
    pub(super) batch: usize,
    /// Timed steps or scans, after one that warms up
    #[arg(long, default_value_t = 3, value_name = "K")]
    pub(super) repeat: usize,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(super) device: DeviceChoice,
    /// How products are made
    #[arg(long, value_enum, default_value = "f32")]
    pub(super) precision: PrecisionArg,
    /// Most rows of each loss term that go through the model at once [default: as many as fit]
    #[arg(long, value_name = "B")]
    pub(super) micro_batch: Option<usize>,
    /// One JSON object instead of a text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// A device that must be there
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
        .ok_or_else(|| "a share from 0 to 1, as 0.5".to_owned())
}

fn parse_override(text: &str) -> Result<Override, String> {
    Override::parse(text).map_err(|e| e.to_string())
}
