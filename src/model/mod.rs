//! Models: tokens in, log-probabilities out. One architecture a file (`neox`, `gpt2`, `llama`) behind one trait; all else is shared.

mod architecture;
mod cached;
mod causal;
mod embedding;
mod forward;
mod gpt2;
mod layer;
mod llama;
mod neox;
mod params;
mod positions;
mod random;
mod scoring;
pub mod shapes;
mod stored;
mod vocabulary;

pub use cached::Cached;
pub use causal::{ACTIVATIONS, Model, activations_per_token};
pub use embedding::UsedRows;
pub use params::{Params, Part, Slot, Trainable, copied, operand};
pub use stored::check_weights;
pub use vocabulary::{KEPT_LOGITS, TokenLogprobs};

use crate::checkpoint::CheckpointError;

/// Why a model could not be made or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Its checkpoint could not be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// libtorch failed: most often memory.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}
