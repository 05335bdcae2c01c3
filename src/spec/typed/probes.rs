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
