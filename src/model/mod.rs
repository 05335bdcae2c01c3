//! Models: tokens in, log-probabilities out. One file per architecture (`neox`, `gpt2`, `llama`) behind one trait; all else is shared.

mod altered;
mod architecture;
mod cached;
mod causal;
mod embedding;
mod forward;
mod gpt2;
mod layer;
mod layout;
mod llama;
mod neox;
mod params;
mod positions;
mod random;
mod scoring;
mod stored;
mod vocabulary;

pub use cached::Cached;
pub use causal::Model;
pub use embedding::UsedRows;
pub use params::{Params, Part, Trainable, copied, operand};
pub use stored::check_weights;

use crate::checkpoint::{CheckpointError, WeightsError};

/// Why a model could not be made or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The checkpoint's folder cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint's weights cannot be used, or none be written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// libtorch failed: most often memory.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl ModelError {
    /// Whether the checkpoint that was asked for is at fault, not the network or the machine.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Checkpoint(e) => e.is_input(),
            Self::Weights(e) => e.is_input(),
            Self::Torch(_) => false,
        }
    }

    /// Whether the user stopped it.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Checkpoint(e) if e.is_interrupt())
    }
}
