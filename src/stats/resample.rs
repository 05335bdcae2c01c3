//! Distribution of a statistic over relabellings of the groups: every one of them where they are few, else drawn at random.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::columns::Columns;
use super::draws::{Shuffler, count_subsets, each_subset};

/// Resamples that share one random stream. Part of every p-value: changing it changes the draws.
const CHUNK: usize = 64;

/// Vector additions that are worth a thread of their own, some milliseconds of them.
const WORTH_A_THREAD: usize = 1 << 22;

/// One seed's data, ready to be relabelled.
pub(super) struct Seed {
    /// One row per canary; their sum over the smaller group is all that a relabelling changes.
    pub(super) columns: Columns,
    /// Canaries in both groups.
    pub(super) rows: u32,
    /// Canaries in the smaller group.
    pub(super) drawn: u32,
    /// First row of the smaller group as it was observed; the others follow it.
    pub(super) first: u32,
    /// From the largest sum to the seed's statistic.
    pub(super) scale: Scale,
}

/// A rising function from a sum over the smaller group to the statistic of a seed.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// Statistic = factor × sum.
    Linear {
        /// Statistic for a sum of 1.
        factor: f64,
    },
    /// Difference of means in pooled standard deviations, from columns that are centred with squares summing to 1.
    Standardised {
        /// 1/n + 1/m of the two groups: the difference of means for a sum of 1, and the squares it accounts for.
        between: f64,
        /// Degrees of freedom of the pooled variance.
        df: f64,
    },
}

/// Squares left within groups, as a share of all, below which rounding decides what they are.
const LEAST_WITHIN: f64 = 1e-9;

impl Scale {
    fn statistic(self, sum: f64) -> f64 {
        match self {
            Self::Linear { factor } => factor * sum,
            // Squares split into those between the groups and those within: no second pass over the data.
            Self::Standardised { between, df } => {
                let within = (1.0 - sum * sum * between).max(LEAST_WITHIN);
                sum * between / (within / df).sqrt()
            }
        }
    }
}

/// A seed's statistic as observed.
pub(super) struct Observed {
    pub(super) statistic: f64,
    /// Column that the maximum was taken from.
    pub(super) column: usize,
}

impl Seed {
    pub(super) fn observed(&self) -> Observed {
        let smaller: Vec<u32> = (self.first..self.rows).take(self.drawn as usize).collect();
        let largest = self.columns.largest(&smaller);
        Observed {
            statistic: self.scale.statistic(largest.sum),
            column: largest.column,
        }
    }

    /// The statistic for every relabelling.
    fn of_all(&self) -> Vec<f64> {
        let mut all = Vec::new();
        each_subset(self.rows, self.drawn, |subset| {
            all.push(self.scale.statistic(self.columns.largest(subset).sum));
        });
        all
    }
}

/// Means over seeds of their statistics, one per relabelling.
pub(super) struct Distribution {
    pub(super) values: Vec<f64>,
    /// All relabellings, the observed one among them; else random ones, the observed one not counted.
    pub(super) exhaustive: bool,
}

/// The distribution over all relabellings where they are at most `resamples`, else over so many random ones.
///
/// The number of `threads` changes nothing: `key` and the place of a resample decide its draws.
pub(super) fn distribution(
    seeds: &[Seed],
    resamples: usize,
    key: [u8; 32],
    threads: usize,
) -> Distribution {
    let relabellings = seeds.iter().try_fold(1_usize, |all, seed| {
        let own = count_subsets(seed.rows, seed.drawn, resamples)?;
        all.checked_mul(own).filter(|all| *all <= resamples)
    });
    let exhaustive = relabellings.is_some();
    let mut values = if exhaustive {
        enumerated(seeds)
    } else {
        sampled(seeds, resamples, key, threads)
    };
    for value in &mut values {
        *value /= seeds.len() as f64;
    }
    Distribution { values, exhaustive }
}

/// As many threads as the machine has and the work is worth.
pub(super) fn useful_threads(seeds: &[Seed], resamples: usize) -> usize {
    let one: usize = seeds
        .iter()
        .map(|seed| seed.columns.blocks().saturating_mul(seed.drawn as usize))
        .sum();
    let worth = 1 + one.saturating_mul(resamples) / WORTH_A_THREAD;
    thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(worth)
}

/// Sums over seeds for every combination of their relabellings.
fn enumerated(seeds: &[Seed]) -> Vec<f64> {
    seeds.iter().fold(vec![0.0], |sums, seed| {
        let own = seed.of_all();
        sums.iter()
            .flat_map(|sum| own.iter().map(move |value| sum + value))
            .collect()
    })
}

/// Sums over seeds for random relabellings.
fn sampled(seeds: &[Seed], resamples: usize, key: [u8; 32], threads: usize) -> Vec<f64> {
    let mut sums = vec![0.0; resamples];
    let chunks = Mutex::new((0_u64..).zip(sums.chunks_mut(CHUNK)));
    let work = || {
        loop {
            let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((chunk, out)) = next else { return };
            add_chunk(seeds, key, chunk, out);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // A thread that cannot be had costs time, not results: this one takes every chunk that is left.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    sums
}

fn add_chunk(seeds: &[Seed], key: [u8; 32], chunk: u64, out: &mut [f64]) {
    let mut draws = Vec::new();
    let mut largest = vec![0.0; out.len()];
    for (place, seed) in (0_u64..).zip(seeds) {
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream((place << 32) | chunk);
        let size = seed.drawn as usize;
        let mut shuffler = Shuffler::new(seed.rows);
        draws.clear();
        for _ in 0..out.len() {
            draws.extend_from_slice(shuffler.draw(size, &mut rng));
        }
        seed.columns.largest_of_each(&draws, size, &mut largest);
        for (sum, largest) in out.iter_mut().zip(&largest) {
            *sum += seed.scale.statistic(*largest);
        }
    }
}
