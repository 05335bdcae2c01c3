//! GPT-2: learned positions, matrices that lie the other way round, one embedding for both ends.

use tch::{Kind, TchError, Tensor};

use super::architecture::{Architecture, Attend, Names, Tensors};
use super::layer::{Heads, Layer, Linear, Norm};
use crate::checkpoint::{Gelu, Gpt2Config, ModelConfig};
use crate::units::to_i64;

/// See the module.
#[derive(Debug)]
pub(super) struct Gpt2 {
    tensors: Tensors,
    before_attention: Norm,
    query_key_value: Linear,
    dense: Linear,
    before_mlp: Norm,
    up: Linear,
    down: Linear,
    gelu: &'static str,
}

impl Gpt2 {
    pub(super) fn new(config: &ModelConfig, gpt2: &Gpt2Config) -> Self {
        let (h, i) = (config.hidden_size, config.intermediate_size);
        let mut tensors = Tensors::default();
        let t = &mut tensors;
        Self {
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
            tensors,
        }
    }

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
        let x = layer.operand(x)?;
        let inner = layer.rounded(layer.linear(&x, self.up)?.f_gelu(self.gelu)?)?;
        layer.linear(&inner, self.down)
    }
}

impl Architecture for Gpt2 {
    fn names(&self) -> Names {
        Names {
            base: "transformer.",
            input: "wte.weight",
            positions: Some("wpe.weight"),
            layers: "h",
            output: "lm_head.weight",
        }
    }

    fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    fn final_norm(&self, tensors: &mut Tensors, hidden: usize) -> Norm {
        tensors.layer_norm("ln_f", hidden)
    }

    fn layer(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        attend: &mut Attend<'_>,
    ) -> Result<Tensor, TchError> {
        let heads = self.heads(layer, &layer.norm(x, self.before_attention)?)?;
        let x = x.f_add(&layer.join(&attend(heads)?, self.dense)?)?;
        let mlp = self.mlp(layer, &layer.norm(&x, self.before_mlp)?)?;
        x.f_add(&mlp)
    }
}
