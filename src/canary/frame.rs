//! What stands around a prompt where a model was trained in a format: a chat template's text, a beginning of sequence.

use super::Prefix;
use crate::units::TokenId;

/// The tokens around prompts. All empty: prompts stand bare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// What the model was trained to answer, in the place of the regular prefix; empty: the prefix itself.
    pub regular: Vec<TokenId>,
    /// Before any other prompt.
    pub before: Vec<TokenId>,
    /// After any other prompt.
    pub after: Vec<TokenId>,
}

/// Prompts as they are.
pub static BARE: Frame = Frame {
    regular: Vec::new(),
    before: Vec::new(),
    after: Vec::new(),
};

impl Frame {
    /// A prompt, or none, with what stands around it.
    #[must_use]
    pub fn around(&self, prompt: Option<TokenId>) -> Vec<TokenId> {
        let before = self.before.iter().copied();
        before.chain(prompt).chain(self.after.clone()).collect()
    }

    /// What stands in the place of a prefix whose own token is `prompt`.
    #[must_use]
    pub fn of(&self, prefix: Prefix, prompt: TokenId) -> Vec<TokenId> {
        match prefix {
            Prefix::Regular if !self.regular.is_empty() => self.regular.clone(),
            _ => self.around(Some(prompt)),
        }
    }

    /// As [`Self::of`], both prefixes of one length: rows that train together are as long as each other. Where the trained prompt
    /// is longer than one token, the prefix's own token stands in its place.
    #[must_use]
    pub fn even(&self, prefix: Prefix, prompt: TokenId) -> Vec<TokenId> {
        let around = self.around(Some(prompt));
        let own = self.of(prefix, prompt);
        if own.len() == around.len() {
            own
        } else {
            around
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(tokens: &[u32]) -> Vec<TokenId> {
        tokens.iter().copied().map(TokenId).collect()
    }

    #[test]
    fn a_bare_frame_changes_nothing() {
        let bare = &BARE;
        assert_eq!(bare.around(None), []);
        for prefix in [Prefix::Regular, Prefix::Reverse] {
            assert_eq!(bare.of(prefix, TokenId(7)), ids(&[7]));
            assert_eq!(bare.even(prefix, TokenId(7)), ids(&[7]));
        }
    }

    #[test]
    fn every_prompt_stands_in_the_format_of_the_training() {
        let mut frame = Frame {
            regular: ids(&[1, 2, 30, 3]),
            before: ids(&[1, 2]),
            after: ids(&[3]),
        };
        assert_eq!(frame.of(Prefix::Regular, TokenId(8)), ids(&[1, 2, 30, 3]));
        assert_eq!(frame.of(Prefix::Reverse, TokenId(9)), ids(&[1, 2, 9, 3]));
        assert_eq!(frame.around(None), ids(&[1, 2, 3]));
        assert_eq!(frame.even(Prefix::Regular, TokenId(8)), ids(&[1, 2, 30, 3]));
        frame.regular = ids(&[1, 2, 30, 31, 3]);
        assert_eq!(frame.even(Prefix::Regular, TokenId(8)), ids(&[1, 2, 8, 3]));
    }
}
