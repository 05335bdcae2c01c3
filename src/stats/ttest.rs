//! A few seeds as a sample of a training recipe.

use super::beta::incomplete_beta;
use super::interval::{Interval, open_unit};
use super::root::last_holding;
use super::summary::{mean, variance};

/// Student's test of a mean, with its estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TTest {
    /// Mean of the sample, in its unit.
    pub mean: f64,
    /// Standard deviation with divisor n − 1, in the same unit.
    pub sd: f64,
    /// Size of the sample.
    pub n: usize,
    /// Degrees of freedom, n − 1.
    pub df: f64,
    /// The statistic, (mean − mu) / (sd / √n).
    pub t: f64,
    /// Chance of a statistic at least as far from 0 if the mean were mu; above 0 always.
    pub p_two_sided: f64,
}

impl TTest {
    /// Chance of a statistic at least as large if the mean were mu or less (one-sided, upwards); above 0 always.
    #[must_use]
    pub fn p_upper(&self) -> f64 {
        if self.t > 0.0 {
            self.p_two_sided / 2.0
        } else {
            1.0 - self.p_two_sided / 2.0
        }
        .max(f64::MIN_POSITIVE)
    }

    /// Interval of the mean. `None` for a level outside (0, 1).
    #[must_use]
    pub fn interval(&self, level: f64) -> Option<Interval> {
        let standard_error = self.sd / (self.n as f64).sqrt();
        let reach = critical_t(self.df, open_unit(level)?)? * standard_error;
        Some(Interval {
            low: self.mean - reach,
            high: self.mean + reach,
            level,
            method: "student-t",
        })
    }
}

/// Student's one-sample test of the null hypothesis that the values of `x` have mean `mu`.
///
/// Two-sided; [`TTest::p_upper`] gives the side upwards. Assumes independent, roughly normal values: with the three to five seeds
/// of an audit that cannot be checked, and is the price of saying anything about a recipe. Ties do not matter. `None` for
/// fewer than two values, for a value that is not finite, and where all values are equal: no spread was seen, so no size
/// of error is known. Source: Student 1908.
#[must_use]
pub fn one_sample_t(x: &[f64], mu: f64) -> Option<TTest> {
    let n = x.len();
    let mean = mean(x)?;
    let sd = variance(x)?.sqrt();
    let df = n.checked_sub(1)? as f64;
    let standard_error = sd / (n as f64).sqrt();
    let t = (mean - mu) / standard_error;
    if sd <= 0.0 || !t.is_finite() {
        return None;
    }
    Some(TTest {
        mean,
        sd,
        n,
        df,
        t,
        p_two_sided: p_two_sided(t, df)?,
    })
}

/// P(|T| ≥ |t|), straight from the tail so that small values keep their digits.
fn p_two_sided(t: f64, df: f64) -> Option<f64> {
    let p = incomplete_beta(df / 2.0, 0.5, df / t.mul_add(t, df))?;
    Some(p.clamp(f64::MIN_POSITIVE, 1.0))
}

/// The |t| that is exceeded with a chance of 1 − `level`.
fn critical_t(df: f64, level: f64) -> Option<f64> {
    let within = |t| p_two_sided(t, df).is_some_and(|p| p >= 1.0 - level);
    // At 95 % it is 12.7 at one degree of freedom, less with more.
    let mut high = 16.0;
    while within(high) {
        high *= 2.0;
    }
    let t = last_holding(0.0, high, within);
    (t > 0.0).then_some(t)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Reference {
        x: &'static [f64],
        mu: f64,
        t: f64,
        p: f64,
        /// Ends at 90, 95 and 99.9 %.
        intervals: [[f64; 2]; 3],
        p_upper: f64,
    }

    /// scipy 1.17.1: `r = ttest_1samp(x, mu)`, `r.confidence_interval(level)`, `ttest_1samp(x, mu, alternative='greater').pvalue`.
    #[test]
    fn values_are_scipys() {
        for case in [
            Reference {
                x: &[0.2, 0.1, 0.4, -0.1, 0.3],
                mu: 0.0,
                t: 2.092_457_497_388_747,
                p: 0.104_539_999_778_375_4,
                intervals: [
                    [-0.003_388_394_754_813_700_6, 0.363_388_394_754_813_66],
                    [-0.058_838_838_807_999, 0.418_838_838_807_999_8],
                    [-0.560_686_148_503_56, 0.920_686_148_503_581_5],
                ],
                p_upper: 0.052_269_999_889_187_7,
            },
            Reference {
                x: &[5.1, 4.9, 5.6, 5.8, 6.1, 5.2, 5.0],
                mu: 5.0,
                t: 2.255_226_487_878_306_6,
                p: 0.064_972_860_096_388_02,
                intervals: [
                    [5.053_369_664_035_875, 5.718_058_907_392_697],
                    [4.967_215_805_875_069, 5.804_212_765_553_503],
                    [4.366_570_293_538_971, 6.404_858_277_889_622],
                ],
                p_upper: 0.032_486_430_048_194_01,
            },
            Reference {
                x: &[1.0, 2.0],
                mu: 0.0,
                t: 3.0,
                p: 0.204_832_764_699_133_45,
                intervals: [
                    [-1.656_875_757_337_522_3, 4.656_875_757_337_518],
                    [-4.853_102_368_087_347, 7.853_102_368_087_347],
                    [-316.809_624_384_359_5, 319.809_624_384_394_85],
                ],
                p_upper: 0.102_416_382_349_566_72,
            },
            Reference {
                x: &[0.01, 0.011, 0.012, 0.010_5, 0.009_9],
                mu: 1.0,
                t: -2_576.843_522_611_945_4,
                p: 1.360_813_553_421_172e-13,
                intervals: [
                    [0.009_861_526_295_973_581, 0.011_498_473_704_026_417],
                    [0.009_614_047_547_951_195, 0.011_745_952_452_048_805],
                    [0.007_374_272_086_860_843, 0.013_985_727_913_139_253],
                ],
                p_upper: 0.999_999_999_999_931_9,
            },
        ] {
            let test = one_sample_t(case.x, case.mu).unwrap();
            let interval = |level| test.interval(level).unwrap();
            let ends = [0.9, 0.95, 0.999]
                .map(interval)
                .into_iter()
                .zip(case.intervals)
                .flat_map(|(got, [low, high])| [(got.low, low), (got.high, high)]);
            let others = [
                (test.t, case.t),
                (test.p_two_sided, case.p),
                (test.p_upper(), case.p_upper),
            ];
            for (got, expected) in others.into_iter().chain(ends) {
                assert!(
                    (got - expected).abs() <= 1e-9 * expected.abs(),
                    "{got} instead of {expected}"
                );
            }
        }
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(one_sample_t(&[1.0], 0.0), None);
        assert_eq!(one_sample_t(&[0.1; 5], 0.0), None);
        assert_eq!(one_sample_t(&[1.0, f64::NAN], 0.0), None);
        assert_eq!(one_sample_t(&[1.0, 2.0], f64::INFINITY), None);
        let test = one_sample_t(&[1.0, 2.0], 0.0).unwrap();
        for level in [0.0, 1.0, f64::NAN] {
            assert_eq!(test.interval(level), None);
        }
        assert!(
            one_sample_t(&[1.0, 1.0 + 1e-15], -1e200).is_none_or(|test| test.p_two_sided > 0.0)
        );
    }
}
