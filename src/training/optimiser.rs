//! `AdamW` over a few flat slices of parameters: a handful of launches per step, whatever the number of tensors.

use tch::{Kind, Tensor, no_grad};

use crate::model::copied;
use crate::native::{AdamWSlice, AdamWStep, fused_adamw};

/// `AdamW`'s β₁, β₂ and ε. Guide: recipe, "Optimiser".
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

/// Moments of one slice of a phase's trainable parameters.
#[derive(Debug)]
pub(super) struct Moments {
    pub(super) mean: Tensor,
    pub(super) square: Tensor,
}

impl Moments {
    /// Fresh moments for parameters of any shape.
    pub(super) fn new(parameters: &Tensor) -> Result<Self, tch::TchError> {
        Ok(Self {
            mean: parameters.f_zeros_like()?,
            square: parameters.f_zeros_like()?,
        })
    }

    /// Copies of such moments on a device.
    pub(super) fn like(
        mean: &Tensor,
        square: &Tensor,
        device: tch::Device,
    ) -> Result<Self, tch::TchError> {
        Ok(Self {
            mean: copied(mean, device)?,
            square: copied(square, device)?,
        })
    }

    /// The moments with the parameters and the gradient that they belong to.
    pub(super) fn with<'a>(
        &'a mut self,
        parameters: &'a mut Tensor,
        grad: &'a mut Tensor,
    ) -> AdamWSlice<'a> {
        AdamWSlice {
            parameters,
            grad,
            mean: &mut self.mean,
            square: &mut self.square,
        }
    }

    /// As many rows as `parameters` `[rows, …]` has: new ones begin with nothing.
    pub(super) fn grow(&mut self, parameters: &Tensor) -> Result<(), tch::TchError> {
        let (have, want) = (self.mean.size()[0], parameters.size()[0]);
        if have < want {
            let fresh = parameters.f_narrow(0, have, want - have)?.f_zeros_like()?;
            self.mean = Tensor::f_cat(&[&self.mean, &fresh], 0)?;
            self.square = Tensor::f_cat(&[&self.square, &fresh], 0)?;
        }
        Ok(())
    }
}

/// One step of `AdamW`, the `step`-th from 1, over all slices together.
///
/// Gradients are scaled in place so that their common norm is at most `max_grad_norm`. Returns the norm before (a
/// 0-dimensional tensor).
pub(super) fn step(
    slices: &mut [AdamWSlice<'_>],
    step: u32,
    learning_rate: f64,
    weight_decay: f64,
    max_grad_norm: f64,
) -> Result<Tensor, tch::TchError> {
    no_grad(|| {
        let norm = clip(slices, max_grad_norm)?;
        let how = AdamWStep {
            step: f64::from(step),
            learning_rate,
            betas: BETAS,
            weight_decay,
            epsilon: EPSILON,
        };
        fused_adamw(slices, how)?;
        Ok(norm)
    })
}

fn clip(slices: &mut [AdamWSlice<'_>], max_norm: f64) -> Result<Tensor, tch::TchError> {
    let norms: Vec<Tensor> = slices
        .iter()
        .map(|s| s.grad.f_norm()?.f_to_kind(Kind::Float))
        .collect::<Result<_, _>>()?;
    let norm = match &norms[..] {
        [one] => one.shallow_clone(),
        several => Tensor::f_stack(several, 0)?.f_norm()?,
    };
    // As torch.nn.utils.clip_grad_norm_: the factor is applied even where it is 1.
    let factor = norm
        .f_add_scalar(1e-6)?
        .f_reciprocal()?
        .f_mul_scalar(max_norm)?
        .f_clamp_max(1.0)?;
    for slice in slices {
        let _ = slice.grad.f_mul_(&factor)?;
    }
    Ok(norm)
}
