//! `model.safetensors`: strictly read, whole or not at all written.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors, View};
use tch::{Kind, Tensor};

use crate::run_dir::{RunDirError, write_atomic};
use crate::units::to_i64;

/// Name of the weights file.
pub(super) const FILE: &str = "model.safetensors";

/// Buffers that older checkpoints carry and that are recomputed from the config.
const BUFFERS: [&str; 3] = [
    ".attention.bias",
    ".attention.masked_bias",
    ".attention.rotary_emb.inv_freq",
];

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file is not there, or cannot be read.
    #[error("cannot read {}: {source}; {hint}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The mend.
        hint: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no safetensors file, or is cut short.
    #[error("{} is not a whole safetensors file ({message}); copy or download it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A tensor is not there.
    #[error("{}: tensor {name} is missing; config.json asks for it with shape {expected:?}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape by the config.
        expected: Vec<usize>,
    },
    /// A tensor has another shape.
    #[error("{}: tensor {name} has shape {got:?}, but config.json asks for {expected:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape by the config.
        expected: Vec<usize>,
        /// Its shape in the file.
        got: Vec<usize>,
    },
    /// A tensor has a type that is no supported float.
    #[error("{}: tensor {name} is {got}; supported are F32, F16 and BF16", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        got: String,
    },
    /// A tensor that the architecture does not have.
    #[error("{}: tensor {name} is not part of the architecture that config.json describes (gpt_neox); is this the right model?", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A value that is no number.
    #[error("{}: tensor {name} holds NaN or infinite values; this checkpoint cannot be audited", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// libtorch failed.
    #[error("libtorch failed on tensor {name}: {source}")]
    Torch {
        /// The tensor.
        name: String,
        /// What it said.
        source: tch::TchError,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] RunDirError),
}

/// A weights file, memory-mapped.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    map: Mmap,
}

impl WeightsFile {
    /// Maps `model.safetensors` of a folder.
    pub fn open(folder: &Path) -> Result<Self, WeightsError> {
        let path = folder.join(FILE);
        let hint = if folder.join("model.safetensors.index.json").exists() {
            "sharded checkpoints are not supported yet: save it in one file"
        } else if folder.join("pytorch_model.bin").exists() {
            "pickle files can run code and are not read: save the model with safe_serialization=True"
        } else {
            "the weights of a checkpoint are model.safetensors"
        };
        let read = |source| WeightsError::Read {
            path: path.clone(),
            hint,
            source,
        };
        let file = File::open(&path).map_err(read)?;
        let map = crate::native::map_file(&file).map_err(read)?;
        Ok(Self { path, map })
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Hands every expected tensor, in float32 on the CPU, to `take` (with its place in `expected`), one at a time.
    ///
    /// `expected`: names and shapes. Errors: a tensor missing, of another shape or type, not finite, or not expected.
    pub fn read(
        &self,
        expected: &[(String, Vec<usize>)],
        mut take: impl FnMut(usize, Tensor) -> Result<(), tch::TchError>,
    ) -> Result<(), WeightsError> {
        let file = self.verify(expected)?;
        for (place, (name, _)) in expected.iter().enumerate() {
            let tensor = self.tensor(&file, name)?;
            take(place, tensor).map_err(|source| WeightsError::Torch {
                name: name.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// Checks that the file holds exactly the expected tensors (known buffers aside), without reading their values.
    pub fn verify(
        &self,
        expected: &[(String, Vec<usize>)],
    ) -> Result<SafeTensors<'_>, WeightsError> {
        let file = SafeTensors::deserialize(&self.map).map_err(|e| WeightsError::Damaged {
            path: self.path.clone(),
            message: e.to_string(),
        })?;
        let mut names = file.names();
        names.sort_unstable();
        let known = |name: &str| {
            expected.iter().any(|(n, _)| n == name) || BUFFERS.iter().any(|b| name.ends_with(b))
        };
        // Missing ones first: a wrong model lacks what it should have, and that says more.
        for (name, shape) in expected {
            self.check(&file, name, shape)?;
        }
        if let Some(name) = names.into_iter().find(|n| !known(n)) {
            return Err(WeightsError::Unexpected {
                path: self.path.clone(),
                name: name.to_owned(),
            });
        }
        Ok(file)
    }

    fn check(
        &self,
        file: &SafeTensors<'_>,
        name: &str,
        shape: &[usize],
    ) -> Result<(), WeightsError> {
        let (path, name_owned) = (self.path.clone(), name.to_owned());
        let Ok(view) = file.tensor(name) else {
            return Err(WeightsError::Missing {
                path,
                name: name_owned,
                expected: shape.to_vec(),
            });
        };
        if view.shape() != shape {
            return Err(WeightsError::Shape {
                path,
                name: name_owned,
                expected: shape.to_vec(),
                got: view.shape().to_vec(),
            });
        }
        match view.dtype() {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => Ok(()),
            other => Err(WeightsError::Kind {
                path,
                name: name_owned,
                got: format!("{other:?}"),
            }),
        }
    }

    fn tensor(&self, file: &SafeTensors<'_>, name: &str) -> Result<Tensor, WeightsError> {
        let view = file.tensor(name).map_err(|e| WeightsError::Damaged {
            path: self.path.clone(),
            message: e.to_string(),
        })?;
        let kind = match view.dtype() {
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            _ => Kind::Float,
        };
        let torch = |source| WeightsError::Torch {
            name: name.to_owned(),
            source,
        };
        let shape: Vec<i64> = view.shape().iter().map(|&n| to_i64(n)).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind)
            .and_then(|t| t.f_to_kind(Kind::Float))
            .map_err(torch)?;
        let sum = tensor
            .f_sum(Kind::Double)
            .and_then(|s| f64::try_from(&s))
            .map_err(torch)?;
        if !sum.is_finite() {
            return Err(WeightsError::NotFinite {
                path: self.path.clone(),
                name: name.to_owned(),
            });
        }
        Ok(tensor)
    }
}

/// A tensor's bytes for the safetensors writer.
struct Bytes {
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for Bytes {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }
    fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// Writes named tensors as float32 in one file that transformers reads (`format: pt`).
pub fn save_weights(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), WeightsError> {
    let mut views = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let torch = |source| WeightsError::Torch {
            name: name.clone(),
            source,
        };
        let tensor = tensor
            .f_detach()
            .and_then(|t| t.f_to_device(tch::Device::Cpu))
            .and_then(|t| t.f_to_kind(Kind::Float))
            .and_then(|t| t.f_contiguous())
            .map_err(torch)?;
        let numel = tensor.numel();
        let mut data = vec![0; numel * 4];
        tensor.f_copy_data_u8(&mut data, numel).map_err(torch)?;
        let shape = tensor
            .size()
            .iter()
            .map(|&n| usize::try_from(n).unwrap_or(0))
            .collect();
        views.push((name.clone(), Bytes { shape, data }));
    }
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes =
        safetensors::serialize(views, Some(metadata)).map_err(|e| WeightsError::Damaged {
            path: path.to_owned(),
            message: e.to_string(),
        })?;
    Ok(write_atomic(path, &bytes)?)
}
