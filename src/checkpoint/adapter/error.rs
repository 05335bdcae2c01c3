//! What can be wrong between an adapter and its base.

use std::path::PathBuf;

use super::CONFIG;

/// Why an adapter cannot be laid onto its base.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A shape that is not the base's.
    #[error(
        "{}: {name} is {got:?}, and the base {} asks for {wanted:?}: this is an adapter for another base; set base_model_name_or_path in \
         {CONFIG} to its own", path.display(), base.display()
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
        "{}: {name} belongs to no matrix of the base {}: this is an adapter for another base; set base_model_name_or_path in {CONFIG} to its \
         own", path.display(), base.display()
    )]
    NoMatrix {
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
         nor the name of a model of the hub; set it to the folder of the base", path.display()
    )]
    NoBase {
        /// The adapter's config.
        path: PathBuf,
        /// What it names.
        named: String,
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
