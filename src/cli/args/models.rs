//! Arguments of the commands that run models: `run`, `probe`, `score` and `bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{LogArgs, SpecArgs};
use crate::spec::{JOBS_MAX, Override, Precision};
use crate::units::DeviceChoice;

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// The spec, a TOML file
    pub(in crate::cli) spec: PathBuf,
    /// Run directory [default: runs/NAME]
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N. A device that is not there is an error
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(in crate::cli) device: DeviceChoice,
    /// Numerical precision of training and scoring [default: model.precision of the spec]
    #[arg(long, value_enum)]
    pub(in crate::cli) precision: Option<Precision>,
    #[command(flatten)]
    pub(in crate::cli) spec_args: SpecArgs,
    /// Seeds to run at once, one process per seed [default: run.jobs of the spec, 1]
    #[arg(long, value_name = "N", value_parser = parse_jobs)]
    pub(in crate::cli) jobs: Option<usize>,
    /// Run only this seed of the spec, without a report: for job arrays. The same command without --cell makes the report
    /// once every seed is complete
    #[arg(long, value_name = "SEED", conflicts_with = "jobs")]
    pub(in crate::cli) cell: Option<u64>,
    /// How `--jobs` starts cells: CPU threads to use. Standard output then carries progress, and the end of standard input
    /// stops the cell
    #[arg(long, hide = true, requires = "cell")]
    pub(in crate::cli) cell_threads: Option<usize>,
    /// Continue an unfinished run (the default where the folder holds one of the same spec)
    #[arg(long)]
    pub(in crate::cli) resume: bool,
    /// Continue with another device, precision or number of threads than the run began with, and record the change
    #[arg(long)]
    pub(in crate::cli) allow_change: bool,
    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ProbeArgs {
    /// The trained model: a folder, or a model of the hub as OWNER/NAME or OWNER/NAME@REVISION
    #[arg(long, value_name = "MODEL")]
    pub(in crate::cli) model: PathBuf,
    /// The model that it was trained from
    #[arg(long, value_name = "BASE")]
    pub(in crate::cli) reference: Option<PathBuf>,
    /// Folder of the base model, where the model is a PEFT adapter whose config names another place
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) base: Option<PathBuf>,
    /// The manifest.jsonl that `unsaid mint` wrote, with its spec.toml beside it
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) canaries: PathBuf,
    /// A file that the model was trained on; refused if a control stands in it (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) training: Vec<PathBuf>,
    /// Also try to elicit the held-out canaries: fine-tune a copy of the model on the useful ones after the reverse prefix,
    /// as phase 3 of the spec does
    #[arg(long)]
    pub(in crate::cli) elicit: bool,
    /// Shares of the useful canaries that the attacker knows, one attack per share; verdicts rest on the largest. Who knows none (0)
    /// fine-tunes on random text
    #[arg(long, value_name = "SHARES", value_delimiter = ',', default_value = "1.0,0", value_parser = parse_share, requires = "elicit")]
    pub(in crate::cli) attacker_knows: Vec<f64>,
    /// Folder of the reports [default: runs/NAME-probe]
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N. A device that is not there is an error
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(in crate::cli) device: DeviceChoice,
    /// Set a key of [gate] or [probes], such as gate.alpha=0.01, or of [phase3] with --elicit (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = super::setting())]
    pub(in crate::cli) overrides: Vec<Override>,
    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScoreArgs {
    /// JSON lines of {"tokens": [...]} or {"text": "..."}; - is standard input
    pub(in crate::cli) input: PathBuf,
    /// The model: a folder, or a model of the hub as OWNER/NAME or OWNER/NAME@REVISION
    #[arg(long, value_name = "MODEL")]
    pub(in crate::cli) model: PathBuf,
    /// A reference model, which adds the key `reference_logprobs` to every line
    #[arg(long, value_name = "MODEL")]
    pub(in crate::cli) reference: Option<PathBuf>,
    /// Folder of the base model, where the model is a PEFT adapter whose config names another place
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) base: Option<PathBuf>,
    /// What to do with a line that is longer than the model's context
    #[arg(long, value_enum, default_value = "refuse", value_name = "WHAT")]
    pub(in crate::cli) long: LongLines,
    /// Score texts without the special tokens (such as beginning of sequence) that the tokenizer adds
    #[arg(long)]
    pub(in crate::cli) no_special_tokens: bool,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(in crate::cli) device: DeviceChoice,
    #[command(flatten)]
    pub(in crate::cli) log: LogArgs,
}

/// What `unsaid score` does with a line that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LongLines {
    /// Stop with an error that names the line
    Refuse,
    /// Score its beginning, and warn
    Cut,
}

/// A probe that `unsaid bench` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ProbeArg {
    Scan,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BenchArgs {
    /// A published Pythia shape, such as 14m or 160m; weights are random
    #[arg(long, default_value = "160m")]
    pub(in crate::cli) shape: String,
    /// Take the shape of the model in this folder instead; weights are still random
    #[arg(long, value_name = "DIR", conflicts_with = "shape")]
    pub(in crate::cli) model: Option<PathBuf>,
    /// Number of layers [default: the shape's]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) layers: Option<usize>,
    /// The phase whose step is timed: 1, 2 or 3
    #[arg(long, default_value_t = 3, value_name = "P")]
    pub(in crate::cli) phase: u8,
    /// Time a probe at its default budget instead of a phase
    #[arg(long, value_enum, value_name = "PROBE", conflicts_with_all = ["phase", "batch", "micro_batch"])]
    pub(in crate::cli) probe: Option<ProbeArg>,
    /// Rows per loss term
    #[arg(long, default_value_t = 128, value_name = "B")]
    pub(in crate::cli) batch: usize,
    /// Timed steps or scans, after one to warm up
    #[arg(long, default_value_t = 3, value_name = "K")]
    pub(in crate::cli) repeat: usize,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    pub(in crate::cli) device: DeviceChoice,
    /// Numerical precision
    #[arg(long, value_enum, default_value = "f32")]
    pub(in crate::cli) precision: Precision,
    /// Rows per loss term that go through the model at once [default: as many as fit]
    #[arg(long, value_name = "B")]
    pub(in crate::cli) micro_batch: Option<usize>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

pub(super) fn parse_device(text: &str) -> Result<DeviceChoice, String> {
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
