//! A model as a [`Scorer`]: rows in batches of equal shape, no gradients.

use std::collections::BTreeMap;

use tch::{Tensor, no_grad};

use super::{Cached, Model, vocabulary};
use crate::score::{RowScore, ScoreError, Scorer};
use crate::units::{TokenId, to_i64};

/// Tokens scored in one forward pass.
const SCORING_TOKENS: usize = 4096;

impl Model {
    fn score_batch(
        &self,
        rows: &[Vec<TokenId>],
        alphabet: Option<&Tensor>,
    ) -> Result<Vec<RowScore>, tch::TchError> {
        let (inputs, targets) = self.batch(rows)?;
        let time = usize::try_from(inputs.size()[1]).unwrap_or(0);
        let hidden = self
            .hidden(&inputs)?
            .f_view([-1, to_i64(self.config().hidden_size)])?;
        let head = self.head(&hidden, &targets)?;
        let scored = vocabulary::forward(&head, false)?;
        let logprobs = Vec::<f32>::try_from(&scored.logprobs)?;
        let letters = match alphabet {
            None => Vec::new(),
            Some(tokens) => {
                let all = vocabulary::candidates(&head, &scored, tokens)?;
                Vec::<f32>::try_from(&all.f_reshape([-1i64])?)?
            }
        };
        let width = letters.len() / rows.len().max(1);
        Ok((0..rows.len())
            .map(|row| RowScore {
                logprobs: logprobs[row * time..(row + 1) * time].to_vec(),
                alphabet: letters[row * width..(row + 1) * width].to_vec(),
            })
            .collect())
    }

    pub(super) fn check(&self, rows: &[Vec<TokenId>]) -> Result<(), ScoreError> {
        for (row, tokens) in rows.iter().enumerate() {
            if tokens.len() < 2 {
                return Err(ScoreError::TooShort {
                    row,
                    len: tokens.len(),
                });
            }
            if tokens.len() - 1 > self.config().max_positions {
                return Err(ScoreError::TooLong {
                    row,
                    len: tokens.len(),
                    max: self.config().max_positions,
                });
            }
            let vocabulary = self.config().vocab_size;
            if let Some(&token) = tokens.iter().find(|t| t.0 as usize >= vocabulary) {
                return Err(ScoreError::UnknownToken {
                    row,
                    token,
                    last: u32::try_from(vocabulary - 1).unwrap_or(u32::MAX),
                });
            }
        }
        Ok(())
    }
}

impl Scorer for Model {
    /// Rows of one length share batches of equal shape (the last one padded with copies of its last row), so that a
    /// row's place changes nothing that could tell groups apart.
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError> {
        self.check(rows)?;
        let torch = |e: tch::TchError| ScoreError::Backend(Box::new(e));
        self.meet(rows).map_err(torch)?;
        let letters: Vec<i64> = alphabet.iter().map(|t| i64::from(t.0)).collect();
        let letters = if letters.is_empty() {
            None
        } else {
            Some(
                Tensor::f_from_slice(&letters)
                    .and_then(|t| t.f_to_device(self.device().tch()))
                    .map_err(torch)?,
            )
        };
        let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, row) in rows.iter().enumerate() {
            by_length.entry(row.len()).or_default().push(i);
        }
        let mut scores = vec![RowScore::default(); rows.len()];
        for (length, places) in by_length {
            let size = (SCORING_TOKENS / length).clamp(1, places.len());
            for places in places.chunks(size) {
                let mut batch: Vec<_> = places.iter().map(|&i| rows[i].clone()).collect();
                if let Some(last) = batch.last().cloned() {
                    batch.resize(size, last);
                }
                let scored =
                    no_grad(|| self.score_batch(&batch, letters.as_ref())).map_err(torch)?;
                for (&place, score) in places.iter().zip(scored) {
                    scores[place] = score;
                }
            }
        }
        Ok(scores)
    }

    fn growing(&mut self) -> Box<dyn Scorer + '_> {
        Box::new(Cached::new(self))
    }
}
