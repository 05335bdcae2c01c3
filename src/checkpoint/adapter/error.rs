//! What can be wrong between an adapter and its base.

use std::path::PathBuf;

use super::CONFIG;

/// Why an adapter cannot be laid onto its base.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A shape that is not the base's.
    #[error(
        "{}: {name} is {got:?}, and the base {} asks for {wanted:?}: this is an adapter for another base; set base_model_name_or_path in \
         {CONFIG} (or model.base, or --base) to its own", path.display(), base.display()
    )]
    Shape {
        /// The adapter's weights.
        path: PathBuf,
        /// The base's folder.
        base: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        got: Vec<usize>,
        /// The base's shape.
        wanted: Vec<usize>,
    },
    /// A matrix that the base does not have.
    #[error(
        "{}: {name} belongs to no matrix of the base {}: this is an adapter for another base; set base_model_name_or_path in {CONFIG} \
         (or model.base, or --base) to its own", path.display(), base.display()
    )]
    NoMatrix {
        /// The adapter's weights.
        path: PathBuf,
        /// The base's folder.
        base: PathBuf,
        /// The tensor.
        name: String,
    },
    /// The output embedding of a base that has none of its own.
    #[error(
        "{}: {name} adapts the output embedding, and the base {} has one embedding for both ends: laid onto it, the adapter would change \
         the input too. Train it without that module, or untie the base", path.display(), base.display()
    )]
    Tied {
        /// The adapter's weights.
        path: PathBuf,
        /// The base's folder.
        base: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A whole tensor that is not the base's.
    #[error(
        "{}: {name} is a whole tensor and not the one of the base {}: it was trained, or this is an adapter for another base. Merge it into \
         its base with PEFT's merge_and_unload and give the merged folder", path.display(), base.display()
    )]
    NotTheBase {
        /// The adapter's weights.
        path: PathBuf,
        /// The base's folder.
        base: PathBuf,
        /// The tensor.
        name: String,
    },
    /// Half of a pair.
    #[error("{}: {name} is there without its other half (lora_A and lora_B come in pairs); save the adapter again", path.display())]
    Half {
        /// The adapter's weights.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// No pair at all.
    #[error("{}: it holds no lora_A and lora_B; save the adapter again", .0.display())]
    Empty(PathBuf),
    /// The base is not where the adapter says.
    #[error(
        "{}: base_model_name_or_path = {named:?} is neither a folder (looked up from the adapter's folder, then from the working directory) \
         nor the name of a model of the hub; set it to the folder of the base, or give that with model.base in [model] or --base", path.display()
    )]
    NoBase {
        /// The adapter's config.
        path: PathBuf,
        /// What it names.
        named: String,
    },
    /// The base that was given is not there.
    #[error("the base {} is not a folder; give the folder of the model that the adapter was trained on (model.base, or --base)", .0.display())]
    NoFolder(PathBuf),
    /// A base for what is no adapter.
    #[error("{} is no adapter (it has no {CONFIG}), so it has no base: leave the base {} out", path.display(), base.display())]
    NoAdapter {
        /// The folder.
        path: PathBuf,
        /// What was given as its base.
        base: PathBuf,
    },
    /// A model and an adapter in one folder.
    #[error("{} holds a model and an adapter: which is meant? Put the adapter's two files into a folder of their own", .0.display())]
    Ambiguous(PathBuf),
    /// The reference is another model than the base.
    #[error(
        "the adapter {} was given the reference {}, but its base is {}, which is another model: an adapter for another base. Give its base \
         as the reference", adapter.display(), reference.display(), base.display()
    )]
    OtherReference {
        /// The adapter's folder.
        adapter: PathBuf,
        /// The reference's folder.
        reference: PathBuf,
        /// The base's folder.
        base: PathBuf,
    },
}
