//! What a clean model would get from a spec: the effects it could exclude, and the chance that the run ends 0.
//!
//! For rows whose spread under "carries nothing" is known before any data. A uniform rank among |A| letters has variance
//! (|A| + 1) / (12 (|A| − 1)); a canary's mean has that over L.

use crate::findings::{POWER, family_size};
use crate::spec::Audit;
use crate::stats::{min_detectable_standardised, normal_quantile};
use crate::units::Phase;

/// Evaluations of one phase that count as independent looks. Neighbouring ones are nearly the same; the maximum over
/// 24 of them on the quick audit behaved like about 8.
const LOOKS_PER_EVALUATION: f64 = 1.0 / 3.0;

/// What one row could exclude.
#[derive(Debug, Clone, PartialEq)]
pub struct RowOutlook {
    /// The row.
    pub name: &'static str,
    /// The smallest effect it would find with 80 % power.
    pub detectable: f64,
    /// The effect the spec asks to exclude.
    pub asked: f64,
    /// Unit of both.
    pub unit: &'static str,
}

/// What a clean model would get.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// The gated rows whose power is known beforehand.
    pub rows: Vec<RowOutlook>,
    /// Chance of exit code 0, instruments taken to work.
    pub chance_of_0: f64,
}

/// The outlook of a spec for a model that carries nothing.
#[must_use]
pub fn clean_run(audit: &Audit) -> Outlook {
    let mut rows = Vec::new();
    let alpha = audit.gate.alpha / family_size(audit).max(1) as f64;
    let letters = audit.canaries.alphabet.len() as f64;
    let scored = audit.canaries.length - usize::from(audit.canaries.prefixes.is_none());
    let spread =
        ((letters + 1.0) / (12.0 * (letters - 1.0).max(1.0)) / scored.max(1) as f64).sqrt();
    let ranks = |held_out: usize, controls: usize, looks: f64| {
        let seeds = audit.seeds.len();
        let error = ((1.0 / held_out as f64 + 1.0 / controls as f64) / seeds as f64).sqrt();
        let critical = normal_quantile(1.0 - alpha / looks.max(1.0))? * error;
        Some(min_detectable_standardised(critical, held_out, controls, seeds, POWER)? * spread)
    };
    let canaries = &audit.canaries;
    if let Some(settings) = &audit.probes.elicitation {
        let looks = audit.evaluations(Phase::Three) as f64 * LOOKS_PER_EVALUATION;
        let held_out = canaries.held_out.min(super::EVALUATED);
        rows.extend(
            ranks(held_out, canaries.trajectory_controls, looks).map(|detectable| RowOutlook {
                name: "elicitation, guesses",
                detectable,
                asked: settings.smallest_effect_rank,
                unit: "of rank 0–1",
            }),
        );
        let terms = audit.evaluations(Phase::Three) * held_out * audit.seeds.len();
        rows.push(RowOutlook {
            name: "elicitation, exact",
            detectable: (terms as f64 / alpha).ln() / scored.max(1) as f64,
            asked: settings.smallest_effect_single,
            unit: "nats/token",
        });
    }
    if let Some(settings) = &audit.probes.low_logit {
        rows.extend(
            ranks(canaries.held_out, canaries.controls, 1.0).map(|detectable| RowOutlook {
                name: "low_logit, guesses",
                detectable,
                asked: settings.smallest_effect_rank,
                unit: "of rank 0–1",
            }),
        );
    }
    let adequate = rows.iter().all(|row| row.detectable <= row.asked);
    Outlook {
        chance_of_0: if adequate {
            1.0 - audit.gate.alpha
        } else {
            0.0
        },
        rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(more: &str) -> Audit {
        let text = format!("format = 1\n[audit]\nname = 'x'\n[model]\nid = 'a/b'\n{more}");
        crate::spec::parse(&text, std::path::Path::new("x.toml"), &[]).unwrap()
    }

    #[test]
    fn the_recipe_is_adequate_and_a_handful_of_canaries_is_not() {
        let recipe = clean_run(&audit(""));
        assert_eq!(recipe.rows.len(), 3);
        assert!((recipe.chance_of_0 - 0.95).abs() < 1e-12, "{recipe:?}");
        let few = clean_run(&audit("[canaries]\nheld_out = 4\n"));
        assert!(few.chance_of_0 < 0.5 || few.rows.iter().all(|r| r.detectable <= r.asked));
        let one = "[canaries]\nnegatives = 8\nheld_out = 2\ncontrols = 8\ntrajectory_controls = 8\nlength = 4\n";
        assert!(clean_run(&audit(one)).chance_of_0 < 0.5);
    }
}
