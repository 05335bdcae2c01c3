//! Whether p-values keep what they promise: the one-sided test of Kolmogorov and Smirnov against the uniform distribution.

/// The test of some p-values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SmallPValues {
    /// D⁺, the largest excess of the share of p-values at or below x over x itself, 0…1.
    pub(crate) statistic: f64,
    /// Chance of such an excess or a larger one from independent uniform p-values.
    pub(crate) p_value: f64,
}

/// Tests whether p-values are smaller than uniform ones: D⁺ = max over i of (i / n − p₍ᵢ₎).
///
/// Null hypothesis: independent p-values, each uniform or larger (conservative). One-sided: p-values that are too large are never
/// held against a test. Exact for any n ≥ 1 where they are uniform; ties and steps make it conservative. `None` without p-values,
/// and where one is no number or outside 0…1. Source: Birnbaum and Tingey (1951), Ann. Math. Statist. 22, 592–596.
#[must_use]
pub(crate) fn small_p_values(p_values: &[f64]) -> Option<SmallPValues> {
    if p_values.is_empty() || p_values.iter().any(|p| !(0.0..=1.0).contains(p)) {
        return None;
    }
    let mut sorted = p_values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let excess = |(i, p): (usize, &f64)| (i + 1) as f64 / n as f64 - p;
    let statistic = sorted.iter().enumerate().map(excess).fold(0.0, f64::max);
    Some(SmallPValues {
        statistic,
        p_value: upper(n, statistic),
    })
}

/// P(D⁺ ≥ d) = d Σ C(n, j) (d + j/n)^(j − 1) (1 − d − j/n)^(n − j) over the j from 0 to n (1 − d), in logarithms.
fn upper(n: usize, d: f64) -> f64 {
    if d <= 0.0 {
        return 1.0;
    }
    let size = n as f64;
    let mut log_choose = 0.0;
    let mut sum = 0.0;
    for j in 0..=n {
        let place = j as f64;
        let rest = 1.0 - d - place / size;
        if rest < 0.0 {
            break;
        }
        let power = if j == n {
            0.0
        } else {
            (size - place) * rest.ln()
        };
        sum += (log_choose + (place - 1.0) * (d + place / size).ln() + power).exp();
        log_choose += ((size - place) / (place + 1.0)).ln();
    }
    (d * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// `scipy.stats.ksone.sf(d, n)`, `SciPy` 1.17.1.
    #[test]
    fn the_tail_is_scipys() {
        let expected = [
            (1, 0.3, 0.7),
            (5, 0.2, 0.585_28),
            (5, 0.9, 9.999_999_999_999_989e-06),
            (20, 0.1, 0.629_071_018_884_962_9),
            (200, 0.05, 0.356_014_942_433_064_3),
            (200, 0.1, 0.017_055_111_658_647_187),
            (200, 0.2, 8.658_937_308_654_167e-08),
            (1000, 0.03, 0.162_031_713_954_550_85),
        ];
        for (n, d, expected) in expected {
            let got = upper(n, d);
            assert!(
                (got / expected - 1.0).abs() < 1e-9,
                "{n} {d}: {got} instead of {expected}"
            );
        }
    }

    /// `scipy.stats.kstest([.01, .02, .3, .31, .5, .9], "uniform", alternative="greater")`, `SciPy` 1.17.1.
    #[test]
    fn the_statistic_is_scipys() {
        let got = small_p_values(&[0.9, 0.01, 0.31, 0.5, 0.02, 0.3]).unwrap();
        assert!(
            (got.statistic - 0.356_666_666_666_666_63).abs() < 1e-12,
            "{got:?}"
        );
        assert!(
            (got.p_value - 0.173_063_232_138_422_56).abs() < 1e-9,
            "{got:?}"
        );
    }

    #[test]
    fn large_p_values_are_not_held_against_a_test() {
        assert_eq!(small_p_values(&[1.0; 50]).unwrap().p_value, 1.0);
        assert!(small_p_values(&[0.01; 50]).unwrap().p_value < 1e-9);
    }

    #[test]
    fn what_is_no_p_value_is_refused() {
        for bad in [&[][..], &[0.5, f64::NAN], &[-0.1], &[1.5]] {
            assert_eq!(small_p_values(bad), None);
        }
    }

    #[test]
    fn uniform_p_values_are_seldom_refused() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut refused = 0;
        for _ in 0..2000 {
            let drawn: Vec<f64> = (0..40).map(|_| rng.random()).collect();
            refused += usize::from(small_p_values(&drawn).unwrap().p_value <= 0.05);
        }
        // 100 are expected, with a standard deviation of 9.7.
        assert!((61..=139).contains(&refused), "{refused}");
    }
}
