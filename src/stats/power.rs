//! The smallest effect that a test would have found: what a clean result excludes.
//!
//! All are normal approximations around a test's own critical value, for `seeds` independent models with groups of `n_h` and
//! `n_c` canaries each; `power` is the chance of a significant result, at least ½ and below 1. They take the shift to be
//! at one known evaluation, where the maximum over evaluations only finds more: the answer errs towards too large. With groups
//! under about ten they are rough. `None` for empty groups, no seeds, another `power`, or a critical value that no
//! statistic of the kind can have.

use super::auc::newcombe_variance;
use super::interval::normal_quantile;
use super::root::last_holding;

/// Share of canaries that carry the whole shift under the sparse alternative.
pub const SPARSE_SHARE: f64 = 1.0 / 16.0;

/// Largest shift that is looked for under the sparse alternative, in standard deviations.
const FARTHEST: f64 = 1e9;

/// Groups and seeds as reciprocals, and the quantile for the power.
struct Design {
    of_treated: f64,
    of_control: f64,
    seeds: f64,
    z: f64,
}

fn design(n_h: usize, n_c: usize, seeds: usize, power: f64) -> Option<Design> {
    if n_h == 0 || n_c == 0 || seeds == 0 || power < 0.5 {
        return None;
    }
    // At ½ exactly, rounding must not make it negative.
    let z = normal_quantile(power)?.max(0.0);
    Some(Design {
        of_treated: 1.0 / n_h as f64,
        of_control: 1.0 / n_c as f64,
        seeds: seeds as f64,
        z,
    })
}

/// Smallest shift of all treated canaries alike that would be found, in standard deviations s of a canary.
///
/// `critical_value`: what the mean over seeds of the standardised difference must exceed. One-sided. The standardised difference δ
/// varies by 1/n + 1/m + δ²/(2(n + m)), the last term for the s that it is divided by (Hedges & Olkin 1985, chapter 5).
#[must_use]
pub fn min_detectable_standardised(
    critical_value: f64,
    n_h: usize,
    n_c: usize,
    seeds: usize,
    power: f64,
) -> Option<f64> {
    let Design {
        of_treated,
        of_control,
        seeds,
        z,
    } = design(n_h, n_c, seeds, power)?;
    // shift = critical_value + z · √(means + scale · shift²), solved for the shift.
    let means = (of_treated + of_control) / seeds;
    let scale = 0.5 / ((n_h + n_c) as f64 * seeds);
    let rest = 1.0 - z * z * scale;
    let error = (means * rest + scale * critical_value * critical_value).sqrt();
    let shift = (critical_value + z * error) / rest;
    (rest > 0.0 && shift.is_finite()).then_some(shift.max(0.0))
}

/// Smallest shift of a leaking canary that would be found if one treated canary in sixteen leaks and the others do not at all,
/// in standard deviations of a canary that does not.
///
/// Who leaks is random, so the treated spread more: their variance is 1 + π(1 − π)δ², π = 1/16. That widens the
/// statistic's error *and* the s it is divided by, so the standardised difference of a sparse leak has a ceiling. `None`
/// also where the critical value lies above it: no shift of so few, however large, would be found at this power.
/// Arguments as for [`min_detectable_standardised`].
#[must_use]
pub fn min_detectable_sparse(
    critical_value: f64,
    n_h: usize,
    n_c: usize,
    seeds: usize,
    power: f64,
) -> Option<f64> {
    let Design {
        of_treated,
        of_control,
        seeds,
        z,
    } = design(n_h, n_c, seeds, power)?;
    if !critical_value.is_finite() {
        return None;
    }
    let df = (n_h as f64 + n_c as f64 - 2.0).max(1.0);
    let treated_weight = (n_h as f64 - 1.0) / df;
    let missed = |shift: f64| {
        let extra = SPARSE_SHARE * (1.0 - SPARSE_SHARE) * shift * shift;
        let pooled = (1.0 + treated_weight * extra).sqrt();
        let error = (((1.0 + extra) * of_treated + of_control) / seeds).sqrt();
        SPARSE_SHARE * shift < critical_value * pooled + z * error
    };
    let mut found = 1.0;
    while missed(found) {
        found *= 2.0;
        if found > FARTHEST {
            return None;
        }
    }
    Some(last_holding(0.0, found, missed))
}

/// Smallest distance of the true AUC from ½ that would be found, a probability between 0 and ½.
///
/// `critical_value`: what |mean over seeds of AUC − ½| must exceed. The variance is Newcombe's, at the AUC sought. The far
/// side's chance is left out, so that what is found is found on the right side.
#[must_use]
pub fn min_detectable_auc(
    critical_value: f64,
    n_h: usize,
    n_c: usize,
    seeds: usize,
    power: f64,
) -> Option<f64> {
    let Design { seeds, z, .. } = design(n_h, n_c, seeds, power)?;
    if !(0.0..0.5).contains(&critical_value) {
        return None;
    }
    Some(last_holding(0.0, 0.5, |distance| {
        distance < critical_value + z * (newcombe_variance(0.5 + distance, n_h, n_c) / seeds).sqrt()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::interval::normal_quantile;

    #[test]
    fn standardised_by_hand() {
        // δ = 0.4 + 0.8416 · √((1/128 + 1/128 + δ²/512) / 4)
        let shift = min_detectable_standardised(0.4, 128, 128, 4, 0.8).unwrap();
        let variance = (1.0 / 64.0 + shift * shift / 512.0) / 4.0;
        assert!((shift - (0.4 + 0.841_621_233_572_914_3 * variance.sqrt())).abs() < 1e-9);
        assert!((shift - 0.453_218).abs() < 1e-3);
    }

    #[test]
    fn sparse_solves_its_equation_and_has_a_ceiling() {
        let shift = min_detectable_sparse(0.1, 128, 1024, 3, 0.8).unwrap();
        let extra = shift * shift * 15.0 / 256.0;
        let pooled = ((127.0 * (1.0 + extra) + 1023.0) / 1150.0_f64).sqrt();
        let error = (((1.0 + extra) / 128.0 + 1.0 / 1024.0) / 3.0).sqrt();
        let power_quantile = (shift / 16.0 - 0.1 * pooled) / error;
        assert!((power_quantile - normal_quantile(0.8).unwrap()).abs() < 1e-6);
        // Sixteen times the shift of all, and more for the spread.
        assert!(shift > 16.0 * min_detectable_standardised(0.1, 128, 1024, 3, 0.8).unwrap());
        assert_eq!(min_detectable_sparse(0.5, 128, 128, 1, 0.8), None);
    }

    #[test]
    fn auc_solves_its_equation() {
        let distance = min_detectable_auc(0.05, 128, 1024, 2, 0.8).unwrap();
        let error = (newcombe_variance(0.5 + distance, 128, 1024) / 2.0).sqrt();
        assert!((distance - 0.05 - 0.841_621_233_572_914_3 * error).abs() < 1e-9);
        assert!(min_detectable_auc(0.49, 3, 3, 1, 0.99).unwrap() <= 0.5);
    }

    #[test]
    fn at_even_odds_the_critical_value_is_the_answer() {
        assert_eq!(min_detectable_standardised(0.3, 9, 9, 1, 0.5), Some(0.3));
        assert!((min_detectable_auc(0.2, 9, 9, 1, 0.5).unwrap() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(
            min_detectable_standardised(f64::INFINITY, 9, 9, 1, 0.8),
            None
        );
        assert_eq!(min_detectable_standardised(0.1, 0, 9, 1, 0.8), None);
        assert_eq!(min_detectable_standardised(0.1, 9, 9, 0, 0.8), None);
        assert_eq!(min_detectable_standardised(0.1, 9, 9, 1, 0.4), None);
        assert_eq!(min_detectable_sparse(f64::NAN, 9, 9, 1, 0.8), None);
        assert_eq!(min_detectable_sparse(0.1, 9, 9, 1, 1.0), None);
        assert_eq!(min_detectable_auc(0.5, 9, 9, 1, 0.8), None);
        assert_eq!(min_detectable_auc(f64::NAN, 9, 9, 1, 0.8), None);
        assert_eq!(min_detectable_auc(0.1, 9, 9, 1, f64::NAN), None);
    }
}
