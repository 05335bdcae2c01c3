//! How sure a true-positive rate at a small false-positive rate is: its threshold is estimated too, from few controls.

use super::beta::incomplete_beta;
use super::interval::{Interval, clopper_pearson, open_unit};
use super::ranks::Tail;

/// Chance that a score drawn as the controls are lies beyond the threshold of [`tpr_at_fpr`](super::tpr_at_fpr): with n controls of
/// which k = ⌊`fpr` · n⌋ may lie beyond, (k + 1)/(n + 1), and so above `fpr`. `None` with fewer than 1/`fpr` controls.
#[must_use]
pub fn chance_beyond(controls: usize, fpr: f64) -> Option<f64> {
    let allowed = (open_unit(fpr)? * controls as f64 * (1.0 + 1e-12)).floor();
    (allowed >= 1.0).then(|| (allowed + 1.0) / (controls as f64 + 1.0))
}

/// Interval of the share of scores that lie beyond the threshold which a share of `fpr` of *all* controls there could be exceeds, from
/// some seeds' scores and controls; it covers that share with a chance of at least `level`.
///
/// The i-th of n controls from the tail is exceeded by a share that is Beta(i, n + 1 − i), whatever the controls' distribution. A
/// control that is surely beyond the threshold gives the lower end, one that surely is not the upper end, by Clopper and Pearson's
/// interval of the scores beyond each. Thresholds and counts share 1 − `level` half and half, the thresholds among the seeds. Too
/// few controls for such a one leave the end at 0 or 1. `None` without scores, for a NaN, or a rate outside (0, 1).
#[must_use]
pub fn tpr_interval(seeds: &[[Vec<f64>; 2]], fpr: f64, tail: Tail, level: f64) -> Option<Interval> {
    let (fpr, level) = (open_unit(fpr)?, open_unit(level)?);
    let doubt = (1.0 - level) / 4.0 / seeds.len().max(1) as f64;
    let (mut surely, mut perhaps, mut all) = (0, 0, 0);
    for [scores, controls] in seeds {
        if scores.iter().chain(controls).any(|score| score.is_nan()) {
            return None;
        }
        let mut from_the_tail = controls.clone();
        from_the_tail.sort_unstable_by(|a, b| match tail {
            Tail::Upper => b.total_cmp(a),
            Tail::Lower => a.total_cmp(b),
        });
        let n = controls.len() as f64;
        // Chance that no more than `fpr` lies beyond the i-th.
        let beyond = |i: usize| incomplete_beta(i as f64, n + 1.0 - i as f64, fpr);
        let mut outer = None;
        let mut inner = None;
        for (place, &control) in from_the_tail.iter().enumerate() {
            let chance = beyond(place + 1)?;
            if chance >= 1.0 - doubt {
                outer = Some(control);
            } else if chance <= doubt {
                inner = Some(control);
                break;
            }
        }
        let count = |threshold: f64| {
            let hit = |score: &&f64| tail.beyond(**score, threshold);
            scores.iter().filter(hit).count()
        };
        // At the inner end ties may be beyond the true threshold.
        let reached = |threshold: f64| {
            let hit = |score: &&f64| !tail.beyond(threshold, **score);
            scores.iter().filter(hit).count()
        };
        surely += outer.map_or(0, count);
        perhaps += inner.map_or(scores.len(), reached);
        all += scores.len();
    }
    let counts = f64::midpoint(1.0, level);
    Some(Interval {
        low: clopper_pearson(surely, all, counts)?.low,
        high: clopper_pearson(perhaps, all, counts)?.high,
        level,
        method: "order statistics and clopper-pearson",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, RootSeed};
    use crate::stats::{normal_quantile, tpr_at_fpr};
    use rand::RngExt;

    #[test]
    fn chances_of_the_usual_controls() {
        assert_eq!(chance_beyond(99, 0.01), None);
        assert!((chance_beyond(100, 0.01).unwrap() - 2.0 / 101.0).abs() < 1e-15);
        assert!((chance_beyond(128, 0.01).unwrap() - 2.0 / 129.0).abs() < 1e-15);
        assert!((chance_beyond(1024, 0.01).unwrap() - 11.0 / 1025.0).abs() < 1e-15);
    }

    /// Scores that no leak moved: they are caught as often as said, and the interval covers the true 1 %.
    #[test]
    fn what_is_caught_without_a_leak_is_the_chance_and_the_interval_covers() {
        for (n, controls, shift) in [(64, 128, 0.0), (128, 1024, 0.0), (64, 400, 1.5)] {
            let mut rng = RootSeed(11).labelled_stream(Purpose::Permutation, "tpr");
            let mut normal = || normal_quantile(rng.random::<f64>().max(1e-12)).unwrap();
            // Φ(1.5 − 2.3263): scipy 1.17.1.
            let truth = if shift > 0.0 { 0.204_282_6 } else { 0.01 };
            let (mut caught, mut covered) = (0.0, 0);
            for _ in 0..1000 {
                let scores: Vec<f64> = (0..n).map(|_| normal() + shift).collect();
                let control: Vec<f64> = (0..controls).map(|_| normal()).collect();
                caught += tpr_at_fpr(&scores, &control, 0.01, Tail::Upper).unwrap() / 1000.0;
                let found = tpr_interval(&[[scores, control]], 0.01, Tail::Upper, 0.95).unwrap();
                covered += usize::from(found.low <= truth && truth <= found.high);
            }
            // Six standard errors of what falls beyond the threshold of so many controls.
            if shift == 0.0 {
                let expected = chance_beyond(controls, 0.01).unwrap();
                assert!(
                    (caught / expected - 1.0).abs() < 0.15,
                    "{caught} {expected}"
                );
            }
            assert!(
                covered >= 950 - 20,
                "{covered} of 1000, {n} {controls} {shift}"
            );
        }
    }

    #[test]
    fn few_controls_bound_nothing_from_below() {
        let found = tpr_interval(
            &[[
                vec![9.0; 20],
                (0..100).map(f64::from).map(|x| x / 100.0).collect(),
            ]],
            0.01,
            Tail::Upper,
            0.95,
        );
        assert_eq!(found.unwrap().low, 0.0);
        assert_eq!(tpr_interval(&[], 0.01, Tail::Upper, 0.95), None);
    }
}
