//! The story of a run: plant, probe, judge, write, resume.

mod base;
pub mod bench;
mod cell;
mod continuing;
mod cost;
mod midway;
mod outlook;
mod plant;
mod store;
mod verify;
mod watch;

pub use cost::{Cost, PhaseCost, cost};
pub use outlook::{Outlook, RowOutlook, clean_run};
pub use store::parse_cell;
pub use verify::{Verified, verify};

use continuing::write_provenance;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use base::Base;

use crate::canary::{CodebookError, DrawError, ManifestError};
use crate::checkpoint::CheckpointError;
use crate::device::{self, Arithmetic, Device};
use crate::event::{Event, Observer};
use crate::findings::{FindingsError, Report, SCHEMA_VERSION, judge};
use crate::model::ModelError;
use crate::probes::{CellObservations, ProbeError};
use crate::report::{self, Format, ReportError};
use crate::run_dir::{
    Provenance, RunDir, RunDirError, processor, rfc3339, sha256_hex, write_atomic,
};
use crate::spec::{Audit, SpecError, to_toml};
use crate::training::TrainingError;

/// Version of the layout of the run directory.
const FORMAT: u32 = 1;

/// Canaries of a group that are scored at every evaluation. Source: recipe.md, Metric ("the first 128 of a group that is larger").
const EVALUATED: usize = 128;

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
    /// A probe.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The spec that a run recorded.
    #[error(transparent)]
    Spec(#[from] SpecError),
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

impl AuditError {
    /// Whether the user stopped the run.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        matches!(
            self,
            Self::Interrupted
                | Self::Training {
                    source: TrainingError::Interrupted { .. },
                    ..
                }
        )
    }

    /// Whether the input is at fault (exit code 2), not the machine or this program.
    #[must_use]
    pub fn is_input(&self) -> bool {
        match self {
            Self::Checkpoint(e) | Self::Model(ModelError::Checkpoint(e)) => e.is_input(),
            Self::Spec(_)
            | Self::Codebook(_)
            | Self::TooLong { .. }
            | Self::Draw(_)
            | Self::Manifest(_) => true,
            Self::RunDir(e) => !matches!(e, RunDirError::Io { .. }),
            _ => false,
        }
    }
}

/// How a run is asked for, beside its spec.
#[derive(Debug, Clone)]
pub struct Options {
    /// The run directory.
    pub out: PathBuf,
    /// The device, resolved.
    pub device: Device,
    /// How products are made, resolved.
    pub arithmetic: Arithmetic,
    /// The command line, for provenance.
    pub command: Vec<String>,
    /// Whether a run may go on with another device, precision or number of threads than it began with.
    pub allow_change: bool,
}

/// What every cell of a run shares.
struct Setting<'a> {
    audit: &'a Audit,
    base: Base,
    dir: RunDir,
    device: Device,
    arithmetic: Arithmetic,
}

/// Runs an audit: plants in every seed's model, probes it, judges all seeds together and writes the reports.
///
/// Finished stages of an earlier, unfinished run of the same spec are kept. Gives the report that it also wrote.
pub fn run(
    audit: &Audit,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Report, AuditError> {
    let (started, clock) = (SystemTime::now(), Instant::now());
    // Everything that the input could have wrong comes before the first file is written.
    let base = Base::find(audit)?;
    for &seed in &audit.seeds {
        plant::draw_canaries(audit, seed)?;
    }
    let spec = to_toml(audit);
    let (dir, lock) = RunDir::open(&options.out, &spec)?;
    if let Some(holder) = lock.left_by() {
        let note = format!("the run was left by {holder}, which ended in the middle of it");
        observer.event(&Event::Note(&note));
    }
    let before = continuing::read_provenance(&dir)?;
    // As many threads as the run began with: another number adds in another order.
    let as_before = before.as_ref().filter(|_| !options.allow_change);
    let threads = device::set_threads(audit.threads.or(as_before.map(|b| b.threads)));
    let mut provenance = Provenance {
        format: FORMAT,
        unsaid: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: LIBTORCH.to_owned(),
        device: options.device.to_string(),
        precision: options.arithmetic.to_string(),
        threads,
        processor: processor(),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        spec_sha256: sha256_hex(spec.as_bytes()),
        checkpoint_sha256: base.digests()?,
        checkpoint_commit: base.commit().map(str::to_owned),
        random: base.random(),
        manifest_sha256: BTreeMap::new(),
        command: options.command.clone(),
        started: rfc3339(started),
        finished: None,
        seconds: None,
        changes: Vec::new(),
    };
    if let Some(before) = before {
        continuing::go_on(&before, &mut provenance, &dir, options)?;
        // A run that had ended keeps what it ran with; only its reports are made again.
        if before.finished.is_some() && all_complete(audit, &dir)? {
            for seed in &audit.seeds {
                observer.event(&Event::Note(&cell::kept(*seed)));
            }
            return make_report(audit, &dir, &before);
        }
        for change in &provenance.changes {
            let note = format!("{} was {}, and is {}", change.what, change.from, change.to);
            observer.event(&Event::Note(&note));
        }
    }
    write_provenance(&dir, &provenance)?;
    let setting = Setting {
        audit,
        base,
        dir,
        device: options.device,
        arithmetic: options.arithmetic,
    };
    for &seed in &audit.seeds {
        cell::run(&setting, seed, observer)?;
        let digest = setting.dir.cell(seed).recorded_digest("canaries.jsonl")?;
        provenance
            .manifest_sha256
            .extend(digest.map(|d| (format!("seed-{seed}"), d)));
    }
    provenance.finished = Some(rfc3339(SystemTime::now()));
    provenance.seconds = Some(clock.elapsed().as_secs_f64());
    write_provenance(&setting.dir, &provenance)?;
    observer.event(&Event::Started {
        label: "judging",
        total: 1,
        unit: "report",
    });
    let report = make_report(audit, &setting.dir, &provenance)?;
    observer.event(&Event::Finished);
    Ok(report)
}

/// Version of libtorch that this program was built with.
pub const LIBTORCH: &str = env!("UNSAID_LIBTORCH_VERSION");

fn all_complete(audit: &Audit, dir: &RunDir) -> Result<bool, AuditError> {
    for &seed in &audit.seeds {
        if !dir.cell(seed).is_done(cell::COMPLETE)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The files of a report. The last one last: a run with report.json has every other report too.
const REPORTS: [(&str, Format); 5] = [
    ("report.md", Format::Markdown),
    ("report.html", Format::Html),
    ("leakage.csv", Format::Csv),
    ("junit.xml", Format::Junit),
    ("report.json", Format::Json),
];

/// Judges a run from its finished cells alone.
fn report_of(audit: &Audit, dir: &RunDir, provenance: &Provenance) -> Result<Report, AuditError> {
    let cells: Vec<CellObservations> = audit
        .seeds
        .iter()
        .map(|&seed| store::read_cell(&dir.cell(seed), seed))
        .collect::<Result<_, _>>()?;
    let findings = judge(audit, &cells)?;
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
        provenance: serde_json::to_value(provenance).unwrap_or_default(),
    })
}

/// Makes and writes all reports of a run.
fn make_report(audit: &Audit, dir: &RunDir, provenance: &Provenance) -> Result<Report, AuditError> {
    let report = report_of(audit, dir, provenance)?;
    for (name, format) in REPORTS {
        let text = report::render(&report, format, 80, false)?;
        write_atomic(&dir.report(name), text.as_bytes())?;
    }
    Ok(report)
}
