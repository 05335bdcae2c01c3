//! The variance of an AUC from its own scores, for comparing two of them.
//!
//! Rows of a report take Newcombe's interval instead (see [`super::auc_interval`]): where every score of one group stands above
//! the other, as suppressed canaries do, this variance is 0 and would claim certainty.

use super::interval::{Interval, normal_quantile, open_unit};

/// An AUC with its variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeLong {
    /// P(x > y) + ½ P(x = y).
    pub auc: f64,
    /// Its variance, from how much each score wins.
    pub variance: f64,
}

impl DeLong {
    /// From two groups of scores; ties count half. Takes O(n m).
    ///
    /// `None` for fewer than two scores in a group, or a NaN. Source: `DeLong`, `DeLong` and Clarke-Pearson 1988.
    #[must_use]
    pub fn new(x: &[f64], y: &[f64]) -> Option<Self> {
        if x.len() < 2 || y.len() < 2 || x.iter().chain(y).any(|score| score.is_nan()) {
            return None;
        }
        let won = |a: f64, b: f64| match a.total_cmp(&b) {
            _ if a == b => 0.5,
            std::cmp::Ordering::Greater => 1.0,
            _ => 0.0,
        };
        let share = |wins: f64, of: usize| wins / of as f64;
        let of_x: Vec<f64> = x
            .iter()
            .map(|&a| share(y.iter().map(|&b| won(a, b)).sum(), y.len()))
            .collect();
        let of_y: Vec<f64> = y
            .iter()
            .map(|&b| share(x.iter().map(|&a| won(a, b)).sum(), x.len()))
            .collect();
        let part =
            |placements: &[f64]| super::variance(placements).map(|v| v / placements.len() as f64);
        Some(Self {
            auc: super::mean(&of_x)?,
            variance: part(&of_x)? + part(&of_y)?,
        })
    }

    /// Symmetric normal interval, cut at 0 and 1. `None` for a level outside (0, 1).
    #[must_use]
    pub fn interval(&self, level: f64) -> Option<Interval> {
        let reach = Self::quantile(level)? * self.variance.sqrt();
        Some(Interval {
            low: (self.auc - reach).max(0.0),
            high: (self.auc + reach).min(1.0),
            level,
            method: "delong",
        })
    }

    /// Interval of the difference to another AUC of independent scores, as of two checkpoints' canaries.
    #[must_use]
    pub fn difference(&self, other: &Self, level: f64) -> Option<Interval> {
        let reach = Self::quantile(level)? * (self.variance + other.variance).sqrt();
        let difference = self.auc - other.auc;
        Some(Interval {
            low: difference - reach,
            high: difference + reach,
            level,
            method: "delong",
        })
    }

    fn quantile(level: f64) -> Option<f64> {
        normal_quantile(f64::midpoint(open_unit(level)?, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f64; 8] = [0.9, 1.4, 0.3, 2.2, 1.1, 0.7, 1.4, 3.0];
    const Y: [f64; 6] = [0.1, 0.9, 0.5, -0.4, 1.4, 0.2];

    /// numpy 2, with w = (x > y) + ½ (x == y) over all pairs: `w.mean(1).var(ddof=1)/len(x) + w.mean(0).var(ddof=1)/len(y)`.
    #[test]
    fn the_variance_is_its_definition() {
        let delong = DeLong::new(&X, &Y).unwrap();
        assert!((delong.auc - AUC).abs() < 1e-12);
        assert!((delong.variance - VARIANCE).abs() < 1e-12);
        let interval = delong.interval(0.95).unwrap();
        assert!((interval.low - (AUC - 1.959_963_984_540_054 * VARIANCE.sqrt())).abs() < 1e-9);
        assert!(interval.high <= 1.0 && interval.method == "delong");
    }

    const AUC: f64 = 0.822_916_666_666_666_6;
    const VARIANCE: f64 = 0.014_353_918_650_793_65;

    #[test]
    fn differences_and_the_undefined() {
        let (one, other) = (DeLong::new(&X, &Y).unwrap(), DeLong::new(&Y, &X).unwrap());
        assert!((one.auc + other.auc - 1.0).abs() < 1e-12);
        let apart = one.difference(&other, 0.95).unwrap();
        assert!(apart.low > 0.0 && apart.high > 2.0 * one.auc - 1.0);
        let perfect = DeLong::new(&[2.0, 3.0], &[0.0, 1.0]).unwrap();
        assert_eq!((perfect.auc, perfect.variance), (1.0, 0.0));
        assert_eq!(DeLong::new(&[1.0], &Y), None);
        assert_eq!(DeLong::new(&X, &[f64::NAN, 1.0]), None);
        assert_eq!(one.interval(1.0), None);
    }
}
