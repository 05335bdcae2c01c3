//! What a model says about token rows, in plain numbers: the only view that probes have of a model.

use crate::units::TokenId;

/// What a model says about one row of tokens.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowScore {
    /// Natural-log probability of each token after the first, given those before it, under the full vocabulary. `[time − 1]`
    pub logprobs: Vec<f32>,
    /// Natural-log probability (full vocabulary) of every alphabet token at each of those places. `[time − 1][alphabet]`, flattened
    pub alphabet: Vec<f32>,
}

/// Scores rows of tokens. Implemented by the models, and by fakes with planted numbers in tests.
pub trait Scorer {
    /// Scores each row. `alphabet` may be empty; then [`RowScore::alphabet`] is too.
    ///
    /// Errors: an empty row, a token outside the vocabulary, a row longer than the model's context, a failure of the back-end.
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError>;

    /// Natural-log probabilities (full vocabulary) of each candidate as the token after each prefix. `[prefixes][candidates]`
    ///
    /// Errors: as for [`Scorer::score`]; an empty prefix is one, an empty list of candidates gives nothing.
    fn next(
        &mut self,
        prefixes: &[Vec<TokenId>],
        candidates: &[TokenId],
    ) -> Result<Vec<Vec<f32>>, ScoreError> {
        let Some(&any) = candidates.first() else {
            return Ok(vec![Vec::new(); prefixes.len()]);
        };
        // What stands last is scored, and changes nothing before it.
        let rows: Vec<Vec<TokenId>> = prefixes
            .iter()
            .map(|prefix| prefix.iter().copied().chain([any]).collect())
            .collect();
        let last = |score: RowScore| {
            let from = score.alphabet.len().saturating_sub(candidates.len());
            score.alphabet[from..].to_vec()
        };
        let scored = self.score(&rows, candidates)?;
        Ok(scored.into_iter().map(last).collect())
    }

    /// This scorer for rows that grow by one token at a time, as beams and samples do; it may remember what it was asked.
    fn growing(&mut self) -> Box<dyn Scorer + '_> {
        Box::new(self)
    }
}

impl<S: Scorer + ?Sized> Scorer for &mut S {
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError> {
        (**self).score(rows, alphabet)
    }

    fn next(
        &mut self,
        prefixes: &[Vec<TokenId>],
        candidates: &[TokenId],
    ) -> Result<Vec<Vec<f32>>, ScoreError> {
        (**self).next(prefixes, candidates)
    }

    fn growing(&mut self) -> Box<dyn Scorer + '_> {
        (**self).growing()
    }
}

/// Why rows could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A row without a token to score.
    #[error("row {row} has {len} token(s); scoring needs at least 2: the first is context only")]
    TooShort {
        /// Which row, from 0.
        row: usize,
        /// How many tokens it has.
        len: usize,
    },
    /// A token the model does not have.
    #[error("row {row} holds token {token}, but the model's vocabulary ends at {last}")]
    UnknownToken {
        /// Which row, from 0.
        row: usize,
        /// The token.
        token: TokenId,
        /// The vocabulary's last token.
        last: u32,
    },
    /// A row beyond the model's context.
    #[error(
        "row {row} has {len} tokens, but the model's context ends at {max} (max_position_embeddings): cut the row"
    )]
    TooLong {
        /// Which row, from 0.
        row: usize,
        /// How many tokens it has.
        len: usize,
        /// The model's context.
        max: usize,
    },
    /// The back-end failed.
    #[error("the model could not be run: {0}")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}
