//! `model.safetensors`, or its shards: strictly read, in pieces; whole or not at all written.

mod error;
mod lora;
mod save;
mod values;

pub use error::WeightsError;
pub use lora::{LoraError, Onto};

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::Kind;

use super::files::{self, WEIGHTS};
use super::folder::Folder;
use super::index::{INDEX, Index, IndexError};
use crate::bounded;

/// Buffers that older checkpoints carry and that are recomputed from the config.
const BUFFERS: [&str; 6] = [
    ".attention.bias",
    ".attention.masked_bias",
    ".attention.rotary_emb.inv_freq",
    ".attn.bias",
    ".attn.masked_bias",
    ".self_attn.rotary_emb.inv_freq",
];

/// What a trainer puts beside a model to guess rewards: no token's probability depends on it.
const VALUE_HEAD: &str = "v_head.";

/// One safetensors file, memory-mapped.
#[derive(Debug)]
struct Shard {
    path: PathBuf,
    map: Mmap,
}

/// The weights of a folder: one file, or shards by their index.
#[derive(Debug)]
pub struct WeightsFile {
    shards: Vec<Shard>,
    /// The index and its path, where there is one.
    index: Option<(PathBuf, Index)>,
}

/// Weights whose names, shapes and types are those that were expected.
pub struct VerifiedWeights<'a> {
    weights: &'a WeightsFile,
    files: Vec<SafeTensors<'a>>,
    /// Tensor → its shard.
    places: BTreeMap<String, usize>,
}

impl Shard {
    fn open(path: PathBuf, hint: &str) -> Result<Self, WeightsError> {
        let opened = File::open(&path).and_then(|file| crate::native::map_file(&file));
        match opened {
            Ok(map) => Ok(Self { path, map }),
            Err(source) => Err(WeightsError::Read {
                path,
                hint: hint.to_owned(),
                source,
            }),
        }
    }

    fn parse(&self) -> Result<SafeTensors<'_>, WeightsError> {
        SafeTensors::deserialize(&self.map).map_err(|e| WeightsError::Damaged {
            path: self.path.clone(),
            message: if bounded::is_pointer(&self.map) {
                bounded::POINTER.to_owned()
            } else {
                format!("{e}; copy or download it again")
            },
        })
    }
}

impl WeightsFile {
    /// Maps `model.safetensors` of a folder, or the shards that `model.safetensors.index.json` names.
    pub fn open(folder: &Path) -> Result<Self, WeightsError> {
        let index = files::index(folder)?;
        let (names, hint) = match &index {
            None => (BTreeSet::from([WEIGHTS]), files::without_weights(folder)),
            Some((_, index)) => {
                let hint = format!("{INDEX} names it as a shard: copy or download it too");
                (index.files(), hint)
            }
        };
        let shards = names
            .into_iter()
            .map(|name| Shard::open(folder.join(name), &hint))
            .collect::<Result<_, _>>()?;
        Ok(Self { shards, index })
    }

    /// Maps one file, whatever its name.
    pub(super) fn of(path: PathBuf, hint: &str) -> Result<Self, WeightsError> {
        Ok(Self {
            shards: vec![Shard::open(path, hint)?],
            index: None,
        })
    }

    /// Names and shapes of all tensors.
    pub(super) fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, WeightsError> {
        let mut shapes = BTreeMap::new();
        for shard in &self.shards {
            for (name, view) in shard.parse()?.tensors() {
                shapes.insert(name, view.shape().to_vec());
            }
        }
        Ok(shapes)
    }

    /// What stands for the weights as a whole in messages: the index, or the one file.
    fn name(&self) -> PathBuf {
        let index = self.index.iter().map(|(path, _)| path);
        let mut files = index.chain(self.shards.iter().map(|shard| &shard.path));
        files.next().cloned().unwrap_or_default()
    }

    /// Whether one of the files holds a tensor. Errors: a file that is not whole.
    pub fn holds(&self, name: &str) -> Result<bool, WeightsError> {
        for shard in &self.shards {
            if shard.parse()?.tensor(name).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks that the files hold exactly the expected tensors (known buffers aside), without reading their values.
    ///
    /// `expected`: names and shapes. Errors: a file that is not whole, a tensor missing, twice, of another shape or type, or not
    /// expected.
    pub fn verify(
        &self,
        expected: &[(String, Vec<usize>)],
    ) -> Result<VerifiedWeights<'_>, WeightsError> {
        self.verify_beside(expected, &[])
    }

    /// As [`Self::verify`], but a tensor, `original`, may stand there a second time as `copy`.
    ///
    /// Errors: also a copy that is not the original.
    pub fn verify_with_copy(
        &self,
        expected: &[(String, Vec<usize>)],
        original: &str,
        copy: &str,
    ) -> Result<VerifiedWeights<'_>, WeightsError> {
        let verified = self.verify_beside(expected, &[copy])?;
        match (verified.view(original), verified.view(copy)) {
            (Some((_, one)), Some((shard, other)))
                if one.dtype() != other.dtype()
                    || one.shape() != other.shape()
                    || one.data() != other.data() =>
            {
                Err(WeightsError::NotTied {
                    path: self.shards[shard].path.clone(),
                    original: original.to_owned(),
                    copy: copy.to_owned(),
                })
            }
            _ => Ok(verified),
        }
    }

    /// As [`Self::verify`], but others, `allowed`, may stand there too.
    pub(super) fn verify_beside(
        &self,
        expected: &[(String, Vec<usize>)],
        allowed: &[&str],
    ) -> Result<VerifiedWeights<'_>, WeightsError> {
        let files = self
            .shards
            .iter()
            .map(Shard::parse)
            .collect::<Result<Vec<_>, _>>()?;
        let verified = VerifiedWeights {
            places: self.places(&files)?,
            weights: self,
            files,
        };
        // Missing ones first: a wrong model lacks what it should have, and that says more.
        for (name, shape) in expected {
            verified.check(name, shape)?;
        }
        let wanted: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
        let known = |name: &str| {
            wanted.contains(name)
                || allowed.contains(&name)
                || BUFFERS.iter().any(|b| name.ends_with(b))
                || name.starts_with(VALUE_HEAD)
        };
        match verified.places.iter().find(|(name, _)| !known(name)) {
            None => Ok(verified),
            Some((name, &shard)) => Err(WeightsError::Unexpected {
                path: self.shards[shard].path.clone(),
                name: name.clone(),
            }),
        }
    }

    /// Which shard holds which tensor; the index must say the same.
    fn places(&self, files: &[SafeTensors<'_>]) -> Result<BTreeMap<String, usize>, WeightsError> {
        let mut places = BTreeMap::new();
        for (shard, file) in files.iter().enumerate() {
            for name in file.names() {
                if places.insert(name.to_owned(), shard).is_some() {
                    return Err(IndexError::Wrong {
                        path: self.name(),
                        message: format!("two of its shards hold tensor {name}"),
                    }
                    .into());
                }
            }
        }
        let Some((path, index)) = &self.index else {
            return Ok(places);
        };
        let found = |name: &str| {
            let shard = &self.shards[*places.get(name)?];
            shard.path.file_name()?.to_str()
        };
        match index.shards.iter().find(|(n, s)| found(n) != Some(s)) {
            None => Ok(places),
            Some((name, shard)) => Err(IndexError::Wrong {
                path: path.clone(),
                message: format!("it says that {shard} holds tensor {name}, which it does not"),
            }
            .into()),
        }
    }
}

impl Folder {
    /// Its weights, memory-mapped; of an adapter its base's.
    pub fn weights(&self) -> Result<WeightsFile, WeightsError> {
        WeightsFile::open(self.base())
    }
}

impl VerifiedWeights<'_> {
    fn view(&self, name: &str) -> Option<(usize, TensorView<'_>)> {
        let &shard = self.places.get(name)?;
        Some((shard, self.files[shard].tensor(name).ok()?))
    }

    fn check(&self, name: &str, shape: &[usize]) -> Result<(), WeightsError> {
        let Some((shard, view)) = self.view(name) else {
            let wrapped = |found: &&String| {
                let prefix = found.strip_suffix(name);
                prefix.is_some_and(|prefix| prefix.ends_with('.'))
            };
            if let Some(found) = self.places.keys().find(wrapped) {
                return Err(WeightsError::Wrapped {
                    path: self.weights.name(),
                    prefix: found.trim_end_matches(name).to_owned(),
                    name: name.to_owned(),
                });
            }
            return Err(WeightsError::Missing {
                path: self.weights.name(),
                name: name.to_owned(),
                expected: shape.to_vec(),
            });
        };
        let path = self.weights.shards[shard].path.clone();
        if view.shape() != shape {
            return Err(WeightsError::Shape {
                path,
                name: name.to_owned(),
                expected: shape.to_vec(),
                got: view.shape().to_vec(),
            });
        }
        match kind(view.dtype()) {
            Some(_) => Ok(()),
            None => Err(WeightsError::Kind {
                path,
                name: name.to_owned(),
                got: format!("{:?}", view.dtype()),
            }),
        }
    }
}

/// libtorch's name of a type on disk; `None` for what is no float, or a float too short to be whole weights.
fn kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F64 => Some(Kind::Double),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}
