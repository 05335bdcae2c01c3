//! What the probes ask where a spec says nothing.

use super::{Elicitation, Generation, LowLogit, PositiveControl, Probes, Scan};
use crate::spec::switched::default;

impl Default for Probes {
    fn default() -> Self {
        Self {
            elicitation: default(),
            low_logit: default(),
            generation: default(),
            scan: default(),
        }
    }
}

impl Default for Elicitation {
    fn default() -> Self {
        Self {
            positive_control: PositiveControl::Required,
            smallest_effect_rank: 0.05,
            smallest_effect_averaged_rank: 0.05,
            smallest_effect_nats: 0.1,
            smallest_effect_single: 1.63,
            contexts: 16,
        }
    }
}

impl Default for LowLogit {
    fn default() -> Self {
        Self {
            positive_control: PositiveControl::Required,
            smallest_effect_auc: 0.1,
            smallest_effect_rank: 0.05,
            smallest_effect_single: 1.63,
            smallest_effect_spread: 0.05,
            smallest_effect_advantage: 0.42,
            smallest_effect_tail: 20.0,
            smallest_effect_rest: 0.3,
            smallest_effect_recovered: 0.05,
            completion_letters: vec![2, 4, 8],
            completion_guesses: 200,
            completion_budgets: vec![1_000, 1_000_000],
            altered_weights: true,
            top_k: 5,
        }
    }
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            positive_control: PositiveControl::NotApplicable,
            samples: 512,
            temperature: 1.0,
            top_k: None,
            seed: 0,
            smallest_effect_recovered: 0.05,
        }
    }
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            positive_control: PositiveControl::Required,
            depth: 3,
            top: 512,
            beam: 512,
            guesses: 10_000,
            smallest_effect_enriched: 0.2,
            smallest_effect_recovered: 0.05,
        }
    }
}
