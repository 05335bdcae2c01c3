//! Llama and its relatives (Phi-3 and Gemma among them): rotary embedding, heads that share keys, gated MLP, norms by the root of the mean square.

use tch::{Kind, TchError, Tensor};

use super::architecture::{Architecture, Attend, Blueprint, ListNorm, TensorNames, Tensors};
use super::layer::{Heads, Layer, Linear, Norm};
use crate::checkpoint::{Gate, HeadNorms, LlamaConfig, ModelConfig, NormPlace};
use crate::units::to_i64;

/// Places of a layer's tensors, and what its config chooses.
#[derive(Debug)]
struct Llama {
    projections: Products<3>,
    /// Widths of queries, keys and values.
    widths: [i64; 3],
    output: Linear,
    /// Norms of queries and keys, and whether each head has its own.
    head_norms: Option<(Norm, Norm, HeadNorms)>,
    /// Gate and up.
    inner: Products<2>,
    gate: Gate,
    down: Linear,
    /// Before attention and before the MLP.
    norms_before: Option<[Norm; 2]>,
    /// After attention and after the MLP.
    norms_after: Option<[Norm; 2]>,
    /// What queries are multiplied by, so that scores have the scale of the config.
    score_scale: f64,
}

/// Products of one operand.
#[derive(Debug)]
enum Products<const N: usize> {
    Apart([Linear; N]),
    /// One after the other in one matrix.
    Fused(Linear),
}

/// What the architecture says of itself, for models of `config`.
pub(super) fn blueprint(config: &ModelConfig, llama: &LlamaConfig) -> Blueprint {
    let (h, i) = (config.hidden_size, config.intermediate_size);
    let queries = config.heads * config.head_dims;
    let keys = config.key_heads * config.head_dims;
    let (bias, mlp_bias) = (llama.biases.queries, llama.biases.mlp);
    let norm: ListNorm = if llama.has_weights_from_one {
        Tensors::rms_norm_from_one
    } else {
        Tensors::rms_norm
    };
    let mut tensors = Tensors::default();
    let t = &mut tensors;
    let head_norms = match llama.head_norms {
        HeadNorms::None => None,
        HeadNorms::EachHead => Some([config.head_dims; 2]),
        HeadNorms::Whole => Some([queries, keys]),
    };
    let last = ["post_attention_layernorm", "post_feedforward_layernorm"];
    let (before, after) = match llama.norms {
        NormPlace::Before => (Some(["input_layernorm", "post_attention_layernorm"]), None),
        NormPlace::After => (None, Some(last)),
        NormPlace::Both => (
            Some(["input_layernorm", "pre_feedforward_layernorm"]),
            Some(last),
        ),
    };
    let layer = Llama {
        projections: if llama.is_fused {
            Products::Fused(t.linear("self_attn.qkv_proj", h, queries + 2 * keys, bias))
        } else {
            Products::Apart([
                t.linear("self_attn.q_proj", h, queries, bias),
                t.linear("self_attn.k_proj", h, keys, bias),
                t.linear("self_attn.v_proj", h, keys, bias),
            ])
        },
        widths: [queries, keys, keys].map(to_i64),
        output: t.linear("self_attn.o_proj", queries, h, llama.biases.output),
        head_norms: head_norms.map(|[of_queries, of_keys]| {
            let queries = norm(t, "self_attn.q_norm", of_queries);
            (
                queries,
                norm(t, "self_attn.k_norm", of_keys),
                llama.head_norms,
            )
        }),
        inner: if llama.is_fused {
            Products::Fused(t.linear("mlp.gate_up_proj", h, 2 * i, mlp_bias))
        } else {
            Products::Apart([
                t.linear("mlp.gate_proj", h, i, mlp_bias),
                t.linear("mlp.up_proj", h, i, mlp_bias),
            ])
        },
        gate: llama.gate,
        down: t.linear("mlp.down_proj", i, h, mlp_bias),
        norms_before: before.map(|names| names.map(|name| norm(t, name, h))),
        norms_after: after.map(|names| names.map(|name| norm(t, name, h))),
        score_scale: llama.score_scale,
    };
    let names = TensorNames {
        base: "model.",
        input: "embed_tokens.weight",
        positions: None,
        layers: "layers",
        final_norm: ("norm", norm),
        output: "lm_head.weight",
    };
    Blueprint {
        names,
        tensors,
        architecture: Box::new(layer),
    }
}

impl<const N: usize> Products<N> {
    /// Each product of an operand, in the model's arithmetic; `widths` are those of what they give.
    fn of(&self, layer: &Layer<'_>, x: &Tensor, widths: [i64; N]) -> Result<[Tensor; N], TchError> {
        let parts = match self {
            Self::Apart(products) => {
                let each = products.iter().map(|&how| layer.linear(x, how));
                each.collect::<Result<Vec<_>, _>>()?
            }
            Self::Fused(how) => layer.linear(x, *how)?.f_split_with_sizes(widths, -1)?,
        };
        parts
            .try_into()
            .map_err(|_| TchError::Shape("a product was split otherwise".to_owned()))
    }
}

impl Llama {
    fn heads(&self, layer: &Layer<'_>, x: &Tensor) -> Result<Heads, TchError> {
        let parts = self
            .projections
            .of(layer, &layer.operand(x)?, self.widths)?;
        let [queries, keys, values] = parts.map(|part| part.f_to_kind(Kind::Float));
        let turned = |x: Tensor, norm: Option<(Norm, HeadNorms)>| {
            let heads = match norm {
                None => layer.split(&x)?,
                Some((norm, HeadNorms::Whole)) => layer.split(&layer.norm(&x, norm)?)?,
                Some((norm, _)) => layer.norm(&layer.split(&x)?, norm)?,
            };
            layer.rotate(&heads)
        };
        let norms = self.head_norms;
        let queries = turned(queries?, norms.map(|(queries, _, kind)| (queries, kind)))?;
        Ok(Heads {
            queries: if (self.score_scale - 1.0).abs() > 0.0 {
                queries.f_mul_scalar(self.score_scale)?
            } else {
                queries
            },
            keys: turned(keys?, norms.map(|(_, keys, kind)| (keys, kind)))?,
            values: layer.split(&values?)?,
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
        let width = to_i64(layer.config.intermediate_size);
        let [gate, up] = self.inner.of(layer, &layer.operand(x)?, [width; 2])?;
        let gate = layer.rounded(match self.gate {
            Gate::Silu => gate.f_silu()?,
            Gate::GeluTanh => gate.f_gelu("tanh")?,
        })?;
        let inner = layer.rounded(gate.f_mul(&up)?)?;
        layer.linear(&inner, self.down)
    }

    /// The residual stream after a part of the layer, with the norms before and after that part.
    fn add(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        place: usize,
        part: impl FnOnce(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        let found = match self.norms_before {
            None => part(x)?,
            Some(norms) => part(&layer.norm(x, norms[place])?)?,
        };
        match self.norms_after {
            None => x.f_add(&found),
            // Norms are float32, whatever the products gave.
            Some(norms) => {
                let found = found.f_to_kind(Kind::Float)?;
                x.f_add(&layer.norm(&found, norms[place])?)
            }
        }
    }
}

impl Architecture for Llama {
    fn layer(
        &self,
        layer: &Layer<'_>,
        x: &Tensor,
        attend: &mut Attend<'_>,
    ) -> Result<Tensor, TchError> {
        let x = self.add(layer, x, 0, |x| self.attention(layer, x, attend))?;
        self.add(layer, &x, 1, |x| self.mlp(layer, x))
    }
}
