//! A canary, letter by letter: what the model gave each true letter, and where it stood among the alphabet.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::ends::{Ends, Guessed};
use super::{ProbeError, short};
use crate::canary::{Canary, Codebook, Prefix};
use crate::score::{RowScore, Scorer};
use crate::units::TokenId;

/// Scores of the letters of one canary, each given its true beginning. All `[letters scored]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LetterScores {
    /// Natural-log probability under the full vocabulary.
    pub logprobs: Vec<f64>,
    /// Natural-log probability among the alphabet's letters alone.
    pub alphabet_logprobs: Vec<f64>,
    /// Mid-rank among the alphabet's logits, 0…1 from the bottom; 0.5 on average for a model that knows nothing.
    pub ranks: Vec<f64>,
    /// 1 where the letter stands first of the alphabet (shared among ties), else 0.
    pub first: Vec<f64>,
    /// 1 where it stands last.
    pub last: Vec<f64>,
    /// Letters of the alphabet that stand below the true one, ties in the alphabet's order: after any beginning each letter has another
    /// number. Empty where it was not looked at, as by versions before.
    pub orders: Vec<u16>,
    /// What guessers from either end make of it; `None` where it was not looked at, as by versions before.
    pub ends: Option<Ends>,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

impl LetterScores {
    /// Log-probability of the whole canary, nats.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.logprobs.iter().sum()
    }

    /// Mean log-probability, nats per token.
    #[must_use]
    pub fn mean_logprob(&self) -> f64 {
        mean(&self.logprobs)
    }

    /// Mean log-probability within the alphabet, nats per token.
    #[must_use]
    pub fn mean_alphabet_logprob(&self) -> f64 {
        mean(&self.alphabet_logprobs)
    }

    /// Mean rank, 0…1 from the bottom.
    #[must_use]
    pub fn mean_rank(&self) -> f64 {
        mean(&self.ranks)
    }

    /// Share of letters that stand first.
    #[must_use]
    pub fn first_rate(&self) -> f64 {
        mean(&self.first)
    }

    /// Share of letters that stand last.
    #[must_use]
    pub fn last_rate(&self) -> f64 {
        mean(&self.last)
    }

    /// From a scored row: `letters` are the true letters' places in an alphabet of `size`.
    fn new(id: &str, score: &RowScore, letters: &[u16], size: usize) -> Result<Self, ProbeError> {
        let expected = letters.len() * (size + 1);
        let got = score.logprobs.len() + score.alphabet.len();
        if got != expected {
            return Err(ProbeError::Shape {
                id: id.to_owned(),
                expected,
                got,
            });
        }
        let mut scores = Self::default();
        let mut guessed = Guessed::default();
        for ((&logprob, &letter), row) in score
            .logprobs
            .iter()
            .zip(letters)
            .zip(score.alphabet.chunks(size))
        {
            let value = f64::from(logprob);
            if !value.is_finite() {
                return Err(ProbeError::NotFinite {
                    id: id.to_owned(),
                    value,
                });
            }
            scores.logprobs.push(value);
            scores.place(row, usize::from(letter));
            // NaN among the other letters would pass every comparison as "not above, not below".
            if let Some(&value) = scores.alphabet_logprobs.last().filter(|v| !v.is_finite()) {
                return Err(ProbeError::NotFinite {
                    id: id.to_owned(),
                    value,
                });
            }
            let features: Vec<f64> = row.iter().map(|&x| -f64::from(x)).collect();
            guessed.letter(&features, usize::from(letter));
        }
        scores.ends = Some(guessed.ends(&scores.ranks));
        Ok(scores.rounded())
    }

    /// Every number as 32 bits hold it, so that scores read back from a file are the scores that were written.
    fn rounded(mut self) -> Self {
        let all = [
            &mut self.logprobs,
            &mut self.alphabet_logprobs,
            &mut self.ranks,
            &mut self.first,
            &mut self.last,
        ];
        for value in all.into_iter().flatten() {
            *value = short(*value);
        }
        self
    }

    fn place(&mut self, row: &[f32], letter: usize) {
        let own = row[letter];
        let above = row.iter().filter(|&&x| x > own).count() as f64;
        let below = row.iter().filter(|&&x| x < own).count() as f64;
        let ties = row.len() as f64 - above - below;
        let earlier = row[..letter].iter().filter(|&&x| x <= own).count();
        let later = row[letter..].iter().filter(|&&x| x < own).count();
        self.orders
            .push(u16::try_from(earlier + later).unwrap_or(u16::MAX));
        let others = (row.len() as f64 - 1.0).max(1.0);
        self.ranks.push((below + (ties - 1.0) / 2.0) / others);
        self.first.push(if above == 0.0 { 1.0 / ties } else { 0.0 });
        self.last.push(if below == 0.0 { 1.0 / ties } else { 0.0 });
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|&x| f64::from(x - top).exp()).sum();
        self.alphabet_logprobs.push(f64::from(own - top) - sum.ln());
    }
}

/// Scores canaries after a prefix. All groups go through the model in one shuffled order, so that nothing but a
/// canary's text can tell the groups apart. Gives scores in the order of `canaries`.
pub fn observe(
    scorer: &mut dyn Scorer,
    book: &Codebook,
    canaries: &[&Canary],
    prefix: Prefix,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<LetterScores>, ProbeError> {
    observe_after(scorer, book, canaries, book.before(prefix), rng)
}

/// Scores canaries after any token, or none; then the first letter is context only and is not scored.
pub(super) fn observe_after(
    scorer: &mut dyn Scorer,
    book: &Codebook,
    canaries: &[&Canary],
    before: Option<TokenId>,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<LetterScores>, ProbeError> {
    let mut order: Vec<usize> = (0..canaries.len()).collect();
    order.shuffle(rng);
    let rows: Vec<_> = order
        .iter()
        .map(|&i| {
            let letters = book.tokens(&canaries[i].letters);
            before.into_iter().chain(letters).collect()
        })
        .collect();
    let scored = scorer.score(&rows, &book.alphabet)?;
    let mut scores = vec![LetterScores::default(); canaries.len()];
    for (&i, row) in order.iter().zip(&scored) {
        let canary = canaries[i];
        let from = usize::from(before.is_none());
        let letters = canary.letters.get(from..).unwrap_or_default();
        scores[i] = LetterScores::new(&canary.id, row, letters, book.alphabet.len())?;
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::Group;
    use crate::score::ScoreError;
    use crate::seed::{Purpose, RootSeed};

    /// Gives letter `c` at every place the log-probability `−c` among letters 0…3, whatever came before.
    struct Ladder;

    impl Scorer for Ladder {
        fn score(
            &mut self,
            rows: &[Vec<TokenId>],
            alphabet: &[TokenId],
        ) -> Result<Vec<RowScore>, ScoreError> {
            let value = |t: &TokenId| -(t.0 as f32);
            Ok(rows
                .iter()
                .map(|row| RowScore {
                    logprobs: row[1..].iter().map(value).collect(),
                    alphabet: row[1..]
                        .iter()
                        .flat_map(|_| alphabet.iter().map(value))
                        .collect(),
                })
                .collect())
        }
    }

    fn book() -> Codebook {
        Codebook {
            alphabet: (0..4).map(TokenId).collect(),
            texts: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            prefixes: Some([TokenId(8), TokenId(9)]),
        }
    }

    fn canary(letters: &[u16]) -> Canary {
        Canary {
            id: "held_out-0000".into(),
            group: Group::HeldOut,
            letters: letters.into(),
        }
    }

    #[test]
    fn ranks_firsts_and_lasts_are_exact_and_in_the_canaries_order() {
        let canaries = [canary(&[0, 3]), canary(&[1, 1]), canary(&[3, 3])];
        let refs: Vec<_> = canaries.iter().collect();
        let mut rng = RootSeed(5).stream(Purpose::ScoringOrder);
        let scores = observe(&mut Ladder, &book(), &refs, Prefix::Regular, &mut rng).unwrap();
        assert_eq!(scores[0].ranks, [1.0, 0.0]);
        assert_eq!(scores[0].orders, [3, 0]);
        assert_eq!((scores[0].first_rate(), scores[0].last_rate()), (0.5, 0.5));
        assert!((scores[1].mean_rank() - 2.0 / 3.0).abs() < 1e-7);
        assert!((scores[2].total() + 6.0).abs() < 1e-12);
        let normaliser: f64 = (0..4).map(|c| f64::from(-c).exp()).sum::<f64>().ln();
        assert!((scores[1].mean_alphabet_logprob() - (-1.0 - normaliser)).abs() < 1e-6);
    }

    #[test]
    fn a_model_that_ties_everything_knows_nothing() {
        let mut scores = LetterScores::default();
        scores.place(&[-2.0; 5], 3);
        // As many letters as places: whoever tries them in turn tries each once.
        assert_eq!(scores.orders, [3]);
        assert_eq!(scores.ranks, [0.5]);
        assert!((scores.first[0] - 0.2).abs() < 1e-12 && (scores.last[0] - 0.2).abs() < 1e-12);
        assert!((scores.alphabet_logprobs[0] + 5f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn values_that_are_no_numbers_are_refused() {
        let score = RowScore {
            logprobs: vec![f32::NAN],
            alphabet: vec![0.0; 4],
        };
        let error = LetterScores::new("control-0007", &score, &[0], 4).unwrap_err();
        assert!(error.to_string().contains("control-0007"));
        // Nor may another letter's, though the true letter's own is sound.
        let score = RowScore {
            logprobs: vec![-1.0],
            alphabet: vec![-1.0, f32::NAN, -2.0, -3.0],
        };
        assert!(LetterScores::new("control-0007", &score, &[0], 4).is_err());
    }
}
