//! What every row builder works from: the spec, what was seen, and the levels of the tests.

use super::error::FindingsError;
use super::row::{Row, Subject};
use crate::canary::Prefix;
use crate::probes::elicitation::Attack;
use crate::probes::{CellObservations, Snapshot};
use crate::seed::RootSeed;
use crate::spec::{Audit, PositiveControl};
use crate::units::Phase;

/// Level of every interval.
pub const CI_LEVEL: f64 = 0.95;
/// Power that `min_detectable` speaks of.
pub const POWER: f64 = 0.8;
/// Level at which the placebos of a run, together, may fail by chance; inside the run's own level.
pub const PLACEBO_ALPHA: f64 = 0.001;
/// How far a positive control must move the mean rank, upward: what is barely seen shows no instrument that works.
pub(super) const CONTROL_RANK: f64 = 0.1;
/// Seeds from which on a statement about the recipe is made at all.
pub(super) const RECIPE_SEEDS: usize = 3;
/// Seeds from which on "the recipe does not leak" may be said.
pub(super) const RECIPE_CLEAN_SEEDS: usize = 5;

/// What is said of an e-value that no secret could make large enough.
pub(super) const TOO_SHORT: &str = "left out of the verdict: secrets are so short that one which is known for certain would not reach the \
    corrected level over so many looks";

/// What every row builder works from.
pub(super) struct Context<'a> {
    /// The spec.
    pub(super) audit: &'a Audit,
    /// What was seen of each seed.
    pub(super) cells: &'a [CellObservations],
    /// Rows in the family that Holm corrects over: fixed by the spec, before any data.
    pub(super) family: usize,
}

impl Context<'_> {
    /// Whether canaries are letters of a known alphabet. Secrets of a file are judged whole.
    pub(super) fn guesses_letters(&self) -> bool {
        self.audit.canaries.secrets.is_none()
    }

    pub(super) fn letters(&self) -> usize {
        self.audit.canaries.alphabet.len()
    }

    /// Whether a model was fine-tuned on useful canaries: by phase 3, or by an attack on one that was trained elsewhere.
    pub(super) fn elicits(&self) -> bool {
        !self.audit.phase3.skip || is_attacked(self.cells)
    }

    /// Whether every seed has a model from before the planting.
    pub(super) fn has_reference(&self) -> bool {
        let before = |cell: &CellObservations| cell.snapshot(Phase::One, Prefix::Reverse).is_some();
        // In a run it must be there: its rows say so where it is missing.
        !self.audit.phase3.skip || self.cells.iter().all(before)
    }

    /// Whether the reference gave every canary the very scores that the model gives it, in every seed: then they are one model.
    pub(super) fn is_its_reference(&self) -> bool {
        let same = |cell: &CellObservations| {
            let phases = self.audit.negative_phases();
            let model = phases
                .last()
                .and_then(|&p| cell.snapshot(p, Prefix::Regular));
            let reference = cell.snapshot(Phase::One, Prefix::Regular);
            let (Some(model), Some(reference)) = (model, reference) else {
                return false;
            };
            let logprobs = |snapshot: &Snapshot| -> Vec<Vec<f64>> {
                let all = snapshot.groups.values().flatten();
                all.map(|scores| scores.logprobs.clone()).collect()
            };
            logprobs(model) == logprobs(reference)
        };
        !self.cells.is_empty() && self.cells.iter().all(same)
    }

    pub(super) fn seeds(&self) -> Vec<u64> {
        self.cells.iter().map(|c| c.seed).collect()
    }

    /// Level that a row's own p-value must reach at the least favourable place in Holm's order.
    pub(super) fn strict_level(&self) -> f64 {
        self.audit.gate.alpha / self.family.max(1) as f64
    }

    pub(super) fn root(&self) -> RootSeed {
        RootSeed(self.cells.first().map_or(0, |c| c.seed))
    }

    pub(super) fn prefix_name(&self, prefix: Prefix) -> &'static str {
        match self.audit.canaries.prefixes {
            Some(_) => prefix.name(),
            None => "none",
        }
    }

    /// Share of all passwords that are no useful canary and no spike-in: a held-out is known to be none of those.
    pub(super) fn share_left(&self) -> f64 {
        let log_all = self.audit.canaries.length as f64 * (self.letters() as f64).ln();
        let others = self.audit.useful() + self.audit.canaries.spike;
        1.0 - ((others as f64).ln() - log_all).exp()
    }

    /// Letters per canary.
    pub(super) fn length(&self) -> usize {
        self.audit.canaries.length
    }

    /// A row about a subject of this audit.
    pub(super) fn about(&self, subject: &Subject<'_>) -> Row {
        Row::about(subject, &self.seeds())
    }

    /// Whether a row's test found something at the level of the gate.
    pub(super) fn finds(&self, row: &Row) -> Option<bool> {
        row.p_value.map(|p| p < self.audit.gate.alpha)
    }

    /// Whether a positive control found what was there; `None` where the spec says that none applies.
    pub(super) fn passes(&self, control: PositiveControl, row: &Row) -> Option<bool> {
        match control {
            PositiveControl::NotApplicable => None,
            PositiveControl::Required => self.finds(row),
        }
    }

    /// Whether a positive control moved ranks as far as one must.
    pub(super) fn moves(&self, row: &Row) -> Option<bool> {
        let far = row.shift().is_some_and(|shift| shift >= CONTROL_RANK);
        self.finds(row).map(|found| found && far)
    }

    /// How often letters were guessed in both groups, and how much better than chance that is, into a row.
    pub(super) fn guessed_into(&self, row: &mut Row, rates: [Option<f64>; 2]) {
        [row.guess_rate, row.control_guess_rate] = rates;
        row.guess_advantage = rates[0].map(|rate| rate * self.letters() as f64 - 1.0);
    }
}

/// The scores of a seed after a phase, under a prefix.
pub(super) fn scored(
    cell: &CellObservations,
    phase: Phase,
    prefix: Prefix,
) -> Result<&Snapshot, FindingsError> {
    cell.snapshot(phase, prefix).ok_or_else(|| {
        let prefix = prefix.name();
        let what = format!("the canaries under the {prefix} prefix after phase {phase}");
        FindingsError::missing(cell, what)
    })
}

/// Whether a model that was trained elsewhere was fine-tuned by someone who knows some of the negatives.
pub(super) fn is_attacked(cells: &[CellObservations]) -> bool {
    let attacked = |cell: &CellObservations| cell.attacks.iter().any(Attack::teaches_negatives);
    cells.iter().any(attacked)
}
