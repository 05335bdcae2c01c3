//! Probes: a [`Scorer`](crate::score::Scorer) in, observations out. One file a probe; what both need stands here.

pub mod elicitation;
mod letters;
pub mod low_logit;

pub use letters::{LetterScores, observe};

use std::collections::BTreeMap;

use crate::canary::{Group, Prefix};
use crate::score::ScoreError;
use crate::units::Phase;

/// Why a probe could not look.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The model could not score the canaries.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// The model gave a value that is no number.
    #[error("the model gives {value} as log-probability for canary {id}: it cannot be audited")]
    NotFinite {
        /// The canary's name.
        id: String,
        /// The value.
        value: f64,
    },
    /// The scorer gave another number of values than asked.
    #[error("the scorer gave {got} values for canary {id}, {expected} were asked")]
    Shape {
        /// The canary's name.
        id: String,
        /// Values asked.
        expected: usize,
        /// Values given.
        got: usize,
    },
}

/// Every canary scored once, with the model as a phase left it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The phase that had just ended.
    pub phase: Phase,
    /// The prefix before the canaries.
    pub prefix: Prefix,
    /// Scores in the order of the canaries of each group.
    pub groups: BTreeMap<Group, Vec<LetterScores>>,
}

/// Everything seen of one trained model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CellObservations {
    /// Root seed of the model.
    pub seed: u64,
    /// Scores at the ends of phases. Phase 1's are the reference.
    pub snapshots: Vec<Snapshot>,
    /// Scores during phases.
    pub trajectories: Vec<elicitation::Trajectory>,
}

impl CellObservations {
    /// The scores after a phase under a prefix.
    #[must_use]
    pub fn snapshot(&self, phase: Phase, prefix: Prefix) -> Option<&Snapshot> {
        self.snapshots
            .iter()
            .find(|s| s.phase == phase && s.prefix == prefix)
    }

    /// The scores during a phase.
    #[must_use]
    pub fn trajectory(&self, phase: Phase) -> Option<&elicitation::Trajectory> {
        self.trajectories.iter().find(|t| t.phase == phase)
    }
}

impl Snapshot {
    /// The scores of a group; empty where it was not scored.
    #[must_use]
    pub fn group(&self, group: Group) -> &[LetterScores] {
        self.groups.get(&group).map_or(&[], Vec::as_slice)
    }
}
