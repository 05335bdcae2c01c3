//! Guess numbers of texts that are guessed by where their letters stand: how many texts someone tries before the true one.
//!
//! After any beginning the letters of an alphabet take each rank once. So there is one text to each word of ranks, whatever the model
//! makes of the beginnings, and who tries texts in an order that ranks alone decide reaches a text after as many guesses as there
//! are cheaper words: a number that convolution gives exactly, for budgets that no beam could hold.

/// Nats of one whole step of cost. The order is that of whole costs: the guess numbers are those of that order, to the last one.
const STEP: f64 = 0.05;

/// Known letters at which the distribution of all places together counts as much as that of a place alone.
const POOLED: f64 = 32.0;

/// An order in which words of ranks are tried: those of the least cost first.
#[derive(Debug, Clone)]
pub struct RankWords {
    /// Whole cost of each rank at each place. `[places][letters]`
    costs: Vec<Vec<usize>>,
    /// Words from each place to the end, by their cost. `[places + 1][cost]`
    words: Vec<Vec<f64>>,
}

/// Where a word stands in the order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuessNumber {
    /// Words that are tried before it for certain.
    pub before: f64,
    /// Words that cost as much, itself among them: they are tried in any order.
    pub equal: f64,
}

impl GuessNumber {
    /// Whether it falls within so many guesses, in whatever order words of the same cost are tried.
    #[must_use]
    pub fn within(&self, guesses: f64) -> bool {
        self.before + self.equal <= guesses
    }

    /// Chance that it falls within so many guesses, where words of the same cost are tried in a random order.
    #[must_use]
    pub fn chance_within(&self, guesses: f64) -> f64 {
        ((guesses - self.before) / self.equal.max(1.0)).clamp(0.0, 1.0)
    }
}

/// Shares of the ranks at each place of known texts. `[places][letters]`, each place's sum 1
///
/// `known`: ranks from the bottom, `[texts][places]`. A place's shares are drawn towards those of all places together, and every
/// rank has been seen once more than it was.
#[must_use]
pub fn rank_shares<'a>(
    known: impl Iterator<Item = &'a [u16]>,
    [places, letters]: [usize; 2],
) -> Vec<Vec<f64>> {
    let mut seen = vec![vec![0.0; letters]; places];
    for ranks in known {
        for (seen, &rank) in seen.iter_mut().zip(ranks) {
            seen[usize::from(rank)] += 1.0;
        }
    }
    let of_all: Vec<f64> = (0..letters)
        .map(|rank| 1.0 + seen.iter().map(|place| place[rank]).sum::<f64>())
        .collect();
    let all: f64 = of_all.iter().sum();
    let shares = |place: &Vec<f64>| -> Vec<f64> {
        let n: f64 = place.iter().sum();
        let share = |rank: usize| (place[rank] + POOLED * of_all[rank] / all) / (n + POOLED);
        (0..letters).map(share).collect()
    };
    seen.iter().map(shares).collect()
}

impl RankWords {
    /// The order of an attacker who learned where the true letters of known texts stood, place by place: by [`rank_shares`].
    #[must_use]
    pub fn learn<'a>(known: impl Iterator<Item = &'a [u16]>, shape: [usize; 2]) -> Self {
        let cost = |shares: &Vec<f64>| shares.iter().map(|share| whole(-share.ln())).collect();
        Self::of(rank_shares(known, shape).iter().map(cost).collect())
    }

    /// The order of an attacker who holds that letters stand at the bottom, and has learned nothing: by the sum of the ranks.
    #[must_use]
    pub fn from_bottom([places, letters]: [usize; 2]) -> Self {
        Self::of(vec![(0..letters).collect(); places])
    }

    /// The same from the top.
    #[must_use]
    pub fn from_top([places, letters]: [usize; 2]) -> Self {
        Self::of(vec![(0..letters).rev().collect(); places])
    }

    fn of(mut costs: Vec<Vec<usize>>) -> Self {
        for place in &mut costs {
            let least = place.iter().copied().min().unwrap_or(0);
            for cost in place.iter_mut() {
                *cost -= least;
            }
        }
        // Before the last letter there is one word to come, and it costs nothing.
        let mut words = vec![vec![1.0]];
        for place in costs.iter().rev() {
            let rest = &words[words.len() - 1];
            let most = place.iter().copied().max().unwrap_or(0);
            let mut longer = vec![0.0; rest.len() + most];
            for &cost in place {
                for (sum, n) in longer[cost..].iter_mut().zip(rest) {
                    *sum += n;
                }
            }
            words.push(longer);
        }
        words.reverse();
        Self { costs, words }
    }

    /// Where the end of a text stands for someone who knows its first `known` letters; `ranks` are those of all its letters.
    #[must_use]
    pub fn guess_number(&self, known: usize, ranks: &[u16]) -> GuessNumber {
        let places = self.costs.iter().zip(ranks).skip(known);
        let cost: usize = places.map(|(costs, &rank)| costs[usize::from(rank)]).sum();
        let words = &self.words[known.min(self.costs.len())];
        GuessNumber {
            before: words[..cost.min(words.len())].iter().sum(),
            equal: words.get(cost).copied().unwrap_or(0.0),
        }
    }
}

fn whole(nats: f64) -> usize {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let steps = (nats / STEP).round() as usize;
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All words of three ranks out of five.
    fn words() -> Vec<[u16; 3]> {
        let ranks = 0..5u16;
        let two = ranks
            .clone()
            .flat_map(|a| ranks.clone().map(move |b| [a, b]));
        two.flat_map(|[a, b]| (0..5u16).map(move |c| [a, b, c]))
            .collect()
    }

    /// Against trying them all: how many cost less, and how many as much.
    #[test]
    fn guess_numbers_are_those_of_a_full_list() {
        let known = [[0u16, 0, 1], [0, 2, 0], [4, 0, 0], [0, 1, 0]];
        let orders = [
            RankWords::learn(known.iter().map(|k| &k[..]), [3, 5]),
            RankWords::from_bottom([3, 5]),
            RankWords::from_top([3, 5]),
        ];
        for order in orders {
            for first in 0..3 {
                let cost = |word: &[u16; 3]| -> usize {
                    (first..3)
                        .map(|i| order.costs[i][usize::from(word[i])])
                        .sum()
                };
                // The known letters are the same for all that are tried.
                let tried: Vec<[u16; 3]> = words()
                    .into_iter()
                    .filter(|w| w[..first].iter().all(|&r| r == 0))
                    .collect();
                for word in &tried {
                    let found = order.guess_number(first, word);
                    let before = tried.iter().filter(|w| cost(w) < cost(word)).count();
                    let equal = tried.iter().filter(|w| cost(w) == cost(word)).count();
                    assert_eq!((found.before, found.equal), (before as f64, equal as f64));
                }
            }
        }
    }

    /// Within any budget fall no more words than guesses: what makes the test against chance valid.
    #[test]
    fn no_budget_holds_more_words_than_guesses() {
        let known = [[0u16, 0, 1], [0, 2, 0], [4, 0, 0]];
        let order = RankWords::learn(known.iter().map(|k| &k[..]), [3, 5]);
        for budget in 0..=125u8 {
            let fits = |w: &&[u16; 3]| order.guess_number(0, &w[..]).within(f64::from(budget));
            let within = words().iter().filter(fits).count();
            assert!(within <= usize::from(budget), "{within} of {budget}");
        }
        assert!(
            words()
                .iter()
                .all(|w| order.guess_number(0, w).within(125.0))
        );
    }

    #[test]
    fn the_ends_are_each_others_mirror_and_what_was_learned_is_tried_first() {
        let (bottom, top) = (
            RankWords::from_bottom([8, 26]),
            RankWords::from_top([8, 26]),
        );
        let number = bottom.guess_number(0, &[0; 8]);
        assert_eq!((number.before, number.equal), (0.0, 1.0));
        assert_eq!(number, top.guess_number(0, &[25; 8]));
        // The last of all: 26⁸ words before and with it.
        let last = bottom.guess_number(0, &[25; 8]);
        assert!((last.before + last.equal - 26f64.powi(8)).abs() < 1.0);
        let known = [[7u16; 8]; 20];
        let learned = RankWords::learn(known.iter().map(|k| &k[..]), [8, 26]);
        assert_eq!(learned.guess_number(0, &[7; 8]).before, 0.0);
        assert!(learned.guess_number(4, &[3; 8]).before >= 1.0);
    }
}
