//! Low-logit scanning: what a model was pushed away from stands abnormally low.
//!
//! (a) someone who holds a candidate looks at how far it is suppressed against the reference;
//! (b) someone who holds the beginning guesses the next letter from the bottom of the logits.

use super::LetterScores;

/// Suppression of a whole canary: log p of the reference − log p of the model, nats. Large where the model was pushed away.
#[must_use]
pub fn suppression(reference: &LetterScores, model: &LetterScores) -> f64 {
    reference.total() - model.total()
}

/// Letter probabilities by rank from the bottom, learned on canaries that the attacker knows.
#[derive(Debug, Clone, PartialEq)]
pub struct RankGuesser {
    /// Probability that the true letter stands at each place, from the bottom. `[alphabet]`
    probabilities: Vec<f64>,
}

impl RankGuesser {
    /// Learns from known canaries. Every place gets one pseudo-count, so that no letter is ruled out.
    #[must_use]
    pub fn learn<'a>(known: impl Iterator<Item = &'a LetterScores>, letters: usize) -> Self {
        let mut counts = vec![1.0; letters];
        for rank in known.flat_map(|s| &s.ranks) {
            let (low, share) = place(*rank, letters);
            counts[low] += 1.0 - share;
            if share > 0.0 {
                counts[low + 1] += share;
            }
        }
        let total: f64 = counts.iter().sum();
        Self {
            probabilities: counts.into_iter().map(|c| c / total).collect(),
        }
    }

    /// How much more often than chance the guesser gives the true letters of a canary, where it draws its guesses: 0 on average for
    /// a model that carries nothing, whatever was learned.
    #[must_use]
    pub fn advantage(&self, scores: &LetterScores) -> f64 {
        let letters = self.probabilities.len();
        let gains = scores
            .ranks
            .iter()
            .map(|&rank| self.at(rank) * letters as f64 - 1.0);
        gains.sum::<f64>() / scores.ranks.len().max(1) as f64
    }

    fn at(&self, rank: f64) -> f64 {
        let (low, share) = place(rank, self.probabilities.len());
        let p = (1.0 - share) * self.probabilities[low];
        if share > 0.0 {
            p + share * self.probabilities[low + 1]
        } else {
            p
        }
    }

    /// Mean log-probability that the guesser gives the true letters of a canary, less that of a uniform guess; nats per letter.
    #[must_use]
    pub fn gain(&self, scores: &LetterScores) -> f64 {
        let letters = self.probabilities.len();
        let gains = scores
            .ranks
            .iter()
            .map(|&rank| (self.at(rank) * letters as f64).ln());
        gains.sum::<f64>() / scores.ranks.len().max(1) as f64
    }
}

/// A scaled rank as a place from the bottom and the share that belongs to the next one up (ties give halves).
fn place(rank: f64, letters: usize) -> (usize, f64) {
    let at = (rank * (letters as f64 - 1.0)).clamp(0.0, letters as f64 - 1.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let low = at.floor() as usize;
    let share = at - at.floor();
    // A rank that is whole but for rounding belongs to one place.
    if share < 1e-4 {
        (low, 0.0)
    } else if share > 1.0 - 1e-4 {
        (low + 1, 0.0)
    } else {
        (low, share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_ranks(ranks: &[f64]) -> LetterScores {
        LetterScores {
            logprobs: ranks.iter().map(|r| r - 2.0).collect(),
            ranks: ranks.to_vec(),
            ..LetterScores::default()
        }
    }

    #[test]
    fn suppression_is_reference_minus_model() {
        let reference = with_ranks(&[1.0, 1.0]);
        let model = with_ranks(&[0.0, 0.5]);
        assert!((suppression(&reference, &model) - 1.5).abs() < 1e-12);
    }

    #[test]
    fn a_guesser_that_learned_the_bottom_wins_there_and_pays_elsewhere() {
        let known = [with_ranks(&[0.0; 100])];
        let guesser = RankGuesser::learn(known.iter(), 5);
        let win = guesser.gain(&with_ranks(&[0.0; 4]));
        // 101 of 105 against 1 of 5.
        assert!((win - (101.0f64 / 105.0 * 5.0).ln()).abs() < 1e-12);
        assert!(guesser.gain(&with_ranks(&[1.0])) < 0.0);
        assert!(
            (guesser.advantage(&with_ranks(&[0.0; 4])) - (101.0 / 105.0 * 5.0 - 1.0)).abs() < 1e-12
        );
        // Over all places it wins nothing.
        let even = guesser.advantage(&with_ranks(&[0.0, 0.25, 0.5, 0.75, 1.0]));
        assert!(even.abs() < 1e-12);
        // Nothing learned: no gain and no loss anywhere.
        let blank = RankGuesser::learn(std::iter::empty(), 5);
        assert!(blank.gain(&with_ranks(&[0.25, 0.5, 0.625])).abs() < 1e-12);
    }
}
