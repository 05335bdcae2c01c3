//! From the scores of a cell to a table in which relabelling the groups is only summing other rows.

use super::columns::Columns;
use super::permutation::{Cell, Direction, PermutationError};
use super::ranks::doubled_mid_ranks;
use super::resample::{Scale, Seed};

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
    direction: Direction,
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
    let sign = match direction {
        Direction::Up => sign,
        Direction::Down => -sign,
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
