//! Why a checkpoint cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use super::adapter::error::AdapterError;
use super::config::ConfigError;
use super::hub::HubError;
use super::index::IndexError;
use super::locate::LocateError;
use super::tokenizer::TokenizerError;

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum CheckpointError {
    /// The folder cannot be found.
    #[error(transparent)]
    Locate(#[from] LocateError),
    /// `config.json` or `adapter_config.json` is wrong or unsupported.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An adapter and its base do not belong together.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// `tokenizer.json` is wrong.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The index of sharded weights is wrong.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A file cannot be read.
    #[error("cannot read {}: {source}; {hint}", path.display())]
    Read {
        path: PathBuf,
        hint: String,
        source: io::Error,
    },
}

impl CheckpointError {
    /// What makes the error of a file out of what the system said. `hint`: the fix.
    pub(super) fn read(path: &Path, hint: &str) -> impl FnOnce(io::Error) -> Self {
        let (path, hint) = (path.to_owned(), hint.to_owned());
        move |source| Self::Read { path, hint, source }
    }

    /// Whether what was asked for is at fault, not the network or the machine: no memory, no room, a file system that refuses.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Locate(e) => e.is_input(),
            Self::Adapter(AdapterError::NotFound { source, .. }) => source.is_input(),
            Self::Index(e) => e.is_input(),
            Self::Read { source, .. } => source.kind() != io::ErrorKind::OutOfMemory,
            _ => true,
        }
    }

    /// Whether the user stopped it.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        let source = match self {
            Self::Locate(source) => source,
            Self::Adapter(AdapterError::NotFound { source, .. }) => source,
            _ => return false,
        };
        matches!(source, LocateError::Hub(HubError::Interrupted))
    }
}
