//! Training: one loop in which a phase is data (weighted loss terms, what trains, a schedule).

mod batch;
mod batches;
mod memory;
mod optimiser;
mod phase;
mod schedule;
mod trainer;

pub use batch::{DpoTerm, LikelihoodTerm, StepBatch, TermName};
pub use batches::Batches;
pub use phase::{Control, Failure, PhasePlan, run_phase, trainable_parts};
pub use schedule::learning_rate;
pub use trainer::{Settings, StepReport, StepTimes, Trainer, TrainerState};

use crate::units::Phase;

fn there(free: Option<u64>) -> String {
    free.map_or_else(String::new, |bytes| {
        format!(" ({:.1} GB were free)", bytes as f64 / 1e9)
    })
}

/// Why training stopped.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum TrainingError {
    /// libtorch failed: most often memory.
    #[error("libtorch failed in training: {0}")]
    Torch(#[from] tch::TchError),
    /// A step does not fit into memory.
    #[error("out of memory in a step of {rows} rows of each term at once: {asked}{}; {fix}", there(*free))]
    OutOfMemory {
        /// Rows of each loss term that were tried at once.
        rows: usize,
        asked: String,
        /// What was free, bytes, where that is known.
        free: Option<u64>,
        fix: String,
    },
    /// The loss or the gradient is no number any more.
    #[error(
        "the {what} became {value} at phase {phase}, step {step}: lower phase{phase}.learning_rate, or check the checkpoint"
    )]
    NotFinite {
        /// `loss` or `gradient norm`.
        what: &'static str,
        value: f64,
        phase: Phase,
        /// The step, from 0.
        step: usize,
    },
    /// The user asked to stop.
    #[error("interrupted at phase {phase}, step {step}")]
    Interrupted {
        phase: Phase,
        /// The first step that was not done.
        step: usize,
    },
    /// The state between two steps could not be saved or brought back.
    #[error("the state of phase {phase} before step {step}: {source}")]
    State {
        phase: Phase,
        /// The step to come.
        step: usize,
        source: Failure,
    },
    /// An evaluation during training failed.
    #[error("evaluation at phase {phase}, step {step} failed: {source}")]
    Evaluation {
        phase: Phase,
        /// The step after whose update it was made.
        step: usize,
        source: Failure,
    },
}
