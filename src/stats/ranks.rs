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
    fn ties_share_their_ranks() {
        let scores = [0.3, -1.0, 2.0, 0.3, 0.3];
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
        assert_eq!(exposure_bits(1.0, &[], Tail::Upper), None);
        assert_eq!(exposure_bits(f64::NAN, &[1.0], Tail::Upper), None);
        assert_eq!(exposure_bits(1.0, &[f64::NAN], Tail::Upper), None);
        assert_eq!(doubled_mid_ranks(&[f64::NAN]), None);
    }

    proptest! {
        #[test]
        fn ranks_sum_to_what_places_do(scores in prop::collection::vec(-3_i8..3, 2..40)) {
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let ranks: usize = doubled_mid_ranks(&scores).unwrap().iter().sum();
            prop_assert_eq!(ranks, scores.len() * (scores.len() + 1));
        }
    }
}
