//! The skew-normal distribution that exposure is read off where the controls are too few to rank by.
//!
//! Source: Azzalini 1985; for exposure Carlini et al. 2019, section 4.4.

use std::f64::consts::{FRAC_2_PI, LN_2, PI};

use statrs::function::erf::erfc;

use super::summary::{mean, population_sd};

/// Largest skewness that is fitted: the distribution's own ends at 0.9953.
const MOST_SKEWED: f64 = 0.99;

/// A fitted distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SkewNormal {
    /// Location ξ, in the unit of the scores.
    pub location: f64,
    /// Scale ω, in the unit of the scores.
    pub scale: f64,
    /// Shape α; 0 is the normal distribution.
    pub shape: f64,
}

impl SkewNormal {
    /// The distribution with the mean, standard deviation and skewness of `scores` (method of moments; a skewness beyond what the
    /// distribution can have is drawn in). `None` for fewer than 8 scores, none that differ, or one that is not finite.
    #[must_use]
    pub fn fit(scores: &[f64]) -> Option<Self> {
        if scores.len() < 8 {
            return None;
        }
        let (centre, sd) = (mean(scores)?, population_sd(scores)?);
        if sd <= 0.0 {
            return None;
        }
        let cubes: Vec<f64> = scores.iter().map(|x| ((x - centre) / sd).powi(3)).collect();
        let skewness = mean(&cubes)?.clamp(-MOST_SKEWED, MOST_SKEWED);
        let power = skewness.abs().powf(2.0 / 3.0);
        let other = f64::midpoint(4.0, -PI).powf(2.0 / 3.0);
        let delta = (PI / 2.0 * power / (power + other)).sqrt() * skewness.signum();
        let scale = sd / (1.0 - FRAC_2_PI * delta * delta).sqrt();
        Some(Self {
            location: centre - scale * delta * FRAC_2_PI.sqrt(),
            scale,
            shape: delta / (1.0 - delta * delta).sqrt(),
        })
    }

    /// Natural log of the chance of a score above `x`.
    #[must_use]
    pub fn ln_above(&self, x: f64) -> f64 {
        ln_above((x - self.location) / self.scale, self.shape)
    }

    /// Natural log of the chance of a score below `x`.
    #[must_use]
    pub fn ln_below(&self, x: f64) -> f64 {
        ln_above((self.location - x) / self.scale, -self.shape)
    }

    /// Chance of a distance between the scores' distribution and this one at least as large as theirs, if they came from it.
    ///
    /// Kolmogorov's asymptotic distribution. Where this distribution was fitted to the same scores the chance is too large, so a
    /// small one is a bad fit for sure and a large one is no proof of a good one. `None` for no scores or one that is not finite.
    #[must_use]
    pub fn goodness_of_fit(&self, scores: &[f64]) -> Option<f64> {
        let n = scores.len() as f64;
        if scores.is_empty() || scores.iter().any(|x| !x.is_finite()) {
            return None;
        }
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let distance = sorted.iter().enumerate().map(|(i, &x)| {
            let below = self.ln_below(x).exp();
            let (before, after) = (i as f64 / n, (i as f64 + 1.0) / n);
            (after - below).max(below - before)
        });
        Some(kolmogorov_above(distance.fold(0.0, f64::max) * n.sqrt()))
    }
}

/// Chance that Kolmogorov's statistic exceeds `x`, in the limit of many scores. Source: Kolmogorov 1933; Marsaglia et al. 2003.
#[must_use]
pub fn kolmogorov_above(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.0 {
        // The other series converges where this one's terms are alike.
        let terms = (1..20_u32).map(|k| (-(f64::from(2 * k - 1) * PI / x).powi(2) / 8.0).exp());
        let below = (2.0 * PI).sqrt() / x * terms.sum::<f64>();
        return (1.0 - below).clamp(0.0, 1.0);
    }
    let terms = (1..20_u32).map(|k| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * x * x).exp()
    });
    terms.sum::<f64>().clamp(f64::MIN_POSITIVE, 1.0)
}

/// ln P(Z > z) for a standard skew-normal Z of a shape.
fn ln_above(z: f64, shape: f64) -> f64 {
    if z < 0.0 {
        return (-ln_above(-z, -shape).exp()).ln_1p();
    }
    // From z on, the density falls by this much a unit at least.
    let fall = z + if shape < 0.0 { shape * shape * z } else { 0.0 } + shape.abs();
    let width = 1.0 / (1.0 + fall);
    let first = ln_normal_below(shape * z);
    let density = |u: f64| (-z * u - u * u / 2.0 + ln_normal_below(shape * (z + u)) - first).exp();
    let mut sum = 0.0;
    for panel in 0..4000_u32 {
        let own = gauss_legendre(f64::from(panel) * width, width, density);
        sum += own;
        if own < 1e-17 * sum {
            break;
        }
    }
    // 2 φ(z) Φ(αz) times what was summed relative to it.
    LN_2 - z * z / 2.0 - (2.0 * PI).sqrt().ln() + first + sum.ln()
}

/// ln Φ(x).
fn ln_normal_below(x: f64) -> f64 {
    if x > -25.0 {
        return (0.5 * erfc(-x / std::f64::consts::SQRT_2)).ln();
    }
    // Abramowitz and Stegun 1964, 26.2.12.
    let s = 1.0 / (x * x);
    let series = 1.0 - s * (1.0 - 3.0 * s * (1.0 - 5.0 * s * (1.0 - 7.0 * s)));
    -x * x / 2.0 - (-x * (2.0 * PI).sqrt()).ln() + series.ln()
}

/// Integral over a panel by ten points. Source: Abramowitz and Stegun 1964, table 25.4.
fn gauss_legendre(from: f64, width: f64, f: impl Fn(f64) -> f64) -> f64 {
    const POINTS: [(f64, f64); 5] = [
        (0.148_874_338_981_631_2, 0.295_524_224_714_752_87),
        (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
        (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
        (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
        (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
    ];
    let half = width / 2.0;
    let middle = from + half;
    let pairs = POINTS
        .iter()
        .map(|&(x, w)| w * (f(middle - half * x) + f(middle + half * x)));
    half * pairs.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1: `skewnorm.logsf(z, a)`.
    #[test]
    fn tails_are_scipys() {
        for (z, shape, expected) in TAILS {
            let got = ln_above(z, shape);
            let slack = 1e-9 * f64::max(1.0, expected.abs());
            assert!(
                (got - expected).abs() < slack,
                "{z} {shape}: {got} {expected}"
            );
        }
    }

    const TAILS: [(f64, f64, f64); 9] = [
        (0.0, 0.0, -LN_2),
        (1.0, 2.0, -1.153_306_217_872_971_4),
        (3.0, -1.5, -19.655_600_592_978_3),
        (2.0, -4.0, -40.793_407_419_315_46),
        (-1.0, 3.0, -5.624_601_548_938_342e-05),
        (-2.5, -2.0, -0.012_497_094_294_913_339),
        (6.0, 1.0, -20.043_621_769_908_054),
        (0.5, -10.0, -19.406_997_326_861_56),
        (10.0, 0.5, -52.538_138_198_049_23),
    ];

    const KOLMOGOROV: [(f64, f64); 5] = [
        (0.3, 0.999_990_694_198_665_5),
        (0.6, 0.864_282_779_050_604_2),
        (1.0, 0.269_999_671_677_354_56),
        (1.36, 0.049_485_876_755_377_876),
        (2.5, 7.453_306_344_157_342e-06),
    ];

    #[test]
    fn both_tails_are_one_and_far_ones_stay_finite() {
        let skewed = SkewNormal {
            location: 2.0,
            scale: 3.0,
            shape: -4.0,
        };
        for x in [-20.0, -1.0, 1.9, 2.5, 4.0] {
            let both = skewed.ln_above(x).exp() + skewed.ln_below(x).exp();
            assert!((both - 1.0).abs() < 1e-9, "{x}: {both}");
        }
        // φ itself would be 0 here: e^(−5000).
        assert!((ln_above(100.0, 0.0) + 5_005.524_2).abs() < 0.01);
        assert!(ln_above(100.0, -3.0).is_finite());
    }

    /// Quantiles of `skewnorm(4, loc=1, scale=2)` at (i + ½)/200, from scipy 1.17.1: the fit finds what made them.
    #[test]
    fn moments_find_the_shape() {
        let made = SkewNormal {
            location: 1.0,
            scale: 2.0,
            shape: 4.0,
        };
        let quantile = |p: f64| {
            let (mut low, mut high) = (-10.0, 20.0);
            for _ in 0..80 {
                let middle = f64::midpoint(low, high);
                if made.ln_below(middle).exp() < p {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            low
        };
        let scores: Vec<f64> = (0..2000)
            .map(|i| quantile((f64::from(i) + 0.5) / 2000.0))
            .collect();
        let fitted = SkewNormal::fit(&scores).unwrap();
        assert!((fitted.location - 1.0).abs() < 0.03, "{fitted:?}");
        assert!((fitted.scale - 2.0).abs() < 0.03 && (fitted.shape - 4.0).abs() < 0.3);
        assert!(fitted.goodness_of_fit(&scores).unwrap() > 0.99);
        // Two heaps are no skew-normal.
        let heaps: Vec<f64> = (0..400)
            .map(|i| f64::from(i % 2) * 9.0 + f64::from(i) / 400.0)
            .collect();
        let fitted = SkewNormal::fit(&heaps).unwrap();
        assert!(fitted.goodness_of_fit(&heaps).unwrap() < 1e-3);
    }

    /// scipy 1.17.1: `kstwobign.sf(x)`.
    #[test]
    fn kolmogorovs_tail_is_scipys() {
        for (x, expected) in KOLMOGOROV {
            assert!((kolmogorov_above(x) - expected).abs() < 1e-9, "{x}");
        }
        assert!((kolmogorov_above(0.0) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(SkewNormal::fit(&[1.0; 20]), None);
        assert_eq!(SkewNormal::fit(&[1.0, 2.0]), None);
        assert_eq!(SkewNormal::fit(&[f64::NAN; 9]), None);
        let any = SkewNormal {
            location: 0.0,
            scale: 1.0,
            shape: 0.0,
        };
        assert_eq!(any.goodness_of_fit(&[]), None);
    }
}
