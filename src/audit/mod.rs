//! The story of a run: plant, probe, judge, write, resume.

mod base;
mod baseline;
pub mod bench;
mod cell;
mod cost;
mod error;
mod in_context;
mod jobs;
mod lines;
mod looks;
mod mint;
mod outlook;
mod plant;
mod probe;
mod record;
mod sealed;
mod store;
mod trained;
mod watch;

pub use cost::{Cost, PhaseCost, cost};
pub use error::AuditError;
pub use jobs::{CellFailure, Worker, code};
pub use lines::Line;
pub use mint::{MANIFEST, MintError, MintOptions, MintedFile, mint};
pub use outlook::{Outlook, RowOutlook, clean_run};
pub use probe::{ProbeOptions, Probed, Subject, probe};
pub use sealed::SealError;

use baseline::Baseline;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use base::Base;

use crate::device::{self, Arithmetic, Device};
use crate::event::{Event, Observer};
use crate::findings::{self, Report, SCHEMA_VERSION, judge_against};
use crate::probes::CellObservations;
use crate::report::{self, Format};
use crate::run_dir::{
    Provenance, RunDir, RunDirError, processor, rfc3339, sha256_hex, write_atomic,
};
use crate::spec::{Audit, to_toml};

/// Version of the layout of the run directory.
const FORMAT: u32 = 1;

/// Canaries of a group that are scored at every evaluation. Source: recipe.md, Metric ("the first 128 of a group that is larger").
const EVALUATED: usize = 128;

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
    /// CPU threads of a cell, whatever the spec says: so that cells started by one process agree.
    pub threads: Option<usize>,
    /// What runs a cell in a process of its own; without it cells run one after the other in this one.
    pub worker: Option<Worker>,
}

/// What every cell of a run shares.
struct Setting<'a> {
    audit: &'a Audit,
    base: Base,
    dir: RunDir,
    device: Device,
    arithmetic: Arithmetic,
    /// What this process makes cells with.
    provenance: Provenance,
    baseline: Option<Baseline>,
}

/// Runs an audit: plants in every seed's model, probes it, judges all seeds together and writes the reports.
///
/// Finished stages of an earlier, unfinished run of the same spec are kept. Gives the report that it also wrote.
pub fn run(
    audit: &Audit,
    options: &Options,
    observer: &mut dyn Observer,
) -> Result<Report, AuditError> {
    let clock = Instant::now();
    let setting = prepare(audit, options, None, observer)?;
    let dir = &setting.dir;
    let mut provenance = setting.provenance.clone();
    if let Some(before) = same_machine_made(dir, &provenance)? {
        // A run that had ended keeps what it ran with; only its reports are made again.
        if before.finished.is_some() && all_complete(audit, dir)? {
            for seed in &audit.seeds {
                observer.event(&Event::Note(&cell::kept(*seed)));
            }
            let now = Provenance {
                baseline_sha256: provenance.baseline_sha256,
                ..before
            };
            return make_report(audit, dir, &now, setting.baseline.as_ref());
        }
    }
    write_provenance(dir, &provenance)?;
    match &options.worker {
        Some(worker) if provenance.jobs > 1 => jobs::run(&setting, worker, observer)?,
        _ => {
            for &seed in &audit.seeds {
                cell::run(&setting, seed, observer)?;
            }
        }
    }
    for &seed in &audit.seeds {
        let digest = dir.cell(seed).recorded_digest("canaries.jsonl")?;
        provenance
            .manifest_sha256
            .extend(digest.map(|d| (format!("seed-{seed}"), d)));
    }
    provenance.cells = record::of_cells(audit, dir)?;
    provenance.finished = Some(rfc3339(SystemTime::now()));
    provenance.seconds = Some(clock.elapsed().as_secs_f64());
    write_provenance(dir, &provenance)?;
    observer.event(&Event::Started {
        label: "judging",
        total: 1,
        unit: "report",
    });
    let report = make_report(audit, dir, &provenance, setting.baseline.as_ref())?;
    observer.event(&Event::Finished);
    Ok(report)
}

/// Runs one cell of an audit into its run directory and makes no report: for processes that share the cells of a run, on any
/// machines that see the folder. [`run`] makes the report of their cells.
pub fn run_cell(
    audit: &Audit,
    options: &Options,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<(), AuditError> {
    if !audit.seeds.contains(&seed) {
        return Err(AuditError::NoSuchCell {
            seed,
            seeds: audit.seeds.clone(),
        });
    }
    let setting = prepare(audit, options, Some(seed), observer)?;
    if let Some(run) = record::read(&setting.dir.provenance())? {
        record::agree(&run, &setting.provenance, setting.dir.root())?;
    }
    cell::run(&setting, seed, observer)
}

/// Checks everything that the input could have wrong, then opens the run directory.
///
/// `only`: the one cell that is asked for.
fn prepare<'a>(
    audit: &'a Audit,
    options: &Options,
    only: Option<u64>,
    observer: &mut dyn Observer,
) -> Result<Setting<'a>, AuditError> {
    let started = rfc3339(SystemTime::now());
    let base = Base::find(audit, observer)?;
    for &seed in &audit.seeds {
        plant::draw_canaries(audit, seed)?;
    }
    let baseline = baseline::read(audit)?;
    let spec = to_toml(audit);
    let dir = RunDir::open(&options.out, &spec)?;
    let jobs = audit.jobs.min(audit.seeds.len()).max(1);
    let threads = match options.threads.or(audit.threads) {
        Some(threads) => threads,
        // As many as the work began with: another number adds in another order.
        None => match record::threads_before(&dir, only)? {
            Some(threads) => threads,
            None => (device::set_threads(None) / jobs).max(1),
        },
    };
    let threads = device::set_threads(Some(threads));
    let provenance = Provenance {
        format: FORMAT,
        unsaid: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: LIBTORCH.to_owned(),
        device: options.device.to_string(),
        precision: options.arithmetic.to_string(),
        threads,
        jobs,
        processor: processor(),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        spec_sha256: sha256_hex(spec.as_bytes()),
        checkpoint_sha256: base.digests()?,
        checkpoint_commit: base.commit().map(str::to_owned),
        random: base.random(),
        manifest_sha256: BTreeMap::new(),
        baseline_sha256: baseline.as_ref().map(|b| b.sha256.clone()),
        command: options.command.clone(),
        started,
        finished: None,
        seconds: None,
        cells: BTreeMap::new(),
    };
    Ok(Setting {
        audit,
        base,
        dir,
        device: options.device,
        arithmetic: options.arithmetic,
        baseline,
        provenance,
    })
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

/// Refuses to continue a run that another checkpoint or device began: its cells would not belong together.
///
/// Gives what the run began with, where it did.
fn same_machine_made(dir: &RunDir, now: &Provenance) -> Result<Option<Provenance>, AuditError> {
    let Ok(text) = std::fs::read_to_string(dir.provenance()) else {
        return Ok(None);
    };
    let before: Provenance = serde_json::from_str(&text).map_err(|e| RunDirError::Unreadable {
        path: dir.provenance(),
        message: e.to_string(),
    })?;
    let checkpoint = match (&before.checkpoint_commit, &now.checkpoint_commit) {
        (Some(old), Some(new)) if old != new => {
            format!("the checkpoint's commit, {old} when it began and {new} now,")
        }
        _ => "the checkpoint".to_owned(),
    };
    let checks = [
        (
            checkpoint.as_str(),
            before.checkpoint_sha256 == now.checkpoint_sha256,
        ),
        ("the device", before.device == now.device),
        ("the precision", before.precision == now.precision),
        ("the version of unsaid", before.unsaid == now.unsaid),
        ("the version of libtorch", before.libtorch == now.libtorch),
    ];
    match checks.into_iter().find(|(_, same)| !same) {
        None => Ok(Some(before)),
        Some((what, _)) => Err(RunDirError::OtherRun {
            path: dir.root().to_owned(),
            what: what.to_owned(),
        }
        .into()),
    }
}

fn write_provenance(dir: &RunDir, provenance: &Provenance) -> Result<(), AuditError> {
    let json = serde_json::to_string_pretty(provenance).unwrap_or_default() + "\n";
    Ok(write_atomic(&dir.provenance(), json.as_bytes())?)
}

/// Makes and writes all reports of a run from its finished cells alone.
fn make_report(
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
    let report = Report {
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
        setting: Some(findings::Setting::of(audit)),
        provenance: serde_json::to_value(provenance).unwrap_or_default(),
    };
    write_reports(&report, dir)?;
    Ok(report)
}

/// Writes a report in every format.
fn write_reports(report: &Report, dir: &RunDir) -> Result<(), AuditError> {
    let files = [
        ("report.md", Format::Markdown),
        ("report.html", Format::Html),
        ("leakage.csv", Format::Csv),
        ("junit.xml", Format::Junit),
        // Last: a run with report.json has every other report too.
        ("report.json", Format::Json),
    ];
    dir.create_plots()?;
    for plot in report::plots(report)? {
        write_atomic(&dir.plot(&plot.name), plot.svg.as_bytes())?;
    }
    for (name, format) in files {
        let text = report::render(report, format, 80, false)?;
        write_atomic(&dir.report(name), text.as_bytes())?;
    }
    Ok(())
}
