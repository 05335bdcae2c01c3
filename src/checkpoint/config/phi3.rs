//! Phi-3 and Phi-4: Llama with fused products, heads that may rotate in part, and a rotary embedding stretched by `LongRoPE`.

use super::keys::{Keys, POSITIONS_BITS};
use super::llama::Sizes;
use super::rotary::Turning;
use super::{ConfigError, LlamaConfig, ModelConfig, Scaling, rotary};

/// What transformers takes for an absent `original_max_position_embeddings`.
const ORIGINAL: usize = 4096;

pub(super) fn parse(keys: &Keys) -> Result<ModelConfig, ConfigError> {
    keys.must_say("hidden_act", "silu")?;
    keys.refuse_dropout(&["attention_dropout", "resid_pdrop", "embd_pdrop"])?;
    let sizes = Sizes::read(keys, "phi3")?;
    let original = keys.optional_count("original_max_position_embeddings", POSITIONS_BITS)?;
    let rotary = rotary::parse(
        keys,
        &Turning {
            original: original.unwrap_or(ORIGINAL),
            is_partial: true,
            ..sizes.turning()
        },
    )?;
    let window = keys.optional_count("sliding_window", POSITIONS_BITS)?;
    let mut longest = window.unwrap_or(sizes.max_positions);
    if let Scaling::Long { original, .. } = rotary.scaling {
        // Beyond it other factors hold, for the whole row.
        longest = longest.min(original);
    }
    let llama = LlamaConfig {
        is_fused: true,
        ..LlamaConfig::plain(rotary)
    };
    sizes.config(keys, longest, (1e-5, false), llama)
}
