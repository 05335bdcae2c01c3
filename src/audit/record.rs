//! What each cell was made with: `provenance.json` of its own, so that cells of many machines make one report.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Instant, SystemTime};

use super::continuing::go_on;
use super::{AuditError, Setting};
use crate::bounded;
use crate::device;
use crate::run_dir::{
    CellDir, CellProvenance, Provenance, RunDir, RunDirError, refused, rfc3339, write_atomic,
};
use crate::spec::Audit;

/// The record of a cell that is being made.
pub(super) struct Record {
    dir: CellDir,
    provenance: Provenance,
    clock: Instant,
    /// Seconds that earlier processes spent on the cell.
    before: f64,
}

impl Record {
    /// Begins or continues the record of a cell, whose folder must exist.
    ///
    /// Errors: another checkpoint, device or version made what is there; its stages would not belong together.
    pub(super) fn begin(setting: &Setting<'_>, seed: u64) -> Result<Self, AuditError> {
        let dir = setting.dir.cell(seed);
        let mut provenance = Provenance {
            started: rfc3339(SystemTime::now()),
            ..setting.provenance.clone()
        };
        let before = read(&dir.provenance())?;
        let mut seconds = 0.0;
        let mut threads = provenance.threads;
        if let Some(before) = &before {
            seconds = before.seconds.unwrap_or(0.0);
            // As many threads as the cell began with, wherever that was: another number adds in another order.
            if !setting.allow_change {
                threads = before.threads;
            }
        }
        provenance.threads = device::set_threads(Some(threads));
        if let Some(before) = before {
            go_on(&before, &mut provenance, dir.root(), setting.allow_change)?;
        }
        let record = Self {
            dir,
            provenance,
            clock: Instant::now(),
            before: seconds,
        };
        record.write()?;
        Ok(record)
    }

    /// Adds the time that was spent, and that the cell is complete where it is.
    pub(super) fn end(mut self, complete: bool) -> Result<(), AuditError> {
        self.provenance.seconds = Some(self.before + self.clock.elapsed().as_secs_f64());
        if complete {
            self.provenance.finished = Some(rfc3339(SystemTime::now()));
            let digest = self.dir.recorded_digest("canaries.jsonl")?;
            let name = self.dir.root().file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            self.provenance
                .manifest_sha256
                .extend(digest.map(|digest| (name, digest)));
        }
        self.write()
    }

    fn write(&self) -> Result<(), AuditError> {
        write(&self.dir.provenance(), &self.provenance)
    }
}

/// Writes the record of a cell or a run.
pub(super) fn write(path: &Path, provenance: &Provenance) -> Result<(), AuditError> {
    let json = serde_json::to_string_pretty(provenance).unwrap_or_default() + "\n";
    Ok(write_atomic(path, json.as_bytes())?)
}

/// What the cells of a run were made with, as far as they say.
///
/// `has_changed`: the user allowed a change of device or precision. Errors: two of them with different checkpoints or versions,
/// or, where that was not allowed, kinds of device or precisions.
pub(super) fn of_cells(
    audit: &Audit,
    dir: &RunDir,
    has_changed: bool,
) -> Result<BTreeMap<String, CellProvenance>, AuditError> {
    let mut cells = BTreeMap::new();
    let mut first: Option<Provenance> = None;
    for &seed in &audit.seeds {
        let cell = dir.cell(seed);
        let Some(found) = read(&cell.provenance())? else {
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
pub(super) fn threads_before(dir: &RunDir, only: Option<u64>) -> Result<Option<usize>, AuditError> {
    let cell = match only {
        Some(seed) => read(&dir.cell(seed).provenance())?,
        None => None,
    };
    let before = match cell {
        Some(cell) => Some(cell),
        None => read(&dir.provenance())?,
    };
    Ok(before.map(|before| before.threads))
}

/// The record of a cell or a run; `None` where it has none yet.
pub(super) fn read(path: &Path) -> Result<Option<Provenance>, AuditError> {
    let text = match bounded::read_text(path, bounded::SMALL) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(refused(path.to_owned(), e).into()),
    };
    parse_provenance(&text).map(Some).map_err(|message| {
        RunDirError::Unreadable {
            path: path.to_owned(),
            message,
        }
        .into()
    })
}

/// Reads the text of a `provenance.json`.
///
/// Errors: what is wrong with it.
pub(super) fn parse_provenance(text: &str) -> Result<Provenance, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// The kind of a record's device: `cuda` of `cuda:1`.
pub(super) fn kind(provenance: &Provenance) -> &str {
    let device = &provenance.device;
    device.split(':').next().unwrap_or(device)
}

/// Refuses another checkpoint and other versions, which nothing allows.
pub(super) fn same_origin(
    one: &Provenance,
    other: &Provenance,
    path: &Path,
) -> Result<(), AuditError> {
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
pub(super) fn agree(
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
