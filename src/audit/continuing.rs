//! What a run or a cell began with, held against what it would go on with.

use std::path::Path;
use std::time::SystemTime;

use super::{AuditError, FORMAT, record};
use crate::run_dir::{Change, Provenance, RunDirError, rfc3339};

/// Makes `now` the provenance of the run or the cell that `before` began, in the folder `root`.
///
/// A changed device, precision or number of threads needs the user's word (`allow_change`) and is recorded; a changed
/// processor is recorded, since a machine that was taken away seldom comes back the same. Errors: what may not change, or
/// was not asked for, did.
pub(super) fn go_on(
    before: &Provenance,
    now: &mut Provenance,
    root: &Path,
    allow_change: bool,
) -> Result<(), AuditError> {
    if before.format != FORMAT {
        return Err(RunDirError::OtherRun {
            path: root.to_owned(),
            what: "the format of the run directory".to_owned(),
        }
        .into());
    }
    record::same_origin(before, now, root)?;
    now.started.clone_from(&before.started);
    now.command.clone_from(&before.command);
    now.manifest_sha256.clone_from(&before.manifest_sha256);
    now.changes.clone_from(&before.changes);
    let at = rfc3339(SystemTime::now());
    let threads = [before.threads, now.threads].map(|n| n.to_string());
    // One card of a machine is as good as another.
    let is_other_kind = record::kind(before) != record::kind(now);
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
