//! `tokenizer.json`, with what stands beside it.

mod beside;
mod chat;

use std::cell::Cell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Once;

use beside::Beside;
pub use chat::ChatTemplate;
use tokenizers::ModelWrapper;

use super::files;
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
    /// The chat template fails.
    #[error("the folder's chat template cannot be used: {0}")]
    Chat(String),
    /// A text could not be encoded. It is not shown: it may be a secret.
    #[error("the tokenizer cannot encode a text of {characters} characters: {message}")]
    Encode { characters: usize, message: String },
}

/// Text to tokens, as `tokenizer.json` and the files beside it say.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    note: Option<String>,
}

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
    /// Reads `tokenizer.json`, and what stands beside it, for a model of `vocabulary` tokens.
    pub fn open(path: &Path, vocabulary: usize) -> Result<Self, TokenizerError> {
        let unreadable = |message: String| TokenizerError::Unreadable {
            path: path.to_owned(),
            message,
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let text = bounded::read_text(path, bounded::TOKENIZER).map_err(|e| match e.kind() {
            ErrorKind::InvalidData => unreadable(e.to_string()),
            _ => unreadable(format!("{e}; {}", files::without_tokenizer(folder))),
        })?;
        let beside = Beside::read(folder).map_err(unreadable)?;
        let read = Self::from_text(&text, &beside).map_err(unreadable)?;
        // Added tokens aside: a padding token that the model never learned is common, and is refused where it is used.
        let tokens = read.inner.get_vocab_size(false);
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
        Self::from_text(text, &Beside::default()).map_err(|message| TokenizerError::Unreadable {
            path: PathBuf::from(files::TOKENIZER),
            message,
        })
    }

    fn from_text(text: &str, beside: &Beside) -> Result<Self, String> {
        guarded(|| {
            let mut inner = tokenizers::Tokenizer::from_bytes(text)?;
            // A file may ask for padding and cutting, to any length. Rows here are never either.
            inner.with_padding(None);
            inner.with_truncation(None)?;
            // Merges left out by chance make other tokens each time.
            if let ModelWrapper::BPE(pieces) = inner.get_model()
                && pieces.dropout.is_some()
            {
                let mut pieces = pieces.clone();
                pieces.dropout = None;
                inner.with_model(pieces);
            }
            let note = beside.apply(&mut inner)?;
            Ok(Self { inner, note })
        })
    }

    /// A word for the user, where other tools may read this tokenizer otherwise.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
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
        Ok(around(&own, &whole)[0].to_vec())
    }

    fn encode_with(&self, text: &str, special: bool) -> Result<Vec<TokenId>, TokenizerError> {
        let encoding = guarded(|| self.inner.encode(text, special)).map_err(|message| {
            TokenizerError::Encode {
                characters: text.chars().count(),
                message: plain(&message),
            }
        })?;
        Ok(encoding.get_ids().iter().map(|&id| TokenId(id)).collect())
    }
}

/// What stands before and after a text's own tokens in the whole; nothing before where they do not stand there as they are.
fn around<'t, T: PartialEq>(own: &[T], whole: &'t [T]) -> [&'t [T]; 2] {
    let from = whole.windows(own.len().max(1)).position(|w| w == own);
    let from = from.unwrap_or(0);
    let after = whole.get(from + own.len()..).unwrap_or_default();
    [&whole[..from], after]
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
