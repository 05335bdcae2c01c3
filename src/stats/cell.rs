//! From the scores of a cell to a table in which relabelling the groups is only summing other rows, or why there is none.

use super::columns::Columns;
use super::ranks::{Tail, doubled_mid_ranks};
use super::resample::{Scale, Seed};

/// Most resamples that a test takes: beyond this memory ends, not precision.
pub const MOST_RESAMPLES: usize = 100_000_000;

/// One seed's scores.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// One trajectory over evaluations for every treated canary; all of one length in a cell.
    pub treated: &'a [Vec<f64>],
    /// One trajectory over the same evaluations for every control.
    pub control: &'a [Vec<f64>],
}

/// Why data cannot be tested by permutation. Seeds, canaries and evaluations are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermutationError {
    /// No cell at all.
    #[error("a permutation test got no seeds: give it one cell for each trained model")]
    NoSeeds,
    /// A group without canaries.
    #[error("seed {seed}: the {group} group is empty: a permutation test needs canaries in both")]
    EmptyGroup {
        /// Place of the cell.
        seed: usize,
        /// `treated` or `control`.
        group: &'static str,
    },
    /// Too few canaries for a spread within groups, or more than 32 bits can count.
    #[error("seed {seed}: {got} canaries in both groups: a permutation test takes 3 to 4294967295")]
    Size {
        /// Place of the cell.
        seed: usize,
        /// Canaries in both groups.
        got: usize,
    },
    /// A trajectory not as long as its seed's first, or not of length 1 in a test at one evaluation.
    #[error(
        "seed {seed}: {group} canary {canary} has {got} evaluations instead of {expected}: score every canary at every evaluation"
    )]
    Ragged {
        /// Place of the cell.
        seed: usize,
        /// `treated` or `control`.
        group: &'static str,
        /// Place in the group.
        canary: usize,
        /// Evaluations wanted.
        expected: usize,
        /// Evaluations found.
        got: usize,
    },
    /// Infinity or NaN among the scores.
    #[error(
        "seed {seed}: {group} canary {canary} has a score that is not finite at evaluation {evaluation}: mend the probe that made it"
    )]
    NotFinite {
        /// Place of the cell.
        seed: usize,
        /// `treated` or `control`.
        group: &'static str,
        /// Place in the group.
        canary: usize,
        /// Place in the trajectory.
        evaluation: usize,
    },
    /// No resamples, or more than memory holds.
    #[error("{got} resamples asked of a permutation test: it takes 1 to {MOST_RESAMPLES}")]
    Resamples {
        /// Resamples asked for.
        got: usize,
    },
}

/// A cell's sizes, once its shape and numbers are known to be sound.
struct Shape {
    rows: u32,
    drawn: u32,
    first: u32,
    evaluations: usize,
    /// 1 where the treated are the smaller group, −1 where the controls are: what one gains the other loses.
    sign: f64,
}

/// Checks a cell; `evaluations` where their number is known beforehand.
fn shape(
    seed: usize,
    cell: Cell<'_>,
    evaluations: Option<usize>,
) -> Result<Shape, PermutationError> {
    let groups = [("treated", cell.treated), ("control", cell.control)];
    for (group, canaries) in groups {
        let expected = match (evaluations, cell.treated.first()) {
            (Some(expected), _) => expected,
            // A trajectory without evaluations has no maximum.
            (None, first) => first.map_or(1, Vec::len).max(1),
        };
        if canaries.is_empty() {
            return Err(PermutationError::EmptyGroup { seed, group });
        }
        for (canary, trajectory) in canaries.iter().enumerate() {
            if trajectory.len() != expected {
                return Err(PermutationError::Ragged {
                    seed,
                    group,
                    canary,
                    expected,
                    got: trajectory.len(),
                });
            }
            if let Some(evaluation) = trajectory.iter().position(|score| !score.is_finite()) {
                return Err(PermutationError::NotFinite {
                    seed,
                    group,
                    canary,
                    evaluation,
                });
            }
        }
    }
    let got = cell.treated.len().saturating_add(cell.control.len());
    let too_many = |_| PermutationError::Size { seed, got };
    let rows = u32::try_from(got).map_err(too_many)?;
    let treated = u32::try_from(cell.treated.len()).map_err(too_many)?;
    let control = rows - treated;
    let evaluations = cell.treated.first().map_or(0, Vec::len);
    Ok(if treated <= control {
        Shape {
            rows,
            drawn: treated,
            first: 0,
            evaluations,
            sign: 1.0,
        }
    } else {
        Shape {
            rows,
            drawn: control,
            first: treated,
            evaluations,
            sign: -1.0,
        }
    })
}

/// A cell made ready for the standardised difference, or why it cannot be.
pub(super) fn standardised_seed(
    seed: usize,
    cell: Cell<'_>,
    side: Tail,
) -> Result<Seed, PermutationError> {
    let Shape {
        rows,
        drawn,
        first,
        evaluations,
        sign,
    } = shape(seed, cell, None)?;
    if rows < 3 {
        return Err(PermutationError::Size {
            seed,
            got: rows as usize,
        });
    }
    let sign = match side {
        Tail::Upper => sign,
        Tail::Lower => -sign,
    };
    let columns: Vec<Vec<f64>> = (0..evaluations)
        .map(|t| {
            let canaries = cell.treated.iter().chain(cell.control);
            standardise(
                canaries
                    .filter_map(|canary| canary.get(t))
                    .copied()
                    .collect(),
                sign,
            )
        })
        .collect();
    let between = 1.0 / f64::from(drawn) + 1.0 / f64::from(rows - drawn);
    let scale = Scale::Standardised {
        between,
        df: f64::from(rows) - 2.0,
    };
    Ok(Seed {
        columns: Columns::new(&columns),
        rows,
        drawn,
        first,
        scale,
    })
}

/// `scores` moved and scaled so that they sum to 0 and their squares to 1, times `sign`; zeros where they are all equal.
///
/// No relabelling changes the total of squares, so it may be divided out beforehand; and centred numbers lose no digits in sums.
fn standardise(mut scores: Vec<f64>, sign: f64) -> Vec<f64> {
    let first = scores.first().copied().unwrap_or(0.0);
    let largest = scores
        .iter()
        .fold(0.0_f64, |largest, score| largest.max(score.abs()));
    // Rounding must not lend a constant a spread.
    if scores.iter().all(|score| *score == first) {
        return vec![0.0; scores.len()];
    }
    for score in &mut scores {
        *score /= largest;
    }
    // The second pass removes what the first mean was rounded by.
    for _ in 0..2 {
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        for score in &mut scores {
            *score -= mean;
        }
    }
    let length = scores.iter().map(|score| score * score).sum::<f64>().sqrt();
    if length > 0.0 {
        for score in &mut scores {
            *score *= sign / length;
        }
    }
    scores
}

/// A cell made ready for the AUC, or why it cannot be.
pub(super) fn ranked_seed(seed: usize, cell: Cell<'_>) -> Result<Seed, PermutationError> {
    let Shape {
        rows,
        drawn,
        first,
        sign,
        ..
    } = shape(seed, cell, Some(1))?;
    let scores: Vec<f64> = cell
        .treated
        .iter()
        .chain(cell.control)
        .flatten()
        .copied()
        .collect();
    // Doubled and centred mid-ranks are whole numbers: their sums are exact, and ties are ties.
    let middle = f64::from(rows) + 1.0;
    let column = doubled_mid_ranks(&scores)
        .unwrap_or_default()
        .into_iter()
        .map(|rank| sign * (rank as f64 - middle));
    let factor = 0.5 / (f64::from(drawn) * f64::from(rows - drawn));
    let columns = Columns::new(&[column.collect()]);
    Ok(Seed {
        columns,
        rows,
        drawn,
        first,
        scale: Scale::Linear { factor },
    })
}
