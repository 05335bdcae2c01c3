//! Checkpoints as Hugging Face folders: `config.json`, `tokenizer.json`, `model.safetensors` to named tensors, and back.
//!
//! Only what holds tensors needs libtorch: `weights`.

mod adapter;
mod config;
mod error;
mod files;
mod folder;
pub mod hub;
mod index;
mod likeness;
mod locate;
pub mod shapes;
pub mod size;
mod tokenizer;
#[cfg(feature = "torch")]
mod weights;

pub use adapter::{Adapter, AdapterError};
pub use config::{
    Biases, ConfigError, Family, Gate, Gelu, Gpt2Config, HeadNorms, KNOWN, LlamaConfig, Local,
    ModelConfig, NeoxConfig, NormPlace, Rotary, Scaling,
};
pub use error::CheckpointError;
#[cfg(feature = "torch")]
pub(crate) use files::{is_gguf, quantised};
pub use folder::Folder;
#[cfg(feature = "torch")]
pub(crate) use hub::is_name as is_hub_name;
pub use hub::{Located, cache_folder};
pub use index::IndexError;
pub use likeness::Likeness;
pub use locate::{LocateError, Source, locate, obtain};
pub use tokenizer::{ChatTemplate, Tokenizer, TokenizerError};
#[cfg(feature = "torch")]
pub use weights::{LoraError, Onto, VerifiedWeights, WeightsError, WeightsFile};
