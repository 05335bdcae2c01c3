//! GPT-NeoX (Pythia): parallel or sequential residual, partial rotary embedding, output embedding of its own.

use tch::{Kind, TchError, Tensor};

use super::architecture::{Architecture, Attend, Blueprint, TensorNames, Tensors};
use super::layer::{Heads, Layer, Linear, Norm};
use crate::checkpoint::{ModelConfig, NeoxConfig};
use crate::units::to_i64;

/// Places of a layer's tensors, and what its config chooses.
#[derive(Debug)]
struct Neox {
    before_attention: Norm,
    before_mlp: Norm,
    query_key_value: Linear,
    dense: Linear,
    up: Linear,
    down: Linear,
    parallel_residual: bool,
}

/// What the architecture says of itself, for models of `config`.
pub(super) fn blueprint(config: &ModelConfig, neox: &NeoxConfig) -> Blueprint {
    let (h, i) = (config.hidden_size, config.intermediate_size);
    let mut tensors = Tensors::default();
    let t = &mut tensors;
    let layer = Neox {
        before_attention: t.layer_norm("input_layernorm", h),
        before_mlp: t.layer_norm("post_attention_layernorm", h),
        query_key_value: t.linear("attention.query_key_value", h, 3 * h, true),
        dense: t.linear("attention.dense", h, h, true),
        up: t.linear("mlp.dense_h_to_4h", h, i, true),
        down: t.linear("mlp.dense_4h_to_h", i, h, true),
        parallel_residual: neox.parallel_residual,
    };
    let names = TensorNames {
        base: "gpt_neox.",
        input: "embed_in.weight",
        positions: None,
        layers: "layers",
        final_norm: ("final_layer_norm", Tensors::layer_norm),
        output: "embed_out.weight",
    };
    Blueprint {
        names,
        tensors,
        architecture: Box::new(layer),
    }
}

impl Neox {
    fn heads(&self, layer: &Layer<'_>, x: &Tensor) -> Result<Heads, TchError> {
        let (batch, time) = (x.size()[0], x.size()[1]);
        let (heads, dims) = (to_i64(layer.config.heads), to_i64(layer.config.head_dims));
        // Each head's query, key and value lie together: [batch, heads, time, 3 · dims].
        let qkv = layer
            .linear(&layer.operand(x)?, self.query_key_value)?
            .f_to_kind(Kind::Float)?
            .f_view([batch, time, heads, 3 * dims])?
            .f_transpose(1, 2)?;
        let part = |n| qkv.f_narrow(3, n * dims, dims);
        Ok(Heads {
            queries: layer.rotate(&part(0)?)?,
            keys: layer.rotate(&part(1)?)?,
            values: part(2)?,
        })
    }

    fn mlp(&self, layer: &Layer<'_>, x: &Tensor) -> Result<Tensor, TchError> {
        layer.gelu_mlp(&layer.norm(x, self.before_mlp)?, self.up, self.down, "none")
    }
}

impl Architecture for Neox {
    fn layer(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        attend: &mut Attend<'_>,
    ) -> Result<Tensor, TchError> {
        let heads = self.heads(layer, &layer.norm(x, self.before_attention)?)?;
        let attention = layer.join(&attend(heads)?, self.dense)?;
        if self.parallel_residual {
            x.f_add(&attention)?.f_add(&self.mlp(layer, x)?)
        } else {
            let x = x.f_add(&attention)?;
            x.f_add(&self.mlp(layer, &x)?)
        }
    }
}
