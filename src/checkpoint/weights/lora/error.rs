//! What can be wrong between an adapter's matrices and those of its base.

use std::path::PathBuf;

use crate::checkpoint::adapter::CONFIG;
use crate::checkpoint::config::ConfigError;

/// Why an adapter's matrices cannot be laid onto those of its base.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum LoraError {
    /// Two names of `rank_pattern` or `alpha_pattern` disagree.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A tensor of an adapter that is no half of a `LoRA` pair.
    #[error("{}: tensor {name} is neither lora_A nor lora_B of a matrix, and only those are supported; merge the adapter into its base with \
        PEFT's merge_and_unload", path.display())]
    NotLora { path: PathBuf, name: String },
    /// A shape that is not the base's.
    #[error(
        "{}: {name} is {got:?}, and the base {} asks for {wanted:?}: this is an adapter for another base; set base_model_name_or_path in \
         {CONFIG} (or model.base, or --base) to its own", path.display(), base.display()
    )]
    Shape {
        path: PathBuf,
        base: PathBuf,
        name: String,
        got: Vec<usize>,
        wanted: Vec<usize>,
    },
    /// A matrix that the base does not have.
    #[error(
        "{}: {name} belongs to no matrix of the base {}: this is an adapter for another base; set base_model_name_or_path in {CONFIG} \
         (or model.base, or --base) to its own", path.display(), base.display()
    )]
    NoMatrix {
        path: PathBuf,
        base: PathBuf,
        name: String,
    },
    /// The output embedding of a base that has none of its own.
    #[error(
        "{}: {name} adapts the output embedding, and the base {} has one embedding for both ends: laid onto it, the adapter would change \
         the input too. Train it without that module, or untie the base", path.display(), base.display()
    )]
    Tied {
        path: PathBuf,
        base: PathBuf,
        name: String,
    },
    /// An embedding of another number of tokens.
    #[error(
        "{}: {name} has {rows} tokens, and the base {} has {tokens}: the vocabulary was resized before this adapter was trained. Merge it \
         into the resized base with PEFT's merge_and_unload and give the merged folder", path.display(), base.display()
    )]
    Resized {
        path: PathBuf,
        base: PathBuf,
        name: String,
        rows: usize,
        tokens: usize,
    },
    /// A whole tensor that is not the base's.
    #[error(
        "{}: {name} is a whole tensor and not the one of the base {}: it was trained, or this is an adapter for another base. Merge it into \
         its base with PEFT's merge_and_unload and give the merged folder", path.display(), base.display()
    )]
    NotTheBase {
        path: PathBuf,
        base: PathBuf,
        name: String,
    },
    /// Half of a pair.
    #[error("{}: {name} is there without its other half (lora_A and lora_B come in pairs); save the adapter again", path.display())]
    Half { path: PathBuf, name: String },
    /// No pair at all.
    #[error("{}: it holds no lora_A and lora_B; save the adapter again", .0.display())]
    Empty(PathBuf),
}
