//! Counts against chances that are known.

use statrs::function::gamma::ln_gamma;

use super::beta::incomplete_beta;

/// Chance of at least `successes` in `trials` independent trials of chance `p` each.
///
/// Null hypothesis of the test that takes it as its p-value: every trial succeeds with chance at most `p`. One-sided, exact,
/// above 0 always. `None` for more successes than trials or a `p` outside 0…1.
#[must_use]
pub fn binomial_upper(successes: usize, trials: usize, p: f64) -> Option<f64> {
    let failures = trials.checked_sub(successes)?;
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    if successes == 0 {
        return Some(1.0);
    }
    let tail = incomplete_beta(successes as f64, failures as f64 + 1.0, p)?;
    Some(tail.clamp(f64::MIN_POSITIVE, 1.0))
}

/// An urn: `marked` of `population` things are marked, `drawn` are drawn without putting back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Urn {
    /// All things.
    pub population: usize,
    /// Marked ones.
    pub marked: usize,
    /// Things drawn.
    pub drawn: usize,
}

impl Urn {
    /// Marked things that are expected among the drawn; `None` for an urn that cannot be.
    #[must_use]
    pub fn expected(self) -> Option<f64> {
        self.is_possible()
            .then(|| self.marked as f64 * self.drawn as f64 / self.population as f64)
    }

    fn is_possible(self) -> bool {
        self.population > 0 && self.marked.max(self.drawn) <= self.population
    }

    /// Chance of each number of marked things among the drawn, from 0 to `drawn`.
    fn chances(self) -> Vec<f64> {
        let Self {
            population,
            marked,
            drawn,
        } = self;
        let of = |hits: usize| {
            if hits > marked || drawn - hits > population - marked {
                return 0.0;
            }
            let ways = ln_choose(marked, hits) + ln_choose(population - marked, drawn - hits);
            (ways - ln_choose(population, drawn)).exp()
        };
        (0..=drawn).map(of).collect()
    }
}

fn ln_choose(n: usize, k: usize) -> f64 {
    let ln_factorial = |n: usize| ln_gamma(n as f64 + 1.0);
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// Chance of at least `hits` marked things among all that are drawn, from several urns together.
///
/// Null hypothesis: what is drawn from each urn is a random subset, independent between urns (seeds). One-sided, exact (the sum's
/// distribution by convolution), above 0 always. `None` for no urn, or one that cannot be. Source: Fisher 1935.
#[must_use]
pub fn hypergeometric_upper(hits: usize, urns: &[Urn]) -> Option<f64> {
    if urns.is_empty() || !urns.iter().all(|urn| urn.is_possible()) {
        return None;
    }
    let mut all = vec![1.0];
    for urn in urns {
        let own = urn.chances();
        let mut both = vec![0.0; all.len() + own.len() - 1];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in own.iter().enumerate() {
                both[i + j] += a * b;
            }
        }
        all = both;
    }
    // From the far end: the smallest terms first, so that a small tail keeps its digits.
    let tail: f64 = all.iter().skip(hits).rev().sum();
    Some(tail.clamp(f64::MIN_POSITIVE, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// scipy 1.17.1: `binom.sf(k - 1, n, p)`.
    #[test]
    fn binomial_tails_are_scipys() {
        for (k, n, p, expected) in BINOMIAL {
            let got = binomial_upper(k, n, p).unwrap();
            assert!((got / expected - 1.0).abs() < 1e-9, "{k} {n} {p}: {got}");
        }
        assert_eq!(binomial_upper(0, 5, 0.2), Some(1.0));
        assert_eq!(binomial_upper(6, 5, 0.2), None);
        assert_eq!(binomial_upper(1, 5, f64::NAN), None);
        assert!(binomial_upper(128, 128, 1e-20).unwrap() > 0.0);
    }

    /// scipy 1.17.1: `hypergeom.sf(k - 1, M, n, N)`.
    #[test]
    fn hypergeometric_tails_are_scipys() {
        for (hits, population, marked, drawn, expected) in HYPERGEOMETRIC {
            let urn = Urn {
                population,
                marked,
                drawn,
            };
            let got = hypergeometric_upper(hits, &[urn]).unwrap();
            assert!((got / expected - 1.0).abs() < 1e-9, "{urn:?}: {got}");
        }
    }

    const BINOMIAL: [(usize, usize, f64, f64); 6] = [
        (1, 128, 1e-06, 0.000_127_991_872_341_365_34),
        (3, 10, 0.2, 0.322_200_473_600_000_15),
        (10, 10, 0.5, 0.000_976_562_5),
        (5, 1024, 0.001, 0.004_016_686_085_865_553),
        (
            2,
            16,
            9.577_302_655_002_005e-10,
            1.100_696_703_907_176_8e-16,
        ),
        (40, 100, 0.3, 0.020_988_576_003_924_706),
    ];

    const HYPERGEOMETRIC: [(usize, usize, usize, usize, f64); 6] = [
        (4, 17_576, 512, 16, 0.000_979_988_649_450_22),
        (33, 17_576, 128, 127, 6.180_123_881_163_234e-43),
        (60, 17_576, 512, 127, 3.882_613_225_257_172e-58),
        (1, 10, 3, 4, 0.833_333_333_333_333_4),
        (3, 30, 12, 5, 0.304_281_924_971_580_1),
        (9, 17_450, 481, 16, 8.219_695_975_466_432e-11),
    ];

    #[test]
    fn urns_that_cannot_be_and_sums_of_urns() {
        let urn = |population, marked, drawn| Urn {
            population,
            marked,
            drawn,
        };
        assert_eq!(hypergeometric_upper(1, &[]), None);
        assert_eq!(hypergeometric_upper(1, &[urn(5, 6, 1)]), None);
        assert_eq!(urn(0, 0, 0).expected(), None);
        assert_eq!(urn(100, 20, 5).expected(), Some(1.0));
        // Two coins: at least one head in 3 of 4, two in one.
        let coins = [urn(2, 1, 1), urn(2, 1, 1)];
        assert!((hypergeometric_upper(1, &coins).unwrap() - 0.75).abs() < 1e-12);
        assert!((hypergeometric_upper(2, &coins).unwrap() - 0.25).abs() < 1e-12);
        assert!(hypergeometric_upper(3, &coins).unwrap() < 1e-300);
    }

    proptest! {
        #[test]
        fn tails_fall_and_begin_at_one(population in 1_usize..60, a in 0_usize..60, b in 0_usize..60) {
            let urn = Urn { population, marked: a.min(population), drawn: b.min(population) };
            let mut before = 1.0 + 1e-12;
            for hits in 0..=urn.drawn {
                let tail = hypergeometric_upper(hits, &[urn]).unwrap();
                prop_assert!(tail <= before + 1e-12);
                before = tail;
            }
            prop_assert!((hypergeometric_upper(0, &[urn]).unwrap() - 1.0).abs() < 1e-9);
        }
    }
}
