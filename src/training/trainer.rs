//! One training step: one forward pass for all terms, a hand-made derivative of the vocabulary, one optimiser pass.

use std::time::Instant;

use tch::{Kind, Tensor, no_grad};

use super::batch::{StepBatch, TermName};
use super::optimiser::{AdamW, clip};
use crate::model::{Neox, Params, Part, Trainable};

/// What stays the same over a phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Decoupled weight decay on every trainable tensor.
    pub weight_decay: f64,
    /// Largest gradient norm over all trainable tensors together.
    pub max_grad_norm: f64,
}

/// Where a step's time went, in seconds of the host. On a GPU work is only queued, so these are times to queue it.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Parts {
    /// Forward pass of the body.
    pub forward: f64,
    /// Vocabulary, forward and backward.
    pub vocabulary: f64,
    /// Backward pass of the body.
    pub backward: f64,
    /// Clipping and the optimiser.
    pub optimiser: f64,
}

/// What a step found.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The total loss, before the update.
    pub loss: f64,
    /// Each term, unweighted.
    pub terms: Vec<(TermName, f64)>,
    /// Gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Mean log-probability of the chosen rows' tokens before the update, nats a token.
    pub chosen: Option<f64>,
    /// The same of the rejected rows.
    pub rejected: Option<f64>,
    /// Where its time went.
    pub parts: Parts,
}

/// Trains some parts of a model with a fresh optimiser.
#[derive(Debug)]
pub struct Trainer<'m> {
    model: &'m mut Neox,
    trainable: Trainable,
    parameters: Tensor,
    grad: Tensor,
    grad_views: Vec<Tensor>,
    optimiser: AdamW,
    max_grad_norm: f64,
}

impl<'m> Trainer<'m> {
    /// A trainer of `parts`, neighbours in the order of [`Part`].
    pub fn new(
        model: &'m mut Neox,
        parts: &[Part],
        settings: Settings,
    ) -> Result<Self, tch::TchError> {
        let trainable = model.params_mut().train(parts)?;
        let params: &Params = model.params();
        let start = to_i64(trainable.floats.start);
        let parameters = params
            .flat()
            .f_narrow(0, start, to_i64(trainable.floats.len()))?;
        let grad = parameters.f_zeros_like()?;
        Ok(Self {
            grad_views: params.views_of(&grad, &trainable)?,
            optimiser: AdamW::new(&parameters, settings.weight_decay)?,
            max_grad_norm: settings.max_grad_norm,
            model,
            trainable,
            parameters,
            grad,
        })
    }

    /// The model as it stands.
    pub fn model(&mut self) -> &mut Neox {
        self.model
    }

    /// One step. The numbers it reports are those before the update.
    pub fn step(
        &mut self,
        batch: &StepBatch,
        learning_rate: f64,
    ) -> Result<StepReport, tch::TchError> {
        let mut parts = Parts::default();
        let numbers = self.gradient(batch, &mut parts)?;
        let clock = Instant::now();
        let norm = clip(&mut self.grad, self.max_grad_norm)?;
        self.optimiser
            .step(&mut self.parameters, &self.grad, learning_rate)?;
        let all = Tensor::f_cat(&[numbers, norm.f_view([1i64])?], 0)?;
        let mut report = report(batch, &Vec::<f32>::try_from(&all)?, learning_rate)?;
        parts.optimiser = clock.elapsed().as_secs_f64();
        report.parts = parts;
        Ok(report)
    }

    /// Fills the flat gradient, a piece of the batch at a time; gives the loss and its terms as one tensor.
    fn gradient(&mut self, batch: &StepBatch, parts: &mut Parts) -> Result<Tensor, tch::TchError> {
        let _ = no_grad(|| self.grad.f_zero_())?;
        let time = batch.rows_time();
        let pieces = self.model.pieces(batch.len() * time, batch.shortest());
        let mut numbers: Option<Tensor> = None;
        for k in 0..pieces {
            let found = if pieces == 1 {
                self.add_gradient(batch, batch, parts)?
            } else {
                self.add_gradient(&batch.piece(k, pieces), batch, parts)?
            };
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
        parts: &mut Parts,
    ) -> Result<Tensor, tch::TchError> {
        let clock = Instant::now();
        let rows = piece.rows();
        let (inputs, targets) = self.model.batch(&rows)?;
        let hidden = self.model.hidden(&inputs)?;
        let width = hidden.size()[2];
        let flat = hidden.f_view([-1, width])?;
        parts.forward += clock.elapsed().as_secs_f64();
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
        parts.vocabulary += clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        // The scalar whose derivative by the hidden states is the one just made.
        let scalar = flat.f_mul(&grad_hidden)?.f_sum(Kind::Float)?;
        let params = self.model.params();
        let body: Vec<&Tensor> = self
            .trainable
            .slots
            .clone()
            .filter(|&slot| slot != self.model.output_slot())
            .map(|slot| params.tensor(slot))
            .collect();
        let body_grads = Tensor::f_run_backward(&[scalar], &body, false, false)?;
        no_grad(|| {
            for (view, grad) in self.grad_views.iter_mut().zip(&body_grads) {
                let _ = view.f_add_(grad)?;
            }
            parts.backward += clock.elapsed().as_secs_f64();
            Ok(loss)
        })
    }

    fn output_trains(&self) -> bool {
        self.trainable.slots.contains(&self.model.output_slot())
    }
}

fn report(
    batch: &StepBatch,
    numbers: &[f32],
    learning_rate: f64,
) -> Result<StepReport, tch::TchError> {
    let mut numbers = numbers.iter().map(|&n| f64::from(n));
    let mut next = || {
        numbers
            .next()
            .ok_or_else(|| tch::TchError::Shape("a step gave too few numbers".into()))
    };
    let loss = next()?;
    let terms = batch
        .names()
        .into_iter()
        .map(|name| Ok((name, next()?)))
        .collect::<Result<_, tch::TchError>>()?;
    let (chosen, rejected) = match batch.dpo {
        Some(_) => (Some(next()?), Some(next()?)),
        None => (None, None),
    };
    Ok(StepReport {
        loss,
        terms,
        chosen,
        rejected,
        grad_norm: next()?,
        learning_rate,
        parts: Parts::default(),
    })
}

fn to_i64(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
