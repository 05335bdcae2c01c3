//! The files of a checkpoint: which there must be, and which of them hold the weights.

use std::path::{Path, PathBuf};

use super::index::{INDEX, Index, IndexError};

pub(super) const CONFIG: &str = "config.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
/// What stands beside it and changes tokens too.
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
pub(super) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
pub(super) const ADDED_TOKENS: &str = "added_tokens.json";
/// A chat template, where it is a file of its own.
pub(super) const CHAT_TEMPLATE: &str = "chat_template.jinja";
/// Weights in one file.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// The index of a folder's shards and its path; `None` where the weights are one file, or are not there.
pub(super) fn index(folder: &Path) -> Result<Option<(PathBuf, Index)>, IndexError> {
    let path = folder.join(INDEX);
    if folder.join(WEIGHTS).exists() || !path.exists() {
        return Ok(None);
    }
    let index = Index::open(&path)?;
    Ok(Some((path, index)))
}

/// The files that hold a folder's weights, which need not be there; the index first where there is one.
pub(super) fn weights(folder: &Path) -> Result<Vec<PathBuf>, IndexError> {
    Ok(match index(folder)? {
        None => vec![folder.join(WEIGHTS)],
        Some((path, index)) => {
            let shards = index.files().into_iter().map(|name| folder.join(name));
            std::iter::once(path).chain(shards).collect()
        }
    })
}

/// The first file that a folder lacks to be a checkpoint with safetensors; `None` where it has all.
///
/// Errors: an index that cannot be used.
pub(super) fn missing(folder: &Path) -> Result<Option<String>, IndexError> {
    let lacks = |name: &&str| !folder.join(name).exists();
    if let Some(name) = [CONFIG, TOKENIZER].iter().find(|name| lacks(name)) {
        return Ok(Some((*name).to_owned()));
    }
    let missing = weights(folder)?.into_iter().find(|path| !path.exists());
    Ok(missing.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())))
}

/// What to do where a folder has no config.
pub(super) fn without_config(folder: &Path) -> String {
    let file = gguf(folder);
    file.map_or_else(
        || {
            "a checkpoint is a folder with config.json, tokenizer.json and model.safetensors"
                .to_owned()
        },
        |name| quantised(&name),
    )
}

/// What to do with a file of quantised weights.
pub(crate) fn quantised(name: &str) -> String {
    format!(
        "{name} holds quantised weights and is not read; give a folder of the model in safetensors, which transformers makes of it: \
         from_pretrained(FOLDER, gguf_file='{name}').save_pretrained('converted'), of model and tokenizer. ci/real-checkpoint does so \
         for SmolLM2-135M"
    )
}

/// Whether a file is named as one of GGUF's.
pub(crate) fn is_gguf(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|e| e.eq_ignore_ascii_case("gguf"))
}

/// The name of a GGUF file in a folder.
fn gguf(folder: &Path) -> Option<String> {
    let mut files = std::fs::read_dir(folder).ok()?.flatten().map(|f| f.path());
    let file = files.find(|path| is_gguf(path))?;
    Some(file.file_name()?.to_string_lossy().into_owned())
}

/// What to do where a folder has no `tokenizer.json`, or one that is none.
pub(super) fn without_tokenizer(folder: &Path) -> String {
    format!(
        "{TOKENIZER} is written by transformers from whatever tokenizer the model has: {}; copy it from the folder converted",
        python(&folder.display().to_string(), None, "AutoTokenizer")
    )
}

/// What to do where a folder has no safetensors.
pub(super) fn without_weights(folder: &Path) -> String {
    let pickle = ["pytorch_model.bin", "pytorch_model.bin.index.json"]
        .iter()
        .any(|name| folder.join(name).exists());
    if pickle {
        let command = conversion(&folder.display().to_string(), None);
        format!(
            "its weights are pickles, which can run code and are not read. Convert them once, where you trust them: {command}, \
             then use the folder converted"
        )
    } else if let Some(name) = gguf(folder) {
        quantised(&name)
    } else {
        format!("the weights of a checkpoint are {WEIGHTS}, or shards with {INDEX}")
    }
}

/// The command that makes a folder with safetensors out of a model with pickles.
pub(super) fn conversion(source: &str, revision: Option<&str>) -> String {
    python(source, revision, "AutoModelForCausalLM, AutoTokenizer")
}

/// The command by which transformers writes anew what some of its classes read.
fn python(source: &str, revision: Option<&str>, classes: &str) -> String {
    let at = revision.map_or(String::new(), |r| format!(", revision='{r}'"));
    format!(
        "python3 -c \"from transformers import {classes}; \
         [c.from_pretrained('{source}'{at}).save_pretrained('converted') for c in ({classes},)]\""
    )
}
