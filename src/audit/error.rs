//! Why an audit stops.

#[cfg(feature = "torch")]
use std::path::Path;
use std::path::PathBuf;

use super::SealError;
use crate::canary::{CodebookError, DrawError, ManifestError};
use crate::checkpoint::{CheckpointError, TokenizerError};
use crate::exit::ExitCode;
use crate::findings::FindingsError;
#[cfg(feature = "torch")]
use crate::model::ModelError;
use crate::probes::ProbeError;
use crate::report::ReportError;
use crate::run_dir::RunDirError;
use crate::spec::SpecError;
#[cfg(feature = "torch")]
use crate::training::TrainingError;

/// Why an audit stopped.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model.
    #[cfg(feature = "torch")]
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
        /// Letters per canary.
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
        /// The `report.json` that was asked for.
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
    #[cfg(feature = "torch")]
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
    /// A minted manifest.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The spec beside a minted manifest.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Cells that ran in processes of their own.
    #[error("{}", list(.0))]
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

#[cfg(feature = "torch")]
fn last_good(checkpoint: Option<&Path>) -> String {
    match checkpoint {
        Some(path) => format!(". The last good checkpoint is {}", path.display()),
        None => ". No phase had ended: the last good checkpoint is the one the audit began with"
            .to_owned(),
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
            Self::Interrupted => true,
            #[cfg(feature = "torch")]
            Self::Training { source, .. } => matches!(source, TrainingError::Interrupted { .. }),
            Self::Checkpoint(e) => e.is_interrupt(),
            _ => false,
        }
    }

    /// Whether the input is at fault (exit code 2), not the machine or this program.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Checkpoint(e) => e.is_input(),
            #[cfg(feature = "torch")]
            Self::Model(e) => e.is_input(),
            Self::Codebook(_)
            | Self::TooLong { .. }
            | Self::OnlyMinted(_)
            | Self::Baseline { .. }
            | Self::Draw(_)
            | Self::NoSuchCell { .. }
            | Self::Manifest(_)
            | Self::Seal(_)
            | Self::Spec(_) => true,
            Self::RunDir(e) => !matches!(e, RunDirError::Io { .. }),
            _ => false,
        }
    }
}

/// A cell that failed while others went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellFailure {
    /// Which one.
    pub seed: u64,
    /// What its process said.
    pub message: String,
    /// What its process ended with.
    pub code: ExitCode,
}

impl std::fmt::Display for CellFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seed = format!("seed {}", self.seed);
        // A message of training names its seed itself.
        if self.message.starts_with(&seed) {
            f.write_str(&self.message)
        } else {
            write!(f, "{seed}: {}", self.message)
        }
    }
}

/// The exit code of failed cells: of the first one that was not merely interrupted.
#[must_use]
pub fn code(failures: &[CellFailure]) -> ExitCode {
    let mut codes = failures.iter().map(|failure| failure.code);
    codes
        .find(|code| *code != ExitCode::Interrupted)
        .unwrap_or(ExitCode::Interrupted)
}

/// The failures, a line each.
fn list(failures: &[CellFailure]) -> String {
    let lines: Vec<String> = failures.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(seed: u64, message: &str, code: u8) -> CellFailure {
        CellFailure {
            seed,
            message: message.to_owned(),
            code: code.try_into().unwrap(),
        }
    }

    #[test]
    fn a_failure_names_its_seed_once() {
        let both = [
            failure(1, "seed 1: loss is NaN", 4),
            failure(2, "disk full", 4),
        ];
        assert_eq!(list(&both), "seed 1: loss is NaN\nseed 2: disk full");
    }

    #[test]
    fn an_interrupt_gives_way_to_any_other_code() {
        let stopped = failure(0, "interrupted", 130);
        assert_eq!(code(std::slice::from_ref(&stopped)).code(), 130);
        let all = [stopped, failure(1, "x", 2), failure(2, "y", 4)];
        assert_eq!(code(&all).code(), 2);
    }
}
