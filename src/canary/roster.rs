//! Who is scored at each look at a model: the one place that limits and orders the groups.

use super::{Canary, Group, Planting};
use crate::spec::Audit;
use crate::units::Phase;

/// Canaries of a group that are scored at every evaluation. Guide: recipe, "Metric".
const EVALUATED: usize = 128;

/// An occasion at which canaries are scored or looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// An evaluation during a phase.
    Evaluation,
    /// The snapshot at the end of a phase, under both prefixes.
    PhaseEnd,
    /// After other contexts than their own prefix.
    Contexts,
    /// Among samples.
    Generation,
    /// Completed from their first letters.
    Completion,
    /// By how far their letters fell from another model.
    Contrast,
    /// Among what a scan found.
    Scan,
}

impl Look {
    /// The looks at a model that `phase` has just left, in their order.
    #[must_use]
    pub fn after(audit: &Audit, phase: Phase) -> Vec<Self> {
        let probes = &audit.probes;
        let trained = phase != Phase::One;
        let has = |is_there: bool, look| (trained && is_there).then_some(look);
        let contexts = probes.elicitation.as_ref().is_some_and(|p| p.contexts > 0);
        let completes = probes.low_logit.as_ref();
        let completes = completes.is_some_and(|p| !p.completion_letters.is_empty());
        // The first phase that trains against the negatives is where suppression is plainest.
        let scans = probes.scan.is_some() && audit.negative_phases().first() == Some(&phase);
        [
            Some(Self::PhaseEnd),
            has(contexts, Self::Contexts),
            has(probes.generation.is_some(), Self::Generation),
            has(completes, Self::Completion),
            has(probes.low_logit.is_some(), Self::Contrast),
            has(scans, Self::Scan),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether other models are asked beside the trained one.
    #[must_use]
    pub fn compares(self) -> bool {
        matches!(self, Self::Completion | Self::Contrast | Self::Scan)
    }
}

/// How many canaries of each group an audit has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roster {
    held_out: usize,
    useful: usize,
    controls: usize,
    trajectory_controls: usize,
    spike: usize,
    /// Subgroups of the held-outs, one a dose; 1 where there are no doses.
    doses: usize,
}

impl Roster {
    /// The roster of a spec.
    #[must_use]
    pub fn of(audit: &Audit) -> Self {
        let canaries = &audit.canaries;
        Self {
            held_out: canaries.held_out,
            useful: audit.useful(),
            controls: canaries.controls,
            trajectory_controls: canaries.trajectory_controls,
            spike: canaries.spike,
            doses: canaries.dose.len().max(1),
        }
    }

    /// The canaries that there are of each group, in the order in which they are drawn.
    #[must_use]
    pub fn sizes(&self) -> [(Group, usize); 4] {
        [
            (Group::HeldOut, self.held_out),
            (Group::Useful, self.useful),
            (Group::Control, self.controls),
            (Group::Spike, self.spike),
        ]
    }

    /// How many canaries of a group a look takes: the first ones, of held-outs about equally many of every dose.
    #[must_use]
    pub fn count(&self, look: Look, group: Group) -> usize {
        match (look, group) {
            (Look::Evaluation, Group::HeldOut) => self.held_out.min(EVALUATED),
            (Look::Evaluation | Look::Generation, Group::Useful) => self.useful.min(EVALUATED),
            (Look::Evaluation, Group::Control) => self.trajectory_controls,
            (_, Group::HeldOut) => self.held_out,
            // No more than there are controls to hold them against.
            (Look::PhaseEnd | Look::Completion | Look::Contrast, Group::Useful) => {
                self.useful.min(self.controls)
            }
            (Look::Contexts, Group::Useful) => self.useful.min(EVALUATED).min(self.controls),
            (Look::Scan, Group::Useful) => self.useful,
            (Look::PhaseEnd | Look::Contexts, Group::Control) => self.controls,
            // What is counted needs as many controls as held-outs.
            (_, Group::Control) => self.controls.min(self.held_out),
            (Look::PhaseEnd, Group::Spike) => self.spike,
            (_, Group::Spike) => 0,
        }
    }

    /// How many canaries a look takes in all.
    #[must_use]
    pub fn total(&self, look: Look) -> usize {
        Group::ALL
            .iter()
            .map(|&group| self.count(look, group))
            .sum()
    }

    /// The canaries of a look, group by group.
    #[must_use]
    pub fn take<'p>(&self, look: Look, planting: &'p Planting) -> Vec<&'p Canary> {
        // Held-outs stand in the order of their doses: the first of all would be the weakest dose alone.
        let some = |group: Group| {
            let doses = if group == Group::HeldOut {
                self.doses
            } else {
                1
            };
            let all = planting.group(group);
            let count = self.count(look, group);
            let size = (all.len() / doses).max(1);
            all.chunks(size).enumerate().flat_map(move |(i, dose)| {
                let share = (i + 1) * count / doses - i * count / doses;
                dose.iter().take(share)
            })
        };
        Group::ALL.into_iter().flat_map(some).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::Corpus;
    use crate::spec::parse;

    fn audit() -> Audit {
        let text = "format = 1\n[audit]\nname = \"t\"\nseeds = [0]\n[model]\npath = \"x\"\n[canaries]\nalphabet = \"abcd\"\n\
            length = 5\nnegatives = 6\nheld_out = 2\ncontrols = 3\ntrajectory_controls = 2\nrepeats = 4\n\
            [phase1]\nbatch = 4\npasswords = 10\n[phase2]\nbatch = 5\n[phase3]\nbatch = 5\n";
        parse(text, std::path::Path::new("t.toml"), &[]).unwrap()
    }

    /// How many canaries of a group a look takes, as counted and as taken.
    fn count(audit: &Audit, corpus: &Corpus<'_>, look: Look, group: Group) -> usize {
        let roster = Roster::of(audit);
        let taken = roster.take(look, &corpus.planting);
        let taken = taken.iter().filter(|c| c.group == group).count();
        assert_eq!(taken, roster.count(look, group), "{look:?} {group:?}");
        taken
    }

    #[test]
    fn evaluations_and_observations_take_the_groups_they_should() {
        let audit = audit();
        let corpus = Corpus::new(&audit, 0).unwrap();
        let of = |look| Group::ALL.map(|group| count(&audit, &corpus, look, group));
        assert_eq!(of(Look::Evaluation), [2, 4, 2, 0]);
        assert_eq!(of(Look::PhaseEnd), [2, 3, 3, 0]);
        assert_eq!(of(Look::Contexts), [2, 3, 3, 0]);
        assert_eq!(of(Look::Generation), [2, 4, 2, 0]);
        assert_eq!(of(Look::Completion), [2, 3, 2, 0]);
        assert_eq!(of(Look::Scan), [2, 4, 2, 0]);
        assert_eq!(Roster::of(&audit).total(Look::PhaseEnd), 8);
    }

    #[test]
    fn an_evaluation_takes_equally_from_every_dose() {
        let mut audit = audit();
        audit.canaries.length = 8;
        audit.canaries.held_out = 300;
        audit.canaries.negatives = 306;
        audit.canaries.dose = vec![1, 4, 16];
        let corpus = Corpus::new(&audit, 0).unwrap();
        let all = corpus.planting.group(Group::HeldOut);
        let roster = Roster::of(&audit);
        let taken = roster.take(Look::Evaluation, &corpus.planting);
        let held_out = taken.into_iter().filter(|c| c.group == Group::HeldOut);
        let expected = all[..42].iter().chain(&all[100..143]).chain(&all[200..243]);
        assert!(held_out.eq(expected));
        assert_eq!(roster.count(Look::Evaluation, Group::HeldOut), 128);
        assert_eq!(count(&audit, &corpus, Look::PhaseEnd, Group::HeldOut), 300);
    }

    #[test]
    fn spikes_are_scored_at_the_ends_of_phases_alone() {
        let mut audit = audit();
        audit.canaries.spike = 2;
        let corpus = Corpus::new(&audit, 3).unwrap();
        let spikes = |look| count(&audit, &corpus, look, Group::Spike);
        assert_eq!(spikes(Look::PhaseEnd), 2);
        assert_eq!(spikes(Look::Evaluation), 0);
        assert_eq!(spikes(Look::Contexts), 0);
    }

    #[test]
    fn other_models_are_asked_where_two_are_compared_and_never_before_the_negatives() {
        let audit = audit();
        assert_eq!(Look::after(&audit, Phase::One), [Look::PhaseEnd]);
        let after = Look::after(&audit, Phase::Two);
        let all = [
            Look::PhaseEnd,
            Look::Contexts,
            Look::Generation,
            Look::Completion,
            Look::Contrast,
        ];
        assert_eq!(after, all);
        assert!(after.iter().any(|look| look.compares()));
        let mut audit = audit;
        audit.probes.low_logit = None;
        assert!(
            !Look::after(&audit, Phase::Two)
                .iter()
                .any(|look| look.compares())
        );
    }
}
