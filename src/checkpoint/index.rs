//! `model.safetensors.index.json`: which tensor lies in which shard. Shards are files of the same folder, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::bounded;

/// Name of the index of sharded weights.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum IndexError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; it names the shards of the weights", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The shards are not as it says, or outside the folder.
    #[error("{}: {message}; copy or download the checkpoint again", path.display())]
    Wrong { path: PathBuf, message: String },
}

impl IndexError {
    /// Whether the file is at fault, not the machine.
    pub(super) fn is_input(&self) -> bool {
        !matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::OutOfMemory)
    }
}

/// Tensors and their shards, both by name. The file may have other keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Index {
    /// Tensor → file name.
    #[serde(rename = "weight_map")]
    pub(super) shards: BTreeMap<String, String>,
}

impl Index {
    /// Reads a file; see [`Self::parse`].
    pub(super) fn open(path: &Path) -> Result<Self, IndexError> {
        let text =
            bounded::read_text(path, bounded::CONFIG).map_err(|source| IndexError::Read {
                path: path.to_owned(),
                source,
            })?;
        Self::parse(&text, path)
    }

    /// Reads the text of an index and refuses names that would leave the folder.
    fn parse(text: &str, path: &Path) -> Result<Self, IndexError> {
        let bad = |message: String| IndexError::Wrong {
            path: path.to_owned(),
            message,
        };
        let index: Self = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        if index.shards.is_empty() {
            return Err(bad("its weight_map names no tensor".to_owned()));
        }
        match index.shards.iter().find(|(_, shard)| !is_inside(shard)) {
            None => Ok(index),
            Some((tensor, shard)) => Err(bad(format!(
                "tensor {tensor} is said to lie in {shard:?}, which is no safetensors file of the same folder"
            ))),
        }
    }

    /// The shards' file names, each once.
    pub(super) fn files(&self) -> BTreeSet<&str> {
        self.shards.values().map(String::as_str).collect()
    }
}

/// Whether a shard's name is a plain name of a safetensors file.
fn is_inside(name: &str) -> bool {
    name.ends_with(".safetensors")
        && !name.starts_with('.')
        && !name.contains(['/', '\\', '\0', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let parse = |shard: &str| {
            let text = serde_json::json!({"metadata": {}, "weight_map": {"w": shard}}).to_string();
            Index::parse(&text, Path::new("i.json"))
        };
        assert!(parse("model-00001-of-00002.safetensors").is_ok());
        for bad in [
            "../../etc/passwd",
            "../x.safetensors",
            "/x.safetensors",
            "a/b.safetensors",
            "..\\x.safetensors",
            ".safetensors",
            "C:x.safetensors",
            "pytorch_model.bin",
            "",
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains("same folder"), "{bad}: {error}");
        }
        assert!(Index::parse("{\"weight_map\": {}}", Path::new("i.json")).is_err());
        assert!(Index::parse("{}", Path::new("i.json")).is_err());
    }
}
