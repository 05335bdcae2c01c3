//! The forward pass. The residual stream and the norms are float32; products are made in the model's arithmetic.

use tch::{Kind, Tensor};

use super::Neox;
use crate::device::{Arithmetic, Device};
use crate::model::params::operand;
use crate::model::rotary::Rotary;
use crate::units::to_i64;

impl Neox {
    /// Final hidden states at `places` `[batch, time]` of the input embedding, as [`Self::batch`] makes them: `[batch, time,
    /// hidden]`, in float32.
    pub fn hidden(&self, places: &Tensor) -> Result<Tensor, tch::TchError> {
        let rotary = Rotary::new(&self.config, places.size()[1], self.device)?;
        let mut x = self.embedding.lookup(places)?;
        for layer in 0..self.config.layers {
            x = self.layer(layer, &x, &rotary)?;
        }
        self.norm(&x, self.final_norm_slot)
    }

    fn layer(&self, layer: usize, x: &Tensor, rotary: &Rotary) -> Result<Tensor, tch::TchError> {
        let slot = self.layer_slots[layer];
        let attention = self.attention(slot, &self.norm(x, slot)?, rotary)?;
        if self.config.parallel_residual {
            let mlp = self.mlp(slot, &self.norm(x, slot + 2)?)?;
            x.f_add(&attention)?.f_add(&mlp)
        } else {
            let x = x.f_add(&attention)?;
            let mlp = self.mlp(slot, &self.norm(&x, slot + 2)?)?;
            x.f_add(&mlp)
        }
    }

    fn norm(&self, x: &Tensor, slot: usize) -> Result<Tensor, tch::TchError> {
        x.f_layer_norm(
            [to_i64(self.config.hidden_size)],
            Some(self.params.tensor(slot)),
            Some(self.params.tensor(slot + 1)),
            self.config.layer_norm_eps,
            false,
        )
    }

    /// A product of an operand; an operand again.
    fn linear(&self, x: &Tensor, slot: usize) -> Result<Tensor, tch::TchError> {
        let weight = self.params.operand(slot, self.arithmetic);
        let bias = self.params.operand(slot + 1, self.arithmetic);
        self.rounded(x.f_linear(weight, Some(bias))?)
    }

    /// What an operation on operands gives, as hardware that works on bfloat16 would give it.
    fn rounded(&self, x: Tensor) -> Result<Tensor, tch::TchError> {
        match self.arithmetic {
            Arithmetic::EmulatedBf16 => operand(&x, self.arithmetic),
            _ => Ok(x),
        }
    }

    fn mlp(&self, slot: usize, x: &Tensor) -> Result<Tensor, tch::TchError> {
        let x = operand(x, self.arithmetic)?;
        let inner = self.rounded(self.linear(&x, slot + 8)?.f_gelu("none")?)?;
        self.linear(&inner, slot + 10)
    }

    fn attention(&self, slot: usize, x: &Tensor, rotary: &Rotary) -> Result<Tensor, tch::TchError> {
        let (batch, time) = (x.size()[0], x.size()[1]);
        let (heads, dims) = (to_i64(self.config.heads), to_i64(self.config.head_dims()));
        // Each head's query, key and value lie together: [batch, heads, time, 3 · dims].
        let qkv = self
            .linear(&operand(x, self.arithmetic)?, slot + 4)?
            .f_to_kind(Kind::Float)?
            .f_view([batch, time, heads, 3 * dims])?
            .f_transpose(1, 2)?;
        let part = |n| qkv.f_narrow(3, n * dims, dims);
        let (q, k, v) = (rotary.apply(&part(0)?)?, rotary.apply(&part(1)?)?, part(2)?);
        let mixed = if self.device == Device::CPU {
            attend(&q, &k, &v, rotary)?
        } else {
            self.attend_fused(&q, &k, &v)?
        };
        let joined = mixed
            .f_transpose(1, 2)?
            .f_reshape([batch, time, heads * dims])?;
        self.linear(&operand(&joined, self.arithmetic)?, slot + 6)
    }

    /// libtorch's fused attention: one kernel on a GPU (on a CPU it is slower than plain products at these lengths).
    fn attend_fused(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor, tch::TchError> {
        let [q, k, v] = [q, k, v].map(|x| operand(x, self.arithmetic));
        Tensor::f_scaled_dot_product_attention(
            &q?,
            &k?,
            &v?,
            None::<Tensor>,
            0.0,
            true,
            None,
            false,
        )
    }
}

/// Causal attention by plain products in float32: `[batch, heads, time, dims]`.
fn attend(q: &Tensor, k: &Tensor, v: &Tensor, rotary: &Rotary) -> Result<Tensor, tch::TchError> {
    #[allow(clippy::cast_precision_loss)]
    let scale = 1.0 / (q.size()[3] as f64).sqrt();
    q.f_matmul(&k.f_transpose(2, 3)?)?
        .f_mul_scalar(scale)?
        .f_add(&rotary.mask)?
        .f_softmax(-1, Kind::Float)?
        .f_matmul(v)
}
