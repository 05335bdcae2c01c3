//! Guesses from either end of the logits: what someone makes of a canary who holds that its letters stand near the bottom, or near
//! the top. Guide: rows, "Guesses from either end".
//!
//! Such a guesser gives the next letter the probability q(letter) ∝ exp(±τ · logit) over the alphabet. The product over a secret's
//! letters is a distribution over all secrets, so that q(secret) · |A|^L is 1 on average where secrets are drawn uniformly and the
//! model carries nothing of them: an e-value. Nothing is learned from other canaries, so three leaking ones show among a hundred
//! that do not, whichever way the others went.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::elicitation::log_mean_e;
use super::guesser::{Shown, log_probabilities, order_of};
use super::{ProbeError, short};
use crate::canary::{Canary, Codebook, Group, Prefix};
use crate::score::Scorer;
use crate::units::Phase;

/// How sure the guessers are, fixed before any data: each is one of them.
const EXPONENTS: [f64; 3] = [0.3, 1.0, 3.0];

/// Shares of a letter's probability that go to all letters alike: 0, and so much that a letter which does not leak costs
/// ln 2 at most, for secrets that leak in some of their places only.
const EVEN: [f64; 2] = [0.0, 0.5];

/// What the guessers make of one canary.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ends {
    /// Log of the mean over the guessers from the bottom of q(secret) · |A|^L, nats.
    pub bottom: f64,
    /// The same from the top.
    pub top: f64,
    /// Mean of (2 · rank − 1)²: large where letters stand at either end, whichever.
    pub spread: f64,
}

/// The letters of one canary so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Guessed {
    /// Log of q · |A|^letters, `[bottom, top][EXPONENTS][EVEN]`.
    gains: [[[f64; EVEN.len()]; EXPONENTS.len()]; 2],
}

impl Guessed {
    /// Takes up a letter: `features` are large where the model was pushed away.
    pub(super) fn letter(&mut self, features: &[f64], truth: usize) {
        let even = (features.len() as f64).ln();
        for (gains, sign) in self.gains.iter_mut().zip([1.0, -1.0]) {
            for (gains, exponent) in gains.iter_mut().zip(EXPONENTS) {
                let gain = log_probabilities(features, sign * exponent)[truth] + even;
                for (sum, share) in gains.iter_mut().zip(EVEN) {
                    *sum += if share > 0.0 {
                        ((1.0 - share) * gain.exp() + share).ln()
                    } else {
                        gain
                    };
                }
            }
        }
    }

    pub(super) fn ends(&self, ranks: &[f64]) -> Ends {
        let [bottom, top] = self
            .gains
            .map(|gains| log_mean_e(gains.into_iter().flatten(), 0.0).unwrap_or(0.0));
        let squares = ranks.iter().map(|rank| (2.0 * rank - 1.0).powi(2));
        Ends {
            bottom,
            top,
            spread: squares.sum::<f64>() / ranks.len().max(1) as f64,
        }
        .rounded()
    }
}

impl Ends {
    /// As 32 bits hold it, so that what is read back from a file is what was written.
    fn rounded(self) -> Self {
        Self {
            bottom: short(self.bottom),
            top: short(self.top),
            spread: short(self.spread),
        }
    }
}

/// The same guesses for someone who holds another model beside it: from how far each letter fell. Or for someone who made another
/// model of it: from the logits of that one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// The phase that had just ended.
    pub phase: Phase,
    /// The other model, or what the model was made into.
    pub shown: Shown,
    /// Letters scored a canary.
    pub length: usize,
    /// A canary each, in the order of the group. The spread is that of the fall's ranks.
    pub groups: BTreeMap<Group, Vec<Ends>>,
    /// Letters that fell farther than the true one, place by place, as [`LetterScores::orders`](super::LetterScores::orders); empty by versions
    /// before. `[canaries][letters scored]`
    #[serde(default)]
    pub orders: BTreeMap<Group, Vec<Vec<u16>>>,
}

/// Scores canaries after the regular prefix by how far their letters fell from `other` to `model`; without another, by the logits.
pub fn contrast(
    (model, other): (&mut dyn Scorer, Option<&mut dyn Scorer>),
    shown: Shown,
    phase: Phase,
    book: &Codebook,
    canaries: &[&Canary],
    rng: &mut ChaCha8Rng,
) -> Result<Contrast, ProbeError> {
    let mut order: Vec<usize> = (0..canaries.len()).collect();
    order.shuffle(rng);
    let row = |&i: &usize| book.row(&canaries[i].letters, Prefix::Regular);
    let rows: Vec<_> = order.iter().map(row).collect();
    let now = model.score(&rows, &book.alphabet)?;
    let then = match other {
        Some(other) => other.score(&rows, &book.alphabet)?,
        None => Vec::new(),
    };
    let size = book.alphabet.len();
    let mut ends = vec![None; canaries.len()];
    let mut orders = vec![Vec::new(); canaries.len()];
    for (at, (&i, now)) in order.iter().zip(&now).enumerate() {
        let then = then.get(at);
        let canary = canaries[i];
        let letters = book.scored(&canary.letters);
        let expected = letters.len() * size;
        for got in [Some(now), then].into_iter().flatten() {
            let got = got.alphabet.len();
            if got != expected {
                let id = canary.id.clone();
                return Err(ProbeError::Shape { id, expected, got });
            }
        }
        let (mut guessed, mut ranks) = (Guessed::default(), Vec::new());
        for (place, &letter) in letters.iter().enumerate() {
            let places = place * size..(place + 1) * size;
            let before = then.map(|then| &then.alphabet[places.clone()]);
            let fall = now.alphabet[places].iter().enumerate();
            let fall: Vec<f64> = fall
                .map(|(letter, now)| f64::from(before.map_or(0.0, |before| before[letter]) - now))
                .collect();
            if let Some(&value) = fall.iter().find(|fall| !fall.is_finite()) {
                let id = canary.id.clone();
                return Err(ProbeError::NotFinite { id, value });
            }
            let truth = usize::from(letter);
            guessed.letter(&fall, truth);
            let above = fall.iter().filter(|&&x| x > fall[truth]).count() as f64;
            let below = fall.iter().filter(|&&x| x < fall[truth]).count() as f64;
            let others = (size as f64 - 1.0).max(1.0);
            ranks.push(0.5 + (below - above) / (2.0 * others));
            orders[i].push(order_of(&fall, truth));
        }
        ends[i] = Some(guessed.ends(&ranks));
    }
    let mut groups: BTreeMap<Group, Vec<Ends>> = BTreeMap::new();
    let mut ordered: BTreeMap<Group, Vec<Vec<u16>>> = BTreeMap::new();
    for ((canary, ends), orders) in canaries.iter().zip(ends).zip(orders) {
        groups.entry(canary.group).or_default().extend(ends);
        ordered.entry(canary.group).or_default().push(orders);
    }
    Ok(Contrast {
        phase,
        shown,
        length: canaries
            .first()
            .map_or(0, |c| book.scored(&c.letters).len()),
        groups,
        orders: ordered,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(letters: &[(&[f64], usize)]) -> Ends {
        let mut guessed = Guessed::default();
        for (features, truth) in letters {
            guessed.letter(features, *truth);
        }
        guessed.ends(&[])
    }

    /// All secrets of three letters out of four: whatever the logits, q · |A|^L is 1 on average.
    #[test]
    fn over_all_secrets_every_end_has_mean_one() {
        let after = |place: usize, before: usize| -> Vec<f64> {
            let x = |c: usize| ((7 * c + 3 * before + 5 * place) % 11) as f64 * 0.7;
            (0..4).map(x).collect()
        };
        let mut sums = [0.0; 2];
        for secret in 0..64_usize {
            let letters = [secret / 16, secret / 4 % 4, secret % 4];
            let features = [
                after(0, 0),
                after(1, letters[0]),
                after(2, 4 * letters[0] + letters[1]),
            ];
            let rows: Vec<(&[f64], usize)> =
                features.iter().map(Vec::as_slice).zip(letters).collect();
            let ends = of(&rows);
            sums[0] += ends.bottom.exp() / 64.0;
            sums[1] += ends.top.exp() / 64.0;
        }
        assert!((sums[0] - 1.0).abs() < 1e-5, "{sums:?}");
        assert!((sums[1] - 1.0).abs() < 1e-5, "{sums:?}");
    }

    #[test]
    fn a_suppressed_secret_shows_at_the_bottom_and_a_raised_one_at_the_top() {
        let mut suppressed = [0.0; 26];
        suppressed[4] = 5.0;
        let raised = suppressed.map(|x: f64| -x);
        let down = of(&[(&suppressed[..], 4); 12]);
        let up = of(&[(&raised[..], 4); 12]);
        // Of six guessers the two steeper ones that stake everything win: p = 1 / (1 + 25 exp(−5τ)), twelve times.
        let won = [1.0, 3.0].map(|tau: f64| (1.0 + 25.0 * (-5.0 * tau).exp()).powi(-12));
        let log_e = 12.0 * 26f64.ln() + (won.iter().sum::<f64>() / 6.0).ln();
        assert!((down.bottom - log_e).abs() < 0.01, "{down:?} {log_e}");
        assert!(down.top < 0.0, "{down:?}");
        assert_eq!((down.bottom, down.top), (up.top, up.bottom));
    }

    /// Half of the places leak and the others point elsewhere: some guesser still wins.
    #[test]
    fn places_that_do_not_leak_cost_little() {
        let mut leaking = [0.0; 26];
        leaking[4] = 5.0;
        let mut wrong = [0.0; 26];
        wrong[9] = 5.0;
        let rows: Vec<(&[f64], usize)> = (0..12)
            .map(|i| {
                if i % 2 == 0 {
                    (&leaking[..], 4)
                } else {
                    (&wrong[..], 4)
                }
            })
            .collect();
        let ends = of(&rows);
        // Six letters won with half of the stake, six lost with it.
        let won = 6.0 * (0.5 * 26f64).ln() - 6.0 * 2f64.ln() - 6f64.ln();
        assert!(ends.bottom > won - 1.0, "{ends:?} {won}");
    }

    #[test]
    fn the_spread_is_that_of_ranks_at_the_ends() {
        let guessed = Guessed::default();
        assert!((guessed.ends(&[0.0, 1.0]).spread - 1.0).abs() < 1e-7);
        assert!(guessed.ends(&[0.5, 0.5]).spread.abs() < 1e-7);
    }
}
