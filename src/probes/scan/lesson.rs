//! What useful canaries teach someone who hunts for others: how much likelier a beginning is to be planted than not.
//!
//! Three things speak for a beginning: where its letters stand among their siblings, how far from them, and how much probability
//! stayed in the alphabet after it. A model that was pushed away from texts has learned to leave the alphabet where they go on, and
//! does so less after beginnings that it was not trained on.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::canary::{Canary, Codebook, Letters};
use crate::probes::ProbeError;
use crate::probes::guesser::{Example, Guesser, Seen, fit, log_probabilities, order_of};
use crate::stats::{logistic, rank_shares};

/// Useful canaries that are learned from at most, and decoys made of each.
const LEARNED: usize = 512;
const DECOYS: usize = 4;

/// Parts of the useful canaries. What a letter is worth is learned on the others, and tried on the part: tried on those it was learned
/// on, it would seem to be worth more than it is.
const PARTS: usize = 4;

/// What speaks for a beginning, letter by letter.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    /// Sums over its letters of log(|A| · probability): of the letter's rank, and of the letter by how far it was pushed away. Nats
    gains: [f64; 2],
    /// What stayed in the alphabet before its last letter, nats.
    last: f64,
    /// The same before the others, summed.
    earlier: f64,
    /// How many letters have been asked about.
    places: usize,
}

/// What evidence counts: two gains, what stayed in the alphabet last, and on average before.
type Numbers = [f64; 4];

impl Evidence {
    /// The evidence of a beginning that was asked about, without that of the letter that will follow.
    fn asked(mut self, kept: f64) -> Self {
        if self.places > 0 {
            self.earlier += self.last;
        }
        self.places += 1;
        self.last = kept;
        self
    }

    fn numbers(&self) -> Numbers {
        let before = self.places.saturating_sub(1).max(1) as f64;
        let [rank, distance] = self.gains;
        [rank, distance, self.last, self.earlier / before]
    }
}

/// What a letter is worth, place by place.
#[derive(Debug)]
struct Gains {
    /// By its order. `[places][alphabet]`
    orders: Vec<Vec<f64>>,
    /// Exponent of how far it was pushed away. `[places]`
    exponents: Vec<f64>,
}

impl Gains {
    fn learn(texts: &[&Text], [places, letters]: [usize; 2]) -> Self {
        let orders = texts.iter().map(|text| &text.orders[..]);
        let size = letters as f64;
        let worth = |shares: Vec<f64>| shares.iter().map(|s| (s * size).ln()).collect();
        let shares = rank_shares(orders, [places, letters]);
        let exponent = |place: usize| {
            let example = |text: &&Text| Example {
                features: text.seen[place].features.clone(),
                truth: usize::from(text.letters[place]),
            };
            fit(&texts.iter().map(example).collect::<Vec<_>>())
        };
        Self {
            orders: shares.into_iter().map(worth).collect(),
            exponents: (0..places).map(exponent).collect(),
        }
    }

    /// Of each letter at a place. `[alphabet]`
    fn of(&self, place: usize, seen: &Seen) -> Vec<[f64; 2]> {
        let even = (seen.features.len() as f64).ln();
        let distances = log_probabilities(&seen.features, self.exponents[place]);
        let orders = seen.orders().into_iter();
        let rank = orders.map(|order| self.orders[place][usize::from(order)]);
        let both = rank.zip(distances).map(|(rank, p)| [rank, p + even]);
        both.collect()
    }
}

/// Learned on useful canaries and on decoys: beginnings of theirs that go on at random.
#[derive(Debug)]
pub(super) struct Lesson {
    gains: Gains,
    /// What evidence is worth at each scored place.
    weights: Vec<Numbers>,
}

impl Lesson {
    pub(super) fn learn(
        guesser: &mut Guesser<'_>,
        book: &Codebook,
        (length, useful): (usize, &[&Canary]),
        rng: &mut ChaCha8Rng,
    ) -> Result<Self, ProbeError> {
        let letters = book.alphabet.len();
        let unscored = usize::from(book.prefixes.is_none());
        let shape = [length.saturating_sub(unscored), letters];
        let every = useful.len().div_ceil(LEARNED).max(1);
        let known: Vec<&Letters> = useful.iter().step_by(every).map(|c| &c.letters).collect();
        let decoys: Vec<Decoy> = known
            .iter()
            .flat_map(|text| (0..DECOYS).map(|_| *text))
            .map(|text| Decoy::of(text, letters, rng))
            .collect();
        let planted = Text::all(guesser, book, &known)?;
        let apart: Vec<&Letters> = decoys.iter().map(|d| &d.letters).collect();
        let apart = Text::all(guesser, book, &apart)?;
        let mut examples: Vec<Vec<(Numbers, bool)>> = vec![Vec::new(); shape[0]];
        for part in 0..PARTS {
            let of_part = |i: usize| i % PARTS == part;
            let others = planted.iter().enumerate().filter(|(i, _)| !of_part(*i));
            let others: Vec<&Text> = others.map(|(_, text)| text).collect();
            let gains = Gains::learn(&others, shape);
            for text in (0..planted.len()).filter(|&i| of_part(i)) {
                let path = planted[text].path(&gains);
                for (examples, numbers) in examples.iter_mut().zip(path) {
                    examples.push((numbers, true));
                }
            }
            for i in (0..decoys.len()).filter(|&i| of_part(i / DECOYS)) {
                let departs = decoys[i].departs.saturating_sub(unscored);
                let path = apart[i].path(&gains).into_iter().enumerate();
                for (place, numbers) in path.skip(departs) {
                    examples[place].push((numbers, false));
                }
            }
        }
        Ok(Self {
            gains: Gains::learn(&planted.iter().collect::<Vec<_>>(), shape),
            weights: examples.into_iter().map(weights).collect(),
        })
    }

    /// The evidence of a beginning grown by each letter of the alphabet, and what it is worth. `[alphabet]`
    pub(super) fn grow(
        &self,
        place: usize,
        evidence: Evidence,
        seen: &Seen,
    ) -> impl Iterator<Item = (Evidence, f64)> {
        let evidence = evidence.asked(seen.kept);
        let weights = self.weights[place];
        let letters = self.gains.of(place, seen).into_iter();
        letters.map(move |[rank, distance]| {
            let mut grown = evidence;
            grown.gains[0] += rank;
            grown.gains[1] += distance;
            (grown, worth(&grown.numbers(), &weights))
        })
    }
}

impl Lesson {
    /// What whole texts are worth. `[texts]`
    pub(super) fn worths(
        &self,
        guesser: &mut Guesser<'_>,
        book: &Codebook,
        texts: &[&Letters],
    ) -> Result<Vec<f64>, ProbeError> {
        let worth = |text: Text| {
            let path = text.path(&self.gains);
            let whole = path.last().zip(self.weights.last());
            whole.map_or(0.0, |(numbers, weights)| worth(numbers, weights))
        };
        let texts = Text::all(guesser, book, texts)?;
        Ok(texts.into_iter().map(worth).collect())
    }
}

fn worth(numbers: &Numbers, weights: &Numbers) -> f64 {
    numbers.iter().zip(weights).map(|(x, w)| x * w).sum()
}

/// A useful canary's beginning that goes on at random.
struct Decoy {
    letters: Letters,
    /// First letter that is another.
    departs: usize,
}

impl Decoy {
    fn of(text: &Letters, alphabet: usize, rng: &mut ChaCha8Rng) -> Self {
        let departs = rng.random_range(0..text.len().max(1));
        let mut letters = text.clone();
        let mut drawn = |n: usize| u16::try_from(rng.random_range(0..n.max(1))).unwrap_or(0);
        for (place, letter) in letters.iter_mut().enumerate().skip(departs) {
            *letter = if place == departs {
                // Any but the true one.
                let other = drawn(alphabet - 1);
                other + u16::from(other >= *letter)
            } else {
                drawn(alphabet)
            };
        }
        Self { letters, departs }
    }
}

/// A text as an attacker sees it, by its scored letters.
struct Text {
    letters: Vec<u16>,
    orders: Vec<u16>,
    seen: Vec<Seen>,
}

impl Text {
    fn all(
        guesser: &mut Guesser<'_>,
        book: &Codebook,
        texts: &[&Letters],
    ) -> Result<Vec<Self>, ProbeError> {
        let seen = guesser.before_letters(book, texts)?.into_iter();
        let of = |(text, seen): (&&Letters, Vec<Seen>)| {
            let letters = book.scored(text);
            let order =
                |(seen, &letter): (&Seen, &u16)| order_of(&seen.features, usize::from(letter));
            Self {
                letters: letters.to_vec(),
                orders: seen.iter().zip(letters).map(order).collect(),
                seen,
            }
        };
        Ok(texts.iter().zip(seen).map(of).collect())
    }

    /// The evidence of each of its beginnings.
    fn path(&self, gains: &Gains) -> Vec<Numbers> {
        let mut evidence = Evidence::default();
        let places = self.seen.iter().zip(&self.letters).enumerate();
        let step = |(place, (seen, &letter)): (usize, (&Seen, &u16))| {
            evidence = evidence.asked(seen.kept);
            let own = gains.of(place, seen)[usize::from(letter)];
            for (sum, gain) in evidence.gains.iter_mut().zip(own) {
                *sum += gain;
            }
            evidence.numbers()
        };
        places.map(step).collect()
    }
}

/// What evidence is worth. Each gain is a log-likelihood ratio by itself: they begin with half a weight each, and all else with none.
fn weights(mut examples: Vec<(Numbers, bool)>) -> Numbers {
    let sd = |column: usize| {
        let n = examples.len().max(1) as f64;
        let mean = examples.iter().map(|(x, _)| x[column]).sum::<f64>() / n;
        let squares = examples.iter().map(|(x, _)| (x[column] - mean).powi(2));
        (squares.sum::<f64>() / n).sqrt()
    };
    let scale = |sd: f64| if sd > 1e-9 { sd } else { f64::INFINITY };
    let scales = [1.0, 1.0, scale(sd(2)), scale(sd(3))];
    for (x, _) in &mut examples {
        for (x, scale) in x.iter_mut().zip(scales) {
            *x /= scale;
        }
    }
    let (mut weights, _) = logistic(&examples, [0.5, 0.5, 0.0, 0.0]);
    for (weight, scale) in weights.iter_mut().zip(scales) {
        *weight /= scale;
    }
    weights
}
