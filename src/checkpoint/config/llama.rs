//! Llama, and the relatives that differ from it by biases and norms: Mistral, Qwen 2, Qwen 3, `OLMo` 2.

use super::keys::{
    HEADS_BITS, INTERMEDIATE_BITS, Keys, LAYERS_BITS, POSITIONS_BITS, VOCABULARY_BITS, WIDTH_BITS,
};
use super::{ConfigError, Family, ModelConfig, Rotary, rotary};

/// Most dimensions of all heads together: every count of parameters stays within 64 bits.
const HEADS_WIDTH: usize = 1 << 22;

/// What only Llama and its relatives have.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaConfig {
    /// How heads rotate.
    pub rotary: Rotary,
    /// Queries, keys and values have biases.
    pub has_query_bias: bool,
    /// The attention's output has a bias.
    pub has_output_bias: bool,
    /// The MLP has biases.
    pub has_mlp_bias: bool,
    /// Where the norms of attention and MLP stand.
    pub norms: NormPlace,
    /// Norms of queries and keys.
    pub head_norms: HeadNorms,
}

/// Where a norm stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlace {
    /// What it belongs to reads its output.
    Before,
    /// It reads the output of what it belongs to (`OLMo` 2).
    After,
}

/// Norms of queries and keys, before they rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadNorms {
    /// None.
    None,
    /// Over each head (Qwen 3).
    EachHead,
    /// Over all heads together (`OLMo` 2).
    Whole,
}

pub(super) fn parse(keys: &Keys, model_type: &str) -> Result<ModelConfig, ConfigError> {
    keys.must_say("hidden_act", "silu")?;
    keys.refuse_dropout(&["attention_dropout"])?;
    let vocab_size = keys.count("vocab_size", VOCABULARY_BITS)?;
    let hidden_size = keys.count("hidden_size", WIDTH_BITS)?;
    let heads = keys.count("num_attention_heads", HEADS_BITS)?;
    let (key_heads, head_dims) = heads_of(keys, model_type, hidden_size, heads)?;
    let max_positions = keys.count("max_position_embeddings", POSITIONS_BITS)?;
    let attention_bias = keys.flag("attention_bias", false)?;
    let (has_query_bias, has_output_bias) = match model_type {
        "qwen2" => (true, false),
        "mistral" => (false, false),
        _ => (attention_bias, attention_bias),
    };
    Ok(ModelConfig {
        vocab_size,
        hidden_size,
        layers: keys.count("num_hidden_layers", LAYERS_BITS)?,
        heads,
        key_heads,
        head_dims,
        intermediate_size: keys.count("intermediate_size", INTERMEDIATE_BITS)?,
        max_positions: window(keys, model_type)?
            .map_or(max_positions, |window| window.min(max_positions)),
        norm_eps: keys.number(
            "rms_norm_eps",
            if model_type == "olmo2" { 1e-5 } else { 1e-6 },
        )?,
        initializer_range: keys.number("initializer_range", 0.02)?,
        is_tied: keys.flag("tie_word_embeddings", false)?,
        family: Family::Llama(LlamaConfig {
            rotary: rotary::parse(keys, head_dims, max_positions)?,
            has_query_bias,
            has_output_bias,
            has_mlp_bias: model_type == "llama" && keys.flag("mlp_bias", false)?,
            norms: if model_type == "olmo2" {
                NormPlace::After
            } else {
                NormPlace::Before
            },
            head_norms: match model_type {
                "qwen3" => HeadNorms::EachHead,
                "olmo2" => HeadNorms::Whole,
                _ => HeadNorms::None,
            },
        }),
    })
}

/// Heads with keys of their own, and the dimensions of a head.
fn heads_of(
    keys: &Keys,
    model_type: &str,
    hidden_size: usize,
    heads: usize,
) -> Result<(usize, usize), ConfigError> {
    let key_heads = match keys.optional_count("num_key_value_heads", HEADS_BITS)? {
        Some(n) => n,
        // The others' libraries have defaults that are no rule.
        None if matches!(model_type, "llama" | "olmo2") || keys.says("num_key_value_heads") => {
            heads
        }
        None => return Err(keys.missing("num_key_value_heads")),
    };
    if !heads.is_multiple_of(key_heads) {
        return Err(keys.unsupported(
            "num_key_value_heads",
            key_heads.to_string(),
            "it must divide num_attention_heads",
        ));
    }
    let head_dims = match keys.optional_count("head_dim", WIDTH_BITS)? {
        Some(dims) => dims,
        None if model_type == "qwen3" => return Err(keys.missing("head_dim")),
        None if hidden_size.is_multiple_of(heads) => hidden_size / heads,
        None => {
            return Err(keys.unsupported(
                "num_attention_heads",
                heads.to_string(),
                "it must divide hidden_size where there is no head_dim",
            ));
        }
    };
    if !head_dims.is_multiple_of(2) || heads * head_dims > HEADS_WIDTH {
        return Err(keys.unsupported(
            "head_dim",
            head_dims.to_string(),
            format!("allowed: even, and at most {HEADS_WIDTH} with all heads together"),
        ));
    }
    Ok((key_heads, head_dims))
}

/// The length of the sliding window, where there is one.
fn window(keys: &Keys, model_type: &str) -> Result<Option<usize>, ConfigError> {
    let slides = match model_type {
        "mistral" => true,
        "qwen2" | "qwen3" => keys.flag("use_sliding_window", false)?,
        _ => false,
    };
    let window = keys.optional_count("sliding_window", POSITIONS_BITS)?;
    Ok(match window {
        _ if !slides => None,
        // Absent is not null: the library's own length holds.
        None if !keys.says("sliding_window") => Some(4096),
        window => window,
    })
}
