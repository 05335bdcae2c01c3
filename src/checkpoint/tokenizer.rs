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
    /// The model has fewer tokens.
    #[error(
        "{}: the tokenizer has {tokens} tokens, but the model's vocabulary (config.json, vocab_size) has {vocabulary}: they do not \
         belong together; copy both from one checkpoint",
        path.display()
    )]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// The tokenizer's tokens, without added ones.
        tokens: usize,
        /// The model's.
        vocabulary: usize,
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
    /// Reads `tokenizer.json` for a model of `vocabulary` tokens.
    pub fn open(path: &Path, vocabulary: usize) -> Result<Self, TokenizerError> {
        let read =
            tokenizers::Tokenizer::from_file(path).map_err(|e| TokenizerError::Unreadable {
                path: path.to_owned(),
                message: e.to_string(),
            })?;
        // Added tokens aside: a padding token that the model never learned is common, and is refused where it is used.
        let tokens = read.get_vocab_size(false);
        if tokens > vocabulary {
            return Err(TokenizerError::OtherModel {
                path: path.to_owned(),
                tokens,
                vocabulary,
            });
        }
        Ok(Self(read))
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
