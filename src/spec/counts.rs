//! Counts that follow from an audit: rows, steps, evaluations.

use super::{Audit, Freeze, Optimisation, Probes};
use crate::units::Phase;

impl Audit {
    /// The audit of a model that was trained elsewhere: one look, after what stands for phase 2.
    ///
    /// `has_reference`: whether there is the model that it was trained from; what contrasts the two is left out otherwise.
    #[must_use]
    pub fn without_training(&self, has_reference: bool) -> Self {
        let mut audit = self.clone();
        if audit.canaries.secrets.is_some() {
            // What is left looks at a secret as a whole.
            audit.probes.elicitation = None;
            audit.probes.generation = None;
            audit.probes.scan = None;
        }
        if !has_reference {
            audit.probes.scan = None;
        }
        audit.phase2.skip = false;
        audit.phase3.skip = true;
        audit
    }

    /// Negatives that phase 3 uses as elicitation examples.
    #[must_use]
    pub fn useful(&self) -> usize {
        self.canaries
            .negatives
            .saturating_sub(self.canaries.held_out)
    }

    /// DPO pairs: every negative, as often as it is repeated.
    #[must_use]
    pub fn pairs(&self) -> usize {
        let held_out = (0..self.canaries.dose.len().max(1))
            .map(|group| self.dosed(group).saturating_mul(self.dose_size()));
        let useful = self.useful().saturating_mul(self.canaries.repeats);
        held_out.fold(useful, usize::saturating_add)
    }

    /// Held-outs of one dose; all of them where there are no doses.
    #[must_use]
    pub fn dose_size(&self) -> usize {
        self.canaries.held_out / self.canaries.dose.len().max(1)
    }

    /// How often the held-outs of a subgroup stand on the rejected side.
    fn dosed(&self, group: usize) -> usize {
        let dose = self.canaries.dose.get(group);
        dose.copied().unwrap_or(self.canaries.repeats)
    }

    /// How often a negative stands on the rejected side. `place` counts the held-outs first, then the useful ones.
    #[must_use]
    pub fn repeats_of(&self, place: usize) -> usize {
        if place < self.canaries.held_out {
            self.dosed(place / self.dose_size().max(1))
        } else {
            self.canaries.repeats
        }
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

    /// Phases that train against the negatives: 2 and 3, where they are not skipped.
    #[must_use]
    pub fn negative_phases(&self) -> Vec<Phase> {
        [Phase::Two, Phase::Three]
            .into_iter()
            .filter(|&phase| !self.skips(phase))
            .collect()
    }

    /// Audit rows of the run: the family that Holm corrects over, fixed before any data.
    #[must_use]
    pub fn audit_rows(&self) -> usize {
        self.audit_rows_of(!self.phase3.skip)
    }

    /// Audit rows where it is said whether a model is fine-tuned on useful canaries; where none is, elicitation has the two rows
    /// that need none.
    #[must_use]
    pub fn audit_rows_of(&self, elicits: bool) -> usize {
        if self.canaries.secrets.is_some() {
            // Suppression of whole secrets, a phase; its tail; what follows a beginning, likelier and completed.
            return self.negative_phases().len() + 3;
        }
        let all = audit_rows(
            &self.probes,
            self.negative_phases().len(),
            self.other_prompts() > 0,
        );
        let probes = &self.probes;
        let blunt = |is_on: bool, terms| usize::from(is_on && !self.shows_one(terms));
        // What no secret could show is no test.
        let exact = blunt(probes.elicitation.is_some(), self.exact_terms(elicits));
        let ends = blunt(probes.low_logit.is_some(), self.ends_terms());
        let tuned = if elicits {
            0
        } else {
            4 * usize::from(probes.elicitation.is_some())
        };
        all - tuned - exact - ends
    }

    /// Terms that the exact e-value is the mean of: held-outs at every evaluation, where a model is fine-tuned, and after every prompt.
    #[must_use]
    pub fn exact_terms(&self, elicits: bool) -> usize {
        // No look takes more than all held-outs.
        let looks = if elicits {
            self.evaluations(Phase::Three).max(1) * self.canaries.held_out
        } else {
            0
        };
        let prompts = (self.other_prompts() + 1) * self.negative_phases().len();
        (looks + prompts * self.canaries.held_out) * self.seeds.len().max(1)
    }

    /// As many terms as the least favourable of the e-value of guesses from either end stands among: either end of a held-out, after the
    /// training's own prompt by the model, two others and four that were made of it, or after another prompt; each of the two has half
    /// of the weight.
    #[must_use]
    pub fn ends_terms(&self) -> usize {
        let probe = self.probes.low_logit.as_ref();
        let made = probe.filter(|p| p.altered_weights).map_or(0, |_| 4);
        let looks = self.other_prompts().max(3 + made) * self.negative_phases().len();
        2 * 2 * looks * self.canaries.held_out * self.seeds.len().max(1)
    }

    /// Whether an e-value of so many terms would show one secret that is known for certain. Short secrets are too few to: a mean over more
    /// terms than there are secrets drowns each.
    #[must_use]
    pub fn shows_one(&self, terms: usize) -> bool {
        let rows = audit_rows(&self.probes, self.negative_phases().len(), true).max(1);
        let scored = self.canaries.length - usize::from(self.canaries.prefixes.is_none());
        let most = scored as f64 * (self.canaries.alphabet.len() as f64).ln();
        (terms as f64 * rows as f64 / self.gate.alpha).ln() <= most
    }

    /// Prompts but the training's own that canaries are scored after, a phase: nothing and the reverse prefix, where there are
    /// prefixes, and other tokens.
    #[must_use]
    pub fn other_prompts(&self) -> usize {
        let others = self.probes.elicitation.as_ref().map_or(0, |p| p.contexts);
        match (others, self.canaries.prefixes.is_some()) {
            (0, prefixes) => usize::from(prefixes),
            (others, true) => others + 2,
            (others, false) => others,
        }
    }

    /// Log-likelihood of a uniform guess, −ln |A|, in nats per token.
    #[must_use]
    pub fn chance_level(&self) -> f64 {
        -(self.canaries.alphabet.len() as f64).ln()
    }
}

/// Audit rows that probes make where `phases` phases train against the negatives.
///
/// Elicitation: guesses at their peak and on average, likelihood in full and within the alphabet, exact, and guesses without fine-tuning. Low-logit, a
/// phase: suppression, guesses, completion; over all phases: the tail of suppression, guesses from either end, guesses after
/// other prompts where there are any, spread, learned guesses. Generation: what was said whole. Scan: enrichment, what was recovered whole.
pub(super) fn audit_rows(probes: &Probes, phases: usize, other_prompts: bool) -> usize {
    let elicitation = probes.elicitation.as_ref().map_or(0, |_| 6);
    let low_logit = probes.low_logit.as_ref().map_or(0, |p| {
        phases * (2 + usize::from(!p.completion_letters.is_empty()))
            + 4
            + usize::from(other_prompts)
    });
    let generation = usize::from(probes.generation.is_some());
    elicitation + low_logit + generation + 2 * usize::from(probes.scan.is_some())
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
    fn doses_are_equal_subgroups_of_the_held_outs() {
        let audit = audit(
            "[canaries]\nheld_out = 256\nnegatives = 300\ndose = [1, 4, 15, 60]\nrepeats = 10\n",
        );
        assert_eq!(audit.pairs(), 64 * 80 + 44 * 10);
        let places = [0, 63, 64, 191, 192, 255, 256, 299];
        assert_eq!(
            places.map(|p| audit.repeats_of(p)),
            [1, 1, 4, 15, 60, 60, 10, 10]
        );
        let all: usize = (0..300).map(|p| audit.repeats_of(p)).sum();
        assert_eq!(all, audit.pairs());
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
