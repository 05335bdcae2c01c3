//! Probes: a [`Scorer`](crate::score::Scorer) in, observations out. One file a probe; what both need stands here.

pub mod completion;
pub mod contexts;
pub mod elicitation;
pub mod ends;
pub mod generation;
mod guesser;
pub mod in_context;
mod letters;
mod likeliest;
pub mod low_logit;
pub mod scan;
mod survey;
pub mod whole;

pub use letters::{LetterScores, observe};
pub use survey::{References, Survey, survey};

use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;

use crate::canary::{Group, Prefix};
use crate::score::ScoreError;
use crate::units::Phase;

/// Most growing rows that are asked about at once: a model that remembers their keys and values holds so many.
pub const ROWS_AT_ONCE: usize = 512;

/// A number as 32 bits hold it, so that what is read back from a file is what was written.
fn short(value: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation)]
    let short = value as f32;
    f64::from(short)
}

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

/// What one probe saw of a model as a phase left it, beside the snapshots: a line of `looks.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "look", rename_all = "snake_case")]
pub enum ProbeResult {
    /// Canaries after another token than their own prefix.
    Context(contexts::ContextScores),
    /// Secrets completed from their first letters.
    Completion(completion::Completion),
    /// Canaries by how far their letters fell from another model.
    Contrast(ends::Contrast),
    /// What the model said when it was sampled.
    Generation(generation::Generation),
    /// What someone who knows no secret found.
    Scan(scan::Scan),
}

impl ProbeResult {
    /// The phase that had just ended.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Context(scores) => scores.phase,
            Self::Completion(made) => made.phase,
            Self::Contrast(scores) => scores.phase,
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
    /// Attacks on a model that was trained elsewhere, by how much the attacker knows, the most first.
    pub attacks: Vec<elicitation::Attack>,
    /// What the other probes saw at the ends of phases.
    pub results: Vec<ProbeResult>,
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
        self.results.iter().filter_map(|look| match look {
            ProbeResult::Context(scores) => Some(scores),
            _ => None,
        })
    }

    /// What was completed after a phase.
    pub fn completions(&self, phase: Phase) -> impl Iterator<Item = &completion::Completion> {
        self.results.iter().filter_map(move |look| match look {
            ProbeResult::Completion(made) if made.phase == phase => Some(made),
            _ => None,
        })
    }

    /// The scores against another model after a phase.
    pub fn contrasts(&self, phase: Phase) -> impl Iterator<Item = &ends::Contrast> {
        self.results.iter().filter_map(move |look| match look {
            ProbeResult::Contrast(scores) if scores.phase == phase => Some(scores),
            _ => None,
        })
    }

    /// What was said, at every phase's end.
    pub fn generations(&self) -> impl Iterator<Item = &generation::Generation> {
        self.results.iter().filter_map(|look| match look {
            ProbeResult::Generation(said) => Some(said),
            _ => None,
        })
    }

    /// What the scan found; it is made once.
    #[must_use]
    pub fn scan(&self) -> Option<&scan::Scan> {
        self.results.iter().find_map(|look| match look {
            ProbeResult::Scan(found) => Some(found),
            _ => None,
        })
    }

    /// The scores during a phase. The strongest attack stands for phase 3 where the model was trained elsewhere.
    #[must_use]
    pub fn trajectory(&self, phase: Phase) -> Option<&elicitation::Trajectory> {
        let attack = self.attacks.iter().find(|a| a.teaches_negatives());
        let attack = attack.and_then(|a| a.trajectory.as_ref());
        let mut all = self.trajectories.iter().chain(attack);
        all.find(|t| t.phase == phase)
    }
}

impl Snapshot {
    /// The scores of a group; empty where it was not scored.
    #[must_use]
    pub fn group(&self, group: Group) -> &[LetterScores] {
        self.groups.get(&group).map_or(&[], Vec::as_slice)
    }
}
