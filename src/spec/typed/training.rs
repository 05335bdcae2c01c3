//! `[phase1]`, `[phase2]`, `[phase3]`, as typed.

use serde::{Deserialize, Serialize};

use crate::spec::audit::Optimisation;

/// Keys of the optimiser, the same in every phase.
macro_rules! phase {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $key:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Deserialize, Serialize)]
        #[serde(default, deny_unknown_fields)]
        pub(in crate::spec) struct $name {
            /// Leave the phase out.
            pub skip: bool,
            $($(#[$doc])* pub $key: $kind,)*
            /// Rows of each loss term a step.
            pub batch: usize,
            /// Peak learning rate.
            pub learning_rate: f64,
            /// Linear warm-up, in steps.
            pub warmup_steps: usize,
            /// `AdamW`'s decoupled weight decay.
            pub weight_decay: f64,
            /// Largest norm of the whole gradient.
            pub max_grad_norm: f64,
            /// Steps from one evaluation to the next.
            pub eval_every: usize,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    skip: false,
                    $($key: $default,)*
                    batch: 128,
                    learning_rate: 1e-4,
                    warmup_steps: 100,
                    weight_decay: 0.01,
                    max_grad_norm: 1.0,
                    eval_every: 5,
                }
            }
        }

        impl $name {
            /// The optimiser's keys, unchecked.
            pub(in crate::spec) fn optimisation(&self) -> Optimisation {
                Optimisation {
                    batch: self.batch,
                    learning_rate: self.learning_rate,
                    warmup_steps: self.warmup_steps,
                    weight_decay: self.weight_decay,
                    max_grad_norm: self.max_grad_norm,
                    eval_every: self.eval_every,
                }
            }
        }
    };
}

phase! {
    /// `[phase1]`
    TypedPhase1 {
        /// Random passwords to train on.
        passwords: usize = 8192,
    }
}

phase! {
    /// `[phase2]`
    TypedPhase2 {
        /// DPO's β.
        beta: f64 = 0.1,
        /// `upper`, `lower` or `none`.
        freeze: String = "upper".to_owned(),
    }
}

phase! {
    /// `[phase3]`
    TypedPhase3 {
        /// DPO's β.
        beta: f64 = 0.1,
        /// `upper`, `lower` or `none`.
        freeze: String = "none".to_owned(),
        /// Weights of the loss terms.
        weights: TypedWeights = TypedWeights::default(),
    }
}

/// `phase3.weights`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::spec) struct TypedWeights {
    /// DPO on the pairs.
    pub dpo: f64,
    /// Cross-entropy of useful negatives after the reverse prefix.
    pub reverse: f64,
    /// Cross-entropy of random passwords after the regular prefix.
    pub regular: f64,
}

impl Default for TypedWeights {
    fn default() -> Self {
        Self {
            dpo: 1.0,
            reverse: 0.2,
            regular: 0.2,
        }
    }
}
