//! Rotary position embedding and causal mask.

use tch::{Kind, Tensor, no_grad};

use crate::checkpoint::NeoxConfig;
use crate::device::Device;
use crate::native;
use crate::units::to_i64;

/// Rotary tables and causal mask for one length.
pub(super) struct Rotary {
    /// `[time, rotating dims]`
    cos: Tensor,
    sin: Tensor,
    /// `[time, time]`: 0 where a place may look, −∞ where not.
    pub(super) mask: Tensor,
    dims: i64,
}

impl Rotary {
    pub(super) fn new(
        config: &NeoxConfig,
        time: i64,
        device: Device,
    ) -> Result<Self, tch::TchError> {
        no_grad(|| {
            let like = (Kind::Float, device.tch());
            let dims = to_i64(config.rotary_dims);
            // In float32 throughout, as transformers does.
            let exponents = Tensor::f_arange_start_step(0, dims, 2, like)?.f_div_scalar(dims)?;
            let frequencies = Tensor::f_full([1i64], config.rotary_base, like)?
                .f_pow(&exponents)?
                .f_reciprocal()?;
            let angles = Tensor::f_arange(time, like)?.f_outer(&frequencies)?;
            let angles = Tensor::f_cat(&[&angles, &angles], -1)?;
            Ok(Self {
                cos: angles.f_cos()?,
                sin: angles.f_sin()?,
                mask: Tensor::f_full([time, time], f64::NEG_INFINITY, like)?.f_triu(1)?,
                dims,
            })
        })
    }

    /// The tables of one place alone, for queries and keys that follow others.
    pub(super) fn at(&self, place: i64) -> Result<Self, tch::TchError> {
        Ok(Self {
            cos: self.cos.f_narrow(0, place, 1)?,
            sin: self.sin.f_narrow(0, place, 1)?,
            mask: self.mask.f_narrow(0, place, 1)?.f_narrow(1, 0, place + 1)?,
            dims: self.dims,
        })
    }

    /// Causal attention in one pass: `qkv` `[batch, time, heads, 3 · dims]`, each head's query, key and value side by side and
    /// not yet rotated, to `[batch, time, heads · dims]`. Absent where that is not to be had: on a GPU, and for sequences
    /// longer than 64 places.
    pub(super) fn attend(&self, qkv: &Tensor) -> Option<Result<Tensor, tch::TchError>> {
        let size = qkv.size();
        let fits = qkv.device() == tch::Device::Cpu && size[1] <= native::LONGEST_ATTENTION;
        fits.then(|| {
            native::attend(qkv, &self.cos, &self.sin)?.f_reshape([
                size[0],
                size[1],
                size[2] * size[3] / 3,
            ])
        })
    }

    /// Rotates the first dimensions of `x` `[batch, heads, time, dims]`; the others pass.
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor, tch::TchError> {
        if self.dims == 0 {
            return Ok(x.shallow_clone());
        }
        let half = self.dims / 2;
        let turning = x.f_narrow(3, 0, self.dims)?;
        let (low, high) = (
            turning.f_narrow(3, 0, half)?,
            turning.f_narrow(3, half, half)?,
        );
        let turned = Tensor::f_cat(&[&high.f_neg()?, &low], 3)?;
        let rotated = turning.f_mul(&self.cos)?.f_add(&turned.f_mul(&self.sin)?)?;
        let rest = x.size()[3] - self.dims;
        if rest == 0 {
            return Ok(rotated);
        }
        Tensor::f_cat(&[&rotated, &x.f_narrow(3, self.dims, rest)?], 3)
    }
}
