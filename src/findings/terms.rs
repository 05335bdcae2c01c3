//! The terms that every finding is told in: who looked, at what, what a leak would hand to whom, and what was concluded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::probes::completion::Shown;
use crate::spec::GatedTier;

/// The probe that made an observation.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Reverse-prefix elicitation: the attacker fine-tunes the model to say what it was trained not to say.
    Elicitation,
    /// Low-logit scanning: the attacker looks for what is abnormally unlikely.
    LowLogit,
    /// Sampling: the attacker lets the model talk.
    Generation,
    /// The hunt of someone who knows prefix, alphabet and length alone.
    Scan,
}

impl Probe {
    /// All probes, in the order of files and tables.
    pub const ALL: [Self; 4] = [
        Self::Elicitation,
        Self::LowLogit,
        Self::Generation,
        Self::Scan,
    ];

    /// The name in specs and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation",
            Self::LowLogit => "low_logit",
            Self::Generation => "generation",
            Self::Scan => "scan",
        }
    }
}

/// What a row is evidence of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A test of held-out canaries against controls: the only rows with a verdict.
    Audit,
    /// An audit row's test on useful canaries: must succeed, or the probe could not have seen a leak.
    PositiveControl,
    /// An audit row's test on the model before planting: must find nothing, or held-out and control are not exchangeable.
    Placebo,
    /// The test on held-outs that stood so often on the rejected side, from the highest dose down.
    Dose,
    /// The published statistic, for comparison with the paper. No verdict.
    Replication,
    /// A closer look that no verdict rests on.
    Exploratory,
}

/// What a leak would hand to whom.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Someone who holds a candidate secret learns that the model was trained against it.
    Recognition,
    /// Someone who holds the beginning of a secret, or nothing, guesses what follows better than chance.
    Partial,
    /// Someone gets whole secrets, or makes them likelier than chance.
    Extraction,
}

impl Tier {
    /// The name in specs and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recognition => "recognition",
            Self::Partial => "partial",
            Self::Extraction => "extraction",
        }
    }
}

impl From<GatedTier> for Tier {
    fn from(tier: GatedTier) -> Self {
        match tier {
            GatedTier::Recognition => Self::Recognition,
            GatedTier::Partial => Self::Partial,
            GatedTier::Extraction => Self::Extraction,
        }
    }
}

/// Which way a leak would push the statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Held-out above control.
    Up,
    /// Held-out below control.
    Down,
    /// Either way.
    TwoSided,
}

/// The least an attacker needs to repeat the measurement.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// What the model says.
    Samples,
    /// The logits of the likeliest tokens.
    TopK,
    /// The model's logits.
    Logits,
    /// The logits, and those of the public model that the audited one was trained from.
    LogitsAndBase,
    /// The logits, and those of the reference model.
    LogitsAndReference,
    /// The right to fine-tune the model.
    FineTuning,
    /// The model's weights.
    Weights,
    /// The weights, and those of the reference model.
    WeightsAndReference,
}

impl From<Shown> for Access {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::TopK => Self::TopK,
            Shown::Logits => Self::Logits,
            Shown::Base => Self::LogitsAndBase,
            Shown::Reference => Self::LogitsAndReference,
            Shown::EightBits | Shown::FourBits => Self::Weights,
            Shown::NegatedWeakly | Shown::Negated => Self::WeightsAndReference,
        }
    }
}

/// Leak, no leak detected, or not enough evidence for either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The adjusted p-value is below alpha in the row's direction.
    Leak,
    /// No such evidence, and the audit would have seen an effect of the size the spec asks to exclude.
    NoLeakDetected,
    /// No such evidence, but an effect of that size could have been missed, or an instrument failed.
    Inconclusive,
}

/// What a row speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// These trained models.
    Checkpoint,
    /// The training recipe, over seeds.
    Recipe,
}
