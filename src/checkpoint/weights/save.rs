//! Checkpoints written: `model.safetensors`, and what stands beside it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, View};
use tch::{Kind, Tensor};

use super::WeightsError;
use crate::checkpoint::files::WEIGHTS;
use crate::checkpoint::likeness::Likeness;
use crate::run_dir::{create_folder, write_atomic};

/// A float32 tensor on its way to the safetensors writer.
struct Float32 {
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for Float32 {
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

impl Likeness {
    /// Writes a folder that transformers loads: these weights in float32, and these files. Gives the files' paths.
    pub fn save(
        &self,
        path: &Path,
        tensors: &[(String, Tensor)],
    ) -> Result<Vec<PathBuf>, WeightsError> {
        create_folder(path)?;
        let mut written = vec![path.join(WEIGHTS)];
        save_weights(&written[0], tensors)?;
        for (name, text) in &self.files {
            let file = path.join(name);
            write_atomic(&file, text.as_bytes())?;
            written.push(file);
        }
        Ok(written)
    }
}

/// Writes named tensors as float32 in one file that transformers reads (`format: pt`).
fn save_weights(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), WeightsError> {
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
        views.push((name.clone(), Float32 { shape, data }));
    }
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes =
        safetensors::serialize(views, Some(metadata)).map_err(|e| WeightsError::Damaged {
            path: path.to_owned(),
            message: e.to_string(),
        })?;
    Ok(write_atomic(path, &bytes)?)
}
