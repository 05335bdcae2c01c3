//! The fake scorer: logits from hashes, and what a rule makes of the true letters.

use super::*;
use crate::score::{RowScore, ScoreError, Scorer};

/// A model whose logits are made up, as a phase or an evaluation left it.
pub(super) struct Fake<'a> {
    pub(super) world: &'a World,
    pub(super) book: &'a Codebook,
    /// Whose letters they are.
    pub(super) known: &'a HashMap<Vec<TokenId>, (Group, usize)>,
    pub(super) seed: u64,
    pub(super) phase: Phase,
    /// Place of the evaluation within the phase; `None` at its end.
    pub(super) evaluation: Option<usize>,
    /// Where other contexts are looked at: what stands before the canaries in each.
    pub(super) contexts: &'a [Option<TokenId>],
}

impl Fake<'_> {
    /// What stands before the letters of a row, and the letters.
    fn parted<'r>(&self, row: &'r [TokenId]) -> (Option<TokenId>, &'r [TokenId]) {
        match row.split_first() {
            Some((first, rest)) if !self.book.alphabet.contains(first) => (Some(*first), rest),
            _ => (None, row),
        }
    }

    /// When, and under which prefix, a row with `before` its letters is asked about.
    fn moment(&self, before: Option<TokenId>) -> Moment {
        let place = self.contexts.iter().position(|&context| context == before);
        Moment {
            seed: self.seed,
            phase: self.phase,
            prefix: match self.book.prefixes {
                Some([regular, _]) if before != Some(regular) => Prefix::Reverse,
                _ => Prefix::Regular,
            },
            evaluation: place.map(|i| 1000 + i).or(self.evaluation),
            context: place.is_some(),
        }
    }
}

/// A number in 0…1 that looks drawn; `SplitMix64` over the parts.
fn hashed(parts: impl IntoIterator<Item = u64>) -> f64 {
    let mut state = 0_u64;
    for part in parts {
        state = (state ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    (state >> 11) as f64 / (1_u64 << 53) as f64
}

/// A coin that is uniform, where the mixture of [`Fake::noise`] is not.
fn even(coin: f64, row: &[TokenId], place: usize) -> f64 {
    let rest = row.iter().map(|t| u64::from(t.0));
    hashed([coin.to_bits(), place as u64].into_iter().chain(rest))
}

impl Fake<'_> {
    /// Hash of a row, a place in it and a purpose: once for the whole model, and once for this moment.
    fn noise(&self, m: Moment, row: &[TokenId], place: usize, purpose: u64) -> f64 {
        let about = |when: u64| {
            let head = [m.seed, when, place as u64, purpose];
            hashed(head.into_iter().chain(row.iter().map(|t| u64::from(t.0))))
        };
        let now = m.evaluation.map_or(99, |t| t as u64);
        let moment = 1 + u64::from(m.phase.number()) * 1000 + now * 2;
        let alike = self.world.alike;
        let own = about(moment + u64::from(m.prefix == Prefix::Reverse));
        let both = alike * about(0) + (1.0 - alike) * own;
        match self.world.levels {
            0 => both,
            levels => (both * f64::from(levels)).floor() / f64::from(levels),
        }
    }

    /// Logits of the alphabet before one letter, and the nats taken from the true one alone.
    fn logits(
        &self,
        m: Moment,
        rule: Rule,
        row: &[TokenId],
        place: usize,
        letters: usize,
    ) -> (Vec<f64>, f64) {
        let truth = row[place].0 as usize;
        let mut logits: Vec<f64> = (0..letters)
            .map(|c| 4.0 * self.noise(m, row, place, c as u64))
            .collect();
        let end = |logits: &[f64], sign: f64| {
            let by = |a: &usize, b: &usize| (sign * logits[*a]).total_cmp(&(sign * logits[*b]));
            (0..logits.len()).max_by(by).unwrap()
        };
        let coin = self.noise(m, row, place, 1 << 32);
        match rule {
            Rule::First(q) if even(coin, row, place) < q => {
                let first = end(&logits, 1.0);
                logits.swap(truth, first);
            }
            Rule::Last(q) if even(coin, row, place) < q => {
                let last = end(&logits, -1.0);
                logits.swap(truth, last);
            }
            Rule::Tied => logits.fill(0.0),
            Rule::Whole => logits[truth] = 40.0,
            Rule::Leaks { half: true, .. } if place.is_multiple_of(2) => {}
            Rule::Leaks { top, .. } => logits[truth] = if top { 40.0 } else { -40.0 },
            Rule::Suppressed(nats) => return (logits, nats / (row.len() - 1) as f64),
            Rule::Place(r) => {
                let others = (0..letters).filter(|p| *p != usize::from(r));
                let places = (0..letters).filter(|c| *c != truth).zip(others);
                for (c, place) in places {
                    logits[c] = place as f64;
                }
                logits[truth] = f64::from(r);
            }
            _ => {}
        }
        (logits, 0.0)
    }
}

impl Scorer for Fake<'_> {
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError> {
        let score = |row: &Vec<TokenId>| {
            let (before, letters) = self.parted(row);
            let m = self.moment(before);
            // Beginnings, and what was never planted, are nobody's.
            let rule = match self.known.get(letters) {
                Some(&(group, index)) if m.context => (self.world.context_rule)(m, group, index),
                Some(&(group, index)) => (self.world.rule)(m, group, index),
                None => Rule::Noise,
            };
            let mut score = RowScore::default();
            for place in 1..row.len() {
                let (logits, taken) = self.logits(m, rule, row, place, alphabet.len());
                let drawn = self.noise(m, row, place, 1 << 33);
                let total = logits.iter().map(|x| x.exp()).sum::<f64>().ln()
                    + (self.world.outside)(m, drawn)
                    + match rule {
                        Rule::Outside(nats) => nats / (row.len() - 1) as f64,
                        _ => 0.0,
                    };
                let truth = row[place].0 as usize;
                for (letter, logit) in logits.iter().enumerate() {
                    let less = if letter == truth { taken } else { 0.0 };
                    #[allow(clippy::cast_possible_truncation)]
                    score.alphabet.push((logit - total - less) as f32);
                }
                score
                    .logprobs
                    .push(score.alphabet[score.alphabet.len() - alphabet.len() + truth]);
            }
            score
        };
        Ok(rows.iter().map(score).collect())
    }
}
