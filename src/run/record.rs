//! The record of a cell that is being made: `provenance.json` of its own, so that cells of many machines make one report.

use std::time::{Instant, SystemTime};

use super::Setting;
use crate::audit::{AuditError, go_on, read_provenance, write_provenance};
use crate::device;
use crate::run_dir::{CellDir, Ledger, Provenance, rfc3339};

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
        let before = read_provenance(&dir.provenance())?;
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
    pub(super) fn end(mut self, ledger: &Ledger, complete: bool) -> Result<(), AuditError> {
        self.provenance.seconds = Some(self.before + self.clock.elapsed().as_secs_f64());
        if complete {
            self.provenance.finished = Some(rfc3339(SystemTime::now()));
            let digest = ledger.digest("canaries.jsonl");
            let name = self.dir.root().file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            self.provenance
                .manifest_sha256
                .extend(digest.map(|digest| (name, digest)));
        }
        self.write()
    }

    fn write(&self) -> Result<(), AuditError> {
        write_provenance(&self.dir.provenance(), &self.provenance)
    }
}
