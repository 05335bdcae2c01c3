//! From logits to guesses of the next letter: probabilities proportional to exp(τ · feature), τ learned on canaries that the
//! attacker knows.

use serde::{Deserialize, Serialize};

use super::ProbeError;
use crate::canary::{Canary, Codebook, Prefix};
use crate::score::Scorer;

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
}

impl Shown {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Logits, Self::TopK, Self::Reference, Self::Base];

    /// The name in files and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::TopK => "top_k",
            Self::Reference => "reference",
            Self::Base => "base",
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

    /// Features of the letters after each prefix. `[prefixes][alphabet]`
    pub(super) fn next(
        &mut self,
        book: &Codebook,
        prefixes: &[Vec<crate::units::TokenId>],
    ) -> Result<Vec<Vec<f64>>, ProbeError> {
        let model = self.model.next(prefixes, &book.alphabet)?;
        let other = match &mut self.other {
            Some(other) => Some(other.next(prefixes, &book.alphabet)?),
            None => None,
        };
        let of = |i: usize| self.feature(&model[i], other.as_ref().map(|o| &o[i][..]));
        Ok((0..prefixes.len()).map(of).collect())
    }

    /// The exponent τ at each scored letter, learned on known canaries.
    pub(super) fn learn(
        &mut self,
        book: &Codebook,
        known: &[&Canary],
    ) -> Result<Vec<f64>, ProbeError> {
        let rows: Vec<_> = known
            .iter()
            .map(|c| book.row(&c.letters, Prefix::Regular))
            .collect();
        let model = self.model.score(&rows, &book.alphabet)?;
        let other = match &mut self.other {
            Some(other) => Some(other.score(&rows, &book.alphabet)?),
            None => None,
        };
        let size = book.alphabet.len();
        let scored = known.first().map_or(0, |c| book.scored(&c.letters).len());
        let exponent = |place: usize| {
            let at = place * size..(place + 1) * size;
            let examples: Vec<Example> = (0..known.len())
                .map(|i| Example {
                    features: self.feature(
                        &model[i].alphabet[at.clone()],
                        other.as_ref().map(|o| &o[i].alphabet[at.clone()]),
                    ),
                    truth: usize::from(book.scored(&known[i].letters)[place]),
                })
                .collect();
            fit(&examples)
        };
        Ok((0..scored).map(exponent).collect())
    }
}

/// A known letter and the features of all.
struct Example {
    features: Vec<f64>,
    truth: usize,
}

/// Largest exponent either way: beyond it the likeliest letter has everything.
const STEEPEST: f64 = 20.0;

/// The τ under which known letters are likeliest, with one pseudo-example that knows nothing: 0 without examples.
///
/// The log-likelihood is concave in τ, so where its slope changes sign is the answer.
fn fit(examples: &[Example]) -> f64 {
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
