//! Models: tokens in, log-probabilities out. One architecture a file.

mod cached;
mod embedding;
mod neox;
mod params;
mod random;
mod rotary;
mod scoring;
pub mod shapes;
mod vocabulary;

pub use cached::Cached;
pub use embedding::UsedRows;
pub use neox::{ACTIVATIONS, Neox, activations_per_token, check_weights};
pub use params::{Params, Part, Slot, Trainable, copied, operand};
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
