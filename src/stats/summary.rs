//! Centre and spread of a sample.

/// Arithmetic mean, in the unit of `values`; `None` for no values, or where a value or the sum is not finite.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// Sample variance with divisor n − 1, in squared units; `None` for fewer than two values, or where one is not finite.
///
/// Two passes, so that a large mean costs no digits.
#[must_use]
pub fn variance(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let variance = squared_deviations(values)? / (values.len() - 1) as f64;
    variance.is_finite().then_some(variance)
}

/// Standard deviation with divisor n, in the unit of `values`; `None` for no values, or where one is not finite.
///
/// The spread of these very values, not an estimate of the spread where they came from: [`variance`] is that.
#[must_use]
pub fn population_sd(values: &[f64]) -> Option<f64> {
    let sd = (squared_deviations(values)? / values.len() as f64).sqrt();
    sd.is_finite().then_some(sd)
}

fn squared_deviations(values: &[f64]) -> Option<f64> {
    // The rounded mean of equal values may differ from them: their spread is nevertheless exactly 0.
    let first = *values.first()?;
    if first.is_finite() && values.iter().all(|value| *value == first) {
        return Some(0.0);
    }
    let centre = mean(values)?;
    Some(values.iter().map(|value| (value - centre).powi(2)).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textbook_values() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(mean(&values), Some(5.0));
        assert_eq!(variance(&values), Some(32.0 / 7.0));
        assert_eq!(population_sd(&values), Some(2.0));
        assert_eq!(variance(&[0.1; 7]), Some(0.0));
    }

    #[test]
    fn undefined_is_none() {
        assert_eq!(mean(&[]), None);
        assert_eq!(variance(&[1.0]), None);
        assert_eq!(population_sd(&[]), None);
        assert_eq!(mean(&[1.0, f64::NAN]), None);
        assert_eq!(variance(&[f64::INFINITY, f64::INFINITY]), None);
        assert_eq!(population_sd(&[f64::MAX, -f64::MAX]), None);
    }
}
