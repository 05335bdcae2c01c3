//! GPT-2.
//!
//! Its published config has dropout of 0.1 for training from scratch. Those rates are passed over: scores have no dropout, and the
//! recipe trains without.

use super::keys::{
    HEADS_BITS, INTERMEDIATE_BITS, Keys, LAYERS_BITS, POSITIONS_BITS, VOCABULARY_BITS, WIDTH_BITS,
};
use super::{ConfigError, Family, ModelConfig};

/// What only a GPT-2 has.
#[derive(Debug, Clone, PartialEq)]
pub struct Gpt2Config {
    /// How the MLP's activation is computed.
    pub gelu: Gelu,
}

/// The two ways to compute x · Φ(x).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gelu {
    /// By the error function.
    Exact,
    /// By a hyperbolic tangent. Source: Hendrycks and Gimpel, arXiv 1606.08415.
    Tanh,
}

pub(super) fn parse(keys: &Keys) -> Result<ModelConfig, ConfigError> {
    let gelu = match keys
        .optional_text("activation_function")?
        .unwrap_or("gelu_new")
    {
        "gelu_new" | "gelu_pytorch_tanh" => Gelu::Tanh,
        "gelu" => Gelu::Exact,
        other => {
            return Err(keys.unsupported(
                "activation_function",
                format!("{other:?}"),
                "supported: \"gelu_new\", \"gelu_pytorch_tanh\", \"gelu\"",
            ));
        }
    };
    keys.must_be("scale_attn_weights", true, "")?;
    keys.must_be("scale_attn_by_inverse_layer_idx", false, "")?;
    keys.must_be("add_cross_attention", false, "")?;
    let vocab_size = keys.count("vocab_size", VOCABULARY_BITS)?;
    let hidden_size = keys.count("n_embd", WIDTH_BITS)?;
    let heads = keys.count("n_head", HEADS_BITS)?;
    if !hidden_size.is_multiple_of(heads) {
        return Err(keys.unsupported("n_head", heads.to_string(), "it must divide n_embd"));
    }
    Ok(ModelConfig {
        vocab_size,
        hidden_size,
        layers: keys.count("n_layer", LAYERS_BITS)?,
        heads,
        key_heads: heads,
        head_dims: hidden_size / heads,
        intermediate_size: keys
            .optional_count("n_inner", INTERMEDIATE_BITS)?
            .unwrap_or(4 * hidden_size),
        max_positions: keys.count("n_positions", POSITIONS_BITS)?,
        norm_eps: keys.number("layer_norm_epsilon", 1e-5)?,
        initializer_range: keys.number("initializer_range", 0.02)?,
        is_tied: keys.flag("tie_word_embeddings", true)?,
        family: Family::Gpt2(Gpt2Config { gelu }),
    })
}
