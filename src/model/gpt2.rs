//! GPT-2: learned positions, matrices that lie the other way round, one embedding for both ends.

use tch::{Kind, TchError, Tensor};

use super::architecture::{Architecture, Attend, Blueprint, TensorNames, Tensors};
use super::layer::{Heads, Layer, Linear, Norm};
use crate::checkpoint::{Gelu, Gpt2Config, ModelConfig};
use crate::units::to_i64;

/// Places of a layer's tensors, and what its config chooses.
#[derive(Debug)]
struct Gpt2 {
    before_attention: Norm,
    query_key_value: Linear,
    dense: Linear,
    before_mlp: Norm,
    up: Linear,
    down: Linear,
    gelu: &'static str,
}

/// What the architecture says of itself, for models of `config`.
pub(super) fn blueprint(config: &ModelConfig, gpt2: &Gpt2Config) -> Blueprint {
    let (h, i) = (config.hidden_size, config.intermediate_size);
    let mut tensors = Tensors::default();
    let t = &mut tensors;
    let layer = Gpt2 {
        before_attention: t.layer_norm("ln_1", h),
        query_key_value: t.transposed("attn.c_attn", h, 3 * h),
        dense: t.transposed("attn.c_proj", h, h),
        before_mlp: t.layer_norm("ln_2", h),
        up: t.transposed("mlp.c_fc", h, i),
        down: t.transposed("mlp.c_proj", i, h),
        gelu: match gpt2.gelu {
            Gelu::Exact => "none",
            Gelu::Tanh => "tanh",
        },
    };
    let names = TensorNames {
        base: "transformer.",
        input: "wte.weight",
        positions: Some("wpe.weight"),
        layers: "h",
        final_norm: ("ln_f", Tensors::layer_norm),
        output: "lm_head.weight",
    };
    Blueprint {
        names,
        tensors,
        architecture: Box::new(layer),
    }
}

impl Gpt2 {
    fn heads(&self, layer: &Layer<'_>, x: &Tensor) -> Result<Heads, TchError> {
        let width = to_i64(layer.config.hidden_size);
        let qkv = layer
            .linear(&layer.operand(x)?, self.query_key_value)?
            .f_to_kind(Kind::Float)?;
        let part = |n| layer.split(&qkv.f_narrow(2, n * width, width)?);
        Ok(Heads {
            queries: part(0)?,
            keys: part(1)?,
            values: part(2)?,
        })
    }

    fn mlp(&self, layer: &Layer<'_>, x: &Tensor) -> Result<Tensor, TchError> {
        layer.gelu_mlp(
            &layer.norm(x, self.before_mlp)?,
            self.up,
            self.down,
            self.gelu,
        )
    }
}

impl Architecture for Gpt2 {
    fn layer(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        attend: &mut Attend<'_>,
    ) -> Result<Tensor, TchError> {
        let heads = self.heads(layer, &layer.norm(x, self.before_attention)?)?;
        let x = x.f_add(&layer.join(&attend(heads)?, self.dense)?)?;
        x.f_add(&self.mlp(layer, &x)?)
    }
}
