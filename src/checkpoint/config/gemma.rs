//! Gemma and Gemma 3 (text): Llama with scaled embeddings, norms by 1 + weight and GELU; Gemma 3 with norms on both sides, and local layers
//! that rotate by another base.

use serde_json::Value;

use super::keys::{Keys, LAYERS_BITS, POSITIONS_BITS};
use super::llama::Sizes;
use super::rotary::Turning;
use super::{ConfigError, Gate, HeadNorms, LlamaConfig, Local, ModelConfig, NormPlace, rotary};

const ACTIVATION: &str = "gelu_pytorch_tanh";
/// What a layer is called that sees a window alone, and one that sees all.
const LOCAL: &str = "sliding_attention";
const GLOBAL: &str = "full_attention";

pub(super) fn parse(keys: &Keys, model_type: &str) -> Result<ModelConfig, ConfigError> {
    // Versions of transformers differ in which of the two they read.
    keys.must_say("hidden_act", ACTIVATION)?;
    keys.must_say("hidden_activation", ACTIVATION)?;
    keys.must_be("attention_bias", false, "")?;
    keys.must_be("use_bidirectional_attention", false, "")?;
    keys.refuse_dropout(&["attention_dropout"])?;
    for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
        if let Some(cap) = keys.get(key) {
            return Err(keys.unsupported(key, cap.to_string(), "supported: null, as in Gemma 3"));
        }
    }
    let sizes = Sizes::read(keys, model_type)?;
    let turning = |base| Turning {
        base,
        ..sizes.turning()
    };
    let gemma = |rotary| LlamaConfig {
        has_weights_from_one: true,
        gate: Gate::GeluTanh,
        embedding_scale: Some((sizes.hidden_size as f64).sqrt()),
        ..LlamaConfig::plain(rotary)
    };
    if model_type == "gemma" {
        let llama = gemma(rotary::parse(keys, &turning(("rope_theta", 1e4)))?);
        return sizes.config(keys, sizes.max_positions, (1e-6, true), llama);
    }
    let layers = local_layers(keys)?;
    let mut longest = sizes.max_positions;
    if layers.contains(&true) {
        longest = keys.count("sliding_window", POSITIONS_BITS)?;
    }
    let scalar = keys.number("query_pre_attn_scalar", 256.0)?;
    let scalar = keys.positive("query_pre_attn_scalar", scalar)?;
    let global = keys.within("rope_parameters", GLOBAL)?;
    let local = keys
        .within("rope_parameters", LOCAL)?
        .without(&["rope_scaling", "rope_theta"]);
    let llama = LlamaConfig {
        norms: NormPlace::Both,
        head_norms: HeadNorms::EachHead,
        score_scale: (sizes.head_dims as f64 / scalar).sqrt(),
        local: Some(Local {
            rotary: rotary::parse(&local, &turning(("rope_local_base_freq", 1e4)))?,
            layers,
        }),
        ..gemma(rotary::parse(&global, &turning(("rope_theta", 1e6)))?)
    };
    sizes.config(keys, longest, (1e-6, true), llama)
}

/// Whether each layer is local: by its name, or all but every sixth.
fn local_layers(keys: &Keys) -> Result<Vec<bool>, ConfigError> {
    let layers = keys.count("num_hidden_layers", LAYERS_BITS)?;
    let Some(types) = keys.get("layer_types") else {
        let named = ["sliding_window_pattern", "_sliding_window_pattern"];
        let mut pattern = 6;
        for key in named {
            pattern = keys.optional_count(key, LAYERS_BITS)?.unwrap_or(pattern);
        }
        return Ok((1..=layers).map(|n| !n.is_multiple_of(pattern)).collect());
    };
    let kind = |kind: &Value| match kind.as_str()? {
        LOCAL => Some(true),
        GLOBAL => Some(false),
        _ => None,
    };
    let kinds: Option<Vec<bool>> = types
        .as_array()
        .and_then(|types| types.iter().map(kind).collect());
    kinds.filter(|kinds| kinds.len() == layers).ok_or_else(|| {
        let wanted = format!("supported: {LOCAL:?} or {GLOBAL:?} for each of the {layers} layers");
        keys.unsupported("layer_types", types.to_string(), wanted)
    })
}
