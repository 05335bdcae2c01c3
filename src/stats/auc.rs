//! How well a score tells two groups apart.

use super::interval::{Interval, normal_quantile, open_unit};
use super::ranks::{Tail, doubled_mid_ranks};
use super::root::last_holding;

/// Area under the ROC curve, a probability: P(x > y) + ½ P(x = y) for one value drawn from each group.
///
/// ½ where the groups share one distribution. Ties count half, so all equal gives exactly ½. `None` where a group is empty
/// or a value is NaN. Takes O(n log n). Source: Mann and Whitney 1947.
#[must_use]
pub fn auc(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.is_empty() || y.is_empty() {
        return None;
    }
    let ranks = doubled_mid_ranks(&[x, y].concat())?;
    let of_x: usize = ranks.iter().take(x.len()).sum();
    let doubled_wins = of_x.checked_sub(x.len() * (x.len() + 1))?;
    Some(doubled_wins as f64 / (2.0 * x.len() as f64 * y.len() as f64))
}

/// Interval of an AUC from `n_x` and `n_y` independent scores; with `replicates` above 1, of the mean of so many independent AUCs.
///
/// Holds the θ for which |θ − `auc`| ≤ z √(V(θ) / `replicates`): a score interval, so it has width at an AUC of 0 or 1
/// and never leaves 0…1. Two-sided at `level`. V takes both groups as exponential, and ties make it slightly wide. It is good
/// down to groups of about ten. Not a test of AUC = ½: the permutation test is. `None` for empty groups, no replicates,
/// an AUC outside 0…1 or a level outside (0, 1).
///
/// Source: Newcombe 2006, Statistics in Medicine 25:559–573, method 5.
#[must_use]
pub fn auc_interval(
    auc: f64,
    n_x: usize,
    n_y: usize,
    replicates: usize,
    level: f64,
) -> Option<Interval> {
    let z = normal_quantile(f64::midpoint(open_unit(level)?, 1.0))?;
    if n_x == 0 || n_y == 0 || replicates == 0 || !(0.0..=1.0).contains(&auc) {
        return None;
    }
    // V(θ) = V(1 − θ): the upper end is the lower end of the AUC with its groups exchanged.
    let lower = |estimate: f64| {
        last_holding(0.0, estimate, |theta| {
            estimate - theta > z * (newcombe_variance(theta, n_x, n_y) / replicates as f64).sqrt()
        })
    };
    let low = lower(auc).clamp(0.0, auc);
    let high = (1.0 - lower(1.0 - auc)).clamp(auc, 1.0);
    Some(Interval {
        low,
        high,
        level,
        method: "newcombe-5",
    })
}

/// Variance of an AUC that is `theta` in truth, in squared units of AUC, for exponential groups.
pub(super) fn newcombe_variance(theta: f64, n_x: usize, n_y: usize) -> f64 {
    let (n_x, n_y) = (n_x as f64, n_y as f64);
    let n_star = f64::midpoint(n_x, n_y) - 1.0;
    let pairs = 1.0 + n_star * (1.0 - theta) / (2.0 - theta) + n_star * theta / (1.0 + theta);
    theta * (1.0 - theta) * pairs / (n_x * n_y)
}

/// Share of `x` strictly beyond the threshold that at most ⌊`fpr` · n⌋ of the n `controls` lie strictly beyond.
///
/// The threshold is a control's own score. Ties with it count as not beyond, on both sides: the false-positive rate is never
/// above `fpr`, and below it where controls tie. `None` with fewer than 1/`fpr` controls (100 for 1 %), as such a rate
/// could not be seen among them; for no `x`, a NaN, or a rate outside (0, 1).
#[must_use]
pub fn tpr_at_fpr(x: &[f64], controls: &[f64], fpr: f64, tail: Tail) -> Option<f64> {
    let fpr = open_unit(fpr)?;
    if x.is_empty() || x.iter().chain(controls).any(|score| score.is_nan()) {
        return None;
    }
    let mut from_the_tail = controls.to_vec();
    from_the_tail.sort_unstable_by(|a, b| match tail {
        Tail::Upper => b.total_cmp(a),
        Tail::Lower => a.total_cmp(b),
    });
    // 0.29 · 100 is 28.999…: what is whole but for rounding is whole.
    let allowed = (fpr * controls.len() as f64 * (1.0 + 1e-12)).floor();
    if allowed < 1.0 {
        return None;
    }
    let threshold = from_the_tail
        .into_iter()
        .enumerate()
        .find(|(index, _)| *index as f64 >= allowed)?
        .1;
    let hits = x
        .iter()
        .filter(|score| tail.beyond(**score, threshold))
        .count();
    Some(hits as f64 / x.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_cases() {
        assert_eq!(auc(&[2.0, 3.0], &[0.0, 1.0]), Some(1.0));
        assert_eq!(auc(&[1.0], &[1.0, 1.0]), Some(0.5));
        assert_eq!(auc(&[1.0, 2.0], &[1.0, 0.0, 5.0]), Some(3.5 / 6.0));
        assert_eq!(auc(&[], &[1.0]), None);
        assert_eq!(auc(&[1.0], &[f64::NAN]), None);
    }

    /// The same equation solved in scipy 1.17.1 by `brentq(f, 0, a - 1e-12, xtol=1e-16, rtol=1e-15)` for each end;
    /// the variance checked against `auc.nonpara.mw` of the R package `auRoc` 0.2-1.
    #[test]
    fn newcombe_is_scipys() {
        for (estimate, n_x, n_y, replicates, level, low, high) in [
            (
                0.75,
                20,
                30,
                1,
                0.95,
                0.588_159_363_743_522_5,
                0.858_302_588_376_136_5,
            ),
            (1.0, 10, 12, 1, 0.95, 0.815_917_010_683_565_5, 1.0),
            (0.0, 128, 1024, 1, 0.95, 0.0, 0.008_488_617_664_771_343),
            (
                0.5,
                128,
                128,
                4,
                0.99,
                0.453_679_705_605_057_44,
                0.546_320_294_394_942_6,
            ),
            (
                0.93,
                51,
                58,
                1,
                0.95,
                0.858_587_334_017_162_7,
                0.965_472_487_377_104_4,
            ),
        ] {
            let interval = auc_interval(estimate, n_x, n_y, replicates, level).unwrap();
            assert!(
                (interval.low - low).abs() < 1e-9,
                "{estimate}: {interval:?}"
            );
            assert!(
                (interval.high - high).abs() < 1e-9,
                "{estimate}: {interval:?}"
            );
            assert_eq!(interval.method, "newcombe-5");
        }
        assert_eq!(auc_interval(0.5, 0, 3, 1, 0.95), None);
        assert_eq!(auc_interval(0.5, 3, 3, 0, 0.95), None);
        assert_eq!(auc_interval(1.1, 3, 3, 1, 0.95), None);
        assert_eq!(auc_interval(f64::NAN, 3, 3, 1, 0.95), None);
        assert_eq!(auc_interval(0.5, 3, 3, 1, 0.0), None);
    }

    #[test]
    fn true_positive_rates() {
        let controls: Vec<f64> = (0..100).map(f64::from).collect();
        // One control (99) may exceed the threshold, 98.
        assert_eq!(
            tpr_at_fpr(&[98.0, 98.5, 120.0, 3.0], &controls, 0.01, Tail::Upper),
            Some(0.5)
        );
        assert_eq!(
            tpr_at_fpr(&[1.0, 0.5, -7.0, 3.0], &controls, 0.01, Tail::Lower),
            Some(0.5)
        );
        assert_eq!(
            tpr_at_fpr(&[70.5, 70.0], &controls, 0.29, Tail::Upper),
            Some(0.5)
        );
        assert_eq!(
            tpr_at_fpr(&[120.0], &controls[..99], 0.01, Tail::Upper),
            None
        );
        assert_eq!(
            tpr_at_fpr(&[5.0], &[5.0; 200], 0.01, Tail::Upper),
            Some(0.0)
        );
        assert_eq!(tpr_at_fpr(&[], &controls, 0.01, Tail::Upper), None);
        assert_eq!(tpr_at_fpr(&[f64::NAN], &controls, 0.01, Tail::Upper), None);
        assert_eq!(tpr_at_fpr(&[1.0], &controls, 1.0, Tail::Upper), None);
        assert_eq!(tpr_at_fpr(&[1.0], &[], 0.5, Tail::Upper), None);
    }

    fn scores() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec((-4_i8..4).prop_map(f64::from), 1..30)
    }

    proptest! {
        #[test]
        fn exchanging_the_groups_mirrors_it(x in scores(), y in scores()) {
            prop_assert!((auc(&x, &y).unwrap() + auc(&y, &x).unwrap() - 1.0).abs() < 1e-12);
        }

        #[test]
        fn it_is_the_share_of_pairs_won(x in scores(), y in scores()) {
            let won: f64 = x.iter().flat_map(|a| y.iter().map(move |b| match a.total_cmp(b) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            })).sum();
            prop_assert!((auc(&x, &y).unwrap() - won / (x.len() * y.len()) as f64).abs() < 1e-12);
        }

        #[test]
        fn the_interval_holds_its_estimate(estimate in 0.0..=1.0_f64, n_x in 1_usize..300, n_y in 1_usize..300, seeds in 1_usize..9) {
            let interval = auc_interval(estimate, n_x, n_y, seeds, 0.95).unwrap();
            prop_assert!(0.0 <= interval.low && interval.low <= estimate);
            prop_assert!(estimate <= interval.high && interval.high <= 1.0);
            prop_assert!(interval.high > interval.low);
        }
    }
}
