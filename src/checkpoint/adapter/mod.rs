//! `LoRA` adapters as PEFT folders: `adapter_config.json` and `adapter_model.safetensors`, laid onto the base that they name.
//!
//! A matrix W of the base becomes W + s · B · A with s = α / r, or α / √r where the config says `use_rslora`. Source: Hu et al. 2021
//! (arXiv 2106.09685); Kalajdzievski 2023 (arXiv 2312.03732). Whatever of PEFT would change a number in another way is refused by name.

mod error;
mod pairs;
mod refusals;

pub use error::AdapterError;

use std::path::{Path, PathBuf};

use tch::Tensor;

use super::config::{Family, Keys, ModelConfig};
use super::locate::{LocateError, Located, Source};
use super::weights::{Verified, WeightsError, WeightsFile};
use super::{CheckpointError, read};
use pairs::{Found, Pair};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// How finely a rank is checked, in bits: far beyond any that is used.
const RANK_BITS: u32 = 20;

/// An adapter whose config was read.
#[derive(Debug)]
pub struct Adapter {
    path: PathBuf,
    base: String,
    revision: String,
    rank: usize,
    scale: f64,
    /// The base's layers hold their matrices the other way round, `[from, to]`.
    is_transposed: bool,
    /// One embedding serves both ends of the base.
    is_tied: bool,
}

/// The base's weights, and what they are called.
pub struct Onto<'a> {
    /// The base's folder, for messages.
    pub folder: &'a Path,
    /// Whole names and shapes of its tensors.
    pub expected: &'a [(String, Vec<usize>)],
    /// Its weights.
    pub weights: &'a Verified<'a>,
    /// Names of its tensors in its files, in the same order.
    pub names: &'a [(String, Vec<usize>)],
}

impl Adapter {
    /// The adapter of a folder, where it is one. Errors: a kind that is not supported, a model beside it.
    pub(super) fn open(folder: &Path) -> Result<Option<Self>, CheckpointError> {
        let path = folder.join(CONFIG);
        if !path.exists() {
            return Ok(None);
        }
        let whole = ["model.safetensors", "model.safetensors.index.json"];
        if whole.iter().any(|name| folder.join(name).exists()) {
            return Err(AdapterError::Ambiguous(folder.to_owned()).into());
        }
        let text = read(&path, "it belongs to the adapter")?;
        let keys = Keys::parse(&text, &path)?;
        refusals::refuse_unsupported(&keys)?;
        let rank = keys.count("r", RANK_BITS)?;
        let alpha = keys.number("lora_alpha", 8.0)?;
        #[allow(clippy::cast_precision_loss)]
        let whole = rank as f64;
        let divisor = if keys.flag("use_rslora", false)? {
            whole.sqrt()
        } else {
            whole
        };
        let base = keys.optional_text("base_model_name_or_path")?;
        Ok(Some(Self {
            path: folder.to_owned(),
            base: base.unwrap_or_default().to_owned(),
            revision: keys.optional_text("revision")?.unwrap_or("main").to_owned(),
            rank,
            scale: alpha / divisor,
            is_transposed: false,
            is_tied: false,
        }))
    }

    /// Takes note of what it is to be laid onto. PEFT goes by the module and not by `fan_in_fan_out`, and so do we.
    pub(super) fn onto(self, base: &ModelConfig) -> Self {
        Self {
            is_transposed: matches!(base.family, Family::Gpt2(_)),
            is_tied: base.is_tied,
            ..self
        }
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
        if !is_hub_name(&self.base) {
            return Err(AdapterError::NoBase {
                path: self.path.join(CONFIG),
                named: self.base.clone(),
            }
            .into());
        }
        let (id, revision) = (self.base.as_str(), self.revision.as_str());
        Ok(find(Source::Hub { id, revision })?.path)
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its files.
    pub(super) fn files(&self) -> [PathBuf; 2] {
        [CONFIG, WEIGHTS].map(|name| self.path.join(name))
    }

    fn weights(&self) -> Result<WeightsFile, WeightsError> {
        let hint = "an adapter is a folder with adapter_config.json and adapter_model.safetensors (one in adapter_model.bin: save it again \
                    with PEFT's save_pretrained)";
        WeightsFile::of(self.path.join(WEIGHTS), hint)
    }

    /// Checks that it fits a base, and holds numbers.
    pub fn check(&self, base: &Onto<'_>) -> Result<(), CheckpointError> {
        let weights = self.weights()?;
        let found = self.found(&weights, base)?;
        let verified = self.verified(&weights, &found, base)?;
        let pairs = found.pairs.iter();
        pairs
            .flat_map(|pair| &pair.wanted)
            .try_for_each(|one| verified.check_values(std::slice::from_ref(one)))?;
        Ok(())
    }

    /// Hands on what is to be added to the base's tensors: the place in [`Onto::expected`], and the sum in float32 of the tensor's
    /// shape.
    ///
    /// Errors: a tensor that is no `LoRA` pair, a matrix that the base does not have, another shape.
    pub fn each(
        &self,
        base: &Onto<'_>,
        mut take: impl FnMut(usize, &Tensor) -> Result<(), tch::TchError>,
    ) -> Result<(), CheckpointError> {
        let weights = self.weights()?;
        let found = self.found(&weights, base)?;
        let verified = self.verified(&weights, &found, base)?;
        for pair in &found.pairs {
            let sum = self.sum(pair, &verified)?;
            take(pair.place, &sum).map_err(|source| pair.torch(source))?;
        }
        Ok(())
    }

    /// What a pair adds.
    fn sum(&self, pair: &Pair, verified: &Verified<'_>) -> Result<Tensor, CheckpointError> {
        let [(a, _), (b, _)] = &pair.wanted;
        let (a, b) = (verified.tensor(a)?, verified.tensor(b)?);
        let sum = b
            .f_matmul(&a)
            .and_then(|product| product.f_mul_scalar(self.scale))
            .and_then(|sum| {
                if pair.is_transposed {
                    sum.f_tr()
                } else {
                    Ok(sum)
                }
            });
        Ok(sum.map_err(|source| pair.torch(source))?)
    }

    /// The weights held against what was found in them: copies of the base's tensors must be that.
    fn verified<'w>(
        &self,
        weights: &'w WeightsFile,
        found: &Found,
        base: &Onto<'_>,
    ) -> Result<Verified<'w>, CheckpointError> {
        let wanted: Vec<_> = found.pairs.iter().flat_map(|p| p.wanted.clone()).collect();
        let copies: Vec<&str> = found.copies.iter().map(|c| c.name.as_str()).collect();
        let verified = weights.verify_beside(&wanted, &copies)?;
        for copy in &found.copies {
            if !verified.is_copy(&copy.name, base.weights, &base.names[copy.place].0)? {
                return Err(AdapterError::NotTheBase {
                    path: self.path.join(WEIGHTS),
                    base: base.folder.to_owned(),
                    name: copy.name.clone(),
                }
                .into());
            }
        }
        Ok(verified)
    }
}

/// Whether a text may be `NAME` or `OWNER/NAME` of the hub.
fn is_hub_name(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '~'])
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    text.split('/').count() <= 2 && text.split('/').all(plain)
}
