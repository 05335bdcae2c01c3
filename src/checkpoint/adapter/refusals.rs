//! Kinds of PEFT's adapters that are not supported.

use serde_json::Value;

use crate::checkpoint::config::{ConfigError, Keys};

/// Refuses by name what changes a number in another way than by pairs of matrices.
pub(super) fn refuse_unsupported(keys: &Keys) -> Result<(), ConfigError> {
    let kind = keys.optional_text("peft_type")?.unwrap_or("none");
    if kind != "LORA" {
        return Err(keys.unsupported(
            "peft_type",
            format!("{kind:?}"),
            "supported: \"LORA\"; merge it into its base with PEFT's merge_and_unload and give the merged folder",
        ));
    }
    keys.must_say("task_type", "CAUSAL_LM")?;
    let merge = "merge it into its base with PEFT's merge_and_unload";
    for key in ["use_dora", "use_qalora", "lora_bias"] {
        keys.must_be(key, false, merge)?;
    }
    let bias = keys.optional_text("bias")?.unwrap_or("none");
    if bias != "none" {
        return Err(keys.unsupported(
            "bias",
            format!("{bias:?}"),
            format!("supported: \"none\" ({merge})"),
        ));
    }
    for key in [
        "modules_to_save",
        "layer_replication",
        "trainable_token_indices",
        "target_parameters",
        "alora_invocation_tokens",
    ] {
        let is_empty = match keys.get(key) {
            None => true,
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            Some(_) => false,
        };
        if !is_empty {
            let found = keys.get(key).map(Value::to_string).unwrap_or_default();
            return Err(keys.unsupported(key, found, format!("supported: none ({merge})")));
        }
    }
    // Others begin by changing the base.
    match keys.get("init_lora_weights") {
        Some(Value::String(how)) if !["gaussian", "eva", "orthogonal"].contains(&how.as_str()) => {
            Err(keys.unsupported(
                "init_lora_weights",
                format!("{how:?}"),
                format!("supported: true, false, \"gaussian\", \"eva\", \"orthogonal\", which leave the base as it is ({merge})"),
            ))
        }
        _ => Ok(()),
    }
}
