//! Logistic regression: how much likelier one of two kinds is, from a few numbers.

/// Most Newton steps. A dozen are enough where the pull keeps weights finite.
const STEPS: usize = 50;

/// Weights and intercept under which examples of two kinds are likeliest, drawn towards a guess made beforehand.
///
/// Maximises Σ log σ(±(w · x + b)) − ½ Σ (w − prior)², + for those that are `true`; the intercept is free. The odds that a new x is of
/// that kind are exp(w · x + b). Without examples of both kinds the prior is all there is.
#[must_use]
pub fn logistic<const N: usize>(examples: &[([f64; N], bool)], prior: [f64; N]) -> ([f64; N], f64) {
    let both = examples.iter().any(|e| e.1) && examples.iter().any(|e| !e.1);
    if !both {
        return (prior, 0.0);
    }
    let mut at = vec![0.0; N + 1];
    at[..N].copy_from_slice(&prior);
    let mut height = log_likelihood(examples, &prior, &at);
    for _ in 0..STEPS {
        let Some(step) = newton(examples, &prior, &at) else {
            break;
        };
        // A whole step can overshoot where most examples are certain.
        let mut share = 1.0;
        let better = loop {
            let there: Vec<f64> = at.iter().zip(&step).map(|(x, s)| x + share * s).collect();
            let new = log_likelihood(examples, &prior, &there);
            if new > height {
                break Some((there, new));
            }
            share /= 2.0;
            if share < 1e-6 {
                break None;
            }
        };
        let Some((there, new)) = better else { break };
        let gained = new - height;
        (at, height) = (there, new);
        if gained < 1e-12 {
            break;
        }
    }
    let mut weights = prior;
    weights.copy_from_slice(&at[..N]);
    (weights, at[N])
}

fn linear<const N: usize>(x: &[f64; N], at: &[f64]) -> f64 {
    x.iter().zip(at).map(|(x, w)| x * w).sum::<f64>() + at[N]
}

fn log_likelihood<const N: usize>(
    examples: &[([f64; N], bool)],
    prior: &[f64; N],
    at: &[f64],
) -> f64 {
    let of = |(x, kind): &([f64; N], bool)| {
        let z = if *kind { linear(x, at) } else { -linear(x, at) };
        // log σ(z), without overflow on either side.
        z.min(0.0) - (-z.abs()).exp().ln_1p()
    };
    let pulls = at.iter().zip(prior).map(|(w, p)| (w - p).powi(2));
    examples.iter().map(of).sum::<f64>() - pulls.sum::<f64>() / 2.0
}

/// The Newton step; `None` where the slopes do not tell one.
fn newton<const N: usize>(
    examples: &[([f64; N], bool)],
    prior: &[f64; N],
    at: &[f64],
) -> Option<Vec<f64>> {
    // Rows of the curvature, and the slope beside them.
    let mut rows = vec![vec![0.0; N + 2]; N + 1];
    for (k, row) in rows.iter_mut().take(N).enumerate() {
        row[k] = 1.0;
        row[N + 1] = prior[k] - at[k];
    }
    for (x, kind) in examples {
        let p = 1.0 / (1.0 + (-linear(x, at)).exp());
        let left = f64::from(u8::from(*kind)) - p;
        let column = |k: usize| if k < N { x[k] } else { 1.0 };
        for (k, row) in rows.iter_mut().enumerate() {
            row[N + 1] += left * column(k);
            for (l, sum) in row.iter_mut().take(N + 1).enumerate() {
                *sum += p * (1.0 - p) * column(k) * column(l);
            }
        }
    }
    solve(rows)
}

/// Gaussian elimination with the largest pivot first. `[n][n + 1]`, the right side last.
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = rows.len();
    for k in 0..n {
        let largest = (k..n).max_by(|&a, &b| rows[a][k].abs().total_cmp(&rows[b][k].abs()))?;
        rows.swap(k, largest);
        let pivot = rows[k].clone();
        if pivot[k].abs() < 1e-300 {
            return None;
        }
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = row[k] / pivot[k];
            if i != k {
                for (x, p) in row.iter_mut().zip(&pivot) {
                    *x -= factor * p;
                }
            }
        }
    }
    let found: Vec<f64> = (0..n).map(|k| rows[k][n] / rows[k][k]).collect();
    found.iter().all(|x| x.is_finite()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinds by a rule with noise in it; both columns matter.
    fn examples() -> Vec<([f64; 2], bool)> {
        let x = |i: usize| (i * 37 % 101) as f64 / 25.0 - 2.0;
        let y = |i: usize| (i * 53 % 97) as f64 / 20.0 - 2.4;
        let noise = |i: usize| (i * 71 % 89) as f64 / 11.0 - 4.0;
        (0..400)
            .map(|i| ([x(i), y(i)], 2.0 * x(i) - y(i) + 0.5 + noise(i) > 0.0))
            .collect()
    }

    /// scikit-learn 1.7.2: `LogisticRegression(C=1, tol=1e-12, max_iter=10000)` has the same pull, towards 0.
    #[test]
    fn weights_are_scikit_learns() {
        let (weights, intercept) = logistic(&examples(), [0.0, 0.0]);
        let expected = [1.333_618_22, -0.698_741_98, 0.387_417_25];
        for (got, expected) in weights.iter().chain([&intercept]).zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{weights:?} {intercept}");
        }
    }

    #[test]
    fn few_examples_leave_the_prior_and_what_parts_the_kinds_stays_finite() {
        assert_eq!(logistic::<1>(&[], [1.0]), ([1.0], 0.0));
        assert_eq!(logistic(&[([3.0], true)], [1.0]), ([1.0], 0.0));
        let parted: Vec<([f64; 1], bool)> = (0..200)
            .map(|i| ([f64::from(i) - 99.5], i >= 100))
            .collect();
        let ([weight], intercept) = logistic(&parted, [0.0]);
        assert!(weight > 0.5 && weight < 20.0, "{weight}");
        assert!(intercept.abs() < 1e-6);
        let constant: Vec<([f64; 1], bool)> = (0..90).map(|i| ([0.0], i % 3 == 0)).collect();
        let ([weight], intercept) = logistic(&constant, [1.0]);
        assert!((weight - 1.0).abs() < 1e-6 && (intercept - 0.5f64.ln()).abs() < 1e-6);
    }
}
