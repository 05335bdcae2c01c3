//! The reports of a run, made from its finished cells alone.

use super::baseline::Baseline;
use super::{AuditError, base, cell, store};
use crate::findings::{Report, SCHEMA_VERSION, Setting, judge_against};
use crate::probes::CellObservations;
use crate::report::{self, Format};
use crate::run_dir::{Provenance, RunDir, write_atomic};
use crate::spec::Audit;

/// The files of a report. The last one last: a run with report.json has every other report too.
pub(super) const REPORTS: [(&str, Format); 5] = [
    ("report.md", Format::Markdown),
    ("report.html", Format::Html),
    ("leakage.csv", Format::Csv),
    ("junit.xml", Format::Junit),
    ("report.json", Format::Json),
];

/// Whether every cell of a run is complete.
pub(super) fn all_complete(audit: &Audit, dir: &RunDir) -> Result<bool, AuditError> {
    for &seed in &audit.seeds {
        if !dir.cell(seed).is_done(cell::COMPLETE)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Judges a run from its finished cells alone.
pub(super) fn judged(
    audit: &Audit,
    dir: &RunDir,
    provenance: &Provenance,
    baseline: Option<&Baseline>,
) -> Result<Report, AuditError> {
    let cells: Vec<CellObservations> = audit
        .seeds
        .iter()
        .map(|&seed| store::read_cell(&dir.cell(seed), seed))
        .collect::<Result<_, _>>()?;
    let before = baseline.map(|b| b.report.rows.as_slice());
    let findings = judge_against(audit, &cells, before)?;
    Ok(Report {
        schema_version: SCHEMA_VERSION.to_owned(),
        name: audit.name.clone(),
        model: base::name(&audit.model),
        seeds: audit.seeds.clone(),
        verdict: findings.verdict,
        scope_note: findings.scope_note,
        tiers: findings.tiers,
        gate: findings.gate,
        rows: findings.rows,
        curves: findings.curves,
        figures: findings.figures,
        setting: Some(Setting::of(audit)),
        provenance: serde_json::to_value(provenance).unwrap_or_default(),
    })
}

/// Makes and writes all reports of a run.
pub(super) fn make(
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
pub(super) fn write(report: &Report, dir: &RunDir) -> Result<(), AuditError> {
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
