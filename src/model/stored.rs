//! A model's weights from a folder, and back.

use std::path::Path;

use tch::{Tensor, no_grad};

use super::layout::{blueprint, expected};
use super::{Model, ModelError};
use crate::checkpoint::{
    Adapter, Folder, Likeness, ModelConfig, Onto, VerifiedWeights, WeightsError, WeightsFile,
};
use crate::device::{Arithmetic, Device};

/// The weights of a folder, held against its config.
struct Stored<'w> {
    weights: VerifiedWeights<'w>,
    /// Names and shapes of the tensors, as its files have them.
    names: Vec<(String, Vec<usize>)>,
}

/// Some checkpoints leave out what stands before all names; some hold a tied embedding twice.
fn verified<'w>(
    weights: &'w WeightsFile,
    config: &ModelConfig,
) -> Result<Stored<'w>, WeightsError> {
    let names = blueprint(config).names;
    let bare = names.input;
    let mut expected = expected(config);
    if weights.holds(bare)? {
        for (name, _) in &mut expected {
            if let Some(rest) = name.strip_prefix(names.base) {
                *name = rest.to_owned();
            }
        }
    }
    let weights = if config.is_tied {
        let input = expected.last().map_or("", |(name, _)| name.as_str());
        weights.verify_with_copy(&expected, input, names.output)?
    } else {
        weights.verify(&expected)?
    };
    Ok(Stored {
        weights,
        names: expected,
    })
}

/// Checks that a folder's weights are those of its config, and numbers; and that an adapter fits them.
pub fn check_weights(folder: &Folder) -> Result<(), ModelError> {
    let weights = folder.weights()?;
    let stored = verified(&weights, &folder.config)?;
    stored.weights.check_values(&stored.names)?;
    with_adapter(folder, &stored, Adapter::check)
}

/// What `with` makes of a folder's adapter, where there is one. An adapter's names are the whole ones, whatever those of its
/// base's file are.
fn with_adapter(
    folder: &Folder,
    stored: &Stored<'_>,
    with: impl FnOnce(&Adapter, &Onto<'_>) -> Result<(), WeightsError>,
) -> Result<(), ModelError> {
    let Some(adapter) = folder.adapter() else {
        return Ok(());
    };
    let base = Onto {
        folder,
        expected: &expected(&folder.config),
        weights: &stored.weights,
        names: &stored.names,
    };
    Ok(with(adapter, &base)?)
}

impl Model {
    /// Loads a checkpoint folder.
    pub fn load(
        folder: &Folder,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        // Before memory is taken for what the config merely claims.
        let weights = folder.weights()?;
        let stored = verified(&weights, &folder.config)?;
        with_adapter(folder, &stored, Adapter::check)?;
        let mut model = Self::zeros(folder.config.clone(), device, arithmetic)?;
        model.read_weights(folder)?;
        Ok(model)
    }

    /// Replaces the weights by those of a folder of the same architecture.
    pub fn read_weights(&mut self, folder: &Folder) -> Result<(), ModelError> {
        let weights = folder.weights()?;
        let stored = verified(&weights, &self.config)?;
        stored.weights.fill(&stored.names, |place, from, rows| {
            self.set_rows(place, from, rows)
        })?;
        with_adapter(folder, &stored, |adapter, base| {
            adapter.each(base, |place, sum| self.add(place, sum))
        })
    }

    /// Adds to the tensor at a place of [`Self::named_tensors`].
    fn add(&mut self, place: usize, sum: &Tensor) -> Result<(), tch::TchError> {
        let whole = match (&self.embedding, place) {
            (None, slot) => self.params.tensor(slot),
            (Some(embedding), 0) => embedding.table(),
            (Some(_), place) => self.params.tensor(place - 1),
        };
        let sum = no_grad(|| whole.f_add(&sum.f_to_device(self.device.tch())?))?;
        self.set_rows(place, 0, &sum)
    }

    /// Names and shapes of its tensors, in the order of [`Self::named_tensors`].
    #[must_use]
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        expected(&self.config)
    }

    /// Overwrites the tensor at a place of [`Self::named_tensors`].
    pub fn set(&mut self, place: usize, value: &Tensor) -> Result<(), tch::TchError> {
        self.set_rows(place, 0, value)
    }

    /// Overwrites the rows from `from` on of the tensor at a place: `rows` is `[rows, …]`.
    fn set_rows(&mut self, place: usize, from: i64, rows: &Tensor) -> Result<(), tch::TchError> {
        match (&mut self.embedding, place) {
            (None, slot) => self.params.set_rows(slot, from, rows),
            (Some(embedding), 0) => embedding.set_rows(from, rows),
            (Some(_), place) => self.params.set_rows(place - 1, from, rows),
        }
    }

    /// Names and tensors, as a checkpoint holds them.
    ///
    /// # Panics
    ///
    /// While training is on: the input embedding is not whole then.
    #[must_use]
    pub fn named_tensors(&self) -> Vec<(String, Tensor)> {
        assert!(self.input_leaf().is_none(), "training is on");
        let input = self.embedding.iter().map(|e| e.table().shallow_clone());
        let others =
            (0..self.params.tensors()).map(|slot| self.params.tensor(slot).shallow_clone());
        let names = expected(&self.config).into_iter().map(|(name, _)| name);
        names.zip(input.chain(others)).collect()
    }

    /// Saves the weights with the files of `like` as a folder that transformers loads.
    pub fn save(
        &self,
        like: &Likeness,
        path: &Path,
    ) -> Result<Vec<std::path::PathBuf>, ModelError> {
        Ok(like.save(path, &self.named_tensors())?)
    }
}
