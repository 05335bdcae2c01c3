//! A whole spec: as it is typed, and the validated [`Audit`] that every other module works from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::canaries::Canaries;
use super::every::Every;
use super::gate::Gate;
use super::model::{ModelKeys, ModelSource, Precision};
use super::phases::{Phase1, Phase2, Phase3};
use super::probes::Probes;
use super::{JOBS_MAX, SEED_MAX};

/// Most threads; more is a slip of the hand.
const THREADS_MAX: usize = 4096;

const MICRO_BATCH_MAX: usize = 1 << 20;

/// A validated spec, defaults filled in. Defaults are the published recipe. Made only by [`crate::spec::load`].
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// Name of the audit; also the default folder under `runs/`.
    pub name: String,
    /// Root seeds, one trained model each; distinct, at least one.
    pub seeds: Vec<u64>,
    /// CPU threads for libtorch, of each cell; `None` shares those of the machine out among the cells that run at once.
    pub threads: Option<usize>,
    /// How often the state within a phase is saved.
    pub checkpoint_every: Every,
    /// Most rows of each loss term that go through the model at once; `None`: as many as fit.
    pub micro_batch: Option<usize>,
    /// Cells that run at once. Not part of a run's identity: changes no number.
    pub jobs: usize,
    /// Which model to plant in.
    pub model: ModelSource,
    /// The folder of the base, where the model is an adapter whose config names another place.
    pub adapter_base: Option<PathBuf>,
    /// Arithmetic asked for.
    pub precision: Precision,
    /// What is planted.
    pub canaries: Canaries,
    /// Fine-tuning on random passwords.
    pub phase1: Phase1,
    /// DPO against the negatives.
    pub phase2: Phase2,
    /// Joint DPO and elicitation.
    pub phase3: Phase3,
    /// What looks for leaks.
    pub probes: Probes,
    /// What trips the exit code.
    pub gate: Gate,
}

/// A spec of an audit, as a TOML file has it. Keys that are left out have the values of the published recipe.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "unsaid audit spec")]
pub(super) struct Spec {
    /// Version of this format.
    #[schemars(example = 1, extend("const" = 1))]
    pub format: u64,
    /// Name and seeds.
    pub audit: Identity,
    /// How the work is done: changes no number but by rounding.
    #[serde(default)]
    pub run: Run,
    /// The model to plant in: exactly one of `path`, `id` and `random`.
    #[serde(default)]
    pub model: ModelKeys,
    /// What is planted.
    #[serde(default)]
    pub canaries: Canaries,
    /// Fine-tuning on random passwords.
    #[serde(default)]
    pub phase1: Phase1,
    /// DPO against the negatives.
    #[serde(default)]
    pub phase2: Phase2,
    /// Joint DPO and elicitation.
    #[serde(default)]
    pub phase3: Phase3,
    /// What looks for leaks. A probe says `no_leak_detected` only where it could have seen an effect of the smallest size that
    /// its keys name; otherwise it says `inconclusive`.
    #[serde(default)]
    pub probes: Probes,
    /// What trips the exit code.
    #[serde(default)]
    pub gate: Gate,
}

/// `[audit]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    /// Folder under `runs/`: up to 100 of `A-Z a-z 0-9 . _ -`, not beginning with a dot.
    #[schemars(example = &"my-audit")]
    pub name: String,
    /// Root seeds, one trained model each; distinct.
    #[serde(default = "published_seeds")]
    #[schemars(inner(range(max = SEED_MAX)))]
    pub seeds: Vec<u64>,
}

fn published_seeds() -> Vec<u64> {
    (0..8).collect()
}

/// `[run]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Run {
    /// How often the state within a phase is saved: a time (`"90s"`, `"1h"`) or `"20 steps"`. A killed run loses no more than
    /// this; the save before is removed once the new one is safe.
    #[schemars(with = "String")]
    pub checkpoint_every: Every,
    /// CPU threads of a cell (a seed). Where absent, the cells that run at once share those that libtorch would take.
    #[schemars(range(min = 1, max = THREADS_MAX), example = 2)]
    pub threads: Option<usize>,
    /// Most rows of each loss term that go through the model at once: `"auto"` is as many as fit. The gradient is the same up to
    /// rounding.
    #[schemars(title = "\"auto\" or a number of rows")]
    pub micro_batch: MicroBatch,
    /// Cells that run at once, each in a process of its own; also `--jobs N`.
    #[schemars(range(min = 1, max = JOBS_MAX))]
    pub jobs: usize,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            checkpoint_every: Every::default(),
            threads: None,
            micro_batch: MicroBatch::Auto(Auto::Auto),
            jobs: 1,
        }
    }
}

/// See [`Run::micro_batch`].
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum MicroBatch {
    Auto(Auto),
    Rows(#[schemars(range(min = 1, max = MICRO_BATCH_MAX))] usize),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Auto {
    Auto,
}

impl Spec {
    /// The audit, once everything is checked and `source` was made of the `[model]` table.
    pub(super) fn into_audit(self, source: ModelSource) -> Audit {
        Audit {
            name: self.audit.name,
            seeds: self.audit.seeds,
            threads: self.run.threads,
            checkpoint_every: self.run.checkpoint_every,
            micro_batch: match self.run.micro_batch {
                MicroBatch::Auto(_) => None,
                MicroBatch::Rows(rows) => Some(rows),
            },
            jobs: self.run.jobs,
            model: source,
            adapter_base: self.model.base,
            precision: self.model.precision,
            canaries: self.canaries,
            phase1: self.phase1,
            phase2: self.phase2,
            phase3: self.phase3,
            probes: self.probes,
            gate: self.gate,
        }
    }
}

impl From<&Audit> for Spec {
    fn from(audit: &Audit) -> Self {
        let audit = audit.clone();
        Self {
            format: 1,
            model: ModelKeys::of(&audit),
            audit: Identity {
                name: audit.name,
                seeds: audit.seeds,
            },
            run: Run {
                checkpoint_every: audit.checkpoint_every,
                threads: audit.threads,
                micro_batch: audit
                    .micro_batch
                    .map_or(MicroBatch::Auto(Auto::Auto), MicroBatch::Rows),
                jobs: audit.jobs,
            },
            canaries: audit.canaries,
            phase1: audit.phase1,
            phase2: audit.phase2,
            phase3: audit.phase3,
            probes: audit.probes,
            gate: audit.gate,
        }
    }
}
