//! `config.json`: what a model is made of. One file per architecture; whatever would change a number without our knowing is refused by
//! name.

mod gemma;
mod gpt2;
mod keys;
mod llama;
mod neox;
mod phi3;
mod rotary;

pub use gpt2::{Gelu, Gpt2Config};
pub use llama::{Biases, Gate, HeadNorms, LlamaConfig, Local, NormPlace};
pub use neox::NeoxConfig;
pub use rotary::{Rotary, Scaling};

use std::path::{Path, PathBuf};

use serde_json::Value;

pub(super) use keys::{Keys, without_infinities};

/// Every `model_type` that is known here, for messages.
pub const KNOWN: &str =
    "gpt_neox, gpt2, llama, mistral, qwen2, qwen3, olmo2, phi3, gemma, gemma3_text";

/// Why a config cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum ConfigError {
    /// Not JSON, or a key that is missing or of the wrong type.
    #[error("{}: {message}", path.display())]
    Unreadable { path: PathBuf, message: String },
    /// A value that this program does not support.
    #[error("{}: {key} = {found} is not supported; {supported}", path.display())]
    Unsupported {
        path: PathBuf,
        key: &'static str,
        found: String,
        supported: String,
    },
}

/// The architecture of a model: sizes that every one has, and what its family adds.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Tokens of the vocabulary (rows of both embeddings).
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Heads that have keys and values of their own; each serves `heads / key_heads` heads.
    pub key_heads: usize,
    /// Dimensions of one head.
    pub head_dims: usize,
    /// Width of the MLP.
    pub intermediate_size: usize,
    /// Longest context; with a sliding window at most its length, so that every place sees all before it.
    pub max_positions: usize,
    /// ε of the norms.
    pub norm_eps: f64,
    /// Standard deviation of fresh weights.
    pub initializer_range: f64,
    /// Input and output embedding are one tensor.
    pub is_tied: bool,
    /// What only some models have.
    pub family: Family,
}

/// Architectures, with what only they have.
#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    /// GPT-NeoX (Pythia).
    Neox(NeoxConfig),
    /// GPT-2.
    Gpt2(Gpt2Config),
    /// Llama and its relatives.
    Llama(LlamaConfig),
}

impl ModelConfig {
    /// Reads a config and refuses by name whatever would change a number without our knowing.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let keys = Keys::parse(text, path)?;
        keys.refuse_quantized()?;
        let model_type = keys.optional_text("model_type")?.unwrap_or("none");
        match model_type {
            "gpt_neox" => neox::parse(&keys),
            "gpt2" => gpt2::parse(&keys),
            "llama" | "mistral" | "qwen2" | "qwen3" | "olmo2" => llama::parse(&keys, model_type),
            "phi3" => phi3::parse(&keys),
            "gemma" | "gemma3_text" => gemma::parse(&keys, model_type),
            other => Err(keys.unsupported(
                "model_type",
                format!("{other:?}"),
                format!("the architectures known here are: {KNOWN}"),
            )),
        }
    }

    /// What input embeddings are multiplied by, where they are.
    #[must_use]
    pub fn embedding_scale(&self) -> Option<f64> {
        match &self.family {
            Family::Llama(llama) => llama.embedding_scale,
            Family::Neox(_) | Family::Gpt2(_) => None,
        }
    }

    /// Its local layers, where it has some.
    #[must_use]
    pub fn local(&self) -> Option<&Local> {
        match &self.family {
            Family::Llama(llama) => llama.local.as_ref(),
            Family::Neox(_) | Family::Gpt2(_) => None,
        }
    }

    /// Its rotary embedding, where it has one.
    #[must_use]
    pub fn rotary(&self) -> Option<&Rotary> {
        match &self.family {
            Family::Neox(neox) => Some(&neox.rotary),
            Family::Llama(llama) => Some(&llama.rotary),
            Family::Gpt2(_) => None,
        }
    }
}

/// A config as transformers' 4th and 5th version read it. No token begins or ends a text. Errors: no GPT-NeoX.
pub(super) fn as_json(config: &ModelConfig) -> Result<Value, ConfigError> {
    let other = |found: &str| ConfigError::Unsupported {
        path: "config.json".into(),
        key: "model_type",
        found: found.to_owned(),
        supported: "random weights are those of a gpt_neox".to_owned(),
    };
    match &config.family {
        Family::Neox(neox) => Ok(neox::as_json(config, neox)),
        Family::Gpt2(_) => Err(other("gpt2")),
        Family::Llama(_) => Err(other("llama")),
    }
}

/// A config's text made to say that its weights are float32, in whichever spelling of that key it has.
pub(super) fn as_float32(text: &str) -> String {
    let Ok(Value::Object(mut map)) = serde_json::from_str::<Value>(&without_infinities(text))
    else {
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
mod tests;
