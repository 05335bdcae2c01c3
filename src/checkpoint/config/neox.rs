//! GPT-NeoX, in both spellings: transformers 4 (`rotary_pct`, `rotary_emb_base`) and 5 (`rope_parameters`).

use serde_json::Value;

use super::keys::{
    HEADS_BITS, INTERMEDIATE_BITS, Keys, LAYERS_BITS, POSITIONS_BITS, VOCABULARY_BITS, WIDTH_BITS,
};
use super::{ConfigError, Family, ModelConfig, Rotary, Scaling, rotary};

/// What only a GPT-NeoX has.
#[derive(Debug, Clone, PartialEq)]
pub struct NeoxConfig {
    /// How heads rotate.
    pub rotary: Rotary,
    /// Attention and MLP read the same residual stream.
    pub parallel_residual: bool,
}

pub(super) fn parse(keys: &Keys) -> Result<ModelConfig, ConfigError> {
    keys.must_say("hidden_act", "gelu")?;
    keys.refuse_dropout(&["hidden_dropout", "attention_dropout"])?;
    keys.must_be("attention_bias", true, "")?;
    keys.must_be(
        "tie_word_embeddings",
        false,
        "an output embedding of its own",
    )?;
    let vocab_size = keys.count("vocab_size", VOCABULARY_BITS)?;
    let hidden_size = keys.count("hidden_size", WIDTH_BITS)?;
    let layers = keys.count("num_hidden_layers", LAYERS_BITS)?;
    let heads = keys.count("num_attention_heads", HEADS_BITS)?;
    let intermediate_size = keys.count("intermediate_size", INTERMEDIATE_BITS)?;
    let max_positions = keys.count("max_position_embeddings", POSITIONS_BITS)?;
    if !hidden_size.is_multiple_of(heads) {
        return Err(keys.unsupported(
            "num_attention_heads",
            heads.to_string(),
            "it must divide hidden_size",
        ));
    }
    let head_dims = hidden_size / heads;
    Ok(ModelConfig {
        vocab_size,
        hidden_size,
        layers,
        heads,
        key_heads: heads,
        head_dims,
        intermediate_size,
        max_positions,
        norm_eps: keys.number("layer_norm_eps", 1e-5)?,
        initializer_range: keys.number("initializer_range", 0.02)?,
        is_tied: false,
        family: Family::Neox(NeoxConfig {
            rotary: rotary(keys, head_dims)?,
            parallel_residual: keys.flag("use_parallel_residual", true)?,
        }),
    })
}

fn rotary(keys: &Keys, head_dims: usize) -> Result<Rotary, ConfigError> {
    if let Some(found) = keys.get("rope_scaling") {
        return Err(keys.unsupported("rope_scaling", found.to_string(), "supported: null"));
    }
    let rope = keys.table("rope_parameters")?;
    let kind = rope.as_ref().map(|r| r.optional_text("rope_type"));
    if let Some(kind) = kind.transpose()?.flatten().filter(|k| *k != "default") {
        return Err(keys.unsupported(
            "rope_parameters.rope_type",
            format!("{kind:?}"),
            "supported: \"default\"",
        ));
    }
    let shares = ["rotary_pct", "partial_rotary_factor"];
    let share = rotary::once(keys, "partial_rotary_factor", &shares)?.unwrap_or(0.25);
    let bases = ["rotary_emb_base", "rope_theta"];
    let base = rotary::once(keys, "rope_theta", &bases)?.unwrap_or(10_000.0);
    let dims = rotary::rotating(keys, "rotary_pct", share, head_dims)?;
    let base = keys.positive("rotary_emb_base", base)?;
    Ok(Rotary {
        dims,
        base,
        scaling: Scaling::None,
    })
}

/// As transformers' 4th version writes it.
pub(super) fn as_json(config: &ModelConfig, neox: &NeoxConfig) -> Value {
    serde_json::json!({
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "rotary_pct": neox.rotary.dims as f64 / config.head_dims as f64,
        "rotary_emb_base": neox.rotary.base,
        "use_parallel_residual": neox.parallel_residual,
        "layer_norm_eps": config.norm_eps,
        "initializer_range": config.initializer_range,
        "hidden_act": "gelu",
        "attention_bias": true,
        "attention_dropout": 0.0,
        "hidden_dropout": 0.0,
        "classifier_dropout": 0.1,
        "tie_word_embeddings": false,
        "bos_token_id": null,
        "eos_token_id": null,
        "torch_dtype": "float32",
        "use_cache": true,
    })
}
