//! Why a command did not complete, and the exit code of each reason. Guide: evidence, "Gate and exit codes".

use crate::audit::{self, AuditError};
use crate::checkpoint::CheckpointError;
use crate::device::DeviceError;
use crate::exit::ExitCode;
use crate::mint::MintError;
use crate::model::ModelError;
use crate::report::ReportError;
use crate::score::ScoreError;
use crate::spec::SpecError;

/// Why a command did not complete. Its text is the one message that the user sees.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("{0}")]
    Input(String),
    #[error("{0}")]
    Other(String),
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    pub(super) fn code(&self) -> ExitCode {
        let input = match self {
            Self::Audit(e) => e.is_input(),
            Self::Mint(e) => e.is_input(),
            Self::Model(e) => e.is_input(),
            _ => false,
        };
        match self {
            _ if input => ExitCode::Input,
            Self::Audit(e) | Self::Mint(MintError::Audit(e)) if e.is_interrupt() => {
                ExitCode::Interrupted
            }
            Self::Model(e) if e.is_interrupt() => ExitCode::Interrupted,
            Self::Audit(AuditError::Cells(failures)) => audit::code(failures),
            Self::Report(ReportError::TooNarrow { .. } | ReportError::NotFinite { .. }) => {
                ExitCode::Failure
            }
            Self::Spec(_) | Self::Input(_) | Self::Device(_) | Self::Report(_) => ExitCode::Input,
            Self::Audit(_) | Self::Mint(_) | Self::Model(_) | Self::Other(_) => ExitCode::Failure,
            Self::OutputClosed => ExitCode::WithinGate,
        }
    }
}

impl From<CheckpointError> for Failure {
    fn from(e: CheckpointError) -> Self {
        Self::Model(e.into())
    }
}

impl From<ScoreError> for Failure {
    fn from(e: ScoreError) -> Self {
        match e {
            ScoreError::Backend(_) => Self::Other(e.to_string()),
            _ => Self::Input(e.to_string()),
        }
    }
}
