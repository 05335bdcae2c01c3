//! What a shift of ranks is worth to someone who guesses letters.

use statrs::function::erf::erfc;

use super::interval::normal_quantile;

/// Points of the integral, and how far from its middle it reaches, in standard deviations.
const POINTS: u32 = 4000;
const REACH: f64 = 10.0;

fn below(x: f64) -> f64 {
    0.5 * erfc(-x / std::f64::consts::SQRT_2)
}

/// How much more often than chance the first guess is right where the true letter's mean rank, 0…1, lies by `shift` above the middle
/// of `letters`: 0.13 is "13 % more often". The same for a shift below the middle and a guess from the bottom.
///
/// It takes the letters' logits as independent normals and the true one's as moved: a rank shift of d moves it by √2 · Φ⁻¹(½ + d)
/// standard deviations. Where a leak moves a few letters far and the others not at all, the same shift is worth more. `None` for a
/// shift outside (−½, ½) or fewer than two letters.
#[must_use]
pub fn guess_advantage(shift: f64, letters: usize) -> Option<f64> {
    if letters < 2 || shift.abs() >= 0.5 {
        return None;
    }
    let moved = std::f64::consts::SQRT_2 * normal_quantile(0.5 + shift)?;
    let others = (letters - 1) as f64;
    let step = 2.0 * REACH / f64::from(POINTS);
    let first = |i: u32| {
        let x = -REACH + step * (f64::from(i) + 0.5);
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        density * below(x + moved).powf(others) * step
    };
    let rate: f64 = (0..POINTS).map(first).sum();
    Some(rate * letters as f64 - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_thirteen_percent_is_a_shift_of_about_0_017() {
        let of = |shift| guess_advantage(shift, 26).unwrap();
        assert!(of(0.0).abs() < 1e-9);
        // Two letters: the first guess is right as often as the true one stands above the other, ½ + shift.
        assert!((guess_advantage(0.1, 2).unwrap() - 0.2).abs() < 1e-9);
        // mpmath 1.3, quad of the same integral in 30 digits.
        assert!((of(0.05) - 0.405_742_366_8).abs() < 1e-6, "{}", of(0.05));
        assert!((of(0.017) - 0.125_399_357_3).abs() < 1e-6, "{}", of(0.017));
        assert!(of(-0.05) < 0.0);
    }

    #[test]
    fn what_has_no_meaning_is_none() {
        assert_eq!(guess_advantage(0.5, 26), None);
        assert_eq!(guess_advantage(f64::NAN, 26), None);
        assert_eq!(guess_advantage(0.1, 1), None);
    }
}
