//! Secrets recovered whole, counted against chance that is known. Guide: rows, "Scan and generation".
//!
//! Null hypothesis: the model carries nothing about secrets drawn uniformly. Then each guess is right with a chance of one in as
//! many secrets as there could be, for each canary by itself, and what is recovered is binomial. Several attacks are tested at
//! once: the smallest p-value times their number (Bonferroni).

use super::context::CI_LEVEL;
use super::measure::SHARE;
use super::row::{IntervalOf, Row};
use crate::stats::{binomial_upper, clopper_pearson};

/// One attack on the canaries of all seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counted {
    /// Canaries recovered whole.
    pub(super) recovered: usize,
    /// Canaries attacked.
    pub(super) canaries: usize,
    /// Chance that a model which carries nothing gives one of them.
    pub(super) chance: f64,
}

impl Counted {
    /// Share of the canaries that were recovered.
    pub(super) fn share(&self) -> Option<f64> {
        (self.canaries > 0).then(|| self.recovered as f64 / self.canaries as f64)
    }

    pub(super) fn p_value(&self) -> Option<f64> {
        binomial_upper(self.recovered, self.canaries, self.chance)
    }
}

/// Chance that `guesses` different guesses hold a secret of `missing` unknown letters, where a share of `left` of all secrets is
/// still possible.
pub(super) fn chance_of(guesses: f64, letters: usize, missing: usize, left: f64) -> f64 {
    let log_all = missing as f64 * (letters as f64).ln();
    ((guesses.ln() - log_all).exp() / left.max(f64::MIN_POSITIVE)).min(1.0)
}

/// The attack that recovered what chance explains least, into a row; gives its place.
pub(super) fn best_into(row: &mut Row, attacks: &[Counted]) -> Option<usize> {
    let by_p = |attack: &(usize, &Counted)| attack.1.p_value().unwrap_or(1.0);
    let (place, best) = attacks
        .iter()
        .enumerate()
        .min_by(|a, b| by_p(a).total_cmp(&by_p(b)))?;
    row.p_value = best.p_value().map(|p| (p * attacks.len() as f64).min(1.0));
    row.p_floor = Some(f64::MIN_POSITIVE);
    row.p_method = Some(format!("binomial, chance known; best of {}", attacks.len()));
    row.estimate = best.share();
    row.chance = Some(best.chance);
    if let Some(interval) = clopper_pearson(best.recovered, best.canaries, CI_LEVEL) {
        row.set_interval(IntervalOf::Estimate, interval);
        // A larger share of recovered canaries is excluded at that level.
        row.min_detectable = Some(interval.high);
    }
    row.effect_unit = Some(SHARE.to_owned());
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_recovery_beyond_chance_is_seen_and_pays_for_every_attack() {
        let none = Counted {
            recovered: 0,
            canaries: 128,
            chance: 1e-9,
        };
        let one = Counted {
            recovered: 1,
            ..none
        };
        assert_eq!(none.p_value(), Some(1.0));
        assert!((one.p_value().unwrap() / 1.28e-7 - 1.0).abs() < 1e-6);
        let mut row = crate::findings::tests::blank_row();
        assert_eq!(best_into(&mut row, &[none, one, none]), Some(1));
        assert!((row.p_value.unwrap() / 3.84e-7 - 1.0).abs() < 1e-6);
        assert_eq!(row.estimate, Some(1.0 / 128.0));
        assert_eq!(best_into(&mut row, &[none, none]), Some(0));
        assert_eq!((row.p_value, row.estimate), (Some(1.0), Some(0.0)));
        // Clopper and Pearson for none of 128: 1 − 0.025^(1/128).
        assert!((row.min_detectable.unwrap() - (1.0 - 0.025f64.powf(1.0 / 128.0))).abs() < 1e-9);
        assert_eq!(best_into(&mut row, &[]), None);
    }

    #[test]
    fn chances() {
        assert!((chance_of(200.0, 26, 8, 1.0) / (200.0 / 26f64.powi(8)) - 1.0).abs() < 1e-12);
        assert!((chance_of(200.0, 5, 2, 1.0) - 1.0).abs() < 1e-12);
    }
}
