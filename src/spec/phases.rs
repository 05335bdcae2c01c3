//! `[phase1]`, `[phase2]`, `[phase3]`: how the model is trained.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::COUNT_MAX;
use super::document::Document;
use super::error::SpecError;
use super::schema::{not_negative, positive};

/// Phase 1: fine-tuning on random passwords.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Phase1 {
    /// Leave the phase out.
    pub skip: bool,
    /// Random passwords to train on, one epoch.
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub passwords: usize,
    /// Step size and schedule.
    #[serde(flatten)]
    pub optimisation: Optimisation,
}

/// Phase 2: DPO against the negatives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Phase2 {
    /// Leave the phase out.
    pub skip: bool,
    /// DPO's β.
    #[schemars(transform = positive)]
    pub beta: f64,
    /// What does not train.
    pub freeze: Freeze,
    /// Step size and schedule.
    #[serde(flatten)]
    pub optimisation: Optimisation,
}

/// Phase 3: joint DPO and elicitation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Phase3 {
    /// Leave the phase out; then switch `probes.elicitation` off too.
    pub skip: bool,
    /// DPO's β.
    #[schemars(transform = positive)]
    pub beta: f64,
    /// What does not train.
    pub freeze: Freeze,
    /// Weights of the loss terms. A term of weight 0 is left out; one must be larger than 0.
    pub weights: Weights,
    /// Step size and schedule.
    #[serde(flatten)]
    pub optimisation: Optimisation,
}

/// Step size and its schedule, of any phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Optimisation {
    /// Rows of each loss term per step: passwords in phase 1, pairs in phase 2, both in phase 3.
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub batch: usize,
    /// Peak of the learning-rate schedule.
    #[schemars(transform = not_negative)]
    pub learning_rate: f64,
    /// Steps of linear warm-up; may be more than the phase has.
    #[schemars(range(max = COUNT_MAX))]
    pub warmup_steps: usize,
    /// `AdamW`'s decoupled weight decay, on every trainable tensor.
    #[schemars(transform = not_negative)]
    pub weight_decay: f64,
    /// Bound of the gradient's norm over all trainable tensors together.
    #[schemars(transform = positive)]
    pub max_grad_norm: f64,
    /// Steps from one evaluation to the next, from step 0: `5` evaluates after the steps 0, 5, 10, …
    #[schemars(range(min = 1, max = COUNT_MAX))]
    pub eval_every: usize,
}

/// Weights of phase 3's loss terms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// DPO on the pairs.
    #[schemars(transform = not_negative)]
    pub dpo: f64,
    /// Cross-entropy of useful negatives after the reverse prefix.
    #[schemars(transform = not_negative)]
    pub reverse: f64,
    /// Cross-entropy of random passwords after the regular prefix.
    #[schemars(transform = not_negative)]
    pub regular: f64,
}

/// The part of the model that does not train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Freeze {
    /// The upper half of the layers and the output embedding (the published code).
    Upper,
    /// The input embedding and the lower half of the layers (the paper's text).
    Lower,
    /// Nothing.
    None,
}

impl Default for Phase1 {
    fn default() -> Self {
        Self {
            skip: false,
            passwords: 8192,
            optimisation: Optimisation::default(),
        }
    }
}

impl Default for Phase2 {
    fn default() -> Self {
        Self {
            skip: false,
            beta: 0.1,
            freeze: Freeze::Upper,
            optimisation: Optimisation::default(),
        }
    }
}

impl Default for Phase3 {
    fn default() -> Self {
        Self {
            skip: false,
            beta: 0.1,
            freeze: Freeze::None,
            weights: Weights::default(),
            optimisation: Optimisation::default(),
        }
    }
}

impl Default for Optimisation {
    fn default() -> Self {
        Self {
            batch: 128,
            learning_rate: 1e-4,
            warmup_steps: 100,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            eval_every: 5,
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            dpo: 1.0,
            reverse: 0.2,
            regular: 0.2,
        }
    }
}

impl Weights {
    /// At least one term must train.
    pub(super) fn check(self, document: &Document<'_>) -> Result<(), SpecError> {
        document.demand(
            self.dpo > 0.0 || self.reverse > 0.0 || self.regular > 0.0,
            "phase3.weights",
            "larger than 0 in at least one of dpo, reverse and regular",
            "give one a weight (the recipe has dpo = 1.0, reverse = 0.2, regular = 0.2), or set `phase3.skip = true`",
        )
    }
}
