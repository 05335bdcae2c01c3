//! A run: plant in every seed's model, probe it, judge all seeds together, write the reports, go on where it was left.

mod cell;
mod jobs;
mod midway;
#[cfg(test)]
mod never_planted;
mod pipe;
mod record;
mod survey;
#[cfg(test)]
mod tests;
mod watch;

pub use jobs::Worker;
pub use pipe::Message;

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use crate::audit::{
    AuditError, Base, Baseline, agree, all_complete, go_on, here, make, of_cells, read_provenance,
    threads_before, write_provenance,
};
use crate::canary::draw_canaries;
use crate::device::{self, Arithmetic, Device, LIBTORCH};
use crate::event::{Event, Observer};
use crate::findings::Report;
use crate::run_dir::{Provenance, RunDir, RunLock, rfc3339};
use crate::spec::{Audit, to_toml};

pub(crate) use survey::{results, snapshots, survey};

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
    /// Whether the process that started this one has the run's lock, so that this one needs its cell's alone.
    pub is_held: bool,
    /// Whether a run may go on with another device, precision or number of threads than it began with.
    pub allow_change: bool,
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
    allow_change: bool,
    /// The run's lock, or a share of it; `None` where the process that started this one has it.
    lock: Option<RunLock>,
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
    if let Some(holder) = setting.lock.as_ref().and_then(RunLock::left_by) {
        let note = format!("the run was left by {holder}, which ended in the middle of it");
        observer.event(&Event::Note(&note));
    }
    let mut provenance = setting.provenance.clone();
    if let Some(before) = read_provenance(&dir.provenance())? {
        go_on(&before, &mut provenance, dir.root(), options.allow_change)?;
        // A run that had ended keeps what it ran with; only its reports are made again.
        if before.finished.is_some() && all_complete(audit, dir)? {
            for seed in &audit.seeds {
                observer.event(&Event::Note(&cell::kept(*seed)));
            }
            let now = Provenance {
                baseline_sha256: provenance.baseline_sha256,
                ..before
            };
            return make(audit, dir, &now, setting.baseline.as_ref());
        }
        for change in &provenance.changes {
            let note = format!("{} was {}, and is {}", change.what, change.from, change.to);
            observer.event(&Event::Note(&note));
        }
    }
    write_provenance(&dir.provenance(), &provenance)?;
    match &options.worker {
        Some(worker) if provenance.jobs > 1 => jobs::run(&setting, worker, observer)?,
        _ => {
            for &seed in &audit.seeds {
                cell::run(&setting, seed, observer)?;
            }
        }
    }
    for &seed in &audit.seeds {
        let digest = dir.cell(seed).ledger()?.digest("canaries.jsonl");
        provenance
            .manifest_sha256
            .extend(digest.map(|d| (format!("seed-{seed}"), d)));
    }
    provenance.cells = of_cells(audit, dir, !provenance.changes.is_empty())?;
    provenance.finished = Some(rfc3339(SystemTime::now()));
    provenance.seconds = Some(clock.elapsed().as_secs_f64());
    write_provenance(&dir.provenance(), &provenance)?;
    observer.event(&Event::Started {
        label: "judging",
        total: 1,
        unit: "report",
    });
    let report = make(audit, dir, &provenance, setting.baseline.as_ref())?;
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
    if let Some(run) = read_provenance(&setting.dir.provenance())? {
        let root = setting.dir.root();
        agree(&run, &setting.provenance, root, options.allow_change)?;
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
    base.check_weights()?;
    for &seed in &audit.seeds {
        draw_canaries(audit, seed)?;
    }
    let baseline = Baseline::read(audit)?;
    let spec = to_toml(audit);
    let (dir, lock) = match only {
        None => RunDir::open(&options.out, &spec).map(|(dir, lock)| (dir, Some(lock)))?,
        Some(_) if options.is_held => (RunDir::open_held(&options.out, &spec)?, None),
        Some(_) => RunDir::open_shared(&options.out, &spec).map(|(dir, lock)| (dir, Some(lock)))?,
    };
    let jobs = audit.jobs.min(audit.seeds.len()).max(1);
    let threads = match options.threads.or(audit.threads) {
        Some(threads) => threads,
        // As many as the work began with: another number adds in another order.
        None => match threads_before(&dir, only)? {
            Some(threads) if !options.allow_change => threads,
            _ => (device::set_threads(None) / jobs).max(1),
        },
    };
    let threads = device::set_threads(Some(threads));
    let provenance = Provenance {
        libtorch: LIBTORCH.to_owned(),
        device: options.device.to_string(),
        precision: options.arithmetic.to_string(),
        threads,
        jobs,
        checkpoint_sha256: base.digests()?,
        checkpoint_commit: base.commit().map(str::to_owned),
        random: base.random(),
        baseline_sha256: baseline.as_ref().map(|b| b.sha256.clone()),
        started,
        ..here(&spec, &options.command)
    };
    Ok(Setting {
        audit,
        base,
        dir,
        device: options.device,
        arithmetic: options.arithmetic,
        baseline,
        provenance,
        allow_change: options.allow_change,
        lock,
    })
}
