//! The model that a seed begins with, in memory.

use super::base::{Base, Origin, config};
use crate::device::{Arithmetic, Device};
use crate::model::{Model, ModelError, check_weights};
use crate::seed::RootSeed;

impl Base {
    /// Checks that the weights are the architecture's, by names and shapes, before anything is written.
    pub(crate) fn check_weights(&self) -> Result<(), ModelError> {
        match &self.origin {
            Origin::Checkpoint { folder, .. } => check_weights(folder),
            Origin::Random(_) => Ok(()),
        }
    }

    /// The model that a seed begins with.
    pub(crate) fn model(
        &self,
        seed: u64,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Model, ModelError> {
        match &self.origin {
            Origin::Checkpoint { folder, .. } => Model::load(folder, device, arithmetic),
            Origin::Random(shape) => {
                Model::initial(config(*shape), RootSeed(seed), device, arithmetic)
            }
        }
    }
}
