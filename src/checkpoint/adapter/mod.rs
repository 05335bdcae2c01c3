//! `LoRA` adapters as PEFT folders: `adapter_config.json` and `adapter_model.safetensors`, laid onto the base that they name.
//!
//! A matrix W of the base becomes W + s · B · A with s = α / r, or α / √r where the config says `use_rslora`. Source: Hu et al. 2021
//! (arXiv 2106.09685); Kalajdzievski 2023 (arXiv 2312.03732). Whatever of PEFT would change a number in another way is refused by name.

mod error;
mod refusals;

pub use error::AdapterError;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use super::config::{Family, Keys, ModelConfig};
use super::locate::{LocateError, Located, Source};
use super::weights::{WeightsError, WeightsFile};
use super::{CheckpointError, read};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// What PEFT puts before every name.
const WRAPPED: &str = "base_model.model.";

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
}

/// A pair of matrices, and what of the base they change.
struct Pair {
    name: String,
    place: usize,
    is_transposed: bool,
    wanted: [(String, Vec<usize>); 2],
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
        let rank = keys.count("r", 20)?;
        let alpha = keys.number("lora_alpha", 8.0)?;
        let divisor = if keys.flag("use_rslora", false)? {
            (rank as f64).sqrt()
        } else {
            rank as f64
        };
        let base = keys
            .optional_text("base_model_name_or_path")?
            .ok_or_else(|| keys.missing("base_model_name_or_path"))?;
        Ok(Some(Self {
            path: folder.to_owned(),
            base: base.to_owned(),
            revision: keys.optional_text("revision")?.unwrap_or("main").to_owned(),
            rank,
            scale: alpha / divisor,
            is_transposed: false,
        }))
    }

    /// Takes note of what it is to be laid onto. PEFT goes by the module and not by `fan_in_fan_out`, and so do we.
    pub(super) fn onto(self, base: &ModelConfig) -> Self {
        Self {
            is_transposed: matches!(base.family, Family::Gpt2(_)),
            ..self
        }
    }

    /// Finds the base: a folder seen from the adapter's, or from the working directory; else a model of the hub.
    pub(super) fn base(
        &self,
        find: &mut dyn FnMut(Source<'_>) -> Result<Located, LocateError>,
    ) -> Result<PathBuf, CheckpointError> {
        let named = Path::new(&self.base);
        for folder in [self.path.join(named), named.to_owned()] {
            if folder.is_dir() {
                return Ok(folder);
            }
        }
        let is_hub = self.base.split('/').count() <= 2 && !self.base.starts_with(['.', '/', '~']);
        if !is_hub {
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

    /// Checks that it fits a base: `expected` are the base's names and shapes, `base` its folder.
    pub fn check(
        &self,
        expected: &[(String, Vec<usize>)],
        base: &Path,
    ) -> Result<(), CheckpointError> {
        self.each(expected, base, |_, _| Ok(()))
    }

    /// Hands on what is to be added to the base's tensors: the place in `expected`, and the sum in float32 of the tensor's shape.
    ///
    /// Errors: a tensor that is no `LoRA` pair, a matrix that the base does not have, another shape.
    pub fn each(
        &self,
        expected: &[(String, Vec<usize>)],
        base: &Path,
        mut take: impl FnMut(usize, &Tensor) -> Result<(), tch::TchError>,
    ) -> Result<(), CheckpointError> {
        let weights = self.weights()?;
        let pairs = self.pairs(&weights, expected, base)?;
        let wanted: Vec<_> = pairs.iter().flat_map(|p| p.wanted.clone()).collect();
        let verified = weights.verify(&wanted)?;
        for pair in &pairs {
            let torch = |source| WeightsError::Torch {
                name: pair.name.clone(),
                source,
            };
            let [(a, _), (b, _)] = &pair.wanted;
            let (a, b) = (verified.tensor(a)?, verified.tensor(b)?);
            let added = b
                .f_matmul(&a)
                .and_then(|product| product.f_mul_scalar(self.scale))
                .and_then(|sum| {
                    if pair.is_transposed {
                        sum.f_tr()
                    } else {
                        Ok(sum)
                    }
                })
                .map_err(torch)?;
            debug_assert_eq!(added.kind(), Kind::Float);
            take(pair.place, &added).map_err(torch)?;
        }
        Ok(())
    }

    /// The pairs that a file holds, in the order of their names.
    fn pairs(
        &self,
        weights: &WeightsFile,
        expected: &[(String, Vec<usize>)],
        base: &Path,
    ) -> Result<Vec<Pair>, CheckpointError> {
        let path = || self.path.join(WEIGHTS);
        let found: BTreeMap<String, Vec<usize>> = weights.shapes()?;
        let places: BTreeMap<&str, usize> = expected
            .iter()
            .enumerate()
            .map(|(place, (name, _))| (name.as_str(), place))
            .collect();
        let mut pairs = Vec::new();
        for name in found.keys() {
            let (module, other) = match (
                name.strip_suffix(".lora_A.weight"),
                name.strip_suffix(".lora_B.weight"),
            ) {
                (Some(module), _) => (module, format!("{module}.lora_B.weight")),
                (_, Some(module)) => (module, format!("{module}.lora_A.weight")),
                _ => {
                    return Err(WeightsError::NotLora {
                        path: path(),
                        name: name.clone(),
                    }
                    .into());
                }
            };
            let matrix = format!("{}.weight", module.strip_prefix(WRAPPED).unwrap_or(module));
            let Some(&place) = places.get(matrix.as_str()) else {
                return Err(AdapterError::NoMatrix {
                    path: path(),
                    base: base.to_owned(),
                    name: name.clone(),
                }
                .into());
            };
            if !found.contains_key(&other) {
                return Err(AdapterError::Half {
                    path: path(),
                    name: name.clone(),
                }
                .into());
            }
            if name < &other {
                pairs.push(self.pair(name, &other, place, &expected[place].1, &found, base)?);
            }
        }
        if pairs.is_empty() {
            return Err(AdapterError::Empty(path()).into());
        }
        Ok(pairs)
    }

    fn pair(
        &self,
        a: &str,
        b: &str,
        place: usize,
        matrix: &[usize],
        found: &BTreeMap<String, Vec<usize>>,
        base: &Path,
    ) -> Result<Pair, CheckpointError> {
        let &[rows, columns] = matrix else {
            return Err(AdapterError::NoMatrix {
                path: self.path.join(WEIGHTS),
                base: base.to_owned(),
                name: a.to_owned(),
            }
            .into());
        };
        // The output embedding lies as everyone's does.
        let is_transposed = self.is_transposed && !a.ends_with("lm_head.lora_A.weight");
        let (to, from) = if is_transposed {
            (columns, rows)
        } else {
            (rows, columns)
        };
        let wanted = [
            (a.to_owned(), vec![self.rank, from]),
            (b.to_owned(), vec![to, self.rank]),
        ];
        for (name, shape) in &wanted {
            if found[name] != *shape {
                return Err(AdapterError::Shape {
                    path: self.path.join(WEIGHTS),
                    base: base.to_owned(),
                    name: name.clone(),
                    got: found[name].clone(),
                    wanted: shape.clone(),
                }
                .into());
            }
        }
        Ok(Pair {
            name: a.to_owned(),
            place,
            is_transposed,
            wanted,
        })
    }
}
