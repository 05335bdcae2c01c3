//! The forward pass. The residual stream and the norms are float32; products are made in the model's arithmetic.

use tch::{Kind, Tensor};

use super::Neox;
use crate::device::{Arithmetic, Device};
use crate::model::params::operand;
use crate::model::rotary::Rotary;
use crate::units::{TokenId, to_i64};

impl Neox {
    /// Final hidden states at `places` `[batch, time]` of the input embedding, as [`Self::batch`] makes them: `[batch, time,
    /// hidden]`, in float32.
    pub fn hidden(&self, places: &Tensor) -> Result<Tensor, tch::TchError> {
        let rotary = Rotary::new(&self.config, places.size()[1], self.device)?;
        let mut x = self.embedding.lookup(places)?;
        for layer in 0..self.config.layers {
            x = self.layer(layer, &x, &rotary)?;
        }
        self.final_norm(&x)
    }

    /// The input embedding's rows of tokens `[batch][time]`: `[batch, time, hidden]`.
    pub(in crate::model) fn embed(&self, rows: &[&[TokenId]]) -> Result<Tensor, tch::TchError> {
        let places: Vec<i64> = rows
            .iter()
            .copied()
            .flatten()
            .map(|&t| self.embedding.place(t))
            .collect::<Result<_, _>>()?;
        let places = Tensor::f_from_slice(&places)?.f_to_device(self.device.tch())?;
        self.embedding
            .lookup(&places.f_view([to_i64(rows.len()), -1])?)
    }

    /// The final layer norm.
    pub(in crate::model) fn final_norm(&self, x: &Tensor) -> Result<Tensor, tch::TchError> {
        self.norm(x, self.final_norm_slot)
    }

    fn layer(&self, layer: usize, x: &Tensor, rotary: &Rotary) -> Result<Tensor, tch::TchError> {
        self.layer_with(layer, x, |slot, x| self.attention(slot, x, rotary))
    }

    /// A layer around an attention that is given the layer's first slot and its normed input.
    pub(in crate::model) fn layer_with(
        &self,
        layer: usize,
        x: &Tensor,
        attention: impl FnOnce(usize, &Tensor) -> Result<Tensor, tch::TchError>,
    ) -> Result<Tensor, tch::TchError> {
        let slot = self.layer_slots[layer];
        let attention = attention(slot, &self.norm(x, slot)?)?;
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
        let qkv = self.project(slot, x)?;
        if let Some(mixed) = rotary.attend(&qkv) {
            return self.linear(&operand(&mixed?, self.arithmetic)?, slot + 6);
        }
        let heads = self.split(&qkv, rotary)?;
        let mixed = if self.device == Device::CPU {
            attend(&heads, rotary)?
        } else {
            self.attend_fused(&heads)?
        };
        self.join(slot, &mixed)
    }

    /// Each head's query, key and value of `x` `[batch, time, hidden]`, side by side: `[batch, time, heads, 3 · dims]`.
    fn project(&self, slot: usize, x: &Tensor) -> Result<Tensor, tch::TchError> {
        let (heads, dims) = (to_i64(self.config.heads), to_i64(self.config.head_dims()));
        let (batch, time) = (x.size()[0], x.size()[1]);
        self.linear(&operand(x, self.arithmetic)?, slot + 4)?
            .f_view([batch, time, heads, 3 * dims])
    }

    /// Queries, keys and values of `x` `[batch, time, hidden]`, rotated.
    pub(in crate::model) fn heads(
        &self,
        slot: usize,
        x: &Tensor,
        rotary: &Rotary,
    ) -> Result<Heads, tch::TchError> {
        self.split(&self.project(slot, x)?, rotary)
    }

    /// What [`Self::project`] gives, apart and rotated.
    fn split(&self, qkv: &Tensor, rotary: &Rotary) -> Result<Heads, tch::TchError> {
        let dims = to_i64(self.config.head_dims());
        let qkv = qkv.f_to_kind(Kind::Float)?.f_transpose(1, 2)?;
        let part = |n| qkv.f_narrow(3, n * dims, dims);
        Ok(Heads {
            queries: rotary.apply(&part(0)?)?,
            keys: rotary.apply(&part(1)?)?,
            values: part(2)?,
        })
    }

    /// Heads `[batch, heads, time, dims]` side by side, and through the layer's output product: `[batch, time, hidden]`.
    pub(in crate::model) fn join(
        &self,
        slot: usize,
        mixed: &Tensor,
    ) -> Result<Tensor, tch::TchError> {
        let size = mixed.size();
        let joined = mixed
            .f_transpose(1, 2)?
            .f_reshape([size[0], size[2], size[1] * size[3]])?;
        self.linear(&operand(&joined, self.arithmetic)?, slot + 6)
    }

    /// libtorch's fused attention: one kernel on a GPU (on a CPU it is slower than plain products at these lengths).
    fn attend_fused(&self, heads: &Heads) -> Result<Tensor, tch::TchError> {
        let [q, k, v] =
            [&heads.queries, &heads.keys, &heads.values].map(|x| operand(x, self.arithmetic));
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

/// Queries, keys and values of one layer, `[batch, heads, time, dims]`.
pub(in crate::model) struct Heads {
    pub(in crate::model) queries: Tensor,
    pub(in crate::model) keys: Tensor,
    pub(in crate::model) values: Tensor,
}

/// Causal attention by plain products in float32: `[batch, heads, queries' time, dims]`.
pub(in crate::model) fn attend(heads: &Heads, rotary: &Rotary) -> Result<Tensor, tch::TchError> {
    let Heads {
        queries,
        keys,
        values,
    } = heads;
    #[allow(clippy::cast_precision_loss)]
    let scale = 1.0 / (queries.size()[3] as f64).sqrt();
    queries
        .f_matmul(&keys.f_transpose(2, 3)?)?
        .f_mul_scalar(scale)?
        .f_add(&rotary.mask)?
        .f_softmax(-1, Kind::Float)?
        .f_matmul(values)
}
