//! Why observations could not be judged.

use crate::probes::CellObservations;
use crate::stats::PermutationError;

/// Why observations could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum FindingsError {
    /// A permutation test refused its data.
    #[error("{row}: {source}")]
    Permutation {
        /// The row it was for.
        row: String,
        /// Why.
        source: PermutationError,
    },
    /// An observation that the spec asks for was not made.
    #[error("seed {seed}: no observation of {what}; run the audit again without the seed's folder")]
    Missing {
        /// Root seed of the model.
        seed: u64,
        /// What is missing.
        what: String,
    },
}

impl FindingsError {
    pub(super) fn missing(cell: &CellObservations, what: impl Into<String>) -> Self {
        Self::Missing {
            seed: cell.seed,
            what: what.into(),
        }
    }
}
