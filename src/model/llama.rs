//! Llama and its relatives: rotary embedding, heads that share keys, gated MLP, norms by the root of the mean square.

use tch::{Kind, TchError, Tensor};

use super::architecture::{Architecture, Attend, Blueprint, TensorNames, Tensors};
use super::layer::{Heads, Layer, Linear, Norm};
use crate::checkpoint::{HeadNorms, LlamaConfig, ModelConfig, NormPlace};

/// Places of a layer's tensors, and what its config chooses.
#[derive(Debug)]
struct Llama {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    /// Norms of queries and keys, and whether each head has its own.
    head_norms: Option<(Norm, Norm, HeadNorms)>,
    gate: Linear,
    up: Linear,
    down: Linear,
    /// Of the attention: before it, or after.
    attention_norm: Norm,
    mlp_norm: Norm,
    norms: NormPlace,
}

/// What the architecture says of itself, for models of `config`.
pub(super) fn blueprint(config: &ModelConfig, llama: &LlamaConfig) -> Blueprint {
    let (h, i) = (config.hidden_size, config.intermediate_size);
    let queries = config.heads * config.head_dims;
    let keys = config.key_heads * config.head_dims;
    let (bias, mlp_bias) = (llama.has_query_bias, llama.has_mlp_bias);
    let mut tensors = Tensors::default();
    let t = &mut tensors;
    let head_norms = match llama.head_norms {
        HeadNorms::None => None,
        HeadNorms::EachHead => Some([config.head_dims; 2]),
        HeadNorms::Whole => Some([queries, keys]),
    };
    let [attention_norm, mlp_norm] = match llama.norms {
        NormPlace::Before => ["input_layernorm", "post_attention_layernorm"],
        NormPlace::After => ["post_attention_layernorm", "post_feedforward_layernorm"],
    };
    let layer = Llama {
        query: t.linear("self_attn.q_proj", h, queries, bias),
        key: t.linear("self_attn.k_proj", h, keys, bias),
        value: t.linear("self_attn.v_proj", h, keys, bias),
        output: t.linear("self_attn.o_proj", queries, h, llama.has_output_bias),
        head_norms: head_norms.map(|[of_queries, of_keys]| {
            let queries = t.rms_norm("self_attn.q_norm", of_queries);
            (
                queries,
                t.rms_norm("self_attn.k_norm", of_keys),
                llama.head_norms,
            )
        }),
        gate: t.linear("mlp.gate_proj", h, i, mlp_bias),
        up: t.linear("mlp.up_proj", h, i, mlp_bias),
        down: t.linear("mlp.down_proj", i, h, mlp_bias),
        attention_norm: t.rms_norm(attention_norm, h),
        mlp_norm: t.rms_norm(mlp_norm, h),
        norms: llama.norms,
    };
    let names = TensorNames {
        base: "model.",
        input: "embed_tokens.weight",
        positions: None,
        layers: "layers",
        final_norm: ("norm", Tensors::rms_norm),
        output: "lm_head.weight",
    };
    Blueprint {
        names,
        tensors,
        architecture: Box::new(layer),
    }
}

impl Llama {
    fn heads(&self, layer: &Layer<'_>, x: &Tensor) -> Result<Heads, TchError> {
        let x = layer.operand(x)?;
        let product = |how| layer.linear(&x, how)?.f_to_kind(Kind::Float);
        let turned = |how, norm: Option<(Norm, HeadNorms)>| {
            let x = product(how)?;
            let heads = match norm {
                None => layer.split(&x)?,
                Some((norm, HeadNorms::Whole)) => layer.split(&layer.norm(&x, norm)?)?,
                Some((norm, _)) => layer.norm(&layer.split(&x)?, norm)?,
            };
            layer.positions.rotate(&heads)
        };
        let norms = self.head_norms;
        Ok(Heads {
            queries: turned(self.query, norms.map(|(queries, _, kind)| (queries, kind)))?,
            keys: turned(self.key, norms.map(|(_, keys, kind)| (keys, kind)))?,
            values: layer.split(&product(self.value)?)?,
        })
    }

    fn attention(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        attend: &mut Attend<'_>,
    ) -> Result<Tensor, TchError> {
        layer.join(&attend(self.heads(layer, x)?)?, self.output)
    }

    fn mlp(&self, layer: &Layer<'_>, x: &Tensor) -> Result<Tensor, TchError> {
        let x = layer.operand(x)?;
        let gate = layer.rounded(layer.linear(&x, self.gate)?.f_silu()?)?;
        let inner = layer.rounded(gate.f_mul(&layer.linear(&x, self.up)?)?)?;
        layer.linear(&inner, self.down)
    }
}

impl Architecture for Llama {
    fn layer(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        attend: &mut Attend<'_>,
    ) -> Result<Tensor, TchError> {
        match self.norms {
            NormPlace::Before => {
                let normed = layer.norm(x, self.attention_norm)?;
                let x = x.f_add(&self.attention(layer, &normed, attend)?)?;
                let normed = layer.norm(&x, self.mlp_norm)?;
                x.f_add(&self.mlp(layer, &normed)?)
            }
            // Norms are float32, whatever the products gave.
            NormPlace::After => {
                let attention = self.attention(layer, x, attend)?.f_to_kind(Kind::Float)?;
                let x = x.f_add(&layer.norm(&attention, self.attention_norm)?)?;
                let mlp = self.mlp(layer, &x)?.f_to_kind(Kind::Float)?;
                x.f_add(&layer.norm(&mlp, self.mlp_norm)?)
            }
        }
    }
}
