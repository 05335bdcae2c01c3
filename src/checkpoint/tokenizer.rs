//! `tokenizer.json`.

use std::path::{Path, PathBuf};

use crate::units::TokenId;

/// Why a tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file is missing or no tokenizer.
    #[error("cannot read the tokenizer {}: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A text could not be encoded.
    #[error("the tokenizer cannot encode {text:?}: {message}")]
    Encode {
        /// The text.
        text: String,
        /// What is wrong.
        message: String,
    },
}

/// A tokenizer.
pub struct Tokenizer(tokenizers::Tokenizer);

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokenizer")
    }
}

impl Tokenizer {
    /// Reads `tokenizer.json`.
    pub fn open(path: &Path) -> Result<Self, TokenizerError> {
        tokenizers::Tokenizer::from_file(path)
            .map(Self)
            .map_err(|e| TokenizerError::Unreadable {
                path: path.to_owned(),
                message: e.to_string(),
            })
    }

    /// Reads the text of a `tokenizer.json` that is in no file yet.
    pub fn parse(text: &str) -> Result<Self, TokenizerError> {
        text.parse()
            .map(Self)
            .map_err(|e: tokenizers::Error| TokenizerError::Unreadable {
                path: PathBuf::from("tokenizer.json"),
                message: e.to_string(),
            })
    }

    /// Tokens of a text, without special tokens.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        let encoding = self
            .0
            .encode(text, false)
            .map_err(|e| TokenizerError::Encode {
                text: text.to_owned(),
                message: plain(&e.to_string()),
            })?;
        Ok(encoding.get_ids().iter().map(|&id| TokenId(id)).collect())
    }
}

/// What a tokenizer says of text that it does not know, in words that name no token a user never wrote.
fn plain(message: &str) -> String {
    if message.contains("Missing [UNK]") {
        return "a part of it is no token of the vocabulary".to_owned();
    }
    message.to_owned()
}
