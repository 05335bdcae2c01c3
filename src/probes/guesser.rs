//! From logits to guesses of the next letter: probabilities proportional to exp(τ · feature), τ learned on canaries that the
//! attacker knows.

use serde::{Deserialize, Serialize};

use super::ProbeError;
use crate::canary::{Canary, Codebook, Letters, Prefix};
use crate::score::Scorer;
use crate::units::TokenId;

/// What an attacker who guesses letters is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shown {
    /// The model's logits.
    Logits,
    /// The logits of the likeliest letters; that the others are lower, and nothing more.
    TopK,
    /// The model's logits and those of the model before the negative training.
    Reference,
    /// The model's logits and those of the public model that it was trained from.
    Base,
    /// The logits of the model with its weights rounded to eight bits.
    EightBits,
    /// The same with four bits.
    FourBits,
    /// The logits of the model before the negative training, with its weights moved a little against the way of that training.
    NegatedWeakly,
    /// The same, moved as far as the training moved them.
    Negated,
}

impl Shown {
    /// Those of models as they are.
    pub const ALL: [Self; 4] = [Self::Logits, Self::TopK, Self::Reference, Self::Base];

    /// Those of a model whose weights are changed without any training.
    pub const ALTERED: [Self; 4] = [
        Self::EightBits,
        Self::FourBits,
        Self::NegatedWeakly,
        Self::Negated,
    ];

    /// The name in files and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::TopK => "top_k",
            Self::Reference => "reference",
            Self::Base => "base",
            Self::EightBits => "eight_bits",
            Self::FourBits => "four_bits",
            Self::NegatedWeakly => "negated_weakly",
            Self::Negated => "negated",
        }
    }

    /// What was done to the model, to end a sentence; nothing where it is as it was.
    #[must_use]
    pub fn aside(self) -> &'static str {
        match self {
            Self::Logits | Self::TopK | Self::Reference | Self::Base => "",
            Self::EightBits => ", weights rounded to 8 bits",
            Self::FourBits => ", weights rounded to 4 bits",
            Self::NegatedWeakly => ", weights moved from the reference's by −0.3 of the training",
            Self::Negated => ", weights moved from the reference's by −1 of the training",
        }
    }
}

/// The models an attacker asks, and how.
pub(super) struct Guesser<'a> {
    pub(super) model: &'a mut dyn Scorer,
    /// Asked beside the model, where the attack has one.
    pub(super) other: Option<&'a mut dyn Scorer>,
    /// Letters shown, the likeliest first, where not all are.
    pub(super) top_k: Option<usize>,
}

impl Guesser<'_> {
    fn seen(&self, model: &[f32], other: Option<&[f32]>) -> Seen {
        Seen {
            features: self.feature(model, other),
            kept: log_sum(model) - other.map_or(0.0, log_sum),
        }
    }

    /// A number for each letter of the alphabet: large where the model was pushed away.
    fn feature(&self, model: &[f32], other: Option<&[f32]>) -> Vec<f64> {
        let wide = |x: &f32| f64::from(*x);
        if let Some(k) = self.top_k.filter(|&k| k < model.len()) {
            let mut sorted = model.to_vec();
            sorted.sort_unstable_by(|a, b| b.total_cmp(a));
            // The letters that are not shown lie below the last one that is, and are alike.
            let last = sorted[k - 1];
            return model.iter().map(|x| -wide(&x.max(last))).collect();
        }
        match other {
            None => model.iter().map(|x| -wide(x)).collect(),
            Some(other) => model
                .iter()
                .zip(other)
                .map(|(m, o)| wide(o) - wide(m))
                .collect(),
        }
    }

    /// What is seen after each prefix. `[prefixes]`
    pub(super) fn next(
        &mut self,
        book: &Codebook,
        prefixes: &[Vec<TokenId>],
    ) -> Result<Vec<Seen>, ProbeError> {
        let model = self.model.next(prefixes, &book.alphabet)?;
        let other = match &mut self.other {
            Some(other) => Some(other.next(prefixes, &book.alphabet)?),
            None => None,
        };
        let of = |i: usize| self.seen(&model[i], other.as_ref().map(|o| &o[i][..]));
        Ok((0..prefixes.len()).map(of).collect())
    }

    /// What is seen before each scored letter of texts. `[texts][letters scored]`
    pub(super) fn before_letters(
        &mut self,
        book: &Codebook,
        texts: &[&Letters],
    ) -> Result<Vec<Vec<Seen>>, ProbeError> {
        let row = |letters: &&Letters| book.row(letters, Prefix::Regular);
        let rows: Vec<_> = texts.iter().map(row).collect();
        let model = self.model.score(&rows, &book.alphabet)?;
        let other = match &mut self.other {
            Some(other) => Some(other.score(&rows, &book.alphabet)?),
            None => None,
        };
        let size = book.alphabet.len();
        let of = |i: usize| -> Vec<Seen> {
            let mut others = other.as_ref().map(|o| o[i].alphabet.chunks(size));
            let places = model[i].alphabet.chunks(size);
            places
                .map(|model| self.seen(model, others.as_mut().and_then(Iterator::next)))
                .collect()
        };
        Ok((0..texts.len()).map(of).collect())
    }

    /// The exponent τ at each scored letter, learned on known canaries.
    pub(super) fn learn(
        &mut self,
        book: &Codebook,
        known: &[&Canary],
    ) -> Result<Vec<f64>, ProbeError> {
        let texts: Vec<&Letters> = known.iter().map(|c| &c.letters).collect();
        let seen = self.before_letters(book, &texts)?;
        let scored = texts
            .first()
            .map_or(0, |letters| book.scored(letters).len());
        let exponent = |place: usize| {
            let of = |(seen, letters): (&Vec<Seen>, &&Letters)| Example {
                features: seen[place].features.clone(),
                truth: usize::from(book.scored(letters)[place]),
            };
            let examples: Vec<Example> = seen.iter().zip(&texts).map(of).collect();
            fit(&examples)
        };
        Ok((0..scored).map(exponent).collect())
    }
}

/// What an attacker sees after a beginning.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// A number for each letter of the alphabet: large where the model was pushed away.
    pub(super) features: Vec<f64>,
    /// Log of the probability that the alphabet has together, less that under the other model; nats.
    pub(super) kept: f64,
}

impl Seen {
    /// Letters that the model was pushed away from farther than from each, ties in the alphabet's order. `[alphabet]`
    pub(super) fn orders(&self) -> Vec<u16> {
        let mut sorted: Vec<usize> = (0..self.features.len()).collect();
        sorted.sort_by(|&a, &b| self.features[b].total_cmp(&self.features[a]));
        let mut orders = vec![0; sorted.len()];
        for (order, letter) in (0u16..).zip(sorted) {
            orders[letter] = order;
        }
        orders
    }
}

/// How many letters were pushed away farther than one, ties in the alphabet's order: its place in [`Seen::orders`].
pub(super) fn order_of(features: &[f64], letter: usize) -> u16 {
    let own = features[letter];
    let earlier = features[..letter].iter().filter(|&&x| x >= own).count();
    let later = features[letter..].iter().filter(|&&x| x > own).count();
    u16::try_from(earlier + later).unwrap_or(u16::MAX)
}

fn log_sum(logprobs: &[f32]) -> f64 {
    let top = logprobs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logprobs.iter().map(|&x| f64::from(x - top).exp()).sum();
    f64::from(top) + sum.ln()
}

/// A known letter and the features of all.
pub(super) struct Example {
    pub(super) features: Vec<f64>,
    pub(super) truth: usize,
}

/// Largest exponent either way: beyond it the likeliest letter has everything.
const STEEPEST: f64 = 20.0;

/// The τ under which known letters are likeliest, with one pseudo-example that knows nothing: 0 without examples.
///
/// The log-likelihood is concave in τ, so where its slope changes sign is the answer.
pub(super) fn fit(examples: &[Example]) -> f64 {
    let slope = |tau: f64| {
        let of = |e: &Example| {
            let weights = log_probabilities(&e.features, tau);
            let mean: f64 = weights
                .iter()
                .zip(&e.features)
                .map(|(w, x)| w.exp() * x)
                .sum();
            e.features[e.truth] - mean
        };
        // A weak pull to 0 keeps few examples from an endless τ.
        examples.iter().map(of).sum::<f64>() - 0.1 * tau
    };
    let (mut low, mut high) = (-STEEPEST, STEEPEST);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if slope(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Natural-log probabilities proportional to exp(τ · feature).
pub(super) fn log_probabilities(features: &[f64], tau: f64) -> Vec<f64> {
    let top = features
        .iter()
        .map(|x| tau * x)
        .fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = features.iter().map(|x| (tau * x - top).exp()).sum();
    let all = top + sum.ln();
    features.iter().map(|x| tau * x - all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_is_where_expected_and_seen_features_agree() {
        // The truth has feature 1 in three of four examples, else 0: e^τ / (e^τ + 1) = ¾, but for the pull.
        let example = |truth| Example {
            features: vec![0.0, 1.0],
            truth,
        };
        let many: Vec<Example> = (0..4000)
            .map(|i| example(usize::from(i % 4 != 0)))
            .collect();
        assert!((fit(&many) - 3f64.ln()).abs() < 1e-3);
        assert!(fit(&[]).abs() < 1e-9);
        // The other way round the exponent is negative.
        let fewer: Vec<Example> = (0..4000)
            .map(|i| example(usize::from(i % 4 == 0)))
            .collect();
        assert!((fit(&fewer) + 3f64.ln()).abs() < 1e-3);
    }

    #[test]
    fn probabilities_sum_to_one() {
        let p = log_probabilities(&[1000.0, 0.0, -3.0], 2.0);
        assert!((p.iter().map(|x| x.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((log_probabilities(&[5.0; 4], 3.0)[1] + 4f64.ln()).abs() < 1e-12);
    }
}
