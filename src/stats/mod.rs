//! Pure statistics on `f64`: what a number is worth as evidence, and never where it came from.
//!
//! Three rules hold throughout. What is undefined is `None`, or an error that names the mend, never a number that
//! looks like a result. Nothing panics on any input. A p-value from resampling counts the data themselves among the
//! resamples, so it is never 0.
//!
//! | topic | module |
//! |---|---|
//! | centre and spread | [`summary`] |
//! | true-positive rates at a small false-positive rate | [`tpr`] |
//! | places among scores, exposure | [`ranks`] |
//! | normal quantiles, intervals of proportions | [`interval`] |
//! | counts against chances that are known | [`counts`] |
//! | two groups told apart by a score | [`auc`](mod@auc) |
//! | what a shift of ranks is worth in guesses | [`guesses`] |
//! | exposure beyond the controls' ranks | [`skew_normal`] |
//! | two runs compared by their intervals | [`difference`](mod@difference) |
//! | the tests that drive verdicts | [`permutation`] |
//! | several seeds as a sample of a recipe | [`ttest`] |
//! | many tests at once | [`holm`](mod@holm) |
//! | the odds of two kinds, learned from examples | [`logistic`](mod@logistic) |
//! | what a test could have seen | [`power`] |

#![allow(
    clippy::float_cmp,
    reason = "scores tie when they are the same number, and only then"
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a test that meets no value should stop there"
    )
)]

pub mod auc;
mod beta;
mod cell;
mod columns;
pub mod counts;
pub mod difference;
mod draws;
pub mod guesses;
pub mod holm;
pub mod interval;
pub mod logistic;
pub mod permutation;
pub mod power;
pub mod rank_words;
pub mod ranks;
mod resample;
mod root;
pub mod skew_normal;
pub mod summary;
pub mod tpr;
pub mod ttest;
#[cfg(test)]
#[path = "../../tests/statistics/uniform.rs"]
pub(crate) mod uniform;

pub use auc::{auc, auc_interval, tpr_at_fpr};
pub use counts::{Urn, binomial_upper, hypergeometric_upper};
pub use difference::{Difference, Estimated, difference, normal_upper};
pub use guesses::guess_advantage;
pub use holm::holm;
pub use interval::{Interval, clopper_pearson, normal_quantile};
pub use logistic::logistic;
pub use permutation::{
    Cell, PermutationError, PermutationTest, auc_two_sided, max_standardised_difference,
};
pub use power::{min_detectable_auc, min_detectable_sparse, min_detectable_standardised};
pub use rank_words::{GuessNumber, RankWords, rank_shares};
pub use ranks::{Tail, exposure_bits};
pub(crate) use root::last_holding;
pub use summary::{mean, population_sd, variance};
pub use tpr::{chance_beyond, tpr_interval};
pub use ttest::{TTest, one_sample_t};
