//! The run that a gate compares with.

use super::AuditError;
use crate::bounded;
use crate::findings::Report;
use crate::report;
use crate::run_dir::{RunDir, sha256_hex};
use crate::spec::Audit;

/// Another run's report.
pub struct Baseline {
    /// What it says.
    pub report: Report,
    /// Of its `report.json`.
    pub sha256: String,
}

impl Baseline {
    /// Reads the baseline of a spec, where it names one.
    ///
    /// Errors: it is no finished run.
    pub fn read(audit: &Audit) -> Result<Option<Self>, AuditError> {
        let Some(folder) = &audit.gate.baseline else {
            return Ok(None);
        };
        let path = RunDir::existing(folder).report("report.json");
        let refused = |message: String| AuditError::Baseline {
            path: path.clone(),
            message,
        };
        let text = bounded::read_text(&path, bounded::LARGE)
            .map_err(|e| refused(format!("{e}; name the folder of a finished run")))?;
        let report = report::parse(&text).map_err(|e| refused(e.to_string()))?;
        Ok(Some(Self {
            report,
            sha256: sha256_hex(text.as_bytes()),
        }))
    }
}
