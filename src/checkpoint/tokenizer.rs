//! `tokenizer.json`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Once;

use crate::bounded;
use crate::units::TokenId;

/// Why a tokenizer cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum TokenizerError {
    /// The file is missing or no tokenizer.
    #[error("cannot read the tokenizer {}: {message}", path.display())]
    Unreadable { path: PathBuf, message: String },
    /// The model has fewer tokens.
    #[error(
        "{}: the tokenizer has {tokens} tokens, but the model's vocabulary (config.json, vocab_size) has {vocabulary}: they do not \
         belong together; copy both from one checkpoint",
        path.display()
    )]
    OtherModel {
        path: PathBuf,
        /// The tokenizer's tokens, without added ones.
        tokens: usize,
        vocabulary: usize,
    },
    /// A text could not be encoded. It is not shown: it may be a secret.
    #[error("the tokenizer cannot encode a text of {characters} characters: {message}")]
    Encode { characters: usize, message: String },
}

/// Text to tokens, as `tokenizer.json` says.
pub struct Tokenizer(tokenizers::Tokenizer);

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokenizer")
    }
}

thread_local! {
    /// Whether a panic of this thread is caught and told as an error.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Calls the tokenizers crate, whose asserts on odd files would end the program.
fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !CAUGHT.get() {
                before(info);
            }
        }));
    });
    CAUGHT.set(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    CAUGHT.set(false);
    match result {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(_) => Err("the tokenizers library panicked on it; use another tokenizer.json".into()),
    }
}

impl Tokenizer {
    /// Reads `tokenizer.json` for a model of `vocabulary` tokens.
    pub fn open(path: &Path, vocabulary: usize) -> Result<Self, TokenizerError> {
        let read = bounded::read_file(path, bounded::TOKENIZER)
            .map_err(|e| e.to_string())
            .and_then(|bytes| Self::from_bytes(&bytes))
            .map_err(|message| TokenizerError::Unreadable {
                path: path.to_owned(),
                message,
            })?;
        // Added tokens aside: a padding token that the model never learned is common, and is refused where it is used.
        let tokens = read.0.get_vocab_size(false);
        if tokens > vocabulary {
            return Err(TokenizerError::OtherModel {
                path: path.to_owned(),
                tokens,
                vocabulary,
            });
        }
        Ok(read)
    }

    /// Reads the text of a `tokenizer.json` that is in no file yet.
    pub fn parse(text: &str) -> Result<Self, TokenizerError> {
        Self::from_bytes(text.as_bytes()).map_err(|message| TokenizerError::Unreadable {
            path: PathBuf::from("tokenizer.json"),
            message,
        })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        guarded(|| {
            let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes)?;
            // A file may ask for padding and cutting, to any length. Rows here are never either.
            tokenizer.with_padding(None);
            tokenizer.with_truncation(None)?;
            Ok(tokenizer)
        })
        .map(Self)
    }

    /// Tokens of a text, without special tokens.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        self.encode_with(text, false)
    }

    /// Tokens of a text with the special tokens that the file itself puts around it, as a beginning of sequence.
    pub fn encode_whole(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        self.encode_with(text, true)
    }

    /// The special tokens that the file itself puts before a text, as a beginning of sequence; none where it puts none.
    pub fn beginning(&self) -> Result<Vec<TokenId>, TokenizerError> {
        // Any text shows it, so long as it has tokens of its own.
        let own = self.encode("a")?;
        let whole = self.encode_whole("a")?;
        let from = whole.windows(own.len().max(1)).position(|w| w == own);
        Ok(whole[..from.unwrap_or(0)].to_vec())
    }

    fn encode_with(&self, text: &str, special: bool) -> Result<Vec<TokenId>, TokenizerError> {
        let encoding =
            guarded(|| self.0.encode(text, special)).map_err(|message| TokenizerError::Encode {
                characters: text.chars().count(),
                message: plain(&message),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let result: Result<(), _> = guarded(|| panic!("an assert of the library"));
        assert!(result.unwrap_err().contains("panicked"));
        assert!(!CAUGHT.get());
    }

    #[test]
    fn padding_and_cutting_that_a_file_asks_for_are_passed_over() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/fixtures/tiny-neox/tokenizer.json"
        );
        let text = std::fs::read_to_string(path).unwrap();
        let plain = Tokenizer::parse(&text).unwrap();
        let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
        file["padding"] = serde_json::json!({
            "strategy": {"Fixed": u64::MAX / 2}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "x",
        });
        file["truncation"] = serde_json::json!({
            "direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0,
        });
        let odd = Tokenizer::parse(&file.to_string()).unwrap();
        let text = " regular a b c";
        assert_eq!(odd.encode(text).unwrap(), plain.encode(text).unwrap());
    }
}
