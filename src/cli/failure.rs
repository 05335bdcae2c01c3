//! Why a command did not complete, and the exit code of each reason. Guide: evidence, "Gate and exit codes".

use crate::audit::{self, AuditError};
use crate::checkpoint::CheckpointError;
#[cfg(feature = "torch")]
use crate::device::DeviceError;
use crate::exit::ExitCode;
use crate::mint::MintError;
#[cfg(feature = "torch")]
use crate::model::ModelError;
use crate::report::ReportError;
#[cfg(feature = "torch")]
use crate::score::ScoreError;
use crate::spec::SpecError;

/// Why a command did not complete. Its text is the one message that the user sees.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[cfg(feature = "torch")]
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[cfg(feature = "torch")]
    #[error(transparent)]
    Model(#[from] ModelError),
    #[cfg(not(feature = "torch"))]
    #[error(
        "unsaid {0} needs libtorch, which this build leaves out (--no-default-features): install unsaid with its default features. \
         This build has check, mint, report, verify and doctor"
    )]
    NeedsLibtorch(&'static str),
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
            Self::Checkpoint(e) => e.is_input(),
            #[cfg(feature = "torch")]
            Self::Model(e) => e.is_input(),
            #[cfg(feature = "torch")]
            Self::Device(_) => true,
            #[cfg(not(feature = "torch"))]
            Self::NeedsLibtorch(_) => true,
            Self::Spec(_) | Self::Input(_) => true,
            _ => false,
        };
        match self {
            _ if input => ExitCode::Input,
            Self::Audit(e) | Self::Mint(MintError::Audit(e)) if e.is_interrupt() => {
                ExitCode::Interrupted
            }
            Self::Checkpoint(e) if e.is_interrupt() => ExitCode::Interrupted,
            #[cfg(feature = "torch")]
            Self::Model(e) if e.is_interrupt() => ExitCode::Interrupted,
            Self::Audit(AuditError::Cells(failures)) => audit::code(failures),
            Self::Report(ReportError::TooNarrow { .. } | ReportError::NotFinite { .. }) => {
                ExitCode::Failure
            }
            Self::Report(_) => ExitCode::Input,
            Self::OutputClosed => ExitCode::WithinGate,
            _ => ExitCode::Failure,
        }
    }
}

#[cfg(feature = "torch")]
impl From<ScoreError> for Failure {
    fn from(e: ScoreError) -> Self {
        match e {
            ScoreError::Backend(_) => Self::Other(e.to_string()),
            _ => Self::Input(e.to_string()),
        }
    }
}
