//! Checkpoints as Hugging Face folders: `config.json`, `tokenizer.json`, `model.safetensors` to named tensors, and back.

mod config;
pub mod hub;
mod index;
mod likeness;
mod locate;
mod tokenizer;
mod weights;

pub use config::{
    ConfigError, Family, Gelu, Gpt2Config, HeadNorms, KNOWN, LlamaConfig, ModelConfig, NeoxConfig,
    NormPlace, Rotary, Scaling,
};
pub use hub::cache_folder;
pub use likeness::Likeness;
pub use locate::{LocateError, Located, Source, locate, obtain};
pub use tokenizer::{Tokenizer, TokenizerError};
pub use weights::{Verified, WeightsError, WeightsFile, save_weights};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::bounded;
use crate::run_dir::{RunDirError, digest_file};

/// Why a checkpoint could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The folder cannot be found.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// `config.json` is wrong or unsupported.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `tokenizer.json` is wrong.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The weights are wrong.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A file cannot be read.
    #[error("cannot read {}: {source}; {hint}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The mend.
        hint: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] RunDirError),
}

impl CheckpointError {
    /// Whether what was asked for is at fault, not the network or the machine: no memory, no room, a file system that refuses.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Write(_) | Self::Weights(WeightsError::Write(_) | WeightsError::Torch { .. }) => {
                false
            }
            Self::Locate(LocateError::Hub(e)) => e.is_input(),
            Self::Read { source, .. } | Self::Weights(WeightsError::Read { source, .. }) => {
                source.kind() != std::io::ErrorKind::OutOfMemory
            }
            _ => true,
        }
    }

    /// Whether the user stopped it.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        matches!(
            self,
            Self::Locate(LocateError::Hub(hub::HubError::Interrupted))
        )
    }
}

/// A checkpoint folder, its small files read, its weights not yet.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The architecture.
    pub config: ModelConfig,
    config_text: String,
}

impl Folder {
    /// Opens a folder and reads its config.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let config_text = read(
            &path.join("config.json"),
            "a checkpoint is a folder with config.json, tokenizer.json and model.safetensors",
        )?;
        let config = ModelConfig::parse(&config_text, &path.join("config.json"))?;
        Ok(Self {
            path: path.to_owned(),
            config,
            config_text,
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> Result<Tokenizer, CheckpointError> {
        let path = self.path.join("tokenizer.json");
        Ok(Tokenizer::open(&path, self.config.vocab_size)?)
    }

    /// Its weights, memory-mapped.
    pub fn weights(&self) -> Result<WeightsFile, CheckpointError> {
        Ok(WeightsFile::open(&self.path)?)
    }

    /// sha256 of each of its files.
    pub fn digests(&self) -> Result<BTreeMap<String, String>, CheckpointError> {
        let weights = self.weights()?;
        let small = ["config.json", "tokenizer.json"].map(|name| self.path.join(name));
        let mut digests = BTreeMap::new();
        for path in small.iter().map(PathBuf::as_path).chain(weights.files()) {
            let digest = digest_file(path).map_err(|source| CheckpointError::Read {
                path: path.to_owned(),
                hint: "it belongs to the checkpoint",
                source,
            })?;
            let name = path.file_name().unwrap_or_default();
            digests.insert(name.to_string_lossy().into_owned(), digest);
        }
        Ok(digests)
    }
}

fn read(path: &Path, hint: &'static str) -> Result<String, CheckpointError> {
    let most = if path.ends_with("config.json") {
        bounded::CONFIG
    } else {
        bounded::TOKENIZER
    };
    bounded::read_text(path, most).map_err(|source| CheckpointError::Read {
        path: path.to_owned(),
        hint,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::{Family, ModelConfig, NeoxConfig, Rotary, Scaling};

    /// A small shape.
    pub(super) fn shape() -> ModelConfig {
        ModelConfig {
            vocab_size: 64,
            hidden_size: 96,
            layers: 3,
            heads: 4,
            key_heads: 4,
            head_dims: 24,
            intermediate_size: 384,
            max_positions: 2048,
            norm_eps: 1e-5,
            initializer_range: 0.02,
            is_tied: false,
            family: Family::Neox(NeoxConfig {
                rotary: Rotary {
                    dims: 6,
                    base: 10_000.0,
                    scaling: Scaling::None,
                },
                parallel_residual: true,
            }),
        }
    }
}
