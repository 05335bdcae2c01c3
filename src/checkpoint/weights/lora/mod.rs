//! A `LoRA` adapter laid onto its base: what it adds to the base's matrices.

mod error;
mod pairs;

pub use error::LoraError;

use tch::Tensor;

use super::{VerifiedWeights, WeightsError, WeightsFile};
use crate::checkpoint::adapter::{Adapter, WEIGHTS};
use crate::checkpoint::config::Family;
use crate::checkpoint::folder::Folder;
use pairs::{AdapterTensors, LoraPair};

/// An adapter's base, its weights, and what they are called.
pub struct Onto<'a> {
    /// The folder that holds the base's config and weights.
    pub folder: &'a Folder,
    /// Whole names and shapes of the base's tensors.
    pub expected: &'a [(String, Vec<usize>)],
    /// The base's weights, verified.
    pub weights: &'a VerifiedWeights<'a>,
    /// Names of the tensors in the base's files, in the same order.
    pub names: &'a [(String, Vec<usize>)],
}

impl Onto<'_> {
    /// Whether the layers hold their matrices as `[from, to]`. PEFT goes by the module and not by `fan_in_fan_out`, and so do we.
    fn is_transposed(&self) -> bool {
        matches!(self.folder.config.family, Family::Gpt2(_))
    }
}

impl Adapter {
    fn weights(&self) -> Result<WeightsFile, WeightsError> {
        let hint = "an adapter is a folder with adapter_config.json and adapter_model.safetensors (one in adapter_model.bin: save it again \
                    with PEFT's save_pretrained)";
        WeightsFile::of(self.path().join(WEIGHTS), hint)
    }

    /// Checks that it fits a base, and holds numbers.
    pub fn check(&self, base: &Onto<'_>) -> Result<(), WeightsError> {
        let weights = self.weights()?;
        let found = self.found(&weights, base)?;
        let verified = self.verified(&weights, &found, base)?;
        let pairs = found.pairs.iter();
        pairs
            .flat_map(|pair| &pair.wanted)
            .try_for_each(|one| verified.check_values(std::slice::from_ref(one)))
    }

    /// Hands on what is to be added to the base's tensors: the place in [`Onto::expected`], and the sum in float32 of the tensor's
    /// shape.
    ///
    /// Errors: a tensor that is no `LoRA` pair, a matrix that the base does not have, another shape.
    pub fn each(
        &self,
        base: &Onto<'_>,
        mut take: impl FnMut(usize, &Tensor) -> Result<(), tch::TchError>,
    ) -> Result<(), WeightsError> {
        let weights = self.weights()?;
        let found = self.found(&weights, base)?;
        let verified = self.verified(&weights, &found, base)?;
        for pair in &found.pairs {
            let sum = sum(pair, &verified)?;
            take(pair.place, &sum).map_err(|source| pair.torch(source))?;
        }
        Ok(())
    }

    /// The weights held against what was found in them: copies of the base's tensors must be that.
    fn verified<'w>(
        &self,
        weights: &'w WeightsFile,
        found: &AdapterTensors,
        base: &Onto<'_>,
    ) -> Result<VerifiedWeights<'w>, WeightsError> {
        let wanted: Vec<_> = found.pairs.iter().flat_map(|p| p.wanted.clone()).collect();
        let copies: Vec<&str> = found.copies.iter().map(|c| c.name.as_str()).collect();
        let verified = weights.verify_beside(&wanted, &copies)?;
        for copy in &found.copies {
            if !verified.is_copy(&copy.name, base.weights, &base.names[copy.place].0)? {
                return Err(LoraError::NotTheBase {
                    path: self.path().join(WEIGHTS),
                    base: base.folder.base().to_owned(),
                    name: copy.name.clone(),
                }
                .into());
            }
        }
        Ok(verified)
    }
}

/// What a pair adds.
fn sum(pair: &LoraPair, verified: &VerifiedWeights<'_>) -> Result<Tensor, WeightsError> {
    let [(a, _), (b, _)] = &pair.wanted;
    let (a, b) = (verified.tensor(a)?, verified.tensor(b)?);
    let sum = b
        .f_matmul(&a)
        .and_then(|product| product.f_mul_scalar(pair.factor))
        .and_then(|sum| {
            if pair.is_transposed {
                sum.f_tr()
            } else {
                Ok(sum)
            }
        });
    sum.map_err(|source| pair.torch(source))
}
