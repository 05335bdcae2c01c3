//! How large a model of a config is, and what a pass through it holds in memory: known before any of it is there.

use super::config::{Family, HeadNorms, ModelConfig, NormPlace};

/// Most floats of activations that one forward pass leaves for its backward pass (2 GiB).
pub const ACTIVATIONS: usize = 512 << 20;

/// Most logits that are kept for the backward pass (512 MiB of float32).
pub const KEPT_LOGITS: usize = 128 << 20;

/// Parameters that a forward pass multiplies each token by: those of matrices, without the input embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixParameters {
    /// Of all layers.
    pub layers: usize,
    /// Of the output embedding.
    pub output: usize,
}

/// Counts the parameters of matrices.
#[must_use]
pub fn matrix_parameters(config: &ModelConfig) -> MatrixParameters {
    MatrixParameters {
        layers: config.layers * of_layer(config).0,
        output: config.vocab_size * config.hidden_size,
    }
}

/// Parameters in all, biases and norms included; a tied embedding counts once.
#[must_use]
pub fn parameters(config: &ModelConfig) -> usize {
    let hidden = config.hidden_size;
    let (matrices, vectors) = of_layer(config);
    let (final_norm, positions) = match config.family {
        Family::Neox(_) => (2 * hidden, 0),
        Family::Gpt2(_) => (2 * hidden, config.max_positions * hidden),
        Family::Llama(_) => (hidden, 0),
    };
    let embeddings = if config.is_tied { 1 } else { 2 };
    config.layers * (matrices + vectors)
        + final_norm
        + positions
        + embeddings * config.vocab_size * hidden
}

/// Parameters of one layer: in matrices, and in biases and norms.
fn of_layer(config: &ModelConfig) -> (usize, usize) {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    match &config.family {
        // Queries, keys, values and output; an MLP of two products. All have biases. Two norms, each with a bias.
        Family::Neox(_) | Family::Gpt2(_) => {
            let matrices = 4 * hidden * hidden + 2 * hidden * inner;
            let biases = 4 * hidden + inner + hidden;
            (matrices, biases + 4 * hidden)
        }
        Family::Llama(llama) => {
            let queries = config.heads * config.head_dims;
            let keys = config.key_heads * config.head_dims;
            let matrices = 2 * hidden * (queries + keys) + 3 * hidden * inner;
            let biases = [
                (llama.biases.queries, queries + 2 * keys),
                (llama.biases.output, hidden),
                (llama.biases.mlp, 2 * inner + hidden),
            ];
            let biases: usize = biases.iter().filter(|b| b.0).map(|b| b.1).sum();
            let head_norms = match llama.head_norms {
                HeadNorms::None => 0,
                HeadNorms::EachHead => 2 * config.head_dims,
                HeadNorms::Whole => queries + keys,
            };
            let norms = if llama.norms == NormPlace::Both { 4 } else { 2 };
            (matrices, biases + head_norms + norms * hidden)
        }
    }
}

/// Floats of activations per token that all layers leave for the backward pass.
///
/// About twenty widths of the residual stream (norms, projections, rotated copies, sums) per layer, and those of the MLP: two,
/// or with a gate four (gate, its activation, the other half, their product).
#[must_use]
pub fn activations_per_token(config: &ModelConfig) -> usize {
    let of_mlp = match config.family {
        Family::Neox(_) | Family::Gpt2(_) => 2,
        Family::Llama(_) => 4,
    };
    config.layers * (20 * config.hidden_size + of_mlp * config.intermediate_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::shapes::published;

    #[test]
    fn pythia_160m_has_the_parameters_of_the_recipe() {
        // 85.1 M body + 38.6 M output embedding in the forward pass. Guide: recipe, "What it costs".
        let config = published("EleutherAI/pythia-160m").unwrap();
        let matrices = matrix_parameters(&config);
        assert_eq!(matrices.layers, 84_934_656);
        assert_eq!(matrices.output, 38_633_472);
        // Biderman et al., table 1: 85,056,000 non-embedding parameters (layers and final norm).
        assert_eq!(parameters(&config) - 2 * matrices.output, 85_056_000);
        assert!(published("EleutherAI/pythia-160m-deduped").is_some());
        assert!(published("gpt2").is_none());
        // As `unsaid check` counts the model's own folder.
        let other = published("HuggingFaceTB/SmolLM2-135M-Instruct").unwrap();
        assert_eq!(parameters(&other), 134_515_008);
    }
}
