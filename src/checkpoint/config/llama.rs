//! Llama, and the relatives that differ from it by biases and norms: Mistral, Qwen 2, Qwen 3, `OLMo` 2. What Phi-3 and Gemma add is in
//! files of their own.

use super::keys::{
    HEADS_BITS, INTERMEDIATE_BITS, Keys, LAYERS_BITS, POSITIONS_BITS, VOCABULARY_BITS, WIDTH_BITS,
};
use super::rotary::Turning;
use super::{ConfigError, Family, ModelConfig, Rotary, rotary};

/// Most dimensions of all heads together: every count of parameters stays within 64 bits.
const HEADS_WIDTH: usize = 1 << 22;

/// What only Llama and its relatives have.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaConfig {
    /// How heads rotate.
    pub rotary: Rotary,
    /// Which products have biases.
    pub biases: Biases,
    /// Where the norms of attention and MLP stand.
    pub norms: NormPlace,
    /// Norms of queries and keys.
    pub head_norms: HeadNorms,
    /// Norms multiply by 1 + weight, not by the weight (Gemma).
    pub has_weights_from_one: bool,
    /// What the gate of the MLP goes through.
    pub gate: Gate,
    /// Queries, keys and values are one product, gate and up another (Phi-3).
    pub is_fused: bool,
    /// What scores of attention are multiplied by, in units of 1/√`head_dims`.
    pub score_scale: f64,
    /// What input embeddings are multiplied by (Gemma).
    pub embedding_scale: Option<f64>,
    /// Layers whose attention is local (Gemma 3).
    pub local: Option<Local>,
}

/// Which products of a layer have biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Biases {
    /// Queries, keys and values.
    pub queries: bool,
    /// The attention's output.
    pub output: bool,
    /// The MLP's three.
    pub mlp: bool,
}

/// What the gate of an MLP goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// x · σ(x).
    Silu,
    /// GELU by its tanh approximation.
    GeluTanh,
}

/// Local layers. Rows are no longer than their window, so that they differ from the others by how heads rotate alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Local {
    /// How heads rotate there.
    pub rotary: Rotary,
    /// Whether each layer is local, from the first on.
    pub layers: Vec<bool>,
}

impl LlamaConfig {
    /// Llama's own.
    pub(super) fn plain(rotary: Rotary) -> Self {
        Self {
            rotary,
            biases: Biases::default(),
            norms: NormPlace::Before,
            head_norms: HeadNorms::None,
            has_weights_from_one: false,
            gate: Gate::Silu,
            is_fused: false,
            score_scale: 1.0,
            embedding_scale: None,
            local: None,
        }
    }
}

/// Where a norm stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormPlace {
    /// What it belongs to reads its output.
    Before,
    /// It reads the output of what it belongs to (`OLMo` 2).
    After,
    /// One before and one after (Gemma 3).
    Both,
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

/// Sizes that decide others.
pub(super) struct Sizes {
    pub(super) hidden_size: usize,
    heads: usize,
    key_heads: usize,
    pub(super) head_dims: usize,
    /// As the config names it, whatever the window.
    pub(super) max_positions: usize,
}

impl Sizes {
    pub(super) fn read(keys: &Keys, model_type: &str) -> Result<Self, ConfigError> {
        let hidden_size = keys.count("hidden_size", WIDTH_BITS)?;
        let heads = keys.count("num_attention_heads", HEADS_BITS)?;
        let (key_heads, head_dims) = heads_of(keys, model_type, hidden_size, heads)?;
        Ok(Self {
            hidden_size,
            heads,
            key_heads,
            head_dims,
            max_positions: keys.count("max_position_embeddings", POSITIONS_BITS)?,
        })
    }

    /// How heads rotate, where the settings say nothing else.
    pub(super) fn turning(&self) -> Turning {
        Turning::plain(self.head_dims, self.max_positions)
    }

    /// The whole config. `longest`: the longest row that every place sees all of; what a library takes for absent keys.
    pub(super) fn config(
        &self,
        keys: &Keys,
        longest: usize,
        (norm_eps, is_tied): (f64, bool),
        llama: LlamaConfig,
    ) -> Result<ModelConfig, ConfigError> {
        Ok(ModelConfig {
            vocab_size: keys.count("vocab_size", VOCABULARY_BITS)?,
            hidden_size: self.hidden_size,
            layers: keys.count("num_hidden_layers", LAYERS_BITS)?,
            heads: self.heads,
            key_heads: self.key_heads,
            head_dims: self.head_dims,
            intermediate_size: keys.count("intermediate_size", INTERMEDIATE_BITS)?,
            max_positions: longest.min(self.max_positions),
            norm_eps: keys.number("rms_norm_eps", norm_eps)?,
            initializer_range: keys.number("initializer_range", 0.02)?,
            is_tied: keys.flag("tie_word_embeddings", is_tied)?,
            family: Family::Llama(llama),
        })
    }
}

pub(super) fn parse(keys: &Keys, model_type: &str) -> Result<ModelConfig, ConfigError> {
    keys.must_say("hidden_act", "silu")?;
    keys.refuse_dropout(&["attention_dropout"])?;
    let sizes = Sizes::read(keys, model_type)?;
    let attention_bias = keys.flag("attention_bias", false)?;
    let (queries, output) = match model_type {
        "qwen2" => (true, false),
        "mistral" => (false, false),
        _ => (attention_bias, attention_bias),
    };
    let is_olmo = model_type == "olmo2";
    let norm_eps = if is_olmo { 1e-5 } else { 1e-6 };
    let longest = window(keys, model_type)?.unwrap_or(sizes.max_positions);
    let llama = LlamaConfig {
        biases: Biases {
            queries,
            output,
            mlp: model_type == "llama" && keys.flag("mlp_bias", false)?,
        },
        norms: if is_olmo {
            NormPlace::After
        } else {
            NormPlace::Before
        },
        head_norms: match model_type {
            "qwen3" => HeadNorms::EachHead,
            "olmo2" => HeadNorms::Whole,
            _ => HeadNorms::None,
        },
        ..LlamaConfig::plain(rotary::parse(keys, &sizes.turning())?)
    };
    sizes.config(keys, longest, (norm_eps, false), llama)
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
        None if matches!(model_type, "llama" | "olmo2" | "phi3")
            || keys.says("num_key_value_heads") =>
        {
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
        None if matches!(model_type, "qwen3" | "gemma" | "gemma3_text") => {
            return Err(keys.missing("head_dim"));
        }
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
