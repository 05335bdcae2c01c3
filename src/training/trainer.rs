//! One training step: one forward pass for all terms, a hand-made derivative of the vocabulary, one optimiser pass.

use std::time::Instant;

use tch::{Kind, Tensor, no_grad};

use super::batch::{StepBatch, TermName};
use super::optimiser::{AdamW, clip};
use crate::model::{Neox, Params, Part, Trainable};
use crate::spec::Optimisation;
use crate::units::to_i64;

/// What stays the same over a phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Decoupled weight decay on every trainable tensor.
    pub weight_decay: f64,
    /// Largest gradient norm over all trainable tensors together.
    pub max_grad_norm: f64,
}

impl From<&Optimisation> for Settings {
    fn from(optimisation: &Optimisation) -> Self {
        Self {
            weight_decay: optimisation.weight_decay,
            max_grad_norm: optimisation.max_grad_norm,
        }
    }
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
        let pieces = self
            .model
            .pieces(batch.len() * batch.rows_time(), batch.shortest());
        self.gradient_in(batch, pieces, parts)
    }

    /// The same in a given number of pieces.
    fn gradient_in(
        &mut self,
        batch: &StepBatch,
        pieces: usize,
        parts: &mut Parts,
    ) -> Result<Tensor, tch::TchError> {
        let _ = no_grad(|| self.grad.f_zero_())?;
        let mut numbers: Option<Tensor> = None;
        for k in 0..pieces {
            let found = self.add_gradient(&batch.piece(k, pieces), batch, parts)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::NeoxConfig;
    use crate::device::Device;
    use crate::spec::Freeze;
    use crate::training::{DpoTerm, LikelihoodTerm, trainable_parts};
    use crate::units::TokenId;

    fn model() -> Neox {
        let config = NeoxConfig {
            vocab_size: 40,
            hidden_size: 16,
            layers: 4,
            heads: 2,
            intermediate_size: 64,
            rotary_dims: 2,
            rotary_base: 10_000.0,
            max_positions: 32,
            parallel_residual: true,
            layer_norm_eps: 1e-5,
            initializer_range: 0.2,
        };
        Neox::random(config, Device::CPU).unwrap()
    }

    fn batch() -> StepBatch {
        let rows = |salt: u32| -> Vec<Vec<TokenId>> {
            (0..7u32)
                .map(|r| {
                    (0..6u32)
                        .map(|t| TokenId((r * 5 + t * t + salt) % 40))
                        .collect()
                })
                .collect()
        };
        StepBatch {
            dpo: Some(DpoTerm {
                weight: 1.0,
                beta: 0.3,
                chosen: rows(0),
                rejected: rows(11),
                reference_chosen: vec![-15.0; 7],
                reference_rejected: vec![-16.0; 7],
            }),
            likelihood: vec![LikelihoodTerm {
                name: TermName::Regular,
                weight: 0.2,
                rows: rows(23),
            }],
        }
    }

    fn number(tensor: &Tensor) -> f64 {
        f64::try_from(tensor).unwrap()
    }

    /// facts.md: micro-batching, ‖Δg‖/‖g‖ ≤ 1e-6.
    #[test]
    fn pieces_have_the_same_gradient_and_loss() {
        let (mut model, batch) = (model(), batch());
        for freeze in [Freeze::None, Freeze::Upper, Freeze::Lower] {
            let settings = Settings {
                weight_decay: 0.01,
                max_grad_norm: 1.0,
            };
            let mut trainer = Trainer::new(&mut model, trainable_parts(freeze), settings).unwrap();
            let mut gradient = |pieces| {
                let numbers = trainer
                    .gradient_in(&batch, pieces, &mut Parts::default())
                    .unwrap();
                (numbers, trainer.grad.copy())
            };
            let (whole, g) = gradient(1);
            for pieces in [2, 3, 7] {
                let (numbers, pieced) = gradient(pieces);
                assert!(number(&(numbers - &whole).abs().max()) < 1e-5);
                let difference = number(&(&pieced - &g).norm()) / number(&g.norm());
                assert!(difference <= 1e-6, "{pieces} pieces: {difference:e}");
            }
        }
    }

    #[test]
    fn frozen_parts_get_no_gradient_and_no_update() {
        for (freeze, frozen) in [
            (Freeze::Upper, "embed_out.weight"),
            (Freeze::Lower, "gpt_neox.embed_in.weight"),
        ] {
            let mut model = model();
            let before: Vec<_> = model
                .named_tensors()
                .into_iter()
                .map(|(n, t)| (n, t.copy()))
                .collect();
            let settings = Settings {
                weight_decay: 0.5,
                max_grad_norm: 1.0,
            };
            let mut trainer = Trainer::new(&mut model, trainable_parts(freeze), settings).unwrap();
            trainer.step(&batch(), 1e-2).unwrap();
            for (slot, (name, old)) in before.iter().enumerate() {
                let moved = number(&(model.params().tensor(slot) - old).abs().max()) > 0.0;
                let trains = trainable_parts(freeze).contains(&model.params().slots()[slot].part);
                assert_eq!(moved, trains, "{name} under {freeze:?}");
            }
            assert!(before.iter().any(|(name, _)| name == frozen));
        }
    }
}
