//! What can be wrong with weights.

use std::path::PathBuf;

use crate::run_dir::RunDirError;

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file is not there, or cannot be read.
    #[error("cannot read {}: {source}; {hint}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The mend.
        hint: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no safetensors file, or is cut short.
    #[error("{} is not a whole safetensors file ({message}); copy or download it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The index of the shards is wrong.
    #[error("{}: {message}; copy or download the checkpoint again", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A tensor is not there.
    #[error("{}: tensor {name} is missing; config.json asks for it with shape {expected:?}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape by the config.
        expected: Vec<usize>,
    },
    /// A tensor has another shape.
    #[error("{}: tensor {name} has shape {got:?}, but config.json asks for {expected:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape by the config.
        expected: Vec<usize>,
        /// Its shape in the file.
        got: Vec<usize>,
    },
    /// A tensor has a type that is no supported float.
    #[error("{}: tensor {name} is {got}; supported are F64, F32, F16 and BF16 (a quantised checkpoint: use the one it was made from)", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        got: String,
    },
    /// A tensor that the architecture does not have.
    #[error("{}: tensor {name} is not part of the architecture that config.json describes; is this the right model?", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// An embedding that the config calls tied, with two values.
    #[error("{}: config.json says that the embeddings are tied, but {copy} is not {original}; set tie_word_embeddings to false, or leave \
        {copy} out", path.display())]
    NotTied {
        /// The file.
        path: PathBuf,
        /// The input embedding.
        original: String,
        /// The output embedding.
        copy: String,
    },
    /// A tensor of an adapter that is no half of a `LoRA` pair.
    #[error("{}: tensor {name} is neither lora_A nor lora_B of a matrix, and only those are supported; merge the adapter into its base with \
        PEFT's merge_and_unload", path.display())]
    NotLora {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A value that is no number.
    #[error("{}: tensor {name} holds NaN or infinite values; this checkpoint cannot be audited", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// libtorch failed.
    #[error("libtorch failed on tensor {name}: {source}")]
    Torch {
        /// The tensor.
        name: String,
        /// What it said.
        source: tch::TchError,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] RunDirError),
}
