//! Exit codes. Source: design.md, Command line; evidence.md, Gate and exit codes.

use crate::audit::{self, AuditError};
use crate::checkpoint::CheckpointError;
use crate::device::DeviceError;
use crate::model::ModelError;
use crate::report::ReportError;
use crate::score::ScoreError;
use crate::spec::SpecError;

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(pub u8);

impl ExitCode {
    /// Completed, and within the gate.
    pub const WITHIN_GATE: Self = Self(0);
    /// The gate tripped: leakage.
    pub const LEAKAGE: Self = Self(1);
    /// A usage, spec or input error.
    pub const INPUT: Self = Self(2);
    /// Completed, but inconclusive.
    pub const INCONCLUSIVE: Self = Self(3);
    /// Any other failure.
    pub const FAILURE: Self = Self(4);
    /// Interrupted.
    pub const INTERRUPTED: Self = Self(130);
}

/// Why a command did not complete.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Audit(#[from] AuditError),
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
            Self::Model(e) => e.is_input(),
            _ => false,
        };
        match self {
            _ if input => ExitCode::INPUT,
            Self::Audit(e) if e.is_interrupt() => ExitCode::INTERRUPTED,
            Self::Model(e) if e.is_interrupt() => ExitCode::INTERRUPTED,
            Self::Audit(AuditError::Cells(failures)) => ExitCode(audit::code(failures)),
            Self::Report(ReportError::TooNarrow { .. } | ReportError::NotFinite { .. }) => {
                ExitCode::FAILURE
            }
            Self::Spec(_) | Self::Input(_) | Self::Device(_) | Self::Report(_) => ExitCode::INPUT,
            Self::Audit(_) | Self::Model(_) | Self::Other(_) => ExitCode::FAILURE,
            Self::OutputClosed => ExitCode::WITHIN_GATE,
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
