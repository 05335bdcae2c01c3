//! `config.json` of GPT-NeoX, in both spellings: transformers 4 (`rotary_pct`, `rotary_emb_base`) and 5 (`rope_parameters`).

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Why a config cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON, or a key of the wrong type.
    #[error("{}: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A value that this program does not support.
    #[error("{}: {key} = {found} is not supported; {supported}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What is.
        supported: &'static str,
    },
}

/// The architecture of a GPT-NeoX.
#[derive(Debug, Clone, PartialEq)]
pub struct NeoxConfig {
    /// Tokens of the vocabulary (rows of both embeddings).
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the MLP.
    pub intermediate_size: usize,
    /// Dimensions of a head that rotate.
    pub rotary_dims: usize,
    /// Base of the rotary frequencies.
    pub rotary_base: f64,
    /// Longest context.
    pub max_positions: usize,
    /// Attention and MLP read the same residual stream.
    pub parallel_residual: bool,
    /// ε of the layer norms.
    pub layer_norm_eps: f64,
    /// Standard deviation of fresh weights.
    pub initializer_range: f64,
}

/// What stands in the file. Keys that change no number are not listed and may be there.
#[derive(Deserialize)]
struct File {
    model_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    rotary_pct: Option<f64>,
    rotary_emb_base: Option<f64>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
    rope_parameters: Option<Rope>,
    rope_scaling: Option<Value>,
    use_parallel_residual: Option<bool>,
    layer_norm_eps: Option<f64>,
    initializer_range: Option<f64>,
    hidden_act: Option<String>,
    hidden_dropout: Option<f64>,
    attention_dropout: Option<f64>,
    attention_bias: Option<bool>,
    tie_word_embeddings: Option<bool>,
    quantization_config: Option<Value>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are the file's")]
struct Rope {
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
}

impl NeoxConfig {
    /// Reads a config and refuses by name whatever would change a number without our knowing.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |message: String| ConfigError::Unreadable {
            path: path.to_owned(),
            message,
        };
        let file: File = serde_json::from_str(text).map_err(|e| unreadable(e.to_string()))?;
        let unsupported = |key, found: String, supported| ConfigError::Unsupported {
            path: path.to_owned(),
            key,
            found,
            supported,
        };
        let model_type = file.model_type.as_deref().unwrap_or("none");
        if model_type != "gpt_neox" {
            return Err(unsupported(
                "model_type",
                format!("{model_type:?}"),
                "the architectures known here are: gpt_neox",
            ));
        }
        file.refuse_unsupported(&unsupported)?;
        let heads = file.num_attention_heads;
        if let Some((key, n, allowed)) = file.count_out_of_range() {
            return Err(unsupported(key, n.to_string(), allowed));
        }
        if !file.hidden_size.is_multiple_of(heads) {
            return Err(unsupported(
                "num_attention_heads",
                heads.to_string(),
                "it must divide hidden_size",
            ));
        }
        let rope = file.rope_parameters.as_ref();
        let share = rope
            .and_then(|r| r.partial_rotary_factor)
            .or(file.rotary_pct)
            .or(file.partial_rotary_factor)
            .unwrap_or(0.25);
        let base = rope
            .and_then(|r| r.rope_theta)
            .or(file.rotary_emb_base)
            .or(file.rope_theta)
            .unwrap_or(10_000.0);
        if !(0.0..=1.0).contains(&share) {
            return Err(unsupported(
                "rotary_pct",
                share.to_string(),
                "allowed: 0 to 1",
            ));
        }
        if !(base > 0.0 && base.is_finite()) {
            return Err(unsupported(
                "rotary_emb_base",
                base.to_string(),
                "allowed: a positive number",
            ));
        }
        let head_dims = file.hidden_size / heads;
        // Truncated, as transformers does.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rotary_dims = (head_dims as f64 * share) as usize;
        if !rotary_dims.is_multiple_of(2) {
            return Err(unsupported(
                "rotary_pct",
                share.to_string(),
                "it must give each head an even number of rotating dimensions",
            ));
        }
        Ok(Self {
            vocab_size: file.vocab_size,
            hidden_size: file.hidden_size,
            layers: file.num_hidden_layers,
            heads,
            intermediate_size: file.intermediate_size,
            rotary_dims,
            rotary_base: base,
            max_positions: file.max_position_embeddings,
            parallel_residual: file.use_parallel_residual.unwrap_or(true),
            layer_norm_eps: file.layer_norm_eps.unwrap_or(1e-5),
            initializer_range: file.initializer_range.unwrap_or(0.02),
        })
    }

    /// Dimensions of one head.
    #[must_use]
    pub fn head_dims(&self) -> usize {
        self.hidden_size / self.heads
    }
}

impl File {
    /// A count that no model has: its key, its value, what is allowed.
    fn count_out_of_range(&self) -> Option<(&'static str, usize, &'static str)> {
        // A hundred times what any model has, and every count of parameters stays within 64 bits.
        let counts = [
            ("vocab_size", self.vocab_size, 24, "allowed: 1 to 16777216"),
            ("hidden_size", self.hidden_size, 20, "allowed: 1 to 1048576"),
            (
                "num_hidden_layers",
                self.num_hidden_layers,
                12,
                "allowed: 1 to 4096",
            ),
            (
                "num_attention_heads",
                self.num_attention_heads,
                16,
                "allowed: 1 to 65536",
            ),
            (
                "intermediate_size",
                self.intermediate_size,
                22,
                "allowed: 1 to 4194304",
            ),
            (
                "max_position_embeddings",
                self.max_position_embeddings,
                24,
                "allowed: 1 to 16777216",
            ),
        ];
        counts
            .into_iter()
            .find(|&(_, n, bits, _)| n == 0 || n > 1 << bits)
            .map(|(key, n, _, allowed)| (key, n, allowed))
    }

    fn refuse_unsupported(
        &self,
        unsupported: &impl Fn(&'static str, String, &'static str) -> ConfigError,
    ) -> Result<(), ConfigError> {
        let act = self.hidden_act.as_deref().unwrap_or("gelu");
        if act != "gelu" {
            return Err(unsupported(
                "hidden_act",
                format!("{act:?}"),
                "supported: \"gelu\"",
            ));
        }
        for (key, rate) in [
            ("hidden_dropout", self.hidden_dropout),
            ("attention_dropout", self.attention_dropout),
        ] {
            if let Some(rate) = rate.filter(|r| *r != 0.0) {
                return Err(unsupported(
                    key,
                    rate.to_string(),
                    "the recipe trains without dropout: set it to 0",
                ));
            }
        }
        if self.attention_bias == Some(false) {
            return Err(unsupported(
                "attention_bias",
                "false".into(),
                "supported: true",
            ));
        }
        if self.tie_word_embeddings == Some(true) {
            return Err(unsupported(
                "tie_word_embeddings",
                "true".into(),
                "supported: false (an output embedding of its own)",
            ));
        }
        if let Some(found) = self.rope_scaling.as_ref().filter(|v| !v.is_null()) {
            return Err(unsupported(
                "rope_scaling",
                found.to_string(),
                "supported: null",
            ));
        }
        let rope_type = self
            .rope_parameters
            .as_ref()
            .and_then(|r| r.rope_type.as_deref());
        if let Some(kind) = rope_type.filter(|k| *k != "default") {
            return Err(unsupported(
                "rope_parameters.rope_type",
                format!("{kind:?}"),
                "supported: \"default\"",
            ));
        }
        if self
            .quantization_config
            .as_ref()
            .is_some_and(|v| !v.is_null())
        {
            return Err(unsupported(
                "quantization_config",
                "…".into(),
                "use a checkpoint in float32, float16 or bfloat16",
            ));
        }
        Ok(())
    }
}

/// A config as transformers' 4th and 5th version read it. No token begins or ends a text.
pub(super) fn as_json(config: &NeoxConfig) -> Value {
    let head_dims = config.head_dims() as f64;
    serde_json::json!({
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "rotary_pct": config.rotary_dims as f64 / head_dims,
        "rotary_emb_base": config.rotary_base,
        "use_parallel_residual": config.parallel_residual,
        "layer_norm_eps": config.layer_norm_eps,
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

/// The same config, saying that its weights are float32 in both spellings of that key.
pub(super) fn as_float32(text: &str) -> String {
    let Ok(Value::Object(mut map)) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    let key = if map.contains_key("dtype") {
        "dtype"
    } else {
        "torch_dtype"
    };
    map.insert(key.to_owned(), Value::from("float32"));
    serde_json::to_string_pretty(&map).unwrap_or_else(|_| text.to_owned()) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(
        change: impl Fn(&mut serde_json::Map<String, Value>),
    ) -> Result<NeoxConfig, ConfigError> {
        let mut map = serde_json::json!({
            "model_type": "gpt_neox", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 4,
            "num_attention_heads": 4, "intermediate_size": 256, "max_position_embeddings": 2048,
            "rotary_pct": 0.25, "rotary_emb_base": 10000, "use_parallel_residual": true,
            "layer_norm_eps": 1e-5, "hidden_act": "gelu", "tie_word_embeddings": false,
        });
        change(map.as_object_mut().unwrap());
        NeoxConfig::parse(&map.to_string(), Path::new("config.json"))
    }

    #[test]
    fn both_spellings_of_the_rotary_settings_are_read() {
        let four = parse(|_| {}).unwrap();
        let five = parse(|m| {
            m.remove("rotary_pct");
            m.remove("rotary_emb_base");
            m.insert(
                "rope_parameters".into(),
                serde_json::json!({"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}),
            );
        })
        .unwrap();
        assert_eq!(four, five);
        assert_eq!(four.rotary_dims, 4);
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let cases: [(&str, Value); 8] = [
            ("model_type", "llama".into()),
            ("hidden_act", "relu".into()),
            ("hidden_dropout", 0.1.into()),
            ("tie_word_embeddings", true.into()),
            ("attention_bias", false.into()),
            ("rope_scaling", serde_json::json!({"type": "linear"})),
            ("num_attention_heads", 5.into()),
            ("vocab_size", 0.into()),
        ];
        for (key, value) in cases {
            let error = parse(|m| {
                m.insert(key.into(), value.clone());
            })
            .unwrap_err();
            assert!(error.to_string().contains(key), "{key}: {error}");
        }
    }
}
