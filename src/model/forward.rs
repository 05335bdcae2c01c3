//! The forward pass: embedding, layers, final norm. The residual stream is float32.

use tch::{TchError, Tensor};

use super::Model;
use super::architecture::Attend;
use super::layer::{Layer, norm};
use super::positions::Positions;
use crate::device::Device;
use crate::units::{TokenId, to_i64};

impl Model {
    /// Final hidden states at `places` `[batch, time]` of the input embedding, as [`Self::batch`] makes them: `[batch, time,
    /// hidden]`, in float32.
    pub fn hidden(&self, places: &Tensor) -> Result<Tensor, TchError> {
        let positions = Positions::new(self.config(), places.size()[1], self.device())?;
        let mut x = self.stand(self.lookup(places)?, &positions)?;
        for layer in 0..self.config().layers {
            x = self.layer(layer, &x, &positions, &mut |heads| {
                if self.device() == Device::CPU {
                    heads.attend(&positions)
                } else {
                    heads.attend_fused(self.arithmetic())
                }
            })?;
        }
        self.final_norm(&x)
    }

    /// The residual stream before the first layer of tokens `[batch][time]`: `[batch, time, hidden]`.
    pub(super) fn embed(
        &self,
        rows: &[&[TokenId]],
        positions: &Positions,
    ) -> Result<Tensor, TchError> {
        let places: Vec<i64> = rows
            .iter()
            .copied()
            .flatten()
            .map(|&t| self.place(t))
            .collect::<Result<_, _>>()?;
        let places = Tensor::f_from_slice(&places)?.f_to_device(self.device().tch())?;
        let found = self.lookup(&places.f_view([to_i64(rows.len()), -1])?)?;
        self.stand(found, positions)
    }

    /// What was found in the input embedding, scaled, and with what the model has learned of positions, where it has.
    fn stand(&self, x: Tensor, positions: &Positions) -> Result<Tensor, TchError> {
        let x = match self.config().embedding_scale() {
            None => x,
            Some(scale) => x.f_mul_scalar(scale)?,
        };
        match self.places.positions {
            None => Ok(x),
            Some(slot) => {
                let (time, learned) = (x.size()[1], self.params().tensor(slot));
                x.f_add(&learned.f_narrow(0, positions.from, time)?)
            }
        }
    }

    /// One layer: from residual stream to residual stream.
    pub(super) fn layer(
        &self,
        layer: usize,
        x: &Tensor,
        positions: &Positions,
        attend: &mut Attend<'_>,
    ) -> Result<Tensor, TchError> {
        let weights = Layer {
            config: self.config(),
            params: self.params(),
            arithmetic: self.arithmetic(),
            slot: self.places.layers[layer],
            positions,
            is_local: self.config().local().is_some_and(|l| l.layers[layer]),
        };
        self.architecture.layer(&weights, x, attend)
    }

    /// The final norm.
    pub(super) fn final_norm(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (how, slot) = self.places.final_norm;
        norm(x, how, slot, self.params(), self.config().norm_eps)
    }
}
