//! Many tests, one level.

/// P-values adjusted for being tested together, in the order given: reject where the adjusted value is below the level.
///
/// Keeps the chance of any false rejection at the level under every dependence between the tests. The family is what is passed:
/// it must be fixed before the data. Never below the raw value, at most 1, and in the raw values' order; equal raw values
/// stay equal. A p-value that is not a number counts as 1, one outside 0…1 as the nearer end: neither can make another test
/// look better. Source: Holm 1979, step-down.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let clean = |p: f64| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) };
    let mut ascending: Vec<(usize, f64)> = p_values.iter().map(|p| clean(*p)).enumerate().collect();
    ascending.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (step, (index, p)) in ascending.into_iter().enumerate() {
        // `step` hypotheses are already rejected: only the others still need protection.
        largest = largest.max(p * (p_values.len() - step) as f64).min(1.0);
        if let Some(place) = adjusted.get_mut(index) {
            *place = largest;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// R: `p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")`.
    #[test]
    fn textbook_values() {
        for (got, expected) in holm(&[0.01, 0.04, 0.03, 0.005])
            .into_iter()
            .zip([0.03, 0.06, 0.06, 0.02])
        {
            assert!((got - expected).abs() < 1e-12);
        }
        assert!(holm(&[]).is_empty());
        assert_eq!(holm(&[f64::NAN, 0.01]), [1.0, 0.02]);
    }

    proptest! {
        #[test]
        fn never_lowers_and_keeps_the_order(p in prop::collection::vec(0.0..=1.0_f64, 0..30)) {
            let adjusted = holm(&p);
            prop_assert_eq!(adjusted.len(), p.len());
            for (i, a) in adjusted.iter().enumerate() {
                prop_assert!(*a >= p[i] && *a <= 1.0);
                for (j, b) in adjusted.iter().enumerate() {
                    prop_assert!(p[i] > p[j] || a <= b);
                }
            }
        }
    }
}
