//! Where tokens stand: rotary tables and causal mask.

use tch::{Kind, Tensor, no_grad};

use crate::checkpoint::{ModelConfig, Rotary, Scaling};
use crate::device::Device;
use crate::units::to_i64;

/// Rotary tables and causal mask for one length.
pub(super) struct Positions {
    /// Cosines and sines, `[time, rotating dims]`, where heads rotate.
    tables: Option<[Tensor; 2]>,
    /// Those of local layers, where they are others.
    local: Option<[Tensor; 2]>,
    /// `[time, time]`: 0 where a place may look, −∞ where not.
    pub(super) mask: Tensor,
    /// The first place.
    pub(super) from: i64,
}

impl Positions {
    pub(super) fn new(
        config: &ModelConfig,
        time: i64,
        device: Device,
    ) -> Result<Self, tch::TchError> {
        no_grad(|| {
            let like = (Kind::Float, device.tch());
            let rotary = config.rotary().filter(|rotary| rotary.dims > 0);
            let tables = |rotary: &Rotary| {
                let angles =
                    Tensor::f_arange(time, like)?.f_outer(&frequencies(rotary, device)?)?;
                let angles = Tensor::f_cat(&[&angles, &angles], -1)?;
                let both = [angles.f_cos()?, angles.f_sin()?];
                match &rotary.scaling {
                    Scaling::Long { attention, .. } => {
                        let [cos, sin] = both.map(|table| table.f_mul_scalar(*attention));
                        Ok([cos?, sin?])
                    }
                    _ => Ok::<_, tch::TchError>(both),
                }
            };
            let local = config.local().map(|local| tables(&local.rotary));
            Ok(Self {
                tables: rotary.map(tables).transpose()?,
                local: local.transpose()?,
                mask: Tensor::f_full([time, time], f64::NEG_INFINITY, like)?.f_triu(1)?,
                from: 0,
            })
        })
    }

    /// The tables of one place alone, for queries and keys that follow others.
    pub(super) fn at(&self, place: i64) -> Result<Self, tch::TchError> {
        let at = |[cos, sin]: &[Tensor; 2]| {
            Ok::<_, tch::TchError>([cos.f_narrow(0, place, 1)?, sin.f_narrow(0, place, 1)?])
        };
        Ok(Self {
            tables: self.tables.as_ref().map(at).transpose()?,
            local: self.local.as_ref().map(at).transpose()?,
            mask: self.mask.f_narrow(0, place, 1)?.f_narrow(1, 0, place + 1)?,
            from: place,
        })
    }

    /// Rotates the first dimensions of `x` `[batch, heads, time, dims]`, as local layers do or as the others; the other dimensions pass.
    pub(super) fn rotate(&self, x: &Tensor, is_local: bool) -> Result<Tensor, tch::TchError> {
        let tables = if is_local { &self.local } else { &self.tables };
        let Some([cos, sin]) = tables else {
            return Ok(x.shallow_clone());
        };
        let dims = cos.size()[1];
        let half = dims / 2;
        let turning = x.f_narrow(3, 0, dims)?;
        let (low, high) = (
            turning.f_narrow(3, 0, half)?,
            turning.f_narrow(3, half, half)?,
        );
        let turned = Tensor::f_cat(&[&high.f_neg()?, &low], 3)?;
        let rotated = turning.f_mul(cos)?.f_add(&turned.f_mul(sin)?)?;
        let rest = x.size()[3] - dims;
        if rest == 0 {
            return Ok(rotated);
        }
        Tensor::f_cat(&[&rotated, &x.f_narrow(3, dims, rest)?], 3)
    }
}

/// Radians per place of each pair of dimensions, `[dims / 2]`. In float32 throughout, as transformers does.
fn frequencies(rotary: &Rotary, device: Device) -> Result<Tensor, tch::TchError> {
    let like = (Kind::Float, device.tch());
    let dims = to_i64(rotary.dims);
    let exponents = Tensor::f_arange_start_step(0, dims, 2, like)?.f_div_scalar(dims)?;
    let plain = Tensor::f_full([1i64], rotary.base, like)?
        .f_pow(&exponents)?
        .f_reciprocal()?;
    match &rotary.scaling {
        Scaling::None => Ok(plain),
        Scaling::Linear { factor } => plain.f_div_scalar(*factor),
        Scaling::Long { factors, .. } => {
            let factors = Tensor::f_from_slice(factors)?.f_to_device(device.tch())?;
            plain.f_div(&factors.f_to_kind(Kind::Float)?)
        }
        &Scaling::Llama3 {
            factor,
            low,
            high,
            original,
        } => {
            // How often a pair turns within the first context, from `low` (0) to `high` (1) turns.
            let turns = plain.f_mul_scalar(original / std::f64::consts::TAU)?;
            let share = turns
                .f_sub_scalar(low)?
                .f_div_scalar(high - low)?
                .f_clamp(0.0, 1.0)?;
            let slow = plain.f_div_scalar(factor)?;
            slow.f_add(&share.f_mul(&plain.f_sub(&slow)?)?)
        }
    }
}
