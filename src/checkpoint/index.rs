//! `model.safetensors.index.json`: which tensor lies in which shard. Shards are files of the same folder, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use super::weights::{FILE, WeightsError};
use crate::bounded;

/// Name of the index of sharded weights.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// What the file holds; other keys may be there.
#[derive(Deserialize)]
struct File {
    weight_map: BTreeMap<String, String>,
}

/// Tensors and their shards, both by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    /// Tensor → file name.
    pub(super) shards: BTreeMap<String, String>,
}

impl Index {
    /// Reads the text of an index and refuses names that would leave the folder.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, WeightsError> {
        let bad = |message: String| WeightsError::Index {
            path: path.to_owned(),
            message,
        };
        let file: File = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        if file.weight_map.is_empty() {
            return Err(bad("its weight_map names no tensor".to_owned()));
        }
        let outside = file.weight_map.iter().find(|(_, shard)| !is_inside(shard));
        if let Some((tensor, shard)) = outside {
            return Err(bad(format!(
                "tensor {tensor} is said to lie in {shard:?}, which is no safetensors file of the same folder"
            )));
        }
        Ok(Self {
            shards: file.weight_map,
        })
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

/// The first file that a folder lacks to be a checkpoint with safetensors; `None` where it has all.
///
/// Errors: an index that cannot be used.
pub(super) fn missing_file(folder: &Path) -> Result<Option<String>, WeightsError> {
    let lacks = |name: &&str| !folder.join(name).exists();
    if let Some(name) = ["config.json", "tokenizer.json"].iter().find(|n| lacks(n)) {
        return Ok(Some((*name).to_owned()));
    }
    if folder.join(FILE).exists() {
        return Ok(None);
    }
    let path = folder.join(INDEX);
    let text = match bounded::read_text(&path, bounded::CONFIG) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Some(FILE.to_owned())),
        Err(source) => {
            return Err(WeightsError::Read {
                path,
                hint: "it names the shards of the weights".to_owned(),
                source,
            });
        }
    };
    let index = Index::parse(&text, &path)?;
    Ok(index.files().into_iter().find(lacks).map(str::to_owned))
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
