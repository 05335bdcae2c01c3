//! Two independent estimates compared by their intervals.

use statrs::function::erf::erfc;

use super::interval::normal_quantile;

/// An estimate with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimated {
    /// The estimate.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Nominal coverage, strictly between 0 and 1.
    pub level: f64,
}

/// A difference with its interval and its tests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The second estimate less the first.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Nominal coverage, that of both intervals.
    pub level: f64,
    /// Chance of a difference at least this far up if there were none, or one downwards; above 0 always.
    pub p_upper: f64,
    /// Chance of a difference at least this far from 0 if there were none; above 0 always.
    pub p_two_sided: f64,
}

/// Chance that a standard normal exceeds `x`; above 0 always.
#[must_use]
pub fn normal_upper(x: f64) -> f64 {
    (0.5 * erfc(x / std::f64::consts::SQRT_2)).max(f64::MIN_POSITIVE)
}

/// The difference `second` − `first` of two independent estimates, from their intervals of one level.
///
/// Its interval is the square-and-add one, which keeps the asymmetry of both: good where each interval is. Null hypothesis of the
/// tests: no difference. Their p-values take the arm of the interval towards 0 as so many standard deviations of a normal, which is
/// exact at the interval's own level (p < 1 − level, two-sided, exactly where 0 lies outside) and approximate beyond it. Estimates
/// that rise and fall together, as of one set of canaries in two models, make both conservative. `None` where a number is not
/// finite, an interval does not hold its estimate, the levels differ, or both intervals have no width.
///
/// Source: Zou and Donner 2008, Statistics in Medicine 27:1693–1702 (MOVER); for proportions it is method 10 of Newcombe 1998.
#[must_use]
pub fn difference(first: Estimated, second: Estimated) -> Option<Difference> {
    let good = |e: &Estimated| {
        e.low.is_finite() && e.high.is_finite() && e.low <= e.value && e.value <= e.high
    };
    if !good(&first) || !good(&second) || (first.level - second.level).abs() > 1e-12 {
        return None;
    }
    let z = normal_quantile(f64::midpoint(1.0, first.level))?;
    let value = second.value - first.value;
    let below = (second.value - second.low).hypot(first.high - first.value);
    let above = (second.high - second.value).hypot(first.value - first.low);
    // Towards 0, where the tests ask.
    let arm = if value > 0.0 { below } else { above };
    if below + above <= 0.0 {
        return None;
    }
    let deviations = if value == 0.0 { 0.0 } else { z * value / arm };
    Some(Difference {
        value,
        low: value - below,
        high: value + above,
        level: first.level,
        p_upper: normal_upper(deviations),
        p_two_sided: (2.0 * normal_upper(deviations.abs())).min(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Wilson's interval, from its formula.
    fn wilson(successes: f64, trials: f64) -> Estimated {
        let z = normal_quantile(0.975).unwrap();
        let share = successes / trials;
        let centre = share + z * z / (2.0 * trials);
        let reach = z * (share * (1.0 - share) / trials + (z / (2.0 * trials)).powi(2)).sqrt();
        let all = 1.0 + z * z / trials;
        Estimated {
            value: share,
            low: ((centre - reach) / all).min(share),
            high: ((centre + reach) / all).max(share),
            level: 0.95,
        }
    }

    /// Newcombe 1998, Statistics in Medicine 17:873–890, Table II, method 10.
    #[test]
    fn of_proportions_it_is_newcombes_tenth_method() {
        for (first, second, low, high) in [
            ((48.0, 80.0), (56.0, 70.0), 0.0524, 0.3339),
            ((3.0, 10.0), (9.0, 10.0), 0.1705, 0.8090),
            ((0.0, 10.0), (10.0, 10.0), 0.6075, 1.0),
        ] {
            let found = difference(wilson(first.0, first.1), wilson(second.0, second.1)).unwrap();
            assert!((found.low - low).abs() < 5e-5, "{found:?}");
            assert!((found.high - high).abs() < 5e-5, "{found:?}");
        }
    }

    #[test]
    fn of_normal_means_it_is_the_z_test() {
        let of = |value: f64, sd: f64| Estimated {
            value,
            low: value - 1.959_963_984_540_054 * sd,
            high: value + 1.959_963_984_540_054 * sd,
            level: 0.95,
        };
        let found = difference(of(1.0, 0.3), of(2.0, 0.4)).unwrap();
        // scipy 1.17.1: norm.sf(2.0), 2 * norm.sf(2.0).
        assert!((found.p_upper - 0.022_750_131_948_179_195).abs() < 1e-9);
        assert!((found.p_two_sided - 0.045_500_263_896_358_39).abs() < 1e-9);
        let back = difference(of(2.0, 0.4), of(1.0, 0.3)).unwrap();
        assert!((back.p_upper - 0.977_249_868_051_820_8).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_compared_is_none() {
        let good = wilson(3.0, 10.0);
        for bad in [
            Estimated {
                value: f64::NAN,
                ..good
            },
            Estimated {
                high: f64::INFINITY,
                ..good
            },
            Estimated { value: 2.0, ..good },
            Estimated {
                level: 0.99,
                ..good
            },
        ] {
            assert_eq!(difference(good, bad), None);
        }
        let point = Estimated {
            low: 0.5,
            high: 0.5,
            value: 0.5,
            level: 0.95,
        };
        assert_eq!(difference(point, point), None);
    }

    proptest! {
        #[test]
        fn the_test_and_the_interval_agree(a in 0_u8..=20, b in 0_u8..=20) {
            let found = difference(wilson(f64::from(a), 20.0), wilson(f64::from(b), 20.0)).unwrap();
            prop_assert!(found.low <= found.value && found.value <= found.high);
            let outside = found.low > 0.0 || found.high < 0.0;
            prop_assert_eq!(outside, found.p_two_sided < 0.05);
            let back = difference(wilson(f64::from(b), 20.0), wilson(f64::from(a), 20.0)).unwrap();
            prop_assert!((back.low + found.high).abs() < 1e-12);
            prop_assert!((back.p_two_sided - found.p_two_sided).abs() < 1e-12);
        }
    }
}
