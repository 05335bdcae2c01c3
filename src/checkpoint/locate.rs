//! Where a checkpoint lies: a folder on this machine, or a model of the hub.

use std::path::{Path, PathBuf};

use super::hub::{self, Hub, HubError, Located, cache_folder};
use crate::event::Observer;

/// Where a checkpoint is asked from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// A folder on this machine.
    Path(&'a Path),
    /// A model of the hub.
    Hub {
        /// As `EleutherAI/pythia-160m`.
        id: &'a str,
        /// Branch, tag or commit.
        revision: &'a str,
    },
}

/// Why a checkpoint was not found.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// There is no such folder.
    #[error("model.path: {} is not a folder; give the folder that holds config.json (--set model.path=…)", .0.display())]
    NoFolder(PathBuf),
    /// The hub.
    #[error(transparent)]
    Hub(#[from] HubError),
}

impl LocateError {
    /// Whether what was asked for is at fault, not the network, the hub or this machine.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::NoFolder(_) => true,
            Self::Hub(e) => e.is_input(),
        }
    }
}

/// Finds a checkpoint, in the hub's cache where it is the hub's. Never goes to the network.
pub fn locate(source: Source<'_>) -> Result<Located, LocateError> {
    match source {
        Source::Path(path) => folder(path),
        Source::Hub { id, revision } => Ok(hub::look_up(&cache_folder(), id, revision)?),
    }
}

/// Finds a checkpoint, and fetches it where it is the hub's and not whole in the cache.
pub fn obtain(source: Source<'_>, observer: &mut dyn Observer) -> Result<Located, LocateError> {
    match source {
        Source::Path(path) => folder(path),
        Source::Hub { id, revision } => Ok(Hub::from_env()?.fetch(id, revision, observer)?),
    }
}

fn folder(path: &Path) -> Result<Located, LocateError> {
    if path.is_dir() {
        Ok(Located {
            path: path.to_owned(),
            commit: None,
        })
    } else {
        Err(LocateError::NoFolder(path.to_owned()))
    }
}
