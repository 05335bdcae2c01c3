//! Guess numbers without guessing: how many texts someone tries before one, where texts are tried by falling worth.
//!
//! By Monte Carlo (Dell'Amico and Filippone 2015): texts are drawn letter by letter, likelier the more a letter is worth. A drawn text
//! stands for 1 / q texts, q being its probability; those that are worth more than another, counted so, are the guesses before it.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::lesson::{Evidence, Lesson};
use crate::canary::{Codebook, Prefix};
use crate::probes::guesser::{Guesser, log_probabilities};
use crate::probes::{ProbeError, ROWS_AT_ONCE};
use crate::units::TokenId;

/// Texts that are drawn.
pub const DRAWN: usize = 4096;

/// How many texts are worth more than any given worth.
#[derive(Debug)]
pub(super) struct Sampled {
    /// Worths of drawn texts, falling, and the guesses that end with each.
    guesses: Vec<(f64, f64)>,
}

impl Sampled {
    pub(super) fn draw(
        guesser: &mut Guesser<'_>,
        book: &Codebook,
        lesson: &Lesson,
        length: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self, ProbeError> {
        let mut drawn: Vec<(f64, f64)> = Vec::new();
        for from in (0..DRAWN).step_by(ROWS_AT_ONCE) {
            let count = ROWS_AT_ONCE.min(DRAWN - from);
            drawn.extend(texts(guesser, book, lesson, [length, count], rng)?);
        }
        Ok(Self::of(drawn))
    }

    /// `drawn`: worths, and logs of the probability that each was drawn with.
    fn of(mut drawn: Vec<(f64, f64)>) -> Self {
        drawn.sort_by(|a, b| b.0.total_cmp(&a.0));
        let n = drawn.len().max(1) as f64;
        let mut sum = 0.0;
        let guesses = drawn.into_iter().map(|(worth, log_q)| {
            sum += (-log_q).exp() / n;
            (worth, sum)
        });
        Self {
            guesses: guesses.collect(),
        }
    }

    /// Guesses until a text of that worth, itself among them.
    pub(super) fn number(&self, worth: f64) -> f64 {
        let before = self.guesses.partition_point(|(other, _)| *other > worth);
        1.0 + before
            .checked_sub(1)
            .map_or(0.0, |last| self.guesses[last].1)
    }
}

/// Worths and log-probabilities of texts drawn together.
fn texts(
    guesser: &mut Guesser<'_>,
    book: &Codebook,
    lesson: &Lesson,
    [length, count]: [usize; 2],
    rng: &mut ChaCha8Rng,
) -> Result<Vec<(f64, f64)>, ProbeError> {
    let size = book.alphabet.len();
    let before = book.before(Prefix::Regular);
    let unscored = usize::from(before.is_none());
    let mut rows: Vec<Vec<TokenId>> = vec![before.into_iter().collect(); count];
    let mut texts = vec![(Evidence::default(), 0.0, 0.0); count];
    for place in 0..length {
        if place < unscored {
            // Nothing stands before it: every letter is as good.
            for (row, text) in rows.iter_mut().zip(&mut texts) {
                row.push(book.alphabet[rng.random_range(0..size)]);
                text.2 -= (size as f64).ln();
            }
            continue;
        }
        let seen = guesser.next(book, &rows)?;
        for ((row, text), seen) in rows.iter_mut().zip(&mut texts).zip(&seen) {
            let grown: Vec<(Evidence, f64)> = lesson.grow(place - unscored, text.0, seen).collect();
            let worths: Vec<f64> = grown.iter().map(|(_, worth)| *worth).collect();
            let logs = log_probabilities(&worths, 1.0);
            let letter = drawn(&logs, rng);
            row.push(book.alphabet[letter]);
            let (evidence, worth) = grown[letter];
            *text = (evidence, worth, text.2 + logs[letter]);
        }
    }
    Ok(texts
        .into_iter()
        .map(|(_, worth, log_q)| (worth, log_q))
        .collect())
}

/// A place drawn with these probabilities.
fn drawn(logs: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let mut left: f64 = rng.random();
    for (place, log) in logs.iter().enumerate() {
        left -= log.exp();
        if left < 0.0 {
            return place;
        }
    }
    logs.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a thousand texts of falling worth, drawn with known probabilities, each has its place.
    #[test]
    fn places_are_those_of_the_full_list() {
        use crate::seed::{Purpose, RootSeed};
        let mut rng = RootSeed(5).stream(Purpose::Sampling);
        let worths: Vec<f64> = (0..1000).map(|i| -f64::from(i) / 150.0).collect();
        let logs = log_probabilities(&worths, 1.0);
        let draw = |_| {
            let text = drawn(&logs, &mut rng);
            (worths[text], logs[text])
        };
        let sampled = Sampled::of((0..20_000).map(draw).collect());
        for place in [1_usize, 10, 100, 400, 900] {
            let number = sampled.number(worths[place - 1]);
            assert!(
                (number / place as f64 - 1.0).abs() < 0.1,
                "{place}: {number}"
            );
        }
        assert!((sampled.number(f64::INFINITY) - 1.0).abs() < 1e-12);
    }
}
