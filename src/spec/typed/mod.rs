//! What a user may type: every key of a spec, with its default. Nothing is checked here but TOML types.
//!
//! Defaults are the published recipe ([`crate::guide::recipe`]). Choices from a few words stay text until `validate`, whose messages
//! can say what is allowed and what is not built yet.

mod canaries;
mod probes;
mod training;

use serde::{Deserialize, Serialize};

pub(super) use canaries::{TypedAlphabet, TypedCanaries, TypedPrefixes};
pub(super) use probes::{
    TypedElicitation, TypedGate, TypedGeneration, TypedLimit, TypedLowLogit, TypedProbes,
};
pub(super) use training::{TypedPhase1, TypedPhase2, TypedPhase3, TypedWeights};

/// A whole spec.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct Typed {
    /// Version of this format; required, 1.
    pub format: Option<u64>,
    /// Name and seeds.
    pub audit: TypedAudit,
    /// How the work is done; changes no number beyond rounding.
    pub run: TypedRun,
    /// The checkpoint to plant in.
    pub model: TypedModel,
    /// What is planted.
    pub canaries: TypedCanaries,
    /// Fine-tuning on random passwords.
    pub phase1: TypedPhase1,
    /// DPO against the negatives.
    pub phase2: TypedPhase2,
    /// Joint DPO and elicitation.
    pub phase3: TypedPhase3,
    /// What looks for leaks.
    pub probes: TypedProbes,
    /// What trips the exit code.
    pub gate: TypedGate,
}

/// `[audit]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedAudit {
    /// Name, also the folder under `runs/`; required.
    pub name: Option<String>,
    /// Root seeds, one trained model each; 0 to 7.
    pub seeds: Vec<u64>,
}

/// `[run]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedRun {
    /// How often the state within a phase is saved: `5m` or `20 steps`.
    pub checkpoint_every: String,
    /// CPU threads of a cell; absent shares the machine's out.
    pub threads: Option<usize>,
    /// Rows of each loss term that go through the model at once: `auto` or a number.
    pub micro_batch: Option<TypedMicroBatch>,
    /// Cells that run at once.
    pub jobs: usize,
}

/// See [`TypedRun::micro_batch`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub(in crate::spec) enum TypedMicroBatch {
    /// A word.
    Word(String),
    /// Rows.
    Rows(usize),
}

/// `[model]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedModel {
    /// A Hugging Face folder; this, `id` or `random`.
    pub path: Option<String>,
    /// A model on the hub; this, `path` or `random`.
    pub id: Option<String>,
    /// Random weights of this shape; this, `path` or `id`.
    pub random: Option<TypedRandom>,
    /// Branch, tag or commit of `id`; `main`.
    pub revision: Option<String>,
    /// The folder of an adapter's base, where its config names another place.
    pub base: Option<String>,
    /// `auto`, `f32`, `tf32` or `bf16`.
    pub precision: String,
}

/// `model.random`: every key is required.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedRandom {
    /// Layers.
    pub layers: Option<usize>,
    /// Width of the residual stream.
    pub width: Option<usize>,
    /// Attention heads.
    pub heads: Option<usize>,
    /// Tokens.
    pub vocabulary: Option<usize>,
}

impl Default for TypedRun {
    fn default() -> Self {
        Self {
            checkpoint_every: "5m".to_owned(),
            threads: None,
            micro_batch: None,
            jobs: 1,
        }
    }
}

impl Default for TypedAudit {
    fn default() -> Self {
        Self {
            name: None,
            seeds: (0..8).collect(),
        }
    }
}

impl Default for TypedModel {
    fn default() -> Self {
        Self {
            path: None,
            id: None,
            random: None,
            revision: None,
            base: None,
            precision: "auto".to_owned(),
        }
    }
}
