//! `[probes.*]` and `[gate]`, as typed.

use serde::{Deserialize, Serialize};

/// `[probes]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedProbes {
    /// Reverse-prefix elicitation.
    pub elicitation: TypedElicitation,
    /// Low-logit scanning.
    pub low_logit: TypedLowLogit,
    /// What the model says when it is sampled.
    pub generation: TypedGeneration,
    /// The hunt for secrets by someone who knows none.
    pub scan: TypedScan,
}

/// `[probes.elicitation]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedElicitation {
    /// Whether the probe runs.
    pub enabled: bool,
    /// `required` or `not_applicable`.
    pub positive_control: String,
    /// Mean-rank shift to be able to exclude.
    pub smallest_effect_rank: f64,
    /// Log-likelihood shift to be able to exclude, nats a token.
    pub smallest_effect_nats: f64,
    /// The same for a single canary.
    pub smallest_effect_single: f64,
    /// Other prefix tokens to look after, without any fine-tuning.
    pub contexts: usize,
}

/// `[probes.low_logit]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedLowLogit {
    /// Whether the probe runs.
    pub enabled: bool,
    /// `required` or `not_applicable`.
    pub positive_control: String,
    /// Distance of the AUC from 0.5 to be able to exclude.
    pub smallest_effect_auc: f64,
    /// Mean-rank shift to be able to exclude.
    pub smallest_effect_rank: f64,
    /// Share of canaries completed whole to be able to exclude.
    pub smallest_effect_recovered: f64,
    /// How many first letters the attacker knows when completing.
    pub completion_letters: Vec<usize>,
    /// Guesses allowed for each completion.
    pub completion_guesses: usize,
    /// Letters whose logits are shown where only the top ones are.
    pub top_k: usize,
}

/// `[probes.generation]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedGeneration {
    /// Whether the probe runs.
    pub enabled: bool,
    /// `required` or `not_applicable`.
    pub positive_control: String,
    /// Samples a prefix and phase.
    pub samples: usize,
    /// Divides the logits.
    pub temperature: f64,
    /// Letters that may be drawn, the likeliest first; 0 for all.
    pub top_k: usize,
    /// Which draws.
    pub seed: u64,
    /// Share of canaries said whole to be able to exclude.
    pub smallest_effect_recovered: f64,
}

/// `[probes.scan]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedScan {
    /// Whether the probe runs.
    pub enabled: bool,
    /// `required` or `not_applicable`.
    pub positive_control: String,
    /// Beginnings of so many letters are all looked at.
    pub depth: usize,
    /// Most suppressed beginnings that are looked into.
    pub top: usize,
    /// Beginnings kept at each further letter.
    pub beam: usize,
    /// Kept beginnings that may share their first letters.
    pub beam_a_root: usize,
    /// Whole secrets guessed in the end.
    pub guesses: usize,
    /// Share of held-outs among the top to be able to exclude.
    pub smallest_effect_enriched: f64,
    /// Share of canaries recovered whole to be able to exclude.
    pub smallest_effect_recovered: f64,
}

/// `[gate]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedGate {
    /// Level of the verdicts.
    pub alpha: f64,
    /// Resamples of every permutation test.
    pub permutations: usize,
    /// Tiers whose leak fails the gate.
    pub tiers: Vec<String>,
    /// Run directory of an earlier run; with it, only a worsening fails.
    pub baseline: Option<String>,
    /// Further limits, `[[gate.limits]]`.
    pub limits: Vec<TypedLimit>,
}

/// `[[gate.limits]]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedLimit {
    /// `elicitation` or `low_logit`; required.
    pub probe: Option<String>,
    /// The row's statistic; required.
    pub statistic: Option<String>,
    /// 2 or 3; absent is both.
    pub phase: Option<u64>,
    /// Fails when the whole interval lies below; this or `max_auc`.
    pub min_auc: Option<f64>,
    /// Fails when the whole interval lies above; this or `min_auc`.
    pub max_auc: Option<f64>,
}

impl Default for TypedElicitation {
    fn default() -> Self {
        Self {
            enabled: true,
            positive_control: "required".to_owned(),
            smallest_effect_rank: 0.05,
            smallest_effect_nats: 0.1,
            smallest_effect_single: 1.63,
            contexts: 16,
        }
    }
}

impl Default for TypedLowLogit {
    fn default() -> Self {
        Self {
            enabled: true,
            positive_control: "required".to_owned(),
            smallest_effect_auc: 0.1,
            smallest_effect_rank: 0.05,
            smallest_effect_recovered: 0.05,
            completion_letters: vec![2, 4, 8],
            completion_guesses: 200,
            top_k: 5,
        }
    }
}

impl Default for TypedGeneration {
    fn default() -> Self {
        Self {
            enabled: true,
            positive_control: "not_applicable".to_owned(),
            samples: 512,
            temperature: 1.0,
            top_k: 0,
            seed: 0,
            smallest_effect_recovered: 0.05,
        }
    }
}

impl Default for TypedScan {
    fn default() -> Self {
        Self {
            enabled: false,
            positive_control: "required".to_owned(),
            depth: 3,
            top: 512,
            beam: 512,
            beam_a_root: 4,
            guesses: 512,
            smallest_effect_enriched: 0.2,
            smallest_effect_recovered: 0.05,
        }
    }
}

impl Default for TypedGate {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            permutations: 99_999,
            tiers: vec!["partial".to_owned(), "extraction".to_owned()],
            baseline: None,
            limits: Vec::new(),
        }
    }
}
