//! One training step: one forward pass for all terms, a hand-made derivative of the vocabulary, one optimiser pass.

mod report;
mod state;

pub use report::{StepReport, StepTimes};
pub use state::TrainerState;

use std::time::Instant;

use tch::{Kind, Tensor, no_grad};

use super::batch::StepBatch;
use super::optimiser::{self, Moments};
use super::{TrainingError, memory};
use crate::model::{Model, Part, Trainable};
use crate::spec::Optimisation;
use crate::units::to_i64;
use report::report;

/// What stays the same over a phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Decoupled weight decay on every trainable tensor.
    pub weight_decay: f64,
    /// Largest gradient norm over all trainable tensors together.
    pub max_grad_norm: f64,
    /// Most rows of each loss term that go through the model at once; absent: as many as fit.
    pub micro_batch: Option<usize>,
}

impl From<&Optimisation> for Settings {
    fn from(optimisation: &Optimisation) -> Self {
        Self {
            weight_decay: optimisation.weight_decay,
            max_grad_norm: optimisation.max_grad_norm,
            micro_batch: None,
        }
    }
}

/// Trains some parts of a model with a fresh optimiser.
#[derive(Debug)]
pub struct Trainer<'m> {
    model: &'m mut Model,
    settings: Settings,
    trainable: Trainable,
    /// All that trains but the input embedding: `[floats]`.
    parameters: Tensor,
    grad: Tensor,
    grad_views: Vec<Tensor>,
    moments: Moments,
    /// The used rows of the input embedding, where it trains.
    input: Option<InputRows>,
    steps: u32,
    /// Memory was too short for fewer.
    least_pieces: usize,
}

/// Gradient and moments of the used rows of the input embedding: `[used, hidden]`.
#[derive(Debug)]
struct InputRows {
    grad: Tensor,
    moments: Moments,
}

impl<'m> Trainer<'m> {
    /// A trainer of `parts`, neighbours in the order of [`Part`].
    pub fn new(
        model: &'m mut Model,
        parts: &[Part],
        settings: Settings,
    ) -> Result<Self, tch::TchError> {
        let trainable = model.begin_training(parts)?;
        let start = to_i64(trainable.floats.start);
        let len = to_i64(trainable.floats.len());
        let parameters = model.params().flat().f_narrow(0, start, len)?;
        let grad = parameters.f_zeros_like()?;
        let input = match model.input_leaf() {
            None => None,
            Some(leaf) => Some(InputRows {
                grad: leaf.f_zeros_like()?,
                moments: Moments::new(leaf)?,
            }),
        };
        Ok(Self {
            grad_views: model.params().views_of(&grad, &trainable)?,
            moments: Moments::new(&parameters)?,
            settings,
            model,
            trainable,
            parameters,
            grad,
            input,
            steps: 0,
            least_pieces: 1,
        })
    }

    /// The model as it stands.
    pub fn model(&mut self) -> &mut Model {
        self.model
    }

    /// Ends training: the model's weights are whole again.
    pub fn finish(self) -> Result<(), tch::TchError> {
        self.model.finish_training()
    }

    /// One step. The numbers it reports are those before the update.
    ///
    /// Errors: libtorch fails; memory is too short for the smallest pieces, or for those that were asked for.
    pub fn step(
        &mut self,
        batch: &StepBatch,
        learning_rate: f64,
    ) -> Result<StepReport, TrainingError> {
        let mut times = StepTimes::default();
        let numbers = self.gradient(batch, &mut times)?;
        let clock = Instant::now();
        let norm = self.update(learning_rate)?;
        let all = Tensor::f_cat(&[numbers, norm.f_view([1i64])?], 0)?;
        let mut report = report(batch, &Vec::<f32>::try_from(&all)?, learning_rate)?;
        times.optimiser = clock.elapsed().as_secs_f64();
        report.times = times;
        Ok(report)
    }

    /// One update by the gradients as they stand; gives their norm before clipping.
    fn update(&mut self, learning_rate: f64) -> Result<Tensor, tch::TchError> {
        self.steps += 1;
        let mut slices = vec![self.moments.with(&mut self.parameters, &mut self.grad)];
        let mut rows = self.model.input_leaf().map(Tensor::detach);
        if let (Some(rows), Some(input)) = (&mut rows, &mut self.input) {
            slices.push(input.moments.with(rows, &mut input.grad));
        }
        let Settings {
            weight_decay,
            max_grad_norm,
            ..
        } = self.settings;
        let norm = optimiser::step(
            &mut slices,
            self.steps,
            learning_rate,
            weight_decay,
            max_grad_norm,
        )?;
        self.model
            .updated(&self.trainable, 1.0 - learning_rate * weight_decay)?;
        Ok(norm)
    }

    /// Fills the gradients, a piece of the batch at a time; gives the loss and its terms as one tensor.
    ///
    /// Where memory is too short and nobody asked for a certain size, the pieces become smaller.
    fn gradient(
        &mut self,
        batch: &StepBatch,
        times: &mut StepTimes,
    ) -> Result<Tensor, TrainingError> {
        self.model.meet(&batch.rows())?;
        let most = batch.shortest().max(1);
        let asked = self.settings.micro_batch;
        loop {
            let pieces = match asked {
                Some(rows) => batch.longest().div_ceil(rows.max(1)),
                None => self
                    .model
                    .pieces(batch.len() * batch.tokens_per_row(), most)
                    .max(self.least_pieces),
            };
            let pieces = pieces.clamp(1, most);
            match self.gradient_in(batch, pieces, times) {
                Err(e) if memory::ran_out(&e) => {
                    if asked.is_some() || pieces == most {
                        return Err(memory::error(self.model, batch, pieces, &e));
                    }
                    self.least_pieces = 2 * pieces;
                }
                other => return Ok(other?),
            }
        }
    }

    /// Fills the gradients in a given number of pieces of the batch.
    fn gradient_in(
        &mut self,
        batch: &StepBatch,
        pieces: usize,
        times: &mut StepTimes,
    ) -> Result<Tensor, tch::TchError> {
        let _ = no_grad(|| self.grad.f_zero_())?;
        if let (Some(input), Some(leaf)) = (&mut self.input, self.model.input_leaf()) {
            input.grad = leaf.f_zeros_like()?;
            input.moments.grow(leaf)?;
        }
        let mut numbers: Option<Tensor> = None;
        for k in 0..pieces {
            let found = self.add_gradient(&batch.piece(k, pieces), batch, times)?;
            numbers = Some(match numbers {
                Some(sum) => sum.f_add(&found)?,
                None => found,
            });
        }
        numbers.ok_or_else(|| tch::TchError::Shape("a step without rows".into()))
    }

    /// Adds the gradient of one piece of `whole`; gives its part of the loss and its terms.
    fn add_gradient(
        &mut self,
        piece: &StepBatch,
        whole: &StepBatch,
        times: &mut StepTimes,
    ) -> Result<Tensor, tch::TchError> {
        let clock = Instant::now();
        let rows = piece.rows();
        let (inputs, targets) = self.model.batch(&rows)?;
        let hidden = self.model.hidden(&inputs)?;
        let width = hidden.size()[2];
        let flat = hidden.f_view([-1, width])?;
        times.forward += clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        let grad_output = self
            .output_trains()
            .then(|| &self.grad_views[self.grad_views.len() - 1]);
        let (loss, grad_hidden) =
            self.model
                .vocabulary_loss(&flat.f_detach()?, &targets, grad_output, |lp| {
                    let loss = piece.loss(&lp.f_view([to_i64(rows.len()), -1])?, whole)?;
                    let slope = loss.grad.f_view([-1i64])?;
                    Ok((loss.numbers, slope))
                })?;
        times.vocabulary += clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        // The scalar whose derivative by the hidden states is the one just made.
        let scalar = flat.f_mul(&grad_hidden)?.f_sum(Kind::Float)?;
        let params = self.model.params();
        let slots = self.trainable.slots.clone();
        let body = slots.filter(|&slot| slot != self.model.output_slot());
        // The rows of the input embedding come last: zip below pairs the others with their views.
        let leaves: Vec<&Tensor> = body
            .map(|slot| params.leaf(slot))
            .chain(self.model.input_leaf())
            .chain(self.model.tied_leaf())
            .collect();
        let mut grads = Tensor::f_run_backward(&[scalar], &leaves, false, false)?;
        no_grad(|| {
            if let Some(input) = &mut self.input {
                let of_rows = grads.pop();
                let _ = of_rows.map(|grad| input.grad.f_add_(&grad)).transpose()?;
            }
            if let (Some(_), Some(total)) = (self.model.tied_leaf(), self.grad_views.last_mut()) {
                // What the vocabulary gave is there already: the rows that were read come to it.
                let of_rows = grads.pop();
                let _ = of_rows.map(|grad| total.f_add_(&grad)).transpose()?;
            }
            let params = self.model.params();
            for ((slot, view), grad) in self
                .trainable
                .slots
                .clone()
                .zip(&mut self.grad_views)
                .zip(&grads)
            {
                let _ = view.f_add_(&params.gradient(slot, grad)?)?;
            }
            times.backward += clock.elapsed().as_secs_f64();
            Ok(loss)
        })
    }

    fn output_trains(&self) -> bool {
        self.trainable.slots.contains(&self.model.output_slot())
    }
}

#[cfg(test)]
mod tests;
