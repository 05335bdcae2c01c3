//! `model.safetensors` written.

use std::borrow::Cow;
use std::path::Path;

use safetensors::{Dtype, View};
use tch::{Kind, Tensor};

use super::WeightsError;
use crate::run_dir::write_atomic;

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
