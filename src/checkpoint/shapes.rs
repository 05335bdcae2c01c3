//! Shapes of the published models that shipped specs name, so that a spec's cost can be told before anything is downloaded.
//!
//! Sources: Biderman et al. 2023 (arXiv 2304.01373), table 1, and the models' own `config.json`.

use std::path::Path;

use super::config::{Family, ModelConfig, NeoxConfig, Rotary, Scaling};

/// What of `SmolLM2`'s config decides its shape.
const SMOLLM2_135M: &str = r#"{
    "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
    "num_key_value_heads": 3, "vocab_size": 49152, "max_position_embeddings": 8192, "rms_norm_eps": 1e-05, "rope_theta": 100000,
    "tie_word_embeddings": true
}"#;

/// Name, width, layers, heads, vocabulary.
const PYTHIA: [(&str, usize, usize, usize, usize); 10] = [
    ("14m", 128, 6, 4, 50304),
    ("31m", 256, 6, 8, 50304),
    ("70m", 512, 6, 8, 50304),
    ("160m", 768, 12, 12, 50304),
    ("410m", 1024, 24, 16, 50304),
    ("1b", 2048, 16, 8, 50304),
    ("1.4b", 2048, 24, 16, 50304),
    ("2.8b", 2560, 32, 32, 50304),
    ("6.9b", 4096, 32, 32, 50432),
    ("12b", 5120, 36, 40, 50688),
];

/// The architecture of a published model, by its name on the hub (`EleutherAI/pythia-160m`, also `-deduped`;
/// `HuggingFaceTB/SmolLM2-135M-Instruct`).
#[must_use]
pub fn published(id: &str) -> Option<ModelConfig> {
    let name = id.rsplit('/').next()?;
    if matches!(name, "SmolLM2-135M" | "SmolLM2-135M-Instruct") {
        return ModelConfig::parse(SMOLLM2_135M, Path::new("config.json")).ok();
    }
    let name = name.strip_prefix("pythia-")?;
    let name = name.strip_suffix("-deduped").unwrap_or(name);
    let &(_, hidden, layers, heads, vocabulary) = PYTHIA.iter().find(|shape| shape.0 == name)?;
    Some(like_pythia(layers, hidden, heads, vocabulary))
}

/// A model of any size, in all else as the published ones are.
#[must_use]
pub fn like_pythia(layers: usize, width: usize, heads: usize, vocabulary: usize) -> ModelConfig {
    let head_dims = width / heads.max(1);
    ModelConfig {
        vocab_size: vocabulary,
        hidden_size: width,
        layers,
        heads,
        key_heads: heads,
        head_dims,
        intermediate_size: 4 * width,
        max_positions: 2048,
        norm_eps: 1e-5,
        initializer_range: 0.02,
        is_tied: false,
        family: Family::Neox(NeoxConfig {
            rotary: Rotary {
                dims: head_dims / 4,
                base: 10_000.0,
                scaling: Scaling::None,
            },
            parallel_residual: true,
        }),
    }
}
