//! The permutation tests that drive verdicts: were the treated canaries different from the controls, in these trained models?
//!
//! Null hypothesis of both: within every seed, which canaries were treated is independent of their scores (they are
//! exchangeable, as canaries assigned at random are). Nothing is assumed of the scores' distribution, of the dependence
//! between evaluations of a canary, or of the seeds' likeness. Canaries are permuted whole, within their seed, and everything
//! that was chosen by looking at the data (the evaluation, the side) is chosen anew inside every permutation.
//!
//! With b of n random relabellings at least as extreme, p = (b + 1)/(n + 1) (Phipson and Smyth 2010); where there are at most
//! n relabellings, all seeds together, each is visited once, the observed one among them, and p = b/n. Ties count against
//! significance, also those that only rounding separates. Small samples keep the level and lose power:
//! [`PermutationTest::p_floor`] tells what was possible.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

pub use super::cell::{Cell, MOST_RESAMPLES, PermutationError};
use super::cell::{ranked_seed, standardised_seed};
use super::interval::open_unit;
use super::ranks::Tail;
use super::resample::{Distribution, Observed, Seed, distribution, useful_threads};

/// Statistics closer than this, relative to the observed one (or to 1), are ties: sums in another order differ in their last bits.
const TIE: f64 = 1e-9;

/// What a permutation test found.
#[derive(Debug, Clone, PartialEq)]
pub struct PermutationTest {
    /// The statistic of the data, mean over seeds.
    pub observed: f64,
    /// Chance of a statistic at least as extreme if labels meant nothing; never 0.
    pub p_value: f64,
    /// Below this no p-value of this test can lie, whatever the data.
    pub p_floor: f64,
    /// Relabellings at least as extreme as the data; where all were visited the data are one of them.
    pub exceeding: usize,
    /// Relabellings visited.
    pub resamples: usize,
    /// Whether these were all there are, rather than random ones.
    pub exhaustive: bool,
    /// What a statistic must exceed for p ≤ the critical level; `None` where none could, or the level is not within (0, 1).
    pub critical_value: Option<f64>,
    /// For each seed the evaluation, counted from 0, at which its maximum lies; the first of equals.
    pub argmax: Vec<usize>,
}

/// Tests whether treated canaries lie on one side of controls at some evaluation.
///
/// Statistic: the mean over seeds of the maximum over evaluations t of (mean of treated − mean of controls)(t) / s(t), signed
/// so that a difference on `side` is positive; s the pooled standard deviation within groups (n + m − 2 degrees of freedom), computed
/// anew for every permutation, in whose unit the statistic is. One-sided; null hypothesis, ties and small samples as for
/// the module. Seeds may differ in size and in their number of evaluations. Where all scores agree (no difference, s = 0) the
/// ratio is 0. Where groups differ and nothing varies within them, the squares within count as 1e-9 of all squares: the
/// ratio is huge, but finite, so that it still adds up over seeds, where infinity would drown them.
///
/// `critical_level` only chooses [`PermutationTest::critical_value`]. `rng` gives one key, from which the draws follow on
/// every machine and for any number of threads.
///
/// Source: max-t of Westfall and Young 1993, over evaluations instead of hypotheses.
pub fn max_standardised_difference(
    cells: &[Cell<'_>],
    side: Tail,
    resamples: usize,
    critical_level: f64,
    rng: &mut ChaCha8Rng,
) -> Result<PermutationTest, PermutationError> {
    let seeds = (cells.iter().enumerate()).map(|(seed, cell)| standardised_seed(seed, *cell, side));
    let seeds = seeds.collect::<Result<Vec<_>, _>>()?;
    test(&seeds, |mean| mean, resamples, critical_level, rng)
}

/// Tests whether treated canaries and controls can be told apart by their score at one evaluation, on either side.
///
/// Statistic: |mean over seeds of AUC − ½|, so seeds that disagree on the side cancel. Two-sided; null hypothesis and
/// small samples as for the module. Tied scores share mid-ranks, in the data as in every permutation. Every trajectory
/// must have one evaluation. `critical_level` and `rng` as for [`max_standardised_difference`].
///
/// Source: Mann and Whitney 1947, its distribution by permutation.
pub fn auc_two_sided(
    cells: &[Cell<'_>],
    resamples: usize,
    critical_level: f64,
    rng: &mut ChaCha8Rng,
) -> Result<PermutationTest, PermutationError> {
    let seeds = cells
        .iter()
        .enumerate()
        .map(|(seed, cell)| ranked_seed(seed, *cell));
    let seeds = seeds.collect::<Result<Vec<_>, _>>()?;
    test(&seeds, f64::abs, resamples, critical_level, rng)
}

/// Compares the data with their relabellings; `fold` turns a mean over seeds into what is extreme when large.
fn test(
    seeds: &[Seed],
    fold: impl Fn(f64) -> f64,
    resamples: usize,
    critical_level: f64,
    rng: &mut ChaCha8Rng,
) -> Result<PermutationTest, PermutationError> {
    if seeds.is_empty() {
        return Err(PermutationError::NoSeeds);
    }
    if resamples == 0 || resamples > MOST_RESAMPLES {
        return Err(PermutationError::Resamples { got: resamples });
    }
    let of_seeds: Vec<Observed> = seeds.iter().map(Seed::observed).collect();
    let observed =
        fold(of_seeds.iter().map(|seed| seed.statistic).sum::<f64>() / seeds.len() as f64);

    let mut key = [0; 32];
    rng.fill_bytes(&mut key);
    let Distribution {
        mut values,
        exhaustive,
    } = distribution(seeds, resamples, key, useful_threads(seeds, resamples));
    for value in &mut values {
        *value = fold(*value);
    }

    let threshold = observed - TIE * observed.abs().max(1.0);
    let exceeding = values.iter().filter(|value| **value >= threshold).count();
    // Random relabellings leave the data out: they are one more.
    let uncounted = usize::from(!exhaustive);
    let relabellings = values.len() + uncounted;
    Ok(PermutationTest {
        observed,
        p_value: (exceeding + uncounted) as f64 / relabellings as f64,
        p_floor: 1.0 / relabellings as f64,
        exceeding,
        resamples: values.len(),
        exhaustive,
        critical_value: critical_value(values, relabellings, critical_level),
        argmax: of_seeds.iter().map(|seed| seed.column).collect(),
    })
}

/// What a statistic must exceed so that p ≤ `level`.
fn critical_value(mut values: Vec<f64>, relabellings: usize, level: f64) -> Option<f64> {
    // The most relabellings, the data among them, that may be as extreme as the data; whole but for rounding is whole.
    let allowed = (open_unit(level)? * relabellings as f64 * (1.0 + 1e-12)).floor();
    if allowed < 1.0 {
        return None;
    }
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    let uncounted = relabellings - values.len();
    values
        .into_iter()
        .zip(uncounted..)
        .find(|(_, above)| *above as f64 >= allowed)
        .map(|(value, _)| value)
}

#[cfg(test)]
mod tests;
