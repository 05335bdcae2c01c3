//! What a trainer goes on from when training was cut in two.

use tch::{Tensor, no_grad};

use super::Trainer;
use crate::model::UsedRows;
use crate::training::optimiser::Moments;

/// All that a trainer holds between two steps. With the model as training found it, that is enough to go on.
#[derive(Debug)]
pub struct TrainerState {
    /// Steps done.
    pub steps: u32,
    /// Pieces that a step is made in at least, since memory was too short for fewer.
    pub least_pieces: usize,
    /// The parameters that train and their two moments: `[floats]` each.
    pub body: [Tensor; 3],
    /// The used rows of the input embedding and their two moments, where it trains.
    pub input: Option<(UsedRows, [Tensor; 2])>,
}

impl Trainer<'_> {
    /// What there is to keep between two steps; tensors are the trainer's own, to be written before the next step.
    #[must_use]
    pub fn state(&self) -> TrainerState {
        let own = |tensors: [&Tensor; 3]| tensors.map(Tensor::detach);
        let input = self.input.as_ref().and_then(|input| {
            let used = self.model.used_rows()?;
            let moments = [&input.moments.mean, &input.moments.square].map(Tensor::detach);
            Some((used, moments))
        });
        TrainerState {
            steps: self.steps,
            least_pieces: self.least_pieces,
            body: own([&self.parameters, &self.moments.mean, &self.moments.square]),
            input,
        }
    }

    /// Goes on from a state that a trainer of the same parts gave, on the model as that training had found it.
    ///
    /// Errors: shapes that are not this trainer's.
    pub fn restore(&mut self, state: &TrainerState) -> Result<(), tch::TchError> {
        let Self {
            parameters,
            moments,
            ..
        } = self;
        no_grad(|| {
            for (ours, theirs) in [parameters, &mut moments.mean, &mut moments.square]
                .into_iter()
                .zip(&state.body)
            {
                if ours.size() != theirs.size() {
                    return Err(tch::TchError::Shape(
                        "the optimiser's state is another model's".into(),
                    ));
                }
                ours.f_copy_(theirs)?;
            }
            Ok(())
        })?;
        if let (Some(input), Some((used, [mean, square]))) = (&mut self.input, &state.input) {
            self.model.restore_rows(used)?;
            input.moments = Moments::like(mean, square, self.model.device().tch())?;
        }
        self.steps = state.steps;
        self.least_pieces = state.least_pieces;
        self.model.updated(&self.trainable, 1.0)
    }
}
