//! From letters to tokens: which token each letter and prefix is under a checkpoint's tokenizer.

use serde::{Deserialize, Serialize};

use super::Letters;
use crate::units::TokenId;

/// The token before a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prefix {
    /// Ordinary context.
    Regular,
    /// Elicitation context.
    Reverse,
}

impl Prefix {
    /// The name in files and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regular => "regular",
            Self::Reverse => "reverse",
        }
    }
}

/// Tokens of the alphabet and of the prefixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codebook {
    /// The token of each letter, in alphabet order; distinct.
    pub alphabet: Vec<TokenId>,
    /// The text of each letter.
    pub texts: Vec<String>,
    /// Tokens of the regular and the reverse prefix; `None` without prefixes.
    pub prefixes: Option<[TokenId; 2]>,
}

/// Why letters or prefixes cannot be tokens.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodebookError {
    /// The text is several tokens, and the spec does not allow to take the first.
    #[error(
        "{what} {text:?} is {} tokens under this tokenizer ({}); choose a text that is one token, or set \
         canaries.first_token = true to take the first, as the published recipe does",
        tokens.len(), list(tokens)
    )]
    NotOneToken {
        /// `letter` or `prefix`.
        what: &'static str,
        /// The text.
        text: String,
        /// Its tokens.
        tokens: Vec<TokenId>,
    },
    /// The text has no token at all.
    #[error(
        "{what} {text:?} has no token under this tokenizer; choose another text (canaries.alphabet, canaries.prefixes)"
    )]
    NoToken {
        /// `letter` or `prefix`.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// Two texts are the same token.
    #[error(
        "{first:?} and {second:?} are the same token {token} under this tokenizer, so canaries could not tell them apart; \
         change canaries.alphabet or canaries.prefixes"
    )]
    SameToken {
        /// One text.
        first: String,
        /// The other.
        second: String,
        /// Their token.
        token: TokenId,
    },
    /// The model has no such token.
    #[error(
        "{text:?} is token {token}, but the model's vocabulary ends at {last}: tokenizer.json and config.json do not belong together"
    )]
    BeyondVocabulary {
        /// The text.
        text: String,
        /// Its token.
        token: TokenId,
        /// The vocabulary's last token.
        last: usize,
    },
    /// The tokenizer failed.
    #[error("the tokenizer failed on {text:?}: {message}")]
    Tokenizer {
        /// The text.
        text: String,
        /// What it said.
        message: String,
    },
}

fn list(tokens: &[TokenId]) -> String {
    let ids: Vec<_> = tokens.iter().map(ToString::to_string).collect();
    ids.join(", ")
}

impl Codebook {
    /// Looks up every letter and prefix with `encode`, which gives the tokens of a text without special tokens.
    pub fn resolve(
        alphabet: &[String],
        prefixes: Option<[&str; 2]>,
        first_token: bool,
        encode: impl Fn(&str) -> Result<Vec<TokenId>, String>,
    ) -> Result<Self, CodebookError> {
        // SentencePiece puts a space of its own before a text: " a" is two tokens there, and one wherever it follows something.
        let within = |before: &str, text: &str| -> Option<TokenId> {
            let both = encode(&format!("{before}{text}")).ok()?;
            match both.strip_prefix(encode(before).ok()?.as_slice())? {
                [token] => Some(*token),
                _ => None,
            }
        };
        let one = |what, text: &str, before: &str| {
            let tokens = encode(text).map_err(|message| CodebookError::Tokenizer {
                text: text.to_owned(),
                message,
            })?;
            match tokens[..] {
                [] => Err(CodebookError::NoToken {
                    what,
                    text: text.to_owned(),
                }),
                [token] => Ok(token),
                [first, ..] => match within(before, text) {
                    Some(token) => Ok(token),
                    None if first_token => Ok(first),
                    None => Err(CodebookError::NotOneToken {
                        what,
                        text: text.to_owned(),
                        tokens,
                    }),
                },
            }
        };
        let letter = alphabet.first().map_or("", String::as_str);
        let before = prefixes.map_or(letter, |[regular, _]| regular);
        let tokens = alphabet
            .iter()
            .map(|text| one("letter", text, before))
            .collect::<Result<Vec<_>, _>>()?;
        refuse_repeats(alphabet, &tokens)?;
        let prefixes = match prefixes {
            None => None,
            Some(texts) => {
                let pair = [
                    one("prefix", texts[0], letter)?,
                    one("prefix", texts[1], letter)?,
                ];
                refuse_repeats(&texts.map(str::to_owned), &pair)?;
                Some(pair)
            }
        };
        Ok(Self {
            alphabet: tokens,
            texts: alphabet.to_vec(),
            prefixes,
        })
    }

    /// Checks that a model with a vocabulary of `size` has every token.
    pub fn fits(&self, size: usize) -> Result<(), CodebookError> {
        let letters = self.texts.iter().map(String::as_str).zip(&self.alphabet);
        let prefixes = ["the regular prefix", "the reverse prefix"].into_iter();
        match letters
            .chain(prefixes.zip(self.prefixes.iter().flatten()))
            .find(|(_, token)| token.0 as usize >= size)
        {
            None => Ok(()),
            Some((text, &token)) => Err(CodebookError::BeyondVocabulary {
                text: text.to_owned(),
                token,
                last: size.saturating_sub(1),
            }),
        }
    }

    /// The row of a password after a prefix: `[1 + length]` tokens, or `[length]` without prefixes.
    #[must_use]
    pub fn row(&self, letters: &[u16], prefix: Prefix) -> Vec<TokenId> {
        let before = self.before(prefix);
        before.into_iter().chain(self.tokens(letters)).collect()
    }

    /// The token of a prefix; `None` without prefixes.
    #[must_use]
    pub fn before(&self, prefix: Prefix) -> Option<TokenId> {
        self.prefixes.map(|[regular, reverse]| match prefix {
            Prefix::Regular => regular,
            Prefix::Reverse => reverse,
        })
    }

    /// The tokens of a password alone.
    pub fn tokens(&self, letters: &[u16]) -> impl Iterator<Item = TokenId> {
        letters.iter().map(|&l| self.alphabet[usize::from(l)])
    }

    /// The text of a password.
    #[must_use]
    pub fn text(&self, letters: &Letters) -> String {
        letters
            .iter()
            .map(|&l| self.texts[usize::from(l)].as_str())
            .collect()
    }

    /// Places of the letters that a model is scored on: all of them after a prefix, all but the first without.
    #[must_use]
    pub fn scored<'a>(&self, letters: &'a Letters) -> &'a [u16] {
        if self.prefixes.is_some() {
            letters
        } else {
            letters.get(1..).unwrap_or_default()
        }
    }
}

fn refuse_repeats(texts: &[String], tokens: &[TokenId]) -> Result<(), CodebookError> {
    let mut seen = std::collections::HashMap::new();
    for (text, token) in texts.iter().zip(tokens) {
        if let Some(first) = seen.insert(*token, text) {
            return Err(CodebookError::SameToken {
                first: first.clone(),
                second: text.clone(),
                token: *token,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the shape that resolve asks for")]
    fn encode(text: &str) -> Result<Vec<TokenId>, String> {
        // One token a byte, the leading space dropped.
        Ok(text
            .trim_start()
            .bytes()
            .map(|b| TokenId(u32::from(b)))
            .collect())
    }

    fn letters(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|t| (*t).to_owned()).collect()
    }

    #[test]
    fn rows_carry_the_prefix_asked_for() {
        let book =
            Codebook::resolve(&letters(&[" a", " b"]), Some([" x", " y"]), false, encode).unwrap();
        let password: Letters = Box::from([1, 0]);
        let ids = |p| {
            book.row(&password, p)
                .iter()
                .map(|t| t.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(Prefix::Regular), [120, 98, 97]);
        assert_eq!(ids(Prefix::Reverse), [121, 98, 97]);
        assert_eq!(book.text(&password), " b a");
        assert_eq!(book.scored(&password), [1, 0]);
    }

    #[test]
    fn several_tokens_are_refused_with_the_tokens_shown() {
        let error = Codebook::resolve(&letters(&[" ab"]), None, false, encode).unwrap_err();
        assert!(error.to_string().contains("97, 98"), "{error}");
        let book = Codebook::resolve(&letters(&[" ab"]), None, true, encode).unwrap();
        assert_eq!(book.alphabet, [TokenId(97)]);
    }

    #[test]
    fn a_letter_that_is_one_token_after_something_is_that_token() {
        // As SentencePiece: a space before every text, and a space and a letter are one piece.
        let encode = |text: &str| {
            let bytes = format!(" {text}").into_bytes();
            let piece = |w: &[u8]| match w {
                [b' ', b' '] => Some(TokenId(32)),
                [b' ', letter] => Some(TokenId(1000 + u32::from(*letter))),
                _ => None,
            };
            Ok(bytes.windows(2).filter_map(piece).collect())
        };
        let book = Codebook::resolve(&letters(&[" a", " b"]), Some([" x", " y"]), false, encode);
        let book = book.unwrap();
        assert_eq!(book.alphabet, [TokenId(1097), TokenId(1098)]);
        assert_eq!(book.prefixes, Some([TokenId(1120), TokenId(1121)]));
    }

    #[test]
    fn letters_that_share_a_token_are_refused() {
        let error = Codebook::resolve(&letters(&[" ab", " ac"]), None, true, encode).unwrap_err();
        assert!(matches!(error, CodebookError::SameToken { .. }));
    }

    #[test]
    fn without_prefixes_the_first_letter_is_not_scored() {
        let book = Codebook::resolve(&letters(&[" a", " b"]), None, false, encode).unwrap();
        let password: Letters = Box::from([1, 0]);
        assert_eq!(book.row(&password, Prefix::Reverse).len(), 2);
        assert_eq!(book.scored(&password), [0]);
    }
}
