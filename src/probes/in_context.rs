//! A scorer whose rows stand in a longer context: a chat template's text in the place of the prefix token.

use crate::score::{RowScore, ScoreError, Scorer};
use crate::units::TokenId;

/// Puts `context` in the place of every row's first token, and gives the scores of what stands after it.
pub struct InContext<'a> {
    /// Scores the longer rows.
    pub scorer: &'a mut dyn Scorer,
    /// Empty: rows are asked about as they are.
    pub context: Vec<TokenId>,
}

impl InContext<'_> {
    fn longer(&self, rows: &[Vec<TokenId>]) -> Vec<Vec<TokenId>> {
        let longer = |row: &Vec<TokenId>| {
            let rest = row.iter().skip(1);
            self.context.iter().chain(rest).copied().collect()
        };
        rows.iter().map(longer).collect()
    }
}

impl Scorer for InContext<'_> {
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError> {
        if self.context.is_empty() {
            return self.scorer.score(rows, alphabet);
        }
        let before = self.context.len() - 1;
        let mut scores = self.scorer.score(&self.longer(rows), alphabet)?;
        for score in &mut scores {
            score.logprobs.drain(..before.min(score.logprobs.len()));
            let letters = (before * alphabet.len()).min(score.alphabet.len());
            score.alphabet.drain(..letters);
        }
        Ok(scores)
    }

    fn next(
        &mut self,
        prefixes: &[Vec<TokenId>],
        candidates: &[TokenId],
    ) -> Result<Vec<Vec<f32>>, ScoreError> {
        if self.context.is_empty() {
            return self.scorer.next(prefixes, candidates);
        }
        self.scorer.next(&self.longer(prefixes), candidates)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Gives every token its own number as log-probability, and the place of the row's token to every letter.
    pub(in crate::probes) struct Echo;

    impl Scorer for Echo {
        fn score(
            &mut self,
            rows: &[Vec<TokenId>],
            alphabet: &[TokenId],
        ) -> Result<Vec<RowScore>, ScoreError> {
            Ok(rows
                .iter()
                .map(|row| RowScore {
                    logprobs: row[1..].iter().map(|t| -(t.0 as f32)).collect(),
                    alphabet: (1..row.len())
                        .flat_map(|i| alphabet.iter().map(move |_| -(i as f32)))
                        .collect(),
                })
                .collect())
        }
    }

    #[test]
    fn only_what_stands_after_the_context_is_scored() {
        let mut scorer = InContext {
            scorer: &mut Echo,
            context: [10, 11, 12].map(TokenId).to_vec(),
        };
        let row = vec![[99, 3, 4].map(TokenId).to_vec()];
        let scores = scorer.score(&row, &[TokenId(3), TokenId(4)]).unwrap();
        assert_eq!(scores[0].logprobs, [-3.0, -4.0]);
        assert_eq!(scores[0].alphabet, [-3.0, -3.0, -4.0, -4.0]);
        // What comes after two letters is the fifth token after the three of the context.
        assert_eq!(scorer.next(&row, &[TokenId(3)]).unwrap(), [[-5.0]]);
        scorer.context = Vec::new();
        assert_eq!(scorer.next(&row, &[TokenId(3)]).unwrap(), [[-3.0]]);
        assert_eq!(scorer.score(&row, &[]).unwrap()[0].logprobs, [-3.0, -4.0]);
    }
}
