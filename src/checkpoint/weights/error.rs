//! What can be wrong with weights.

use std::io;
use std::path::PathBuf;

use super::lora::LoraError;
use crate::checkpoint::index::IndexError;
use crate::run_dir::RunDirError;

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum WeightsError {
    /// The file is not there, or cannot be read.
    #[error("cannot read {}: {source}; {hint}", path.display())]
    Read {
        path: PathBuf,
        hint: String,
        source: io::Error,
    },
    /// The file is no safetensors file, or is cut short.
    #[error("{} is not a whole safetensors file: {message}", path.display())]
    Damaged { path: PathBuf, message: String },
    /// The shards are not as their index says.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A tensor is not there.
    #[error("{}: tensor {name} is missing; config.json asks for it with shape {expected:?}", path.display())]
    Missing {
        path: PathBuf,
        name: String,
        expected: Vec<usize>,
    },
    /// All names begin with something.
    #[error(
        "{}: its tensors are called {prefix}{name} and the like, where {name} is meant: a model saved while it was wrapped (by \
         torch.compile, a data-parallel trainer or a value head). Save the inner model with its own save_pretrained", path.display()
    )]
    Wrapped {
        path: PathBuf,
        prefix: String,
        name: String,
    },
    /// A tensor has another shape.
    #[error("{}: tensor {name} has shape {got:?}, but config.json asks for {expected:?}", path.display())]
    Shape {
        path: PathBuf,
        name: String,
        expected: Vec<usize>,
        got: Vec<usize>,
    },
    /// A tensor has a type that is no supported float.
    #[error("{}: tensor {name} is {got}; supported are F64, F32, F16 and BF16 (a quantised checkpoint: use the one it was made from)", path.display())]
    Kind {
        path: PathBuf,
        name: String,
        got: String,
    },
    /// A tensor that the architecture does not have.
    #[error("{}: tensor {name} is not part of the architecture that config.json describes; is this the right model?", path.display())]
    Unexpected { path: PathBuf, name: String },
    /// An embedding that the config calls tied, with two values.
    #[error("{}: config.json says that the embeddings are tied, but {copy} is not {original}; set tie_word_embeddings to false, or leave \
        {copy} out", path.display())]
    NotTied {
        path: PathBuf,
        original: String,
        copy: String,
    },
    /// A value that is no number.
    #[error("{}: tensor {name} holds NaN or infinite values; this checkpoint cannot be audited", path.display())]
    NotFinite { path: PathBuf, name: String },
    /// libtorch failed.
    #[error("libtorch failed on tensor {name}: {source}")]
    Torch { name: String, source: tch::TchError },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] RunDirError),
    /// An adapter does not fit its base.
    #[error(transparent)]
    Lora(Box<LoraError>),
}

impl From<LoraError> for WeightsError {
    fn from(error: LoraError) -> Self {
        Self::Lora(Box::new(error))
    }
}

impl WeightsError {
    /// Whether the files are at fault, not the machine: no memory, no room, a file system that refuses.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Write(_) | Self::Torch { .. } => false,
            Self::Read { source, .. } => source.kind() != io::ErrorKind::OutOfMemory,
            Self::Index(e) => e.is_input(),
            _ => true,
        }
    }
}
