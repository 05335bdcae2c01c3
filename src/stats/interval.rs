//! Intervals, and the two quantiles that they rest on.

use statrs::function::erf::erfc_inv;

use super::beta::incomplete_beta;
use super::root::last_holding;

/// An interval with its level and the method that made it, so that none is ever printed without them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end, in the unit of the estimate.
    pub low: f64,
    /// Upper end, in the unit of the estimate.
    pub high: f64,
    /// Nominal coverage, strictly between 0 and 1.
    pub level: f64,
    /// Name of the method.
    pub method: &'static str,
}

/// Quantile of the standard normal distribution, in standard deviations; `None` unless 0 < `p` < 1.
#[must_use]
pub fn normal_quantile(p: f64) -> Option<f64> {
    open_unit(p).map(|p| -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p))
}

/// Exact interval of a proportion from `successes` in `trials`.
///
/// Inverts two one-sided binomial tests, each at (1 − `level`)/2. Covers at least `level` at every sample size, by more
/// when trials are few. With no success the lower end is exactly 0, with nothing but successes the upper end exactly 1.
///
/// `None` for no trials, more successes than trials, a level outside (0, 1), or so many trials (10¹⁰) that it cannot be
/// computed. Source: Clopper and Pearson 1934, by quantiles of the beta distribution.
#[must_use]
pub fn clopper_pearson(successes: usize, trials: usize, level: f64) -> Option<Interval> {
    let tail = (1.0 - open_unit(level)?) / 2.0;
    let failures = trials.checked_sub(successes)?;
    if trials == 0 {
        return None;
    }
    let low = lower_bound(successes, failures, tail)?;
    let high = 1.0 - lower_bound(failures, successes, tail)?;
    Some(Interval {
        low,
        high,
        level,
        method: "clopper-pearson",
    })
}

/// The largest chance of success at which this many successes or more still have a probability of at most `tail`.
fn lower_bound(successes: usize, failures: usize, tail: f64) -> Option<f64> {
    if successes == 0 {
        return Some(0.0);
    }
    let (a, b) = (successes as f64, failures as f64 + 1.0);
    let at_least_as_many = |chance| incomplete_beta(a, b, chance);
    let bound = last_holding(0.0, 1.0, |chance| {
        at_least_as_many(chance).is_some_and(|p| p <= tail)
    });
    // Where the search could not compute, its end is no bound.
    at_least_as_many(bound).map(|_| bound)
}

/// `value` if it lies strictly between 0 and 1; NaN does not.
pub(super) fn open_unit(value: f64) -> Option<f64> {
    (value > 0.0 && value < 1.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `norm.ppf(p)`.
    #[test]
    fn normal_quantiles_are_scipys() {
        for (p, expected) in [
            (0.8, 0.841_621_233_572_914_3),
            (0.975, 1.959_963_984_540_054),
            (0.999_5, 3.290_526_731_491_925_5),
            (1e-10, -6.361_340_902_404_056),
        ] {
            assert!((normal_quantile(p).unwrap() - expected).abs() < 1e-9, "{p}");
        }
        assert!(normal_quantile(0.5).unwrap().abs() < 1e-15);
        for p in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!(normal_quantile(p), None);
        }
    }

    /// scipy 1.17.1: `beta.ppf(a / 2, k, n - k + 1)`, `beta.ppf(1 - a / 2, k + 1, n - k)`, a = 1 − level.
    #[test]
    fn clopper_pearson_is_scipys() {
        for (successes, trials, level, low, high) in [
            (0, 10, 0.95, 0.0, 0.308_497_107_818_760_7),
            (
                3,
                10,
                0.95,
                0.066_739_511_177_734_5,
                0.652_452_850_059_997_3,
            ),
            (10, 10, 0.95, 0.691_502_892_181_239_2, 1.0),
            (
                1,
                128,
                0.95,
                0.000_197_775_814_661_764_72,
                0.042_759_031_914_220_404,
            ),
            (
                512,
                1024,
                0.99,
                0.459_341_556_713_208_2,
                0.540_658_443_286_791_8,
            ),
            (
                7,
                100_000,
                0.95,
                2.814_407_880_503_68e-5,
                1.442_214_010_923_484e-4,
            ),
            (
                900_000,
                1_000_000,
                0.95,
                0.899_410_351_812_574_4,
                0.900_587_330_133_962_1,
            ),
            (
                50_000_000,
                100_000_000,
                0.95,
                0.499_901_996_801_959_3,
                0.500_098_003_198_040_7,
            ),
            (0, 5_000_000, 0.95, 0.0, 7.377_756_186_662_215e-7),
            (
                333,
                5_000_000,
                0.9,
                6.071_285_470_845_586e-5,
                7.292_346_644_913_422e-5,
            ),
        ] {
            let interval = clopper_pearson(successes, trials, level).unwrap();
            assert!(
                (interval.low - low).abs() < 1e-9,
                "{successes}/{trials}: {interval:?}"
            );
            assert!(
                (interval.high - high).abs() < 1e-9,
                "{successes}/{trials}: {interval:?}"
            );
            assert_eq!(interval.method, "clopper-pearson");
        }
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(clopper_pearson(0, 0, 0.95), None);
        assert_eq!(clopper_pearson(3, 2, 0.95), None);
        assert_eq!(clopper_pearson(1, 2, 1.0), None);
        assert_eq!(clopper_pearson(1, 2, f64::NAN), None);
        assert_eq!(clopper_pearson(usize::MAX / 2, usize::MAX, 0.95), None);
    }
}
