//! What a saved checkpoint carries beside its weights: config and tokenizer, of the checkpoint that training began with, or
//! made for random weights.

use serde_json::json;

use super::config::{self, ModelConfig};
use super::error::CheckpointError;
use super::files::{CONFIG, TOKENIZER, TOKENIZER_CONFIG};
use super::folder::Folder;
use crate::bounded;
use crate::units::TokenId;

/// The text files of a checkpoint, to save weights with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    /// Name and text of each.
    pub(super) files: Vec<(&'static str, String)>,
}

impl Likeness {
    /// Those of a folder; its config then says float32.
    pub fn of(folder: &Folder) -> Result<Self, CheckpointError> {
        let path = folder.tokenizer_path();
        let tokenizer = bounded::read_text(&path, bounded::TOKENIZER)
            .map_err(CheckpointError::read(&path, "it belongs to the checkpoint"))?;
        let mut files = vec![
            (CONFIG, config::as_float32(&folder.config_text)),
            (TOKENIZER, tokenizer),
        ];
        for (name, path) in folder.beside_tokenizer() {
            let text = bounded::read_text(&path, bounded::CONFIG)
                .map_err(CheckpointError::read(&path, "it belongs to the tokenizer"))?;
            files.push((name, text));
        }
        Ok(Self { files })
    }

    /// Those of a GPT-NeoX that came from no checkpoint. `tokens` are distinct texts and all that its tokenizer knows.
    ///
    /// Errors: another architecture.
    pub fn made(shape: &ModelConfig, tokens: &[(&str, TokenId)]) -> Result<Self, CheckpointError> {
        let pretty = |value| serde_json::to_string_pretty(&value).unwrap_or_default() + "\n";
        // Without this file transformers would put the pieces of another tokenizer around ours.
        let tokenizer_config = json!({ "tokenizer_class": "PreTrainedTokenizerFast" });
        Ok(Self {
            files: vec![
                (CONFIG, pretty(config::as_json(shape)?)),
                (TOKENIZER, pretty(word_level(tokens))),
                (TOKENIZER_CONFIG, pretty(tokenizer_config)),
            ],
        })
    }

    /// The text of `tokenizer.json`.
    #[must_use]
    pub fn tokenizer(&self) -> &str {
        let found = self.files.iter().find(|(name, _)| *name == TOKENIZER);
        found.map_or("", |(_, text)| text)
    }
}

/// A tokenizer that cuts text into known texts, longest first, and refuses any other.
fn word_level(tokens: &[(&str, TokenId)]) -> serde_json::Value {
    let mut texts: Vec<&str> = tokens.iter().map(|(text, _)| *text).collect();
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let pattern: Vec<String> = texts.into_iter().map(escaped).collect();
    let vocabulary: serde_json::Map<_, _> = tokens
        .iter()
        .map(|(text, token)| ((*text).to_owned(), json!(token.0)))
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": { "Regex": pattern.join("|") },
            "behavior": "Isolated",
            "invert": false,
        },
        "post_processor": null,
        "decoder": { "type": "Fuse" },
        // Not in the vocabulary: unknown text is an error, never a guess.
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]" },
    })
}

/// Text as a regular expression for itself, in every dialect that reads `tokenizer.json`.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' ' => c.to_string(),
            c if c.is_alphanumeric() => c.to_string(),
            c => format!("\\x{{{:X}}}", u32::from(c)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::checkpoint::Tokenizer;
    use crate::checkpoint::shapes::like_pythia;

    fn encode(texts: &[&str], text: &str) -> Result<Vec<u32>, String> {
        let tokens: Vec<(&str, TokenId)> = texts.iter().copied().zip((0..).map(TokenId)).collect();
        let likeness = Likeness::made(&like_pythia(3, 96, 4, 64), &tokens).unwrap();
        let tokenizer = Tokenizer::parse(likeness.tokenizer()).unwrap();
        let tokens = tokenizer.encode(text).map_err(|e| e.to_string())?;
        Ok(tokens.iter().map(|t| t.0).collect())
    }

    #[test]
    fn letters_and_prefixes_are_encoded_and_nothing_else() {
        let texts = [" a", " b", " regular", " reverse"];
        assert_eq!(encode(&texts, " regular b a a").unwrap(), [2, 1, 0, 0]);
        assert_eq!(encode(&texts, "").unwrap(), [] as [u32; 0]);
        for unknown in [" c", "a", " a c", " regularly"] {
            assert!(encode(&texts, unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn any_text_stands_for_itself_and_the_longest_wins() {
        let texts = [
            "a", "aa", ".*", "(", "\\", "\n", "é漢", " |", "-]", "\u{1}", "😀",
        ];
        for (id, text) in (0..).zip(texts) {
            assert_eq!(encode(&texts, text).unwrap(), [id], "{text:?}");
        }
        assert_eq!(encode(&texts, "aaa.*\\é漢(").unwrap(), [1, 0, 2, 4, 6, 3]);
    }

    #[test]
    fn the_config_that_is_written_is_the_shape() {
        let shape = like_pythia(3, 96, 4, 64);
        let text = config::as_json(&shape).unwrap().to_string();
        let read = ModelConfig::parse(&text, Path::new("config.json")).unwrap();
        assert_eq!(read, shape);
    }
}
