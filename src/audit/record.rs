//! `provenance.json`: what a run, a cell or a probe was made with, and what it may go on with.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use super::AuditError;
use crate::bounded;
use crate::run_dir::{
    CellProvenance, Change, Provenance, RunDir, RunDirError, processor, refused, rfc3339,
    sha256_hex, write_atomic,
};
use crate::spec::Audit;

/// Version of the layout of the run directory.
const FORMAT: u32 = 1;

/// What this process, at this moment, makes a run or a probe of `spec` with: what the machine says of itself.
#[must_use]
pub fn here(spec: &str, command: &[String]) -> Provenance {
    Provenance {
        format: FORMAT,
        unsaid: env!("CARGO_PKG_VERSION").to_owned(),
        jobs: 1,
        processor: processor(),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        spec_sha256: sha256_hex(spec.as_bytes()),
        command: command.to_vec(),
        started: rfc3339(SystemTime::now()),
        ..Provenance::default()
    }
}

/// Writes the record of a cell or a run.
pub fn write_provenance(path: &Path, provenance: &Provenance) -> Result<(), AuditError> {
    let json = serde_json::to_string_pretty(provenance).unwrap_or_default() + "\n";
    Ok(write_atomic(path, json.as_bytes())?)
}

/// What the cells of a run were made with, as far as they say.
///
/// `has_changed`: the user allowed a change of device or precision. Errors: two of them with different checkpoints or versions,
/// or, where that was not allowed, kinds of device or precisions.
pub fn of_cells(
    audit: &Audit,
    dir: &RunDir,
    has_changed: bool,
) -> Result<BTreeMap<String, CellProvenance>, AuditError> {
    let mut cells = BTreeMap::new();
    let mut first: Option<Provenance> = None;
    for &seed in &audit.seeds {
        let cell = dir.cell(seed);
        let Some(found) = read_provenance(&cell.provenance())? else {
            continue;
        };
        cells.insert(
            format!("seed-{seed}"),
            CellProvenance {
                device: found.device.clone(),
                threads: found.threads,
                processor: found.processor.clone(),
                seconds: found.seconds,
            },
        );
        match &first {
            Some(first) => agree(first, &found, cell.root(), has_changed)?,
            None => first = Some(found),
        }
    }
    Ok(cells)
}

/// The CPU threads that a cell, or else the run, began with; `None` where nothing has begun.
pub fn threads_before(dir: &RunDir, only: Option<u64>) -> Result<Option<usize>, AuditError> {
    let cell = match only {
        Some(seed) => read_provenance(&dir.cell(seed).provenance())?,
        None => None,
    };
    let before = match cell {
        Some(cell) => Some(cell),
        None => read_provenance(&dir.provenance())?,
    };
    Ok(before.map(|before| before.threads))
}

/// The record of a cell or a run; `None` where it has none yet.
pub fn read_provenance(path: &Path) -> Result<Option<Provenance>, AuditError> {
    let text = match bounded::read_text(path, bounded::SMALL) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(refused(path.to_owned(), e).into()),
    };
    serde_json::from_str(&text).map(Some).map_err(|e| {
        RunDirError::Unreadable {
            path: path.to_owned(),
            message: e.to_string(),
        }
        .into()
    })
}

/// The kind of a record's device: `cuda` of `cuda:1`.
fn kind(provenance: &Provenance) -> &str {
    let device = &provenance.device;
    device.split(':').next().unwrap_or(device)
}

/// Refuses another checkpoint and other versions, which nothing allows.
fn same_origin(one: &Provenance, other: &Provenance, path: &Path) -> Result<(), AuditError> {
    let checkpoint = match (&one.checkpoint_commit, &other.checkpoint_commit) {
        (Some(old), Some(new)) if old != new => {
            format!("the checkpoint's commit, {old} when it began and {new} now,")
        }
        _ => "the checkpoint".to_owned(),
    };
    none_differs(
        &[
            (
                &checkpoint,
                one.checkpoint_sha256 == other.checkpoint_sha256,
            ),
            ("the version of unsaid", one.unsaid == other.unsaid),
            ("the version of libtorch", one.libtorch == other.libtorch),
        ],
        path,
    )
}

/// Refuses what cannot belong to one run. `may_change`: the user allowed a change of device or precision.
pub fn agree(
    one: &Provenance,
    other: &Provenance,
    path: &Path,
    may_change: bool,
) -> Result<(), AuditError> {
    same_origin(one, other, path)?;
    none_differs(
        &[
            // One card of a machine is as good as another.
            ("the device", may_change || kind(one) == kind(other)),
            (
                "the precision",
                may_change || one.precision == other.precision,
            ),
        ],
        path,
    )
}

fn none_differs(checks: &[(&str, bool)], path: &Path) -> Result<(), AuditError> {
    match checks.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((what, _)) => Err(RunDirError::OtherRun {
            path: path.to_owned(),
            what: (*what).to_owned(),
        }
        .into()),
    }
}

/// Makes `now` the provenance of the run or the cell that `before` began, in the folder `root`.
///
/// A changed device, precision or number of threads needs the user's word (`allow_change`) and is recorded; a changed
/// processor is recorded, since a machine that was taken away seldom comes back the same. Errors: what may not change, or
/// was not asked for, did.
pub fn go_on(
    before: &Provenance,
    now: &mut Provenance,
    root: &Path,
    allow_change: bool,
) -> Result<(), AuditError> {
    none_differs(
        &[
            ("the format of the run directory", before.format == FORMAT),
            // A run in the folder of a probe, or the other way round.
            (
                "what it holds",
                before.probe.is_some() == now.probe.is_some(),
            ),
        ],
        root,
    )?;
    same_origin(before, now, root)?;
    now.started.clone_from(&before.started);
    now.command.clone_from(&before.command);
    now.manifest_sha256.clone_from(&before.manifest_sha256);
    now.changes.clone_from(&before.changes);
    let at = rfc3339(SystemTime::now());
    let threads = [before.threads, now.threads].map(|n| n.to_string());
    // One card of a machine is as good as another.
    let is_other_kind = kind(before) != kind(now);
    for (what, from, to, is_asked) in [
        ("the device", &before.device, &now.device, is_other_kind),
        ("the precision", &before.precision, &now.precision, true),
        ("the number of threads", &threads[0], &threads[1], true),
        ("the processor", &before.processor, &now.processor, false),
    ] {
        if from == to {
            continue;
        }
        if is_asked && !allow_change {
            return Err(RunDirError::OtherMachine {
                path: root.to_owned(),
                what,
                before: from.clone(),
                now: to.clone(),
            }
            .into());
        }
        now.changes.push(Change {
            at: at.clone(),
            what: what.to_owned(),
            from: from.clone(),
            to: to.clone(),
        });
    }
    Ok(())
}
