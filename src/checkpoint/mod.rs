//! Checkpoints as Hugging Face folders: `config.json`, `tokenizer.json`, `model.safetensors` to named tensors, and back.

mod adapter;
mod config;
pub mod hub;
mod index;
mod likeness;
mod locate;
mod tokenizer;
mod weights;

pub use adapter::{Adapter, AdapterError, Onto};
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
    /// An adapter does not fit.
    #[error(transparent)]
    Adapter(Box<AdapterError>),
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

impl From<AdapterError> for CheckpointError {
    fn from(error: AdapterError) -> Self {
        Self::Adapter(Box::new(error))
    }
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

/// A checkpoint folder, its small files read, its weights not yet; with an adapter that is to be laid onto it, where one was named.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    adapter: Option<Adapter>,
    /// The architecture.
    pub config: ModelConfig,
    config_text: String,
}

impl Folder {
    /// Opens a folder and reads its config. A PEFT folder is its base with the adapter, and the base must be on this machine.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        Self::open_on(path, None, &mut locate)
    }

    /// The same where `find` finds the base of an adapter, which is `base` where that is given.
    pub fn open_on(
        path: &Path,
        base: Option<&Path>,
        find: &mut dyn FnMut(Source<'_>) -> Result<Located, LocateError>,
    ) -> Result<Self, CheckpointError> {
        let adapter = match (Adapter::open(path)?, base) {
            (Some(adapter), _) => adapter,
            (None, None) => return Self::plain(path),
            (None, Some(base)) => {
                return Err(AdapterError::NoAdapter {
                    path: path.to_owned(),
                    base: base.to_owned(),
                }
                .into());
            }
        };
        let mut folder = Self::plain(&adapter.base(base, find)?)?;
        folder.adapter = Some(adapter.onto(&folder.config));
        Ok(folder)
    }

    fn plain(path: &Path) -> Result<Self, CheckpointError> {
        let config_text = read(
            &path.join("config.json"),
            "a checkpoint is a folder with config.json, tokenizer.json and model.safetensors",
        )?;
        let config = ModelConfig::parse(&config_text, &path.join("config.json"))?;
        Ok(Self {
            path: path.to_owned(),
            adapter: None,
            config,
            config_text,
        })
    }

    /// The folder itself; of an adapter its own.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.adapter.as_ref().map_or(&self.path, Adapter::path)
    }

    /// The folder that holds the weights: of an adapter its base's.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.path
    }

    /// What is to be laid onto the weights.
    #[must_use]
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Checks that a reference is the base, where this is an adapter: the same weights.
    pub fn check_reference(&self, reference: &Self) -> Result<(), CheckpointError> {
        let Some(adapter) = &self.adapter else {
            return Ok(());
        };
        let weights = |folder: &Self| -> Result<Vec<String>, CheckpointError> {
            let weights = folder.weights()?;
            weights.files().into_iter().map(digest).collect()
        };
        if reference.adapter.is_none()
            && (reference.path == self.path || weights(self)? == weights(reference)?)
        {
            return Ok(());
        }
        Err(AdapterError::OtherReference {
            adapter: adapter.path().to_owned(),
            reference: reference.path().to_owned(),
            base: self.path.clone(),
        }
        .into())
    }

    /// Where its tokenizer is: an adapter may have one of its own, which is then its base's with other settings.
    fn tokenizer_path(&self) -> PathBuf {
        let own = self.path().join("tokenizer.json");
        if own.exists() {
            own
        } else {
            self.path.join("tokenizer.json")
        }
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> Result<Tokenizer, CheckpointError> {
        let path = self.tokenizer_path();
        Ok(Tokenizer::open(&path, self.config.vocab_size)?)
    }

    /// Its weights, memory-mapped.
    pub fn weights(&self) -> Result<WeightsFile, CheckpointError> {
        Ok(WeightsFile::open(&self.path)?)
    }

    /// sha256 of each of its files.
    pub fn digests(&self) -> Result<BTreeMap<String, String>, CheckpointError> {
        let weights = self.weights()?;
        let small = [self.path.join("config.json"), self.tokenizer_path()];
        let adapter = self.adapter.iter().flat_map(Adapter::files);
        let small: Vec<PathBuf> = small.into_iter().chain(adapter).collect();
        let mut digests = BTreeMap::new();
        for path in small.iter().map(PathBuf::as_path).chain(weights.files()) {
            let digest = digest(path)?;
            let name = path.file_name().unwrap_or_default();
            digests.insert(name.to_string_lossy().into_owned(), digest);
        }
        Ok(digests)
    }
}

fn digest(path: &Path) -> Result<String, CheckpointError> {
    digest_file(path).map_err(|source| CheckpointError::Read {
        path: path.to_owned(),
        hint: "it belongs to the checkpoint",
        source,
    })
}

fn read(path: &Path, hint: &'static str) -> Result<String, CheckpointError> {
    let most = if path.ends_with("config.json") || path.ends_with("adapter_config.json") {
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
