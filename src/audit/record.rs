//! What each cell was made with: `provenance.json` of its own, so that cells of many machines make one report.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Instant, SystemTime};

use super::{AuditError, Setting};
use crate::run_dir::{
    CellDir, CellProvenance, Provenance, RunDir, RunDirError, rfc3339, write_atomic,
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
        let mut seconds = 0.0;
        if let Some(before) = read(&dir.provenance())? {
            agree(&before, &provenance, dir.root())?;
            seconds = before.seconds.unwrap_or(0.0);
            provenance.started = before.started;
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
        let json = serde_json::to_string_pretty(&self.provenance).unwrap_or_default() + "\n";
        Ok(write_atomic(&self.dir.provenance(), json.as_bytes())?)
    }
}

/// What the cells of a run were made with, as far as they say.
///
/// Errors: two of them with different checkpoints, kinds of device or versions.
pub(super) fn of_cells(
    audit: &Audit,
    dir: &RunDir,
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
            Some(first) => agree(first, &found, cell.root())?,
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
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => {
            return Err(RunDirError::Unreadable {
                path: path.to_owned(),
                message: e.to_string(),
            }
            .into());
        }
    };
    serde_json::from_str(&text).map(Some).map_err(|e| {
        RunDirError::Unreadable {
            path: path.to_owned(),
            message: e.to_string(),
        }
        .into()
    })
}

/// Refuses what cannot belong to one run.
pub(super) fn agree(one: &Provenance, other: &Provenance, path: &Path) -> Result<(), AuditError> {
    // One card of a machine is as good as another.
    let kind = |p: &Provenance| p.device.split(':').next().unwrap_or_default().to_owned();
    let checks = [
        (
            "the checkpoint",
            one.checkpoint_sha256 == other.checkpoint_sha256,
        ),
        ("the device", kind(one) == kind(other)),
        ("the precision", one.precision == other.precision),
        ("the version of unsaid", one.unsaid == other.unsaid),
        ("the version of libtorch", one.libtorch == other.libtorch),
    ];
    match checks.into_iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((what, _)) => Err(RunDirError::OtherRun {
            path: path.to_owned(),
            what: what.to_owned(),
        }
        .into()),
    }
}
