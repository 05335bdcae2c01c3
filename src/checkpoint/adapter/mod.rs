//! `LoRA` adapters as PEFT folders: `adapter_config.json` and `adapter_model.safetensors`, for the base that they name.
//!
//! A matrix W of the base becomes W + s · B · A with s = α / r, or α / √r where the config says `use_rslora`; both by
//! module where it has patterns. Source: Hu et al. 2021
//! (arXiv 2106.09685); Kalajdzievski 2023 (arXiv 2312.03732). Whatever of PEFT would change a number in another way is refused by name.

pub(super) mod error;
mod patterns;
mod refusals;

pub use error::AdapterError;

use std::path::{Path, PathBuf};

use super::config::{ConfigError, Keys};
use super::error::CheckpointError;
use super::files;
use super::hub::{self, Located};
use super::index::INDEX;
use super::locate::{LocateError, Source};
use crate::bounded;
use patterns::Patterns;

pub(super) const CONFIG: &str = "adapter_config.json";
/// The file of the pairs of matrices.
pub(super) const WEIGHTS: &str = "adapter_model.safetensors";

/// Largest rank, in bits: far beyond any that is used.
const RANK_BITS: u32 = 20;

/// The keys of single modules' ranks and α.
const RANKS: &str = "rank_pattern";
const ALPHAS: &str = "alpha_pattern";

/// An adapter whose config was read.
#[derive(Debug)]
pub struct Adapter {
    path: PathBuf,
    base: String,
    revision: String,
    keys: Keys,
    /// r of pairs of matrices, and α: of all, and of single modules.
    rank: usize,
    alpha: f64,
    ranks: Patterns,
    alphas: Patterns,
    is_stabilised: bool,
}

/// A pair of matrices of one module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// r: the rank.
    pub rank: usize,
    /// s: what B · A is multiplied by.
    pub factor: f64,
}

impl Adapter {
    /// The adapter of a folder, where it is one. Errors: a kind that is not supported, a model beside it.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>, CheckpointError> {
        let path = folder.join(CONFIG);
        if !path.exists() {
            return Ok(None);
        }
        let whole = [files::WEIGHTS, INDEX];
        if whole.iter().any(|name| folder.join(name).exists()) {
            return Err(AdapterError::Ambiguous(folder.to_owned()).into());
        }
        let hint = "it belongs to the adapter";
        let text = bounded::read_text(&path, bounded::CONFIG)
            .map_err(CheckpointError::read(&path, hint))?;
        let keys = Keys::parse(&text, &path)?;
        refusals::refuse_unsupported(&keys)?;
        let base = keys.optional_text("base_model_name_or_path")?;
        Ok(Some(Self {
            path: folder.to_owned(),
            base: base.unwrap_or_default().to_owned(),
            revision: keys.optional_text("revision")?.unwrap_or("main").to_owned(),
            rank: keys.count("r", RANK_BITS)?,
            alpha: keys.number("lora_alpha", 8.0)?,
            ranks: Patterns::read(&keys, RANKS)?.whole(&keys, RANKS)?,
            alphas: Patterns::read(&keys, ALPHAS)?,
            is_stabilised: keys.flag("use_rslora", false)?,
            keys,
        }))
    }

    /// Rank and scale of a module's pair. Errors: two names of `rank_pattern` or `alpha_pattern` that disagree.
    pub fn scale(&self, module: &str) -> Result<Scale, ConfigError> {
        let own = self.ranks.of(&self.keys, RANKS, module)?;
        let rank = own.unwrap_or(self.rank as f64);
        let alpha = self.alphas.of(&self.keys, ALPHAS, module)?;
        let divisor = if self.is_stabilised {
            rank.sqrt()
        } else {
            rank
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and positive"
        )]
        let whole = rank as usize;
        Ok(Scale {
            rank: whole,
            factor: alpha.unwrap_or(self.alpha) / divisor,
        })
    }

    /// Finds the base: a folder seen from the adapter's, or from the working directory; else a model of the hub.
    ///
    /// `moved`: the base's folder, whatever the adapter says of it.
    pub(super) fn base(
        &self,
        moved: Option<&Path>,
        find: &mut dyn FnMut(Source<'_>) -> Result<Located, LocateError>,
    ) -> Result<PathBuf, CheckpointError> {
        if let Some(moved) = moved {
            if moved.is_dir() {
                return Ok(moved.to_owned());
            }
            return Err(AdapterError::NoFolder(moved.to_owned()).into());
        }
        let named = Path::new(&self.base);
        if !self.base.is_empty() {
            for folder in [self.path.join(named), named.to_owned()] {
                if folder.is_dir() {
                    return Ok(folder);
                }
            }
        }
        if !hub::is_name(&self.base) {
            return Err(AdapterError::NoBase {
                path: self.path.join(CONFIG),
                named: self.base.clone(),
            }
            .into());
        }
        let (id, revision) = (self.base.as_str(), self.revision.as_str());
        match find(Source::Hub { id, revision }) {
            Ok(located) => Ok(located.path),
            Err(source) => Err(AdapterError::NotFound {
                path: self.path.join(CONFIG),
                named: self.base.clone(),
                source: Box::new(source),
            }
            .into()),
        }
    }

    /// The folder that holds its two files.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Config and weights.
    pub(super) fn files(&self) -> [PathBuf; 2] {
        [CONFIG, WEIGHTS].map(|name| self.path.join(name))
    }
}
