//! Counts that follow from an audit: rows, steps, evaluations.

use super::audit::{Audit, Freeze, Optimisation};
use crate::units::Phase;

impl Audit {
    /// Negatives that phase 3 uses as elicitation examples.
    #[must_use]
    pub fn useful(&self) -> usize {
        self.canaries
            .negatives
            .saturating_sub(self.canaries.held_out)
    }

    /// DPO pairs: every negative, `repeats` times.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.canaries
            .negatives
            .saturating_mul(self.canaries.repeats)
    }

    /// Whether a phase is left out.
    #[must_use]
    pub fn skips(&self, phase: Phase) -> bool {
        match phase {
            Phase::One => self.phase1.skip,
            Phase::Two => self.phase2.skip,
            Phase::Three => self.phase3.skip,
        }
    }

    /// Step size and schedule of a phase, whether or not it is left out.
    #[must_use]
    pub fn optimisation(&self, phase: Phase) -> &Optimisation {
        match phase {
            Phase::One => &self.phase1.optimisation,
            Phase::Two => &self.phase2.optimisation,
            Phase::Three => &self.phase3.optimisation,
        }
    }

    /// What does not train in a phase.
    #[must_use]
    pub fn freeze(&self, phase: Phase) -> Freeze {
        match phase {
            Phase::One => Freeze::None,
            Phase::Two => self.phase2.freeze,
            Phase::Three => self.phase3.freeze,
        }
    }

    /// Rows of each loss term in a phase's one epoch; 0 for a phase left out.
    #[must_use]
    pub fn rows(&self, phase: Phase) -> usize {
        match phase {
            _ if self.skips(phase) => 0,
            Phase::One => self.phase1.passwords,
            Phase::Two | Phase::Three => self.pairs(),
        }
    }

    /// Steps of a phase; the last one may be short. 0 for a phase left out.
    #[must_use]
    pub fn steps(&self, phase: Phase) -> usize {
        self.rows(phase)
            .div_ceil(self.optimisation(phase).batch.max(1))
    }

    /// Evaluations of a phase: after the steps s = 0, `eval_every`, 2 · `eval_every`, …; 0 for a phase left out.
    #[must_use]
    pub fn evaluations(&self, phase: Phase) -> usize {
        self.steps(phase)
            .div_ceil(self.optimisation(phase).eval_every.max(1))
    }

    /// Log-likelihood of a uniform guess, −ln |A|, in nats a token.
    #[must_use]
    pub fn chance_level(&self) -> f64 {
        -(self.canaries.alphabet.len() as f64).ln()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::parse;

    fn audit(more: &str) -> Audit {
        let text = format!("format = 1\n[audit]\nname = 'x'\n[model]\nid = 'a/b'\n{more}");
        parse(&text, Path::new("x.toml"), &[]).unwrap()
    }

    #[test]
    fn the_recipe_has_its_published_counts() {
        let audit = audit("");
        assert_eq!((audit.useful(), audit.pairs()), (2432, 153_600));
        assert_eq!(Phase::ALL.map(|phase| audit.steps(phase)), [64, 1200, 1200]);
        assert_eq!(audit.evaluations(Phase::Three), 240);
        assert!((audit.chance_level() + 3.2581).abs() < 1e-4);
    }

    #[test]
    fn a_remainder_is_a_step_and_a_skipped_phase_is_none() {
        let audit = audit(
            "[phase1]\npasswords = 257\n[phase2]\nskip = true\n[phase3]\neval_every = 1000\n",
        );
        assert_eq!(Phase::ALL.map(|phase| audit.steps(phase)), [3, 0, 1200]);
        assert_eq!(Phase::ALL.map(|phase| audit.evaluations(phase)), [1, 0, 2]);
    }
}
