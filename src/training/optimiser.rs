//! `AdamW` over one flat slice of parameters: a handful of launches a step, whatever the number of tensors.

use tch::{Kind, Tensor, no_grad};

use crate::native::{AdamWStep, fused_adamw};

/// `AdamW`'s β₁, β₂ and ε. Source: recipe.md, Optimiser.
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

/// Moments of one phase's trainable parameters.
#[derive(Debug)]
pub(super) struct AdamW {
    mean: Tensor,
    square: Tensor,
    steps: i32,
    weight_decay: f64,
}

impl AdamW {
    /// Fresh moments for parameters `[floats]`.
    pub(super) fn new(parameters: &Tensor, weight_decay: f64) -> Result<Self, tch::TchError> {
        Ok(Self {
            mean: parameters.f_zeros_like()?,
            square: parameters.f_zeros_like()?,
            steps: 0,
            weight_decay,
        })
    }

    /// One update of `parameters` `[floats]` by the gradient `grad` `[floats]`, in place.
    pub(super) fn step(
        &mut self,
        parameters: &mut Tensor,
        grad: &Tensor,
        learning_rate: f64,
    ) -> Result<(), tch::TchError> {
        self.steps += 1;
        let how = AdamWStep {
            step: f64::from(self.steps),
            learning_rate,
            betas: BETAS,
            weight_decay: self.weight_decay,
            epsilon: EPSILON,
        };
        no_grad(|| fused_adamw(parameters, grad, &mut self.mean, &mut self.square, how))
    }
}

/// Scales `grad` `[floats]` in place so that its norm is at most `max_norm`; gives the norm before (a 0-dimensional tensor).
pub(super) fn clip(grad: &mut Tensor, max_norm: f64) -> Result<Tensor, tch::TchError> {
    no_grad(|| {
        let norm = grad.f_norm()?;
        // As torch.nn.utils.clip_grad_norm_: the factor is applied even where it is 1.
        let factor = norm
            .f_add_scalar(1e-6)?
            .f_reciprocal()?
            .f_mul_scalar(max_norm)?
            .f_clamp_max(1.0)?;
        let _ = grad.f_mul_(&factor)?;
        norm.f_to_kind(Kind::Float)
    })
}
