//! The reports of a run or a probe, made from its finished cells alone.

use super::baseline::Baseline;
use super::{AuditError, COMPLETE, elsewhere, observations, origin};
use crate::findings::{Report, judge_against};
use crate::probes::CellObservations;
use crate::report::{self, Format};
use crate::run_dir::{Provenance, RunDir, write_atomic};
use crate::spec::Audit;

/// The files of a report. The last one last: a run with report.json has every other report too.
pub const REPORTS: [(&str, Format); 5] = [
    ("report.md", Format::Markdown),
    ("report.html", Format::Html),
    ("leakage.csv", Format::Csv),
    ("junit.xml", Format::Junit),
    ("report.json", Format::Json),
];

/// Whether every cell of a run is complete.
pub fn all_complete(audit: &Audit, dir: &RunDir) -> Result<bool, AuditError> {
    for &seed in &audit.seeds {
        if !dir.cell(seed).ledger()?.is_done(COMPLETE)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Judges a run or a probe from its finished cells alone.
pub fn judged(
    audit: &Audit,
    dir: &RunDir,
    provenance: &Provenance,
    baseline: Option<&Baseline>,
) -> Result<Report, AuditError> {
    let cells: Vec<CellObservations> = audit
        .seeds
        .iter()
        .map(|&seed| observations::read_cell(&dir.cell(seed), seed))
        .collect::<Result<_, _>>()?;
    assemble(audit, &cells, provenance, baseline)
}

/// Judges observations and says what they are of.
///
/// `audit`: as it was asked for; of a probe the part that trains is left out here.
pub fn assemble(
    audit: &Audit,
    cells: &[CellObservations],
    provenance: &Provenance,
    baseline: Option<&Baseline>,
) -> Result<Report, AuditError> {
    let before = baseline.map(|b| b.report.rows.as_slice());
    let differing = baseline
        .map(|b| b.differing.join(", "))
        .filter(|keys| !keys.is_empty());
    let mut report = match &provenance.probe {
        None => {
            let findings = judge_against(audit, cells, before)?;
            Report::of(audit, &origin(&audit.model), findings)
        }
        Some(probe) => {
            let audit = &audit.without_training(probe.reference.is_some());
            let mut findings = judge_against(audit, cells, before)?;
            for note in elsewhere::notes(audit, (probe, &provenance.checkpoint_sha256), cells) {
                findings.scope_note = format!("{} {note}", findings.scope_note);
            }
            let model = probe.model.as_deref().unwrap_or_default();
            Report {
                name: format!("{} (probe)", audit.name),
                ..Report::of(audit, model, findings)
            }
        }
    };
    if let Some(keys) = differing {
        report.scope_note = format!(
            "{} The baseline's spec differs in {keys}.",
            report.scope_note
        );
    }
    report.provenance = serde_json::to_value(provenance).unwrap_or_default();
    Ok(report)
}

/// Makes and writes all reports of a run.
pub fn make(
    audit: &Audit,
    dir: &RunDir,
    provenance: &Provenance,
    baseline: Option<&Baseline>,
) -> Result<Report, AuditError> {
    let report = judged(audit, dir, provenance, baseline)?;
    write(&report, dir)?;
    Ok(report)
}

/// Writes a report in every format.
pub fn write(report: &Report, dir: &RunDir) -> Result<(), AuditError> {
    dir.create_plots()?;
    for plot in report::plots(report)? {
        write_atomic(&dir.plot(&plot.name), plot.svg.as_bytes())?;
    }
    for (name, format) in REPORTS {
        let text = report::render(report, format, 80, false)?;
        write_atomic(&dir.report(name), text.as_bytes())?;
    }
    Ok(())
}
