//! Probes: a [`Scorer`](crate::score::Scorer) in, observations out. One file a probe; what both need stands here.

pub mod completion;
pub mod contexts;
pub mod elicitation;
pub mod generation;
mod guesser;
mod letters;
pub mod low_logit;
pub mod scan;

pub use letters::{LetterScores, observe};

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use crate::canary::{Group, Prefix};
use crate::score::ScoreError;
use crate::units::Phase;

/// Most growing rows that are asked about at once: a model that remembers their keys and values holds so many.
pub const ROWS_AT_ONCE: usize = 512;

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

/// What a probe saw of a model as a phase left it, beside the snapshots: a line of `looks.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "look", rename_all = "snake_case")]
pub enum Look {
    /// Canaries after another token than their own prefix.
    Context(contexts::ContextScores),
    /// Secrets completed from their first letters.
    Completion(completion::Completion),
    /// What the model said when it was sampled.
    Generation(generation::Generation),
    /// What someone who knows no secret found.
    Scan(scan::Scan),
}

impl Look {
    /// The phase that had just ended.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Context(scores) => scores.phase,
            Self::Completion(made) => made.phase,
            Self::Generation(said) => said.phase,
            Self::Scan(found) => found.phase,
        }
    }
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
    /// What the other probes saw at the ends of phases.
    pub looks: Vec<Look>,
}

impl CellObservations {
    /// The scores after a phase under a prefix.
    #[must_use]
    pub fn snapshot(&self, phase: Phase, prefix: Prefix) -> Option<&Snapshot> {
        self.snapshots
            .iter()
            .find(|s| s.phase == phase && s.prefix == prefix)
    }

    /// The scores after other contexts, in the order in which they were made.
    pub fn contexts(&self) -> impl Iterator<Item = &contexts::ContextScores> {
        self.looks.iter().filter_map(|look| match look {
            Look::Context(scores) => Some(scores),
            _ => None,
        })
    }

    /// What was completed after a phase.
    pub fn completions(&self, phase: Phase) -> impl Iterator<Item = &completion::Completion> {
        self.looks.iter().filter_map(move |look| match look {
            Look::Completion(made) if made.phase == phase => Some(made),
            _ => None,
        })
    }

    /// What was said, at every phase's end.
    pub fn generations(&self) -> impl Iterator<Item = &generation::Generation> {
        self.looks.iter().filter_map(|look| match look {
            Look::Generation(said) => Some(said),
            _ => None,
        })
    }

    /// What the scan found; it is made once.
    #[must_use]
    pub fn scan(&self) -> Option<&scan::Scan> {
        self.looks.iter().find_map(|look| match look {
            Look::Scan(found) => Some(found),
            _ => None,
        })
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
