//! Places of scores among scores, ties always shared evenly.

/// Which end of the controls a score is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Beyond means above.
    Upper,
    /// Beyond means below.
    Lower,
}

impl Tail {
    /// Whether `score` lies strictly beyond `other`.
    pub(super) fn beyond(self, score: f64, other: f64) -> bool {
        match self {
            Self::Upper => score > other,
            Self::Lower => score < other,
        }
    }
}

/// Place of `scores[index]` among `scores`, scaled from 0 at the bottom to 1 at the top: (#below + ½ #other equals) / (n − 1).
///
/// Where the score was drawn uniformly among the `n`, whatever their spacing, the expectation is exactly ½: that is the
/// null hypothesis under which it is used. Ties share the middle of the places they fill, so all equal gives exactly ½.
/// `None` for fewer than two scores, an index outside them, or a NaN among them.
#[must_use]
pub fn scaled_mid_rank(index: usize, scores: &[f64]) -> Option<f64> {
    let own = *scores.get(index)?;
    if scores.len() < 2 {
        return None;
    }
    let mut below = 0_usize;
    let mut equal = 0_usize;
    let mut unordered = false;
    for score in scores {
        below += usize::from(*score < own);
        equal += usize::from(*score == own);
        unordered |= score.is_nan();
    }
    // Its own place is one of the equal ones; with a NaN there may be none.
    let others = equal.checked_sub(1)?;
    (!unordered).then(|| (below as f64 + others as f64 / 2.0) / (scores.len() - 1) as f64)
}

/// Exposure of `score` among `controls`, in bits: log2((n + 1) / rank), rank = 1 + #controls strictly beyond + ½ #ties.
///
/// With a score drawn as the controls were, the rank is uniform on 1…n + 1: exposure above b bits has a chance of about 2^−b.
/// At most log2(n + 1), which few controls make small: exposure cannot be larger than the sample can show. Ties count half.
/// `None` for no controls or a NaN. Source: Carlini et al. 2019, "The Secret Sharer", with sampled instead of enumerated
/// alternatives.
#[must_use]
pub fn exposure_bits(score: f64, controls: &[f64], tail: Tail) -> Option<f64> {
    if controls.is_empty() || score.is_nan() || controls.iter().any(|control| control.is_nan()) {
        return None;
    }
    let beyond = controls
        .iter()
        .filter(|control| tail.beyond(**control, score))
        .count();
    let ties = controls.iter().filter(|control| **control == score).count();
    let rank = 1.0 + beyond as f64 + ties as f64 / 2.0;
    Some(((controls.len() + 1) as f64 / rank).log2())
}

/// Twice the mid-rank of every value, counted from 1: doubled so that ties stay whole numbers and sums of ranks exact.
///
/// `None` where a value is NaN.
pub(super) fn doubled_mid_ranks(values: &[f64]) -> Option<Vec<usize>> {
    if values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0; values.len()];
    let mut before = 0;
    // −0 and 0 are neighbours in the total order, and equal here.
    for ties in order.chunk_by(|a, b| a.0 == b.0) {
        for (_, index) in ties {
            if let Some(rank) = ranks.get_mut(*index) {
                *rank = 2 * before + ties.len() + 1;
            }
        }
        before += ties.len();
    }
    Some(ranks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places() {
        let scores = [0.3, -1.0, 2.0, 0.3, 0.3];
        assert_eq!(scaled_mid_rank(1, &scores), Some(0.0));
        assert_eq!(scaled_mid_rank(2, &scores), Some(1.0));
        assert_eq!(scaled_mid_rank(0, &scores), Some(0.5));
        assert_eq!(scaled_mid_rank(7, &[4.0; 26]), Some(0.5));
        assert_eq!(scaled_mid_rank(0, &[f64::NEG_INFINITY, 1.0]), Some(0.0));
        assert_eq!(doubled_mid_ranks(&scores).unwrap(), [6, 2, 10, 6, 6]);
        assert_eq!(doubled_mid_ranks(&[0.0, -0.0]).unwrap(), [3, 3]);
    }

    #[test]
    fn exposures() {
        let controls = [1.0, 2.0, 3.0];
        assert_eq!(exposure_bits(4.0, &controls, Tail::Upper), Some(2.0));
        assert_eq!(exposure_bits(0.0, &controls, Tail::Upper), Some(0.0));
        assert_eq!(exposure_bits(0.0, &controls, Tail::Lower), Some(2.0));
        // rank 1 + 1 + ½
        assert_eq!(
            exposure_bits(2.0, &controls, Tail::Upper),
            Some((4.0_f64 / 2.5).log2())
        );
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(scaled_mid_rank(2, &[1.0, 2.0]), None);
        assert_eq!(scaled_mid_rank(0, &[1.0]), None);
        assert_eq!(scaled_mid_rank(0, &[1.0, f64::NAN]), None);
        assert_eq!(scaled_mid_rank(1, &[1.0, f64::NAN]), None);
        assert_eq!(exposure_bits(1.0, &[], Tail::Upper), None);
        assert_eq!(exposure_bits(f64::NAN, &[1.0], Tail::Upper), None);
        assert_eq!(exposure_bits(1.0, &[f64::NAN], Tail::Upper), None);
        assert_eq!(doubled_mid_ranks(&[f64::NAN]), None);
    }

    proptest! {
        #[test]
        fn places_average_one_half(scores in prop::collection::vec(-3_i8..3, 2..40)) {
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let total: f64 = (0..scores.len()).map(|index| scaled_mid_rank(index, &scores).unwrap()).sum();
            prop_assert!((total / scores.len() as f64 - 0.5).abs() < 1e-12);
            let ranks: usize = doubled_mid_ranks(&scores).unwrap().iter().sum();
            prop_assert_eq!(ranks, scores.len() * (scores.len() + 1));
        }
    }
}
