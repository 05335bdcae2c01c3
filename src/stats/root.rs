//! Where a condition stops holding.

/// The largest point of `[low, high]` at which `holds` is still true, to the last bit, for a condition that holds at
/// `low` and stops holding once. `low` where it holds nowhere above; `high` where it never stops.
///
/// Bisection: slow and certain, and it needs no derivative at the ends, where ours are infinite.
pub(crate) fn last_holding(low: f64, high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    if holds(high) {
        return high;
    }
    let (mut inside, mut outside) = (low, high);
    loop {
        let middle = f64::midpoint(inside, outside);
        // Neighbouring floats have no number between them. (Also ends the search on NaN.)
        if !(inside < middle && middle < outside) {
            return inside;
        }
        if holds(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_root_to_the_last_bit() {
        let root = last_holding(0.0, 2.0, |x| x * x <= 2.0);
        assert!((root - std::f64::consts::SQRT_2).abs() <= f64::EPSILON);
        assert_eq!(last_holding(0.0, 1.0, |_| true), 1.0);
        assert_eq!(last_holding(0.0, 1.0, |x| x <= 0.0), 0.0);
    }

    #[test]
    fn ends_on_anything() {
        assert!(last_holding(f64::NAN, 1.0, |_| false).is_nan());
        let _ = last_holding(0.0, f64::INFINITY, |x| x < 3.0);
    }
}
