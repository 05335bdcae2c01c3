//! What layers are made of. The residual stream and the norms are float32; products are made in the model's arithmetic.

use tch::{Kind, TchError, Tensor};

use super::params::{Params, operand};
use super::positions::Positions;
use crate::checkpoint::ModelConfig;
use crate::device::Arithmetic;
use crate::units::to_i64;

/// A product: places of its matrix and its bias within a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear {
    pub(super) weight: usize,
    pub(super) bias: Option<usize>,
    /// The matrix is `[from, to]`, not `[to, from]`.
    pub(super) is_transposed: bool,
}

/// A norm: places of its tensors within a layer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Norm {
    /// Of mean 0 and variance 1, times a weight, plus a bias.
    Layer { weight: usize, bias: usize },
    /// Of mean square 1, times a weight, or times 1 + a weight.
    Rms { weight: usize, from_one: bool },
}

/// Queries, keys and values of one layer, `[batch, heads, time, dims]`; keys and values may have fewer heads, each of which
/// serves as many neighbouring queries.
pub(super) struct Heads {
    pub(super) queries: Tensor,
    pub(super) keys: Tensor,
    pub(super) values: Tensor,
}

/// The tensors of one layer (or of the final norm), and how they are to be used.
pub(super) struct Layer<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) params: &'a Params,
    pub(super) arithmetic: Arithmetic,
    /// The first slot of the layer.
    pub(super) slot: usize,
    /// Where the tokens stand.
    pub(super) positions: &'a Positions,
    /// Whether the layer is one of those that are local.
    pub(super) is_local: bool,
}

impl Layer<'_> {
    /// A norm over the last dimension, in float32.
    pub(super) fn norm(&self, x: &Tensor, how: Norm) -> Result<Tensor, TchError> {
        norm(x, how, self.slot, self.params, self.config.norm_eps)
    }

    /// `x` as an operand of a product.
    pub(super) fn operand(&self, x: &Tensor) -> Result<Tensor, TchError> {
        operand(x, self.arithmetic)
    }

    /// A product of an operand; an operand again.
    pub(super) fn linear(&self, x: &Tensor, how: Linear) -> Result<Tensor, TchError> {
        let weight = self.params.operand(self.slot + how.weight, self.arithmetic);
        let bias = how
            .bias
            .map(|bias| self.params.operand(self.slot + bias, self.arithmetic));
        let product = if how.is_transposed {
            x.f_linear(&weight.f_tr()?, bias)?
        } else {
            x.f_linear(weight, bias)?
        };
        self.rounded(product)
    }

    /// What an operation on operands gives, as hardware that works on bfloat16 would give it.
    pub(super) fn rounded(&self, x: Tensor) -> Result<Tensor, TchError> {
        match self.arithmetic {
            Arithmetic::EmulatedBf16 => operand(&x, self.arithmetic),
            _ => Ok(x),
        }
    }

    /// Rotates heads by where they stand.
    pub(super) fn rotate(&self, heads: &Tensor) -> Result<Tensor, TchError> {
        self.positions.rotate(heads, self.is_local)
    }

    /// `x` `[batch, time, heads · dims]` as heads: `[batch, heads, time, dims]`.
    pub(super) fn split(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (batch, time) = (x.size()[0], x.size()[1]);
        x.f_view([batch, time, -1, to_i64(self.config.head_dims)])?
            .f_transpose(1, 2)
    }

    /// An MLP of two products with a GELU between them, `"none"` (exact) or `"tanh"` in libtorch's words.
    pub(super) fn gelu_mlp(
        &self,
        x: &Tensor,
        up: Linear,
        down: Linear,
        gelu: &str,
    ) -> Result<Tensor, TchError> {
        let inner = self.linear(&self.operand(x)?, up)?.f_gelu(gelu)?;
        self.linear(&self.rounded(inner)?, down)
    }

    /// Heads `[batch, heads, time, dims]` side by side, and through the layer's output product: `[batch, time, hidden]`.
    pub(super) fn join(&self, mixed: &Tensor, how: Linear) -> Result<Tensor, TchError> {
        let size = mixed.size();
        let joined = mixed
            .f_transpose(1, 2)?
            .f_reshape([size[0], size[2], size[1] * size[3]])?;
        self.linear(&self.operand(&joined)?, how)
    }
}

/// A norm of `x` over its last dimension, in float32; its tensors lie from `slot` on.
pub(super) fn norm(
    x: &Tensor,
    how: Norm,
    slot: usize,
    params: &Params,
    eps: f64,
) -> Result<Tensor, TchError> {
    let tensor = |place: usize| params.tensor(slot + place);
    match how {
        Norm::Layer { weight, bias } => x.f_layer_norm(
            tensor(weight).size(),
            Some(tensor(weight)),
            Some(tensor(bias)),
            eps,
            false,
        ),
        Norm::Rms { weight, from_one } => {
            let weight = tensor(weight);
            let shifted = from_one.then(|| weight.f_add_scalar(1.0)).transpose()?;
            x.f_rms_norm(weight.size(), Some(shifted.as_ref().unwrap_or(weight)), eps)
        }
    }
}

impl Heads {
    /// Keys or values with as many heads as queries: each head as often as it serves.
    fn repeated(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (size, heads) = (x.size(), self.queries.size()[1]);
        if size[1] == heads {
            return Ok(x.shallow_clone());
        }
        let [batch, own, time, dims] = [size[0], size[1], size[2], size[3]];
        x.f_unsqueeze(2)?
            .f_expand([batch, own, heads / own, time, dims], false)?
            .f_reshape([batch, heads, time, dims])
    }

    /// Causal attention by plain products in float32: `[batch, heads, queries' time, dims]`.
    pub(super) fn attend(&self, positions: &Positions) -> Result<Tensor, TchError> {
        let (keys, values) = (self.repeated(&self.keys)?, self.repeated(&self.values)?);
        let scale = 1.0 / (self.queries.size()[3] as f64).sqrt();
        self.queries
            .f_matmul(&keys.f_transpose(2, 3)?)?
            .f_mul_scalar(scale)?
            .f_add(&positions.mask)?
            .f_softmax(-1, Kind::Float)?
            .f_matmul(&values)
    }

    /// libtorch's fused attention: one kernel on a GPU (on a CPU it is slower than plain products at these lengths).
    pub(super) fn attend_fused(&self, arithmetic: Arithmetic) -> Result<Tensor, TchError> {
        let [q, k, v] = [
            self.queries.shallow_clone(),
            self.repeated(&self.keys)?,
            self.repeated(&self.values)?,
        ]
        .map(|x| operand(&x, arithmetic));
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
