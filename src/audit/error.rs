//! Why an audit stops.

use std::path::{Path, PathBuf};

use super::jobs::{self, CellFailure};
use super::{MintError, SealError, SecretsError};
use crate::canary::{CodebookError, DrawError, ManifestError};
use crate::checkpoint::{CheckpointError, TokenizerError};
use crate::findings::FindingsError;
use crate::model::ModelError;
use crate::probes::ProbeError;
use crate::report::ReportError;
use crate::run_dir::RunDirError;
use crate::spec::SpecError;
use crate::training::TrainingError;

/// Why an audit stopped.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The tokens of letters and prefixes.
    #[error(transparent)]
    Codebook(#[from] CodebookError),
    /// The rows do not fit the model.
    #[error(
        "canaries.length: a prefix and {length} letters are beyond the model's context of {max} tokens; shorten the canaries"
    )]
    TooLong {
        /// Letters a canary.
        length: usize,
        /// The model's context.
        max: usize,
    },
    /// A key that training here does not know.
    #[error(
        "{0}: only canaries for someone else's training have it (unsaid mint, then unsaid probe); the recipe that is trained here draws \
         its canaries and puts prefixes of one token before them: leave the key out"
    )]
    OnlyMinted(&'static str),
    /// The run that the gate compares with.
    #[error("gate.baseline: {}: {message}", path.display())]
    Baseline {
        /// Its report.
        path: PathBuf,
        /// What is wrong, and the mend.
        message: String,
    },
    /// The canaries.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Training, with what can still be used.
    #[error("seed {seed}: {source}{}", last_good(last_good_checkpoint.as_deref()))]
    Training {
        /// The seed.
        seed: u64,
        /// What happened.
        source: TrainingError,
        /// The model as the last finished phase left it.
        last_good_checkpoint: Option<PathBuf>,
    },
    /// The user asked to stop between two steps.
    #[error("interrupted")]
    Interrupted,
    /// Minting.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// A minted manifest.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The spec beside a minted manifest.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Cells that ran in processes of their own.
    #[error("{}", jobs::list(.0))]
    Cells(Vec<CellFailure>),
    /// A cell that the run does not have.
    #[error(
        "--cell {seed}: the run's seeds are {seeds:?}; give one of them, or change audit.seeds"
    )]
    NoSuchCell {
        /// The seed asked for.
        seed: u64,
        /// The run's.
        seeds: Vec<u64>,
    },
    /// A probe.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The run directory.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The judgement.
    #[error(transparent)]
    Findings(#[from] FindingsError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
}

fn last_good(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => format!(". The last good checkpoint is {}", path.display()),
        None => ". No phase had ended: the last good checkpoint is the one the audit began with"
            .to_owned(),
    }
}

impl From<SecretsError> for AuditError {
    fn from(error: SecretsError) -> Self {
        Self::Mint(error.into())
    }
}

impl From<TokenizerError> for AuditError {
    fn from(error: TokenizerError) -> Self {
        Self::Checkpoint(error.into())
    }
}

impl AuditError {
    /// Whether the user stopped the run.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Interrupted
            | Self::Training {
                source: TrainingError::Interrupted { .. },
                ..
            } => true,
            Self::Checkpoint(e) => e.is_interrupt(),
            _ => false,
        }
    }

    /// Whether the input is at fault (exit code 2), not the machine or this program.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Checkpoint(e) => e.is_input(),
            Self::Model(e) => e.is_input(),
            Self::Codebook(_)
            | Self::TooLong { .. }
            | Self::OnlyMinted(_)
            | Self::Baseline { .. }
            | Self::Draw(_)
            | Self::NoSuchCell { .. }
            | Self::Manifest(_)
            | Self::Mint(_)
            | Self::Seal(_)
            | Self::Spec(_) => true,
            Self::RunDir(e) => !matches!(e, RunDirError::Io { .. }),
            _ => false,
        }
    }
}
