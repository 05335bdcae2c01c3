//! The learning-rate schedule, quirks included.

/// Learning rate of `step` (from 0) of `steps`: linear warm-up from 0, then a cosine whose period is `steps`, not
/// `steps − warmup`. Guide: recipe, "Optimiser".
#[must_use]
pub fn learning_rate(step: usize, steps: usize, peak: f64, warmup: usize) -> f64 {
    if step < warmup {
        return peak * step as f64 / warmup as f64;
    }
    let angle = std::f64::consts::PI * (step - warmup) as f64 / steps.max(1) as f64;
    peak * (1.0 + angle.cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_quirks() {
        let at = |step| learning_rate(step, 1200, 1e-4, 100);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-18;
        assert!(close(at(0), 0.0));
        assert!(close(at(50), 5e-5));
        assert!(close(at(100), 1e-4));
        // The divisor is the number of steps, so the rate does not reach 0 at the end.
        assert!(at(1199) > 1e-6);
        // Phase 1 is shorter than the warm-up.
        assert!(close(learning_rate(63, 64, 1e-4, 100), 6.3e-5));
        assert!(close(learning_rate(0, 10, 1e-4, 0), 1e-4));
    }
}
