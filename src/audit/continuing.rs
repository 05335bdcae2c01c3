//! What a run began with, held against what it would go on with.

use super::{AuditError, FORMAT, Options};
use crate::bounded;
use crate::run_dir::{Change, Provenance, RunDir, RunDirError, refused, write_atomic};

/// The provenance of a run that has begun; `None` where none has.
pub(super) fn read_provenance(dir: &RunDir) -> Result<Option<Provenance>, AuditError> {
    let path = dir.provenance();
    let text = match bounded::read_text(&path, bounded::SMALL) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(refused(path, e).into()),
    };
    parse_provenance(&text)
        .map(Some)
        .map_err(|message| RunDirError::Unreadable { path, message }.into())
}

/// Reads the text of a `provenance.json`.
///
/// Errors: what is wrong with it.
pub(super) fn parse_provenance(text: &str) -> Result<Provenance, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

pub(super) fn write_provenance(dir: &RunDir, provenance: &Provenance) -> Result<(), AuditError> {
    let json = serde_json::to_string_pretty(provenance).unwrap_or_default() + "\n";
    Ok(write_atomic(&dir.provenance(), json.as_bytes())?)
}

/// Makes `now` the provenance of the run that `before` began.
///
/// A changed device or precision needs the user's word and is recorded; a changed processor is recorded, since a machine
/// that was taken away seldom comes back the same. Errors: what may not change, or was not asked for, did.
pub(super) fn go_on(
    before: &Provenance,
    now: &mut Provenance,
    dir: &RunDir,
    options: &Options,
) -> Result<(), AuditError> {
    let path = || dir.root().to_owned();
    let same = [
        ("the format of the run directory", before.format == FORMAT),
        (
            "the checkpoint",
            before.checkpoint_sha256 == now.checkpoint_sha256,
        ),
        ("the version of unsaid", before.unsaid == now.unsaid),
        ("the version of libtorch", before.libtorch == now.libtorch),
    ];
    if let Some((what, _)) = same.into_iter().find(|(_, same)| !same) {
        return Err(RunDirError::OtherRun {
            path: path(),
            what: what.to_owned(),
        }
        .into());
    }
    now.started.clone_from(&before.started);
    now.command.clone_from(&before.command);
    now.manifest_sha256.clone_from(&before.manifest_sha256);
    now.changes.clone_from(&before.changes);
    let at = crate::run_dir::rfc3339(std::time::SystemTime::now());
    let threads = [before.threads, now.threads].map(|n| n.to_string());
    for (what, from, to, is_asked) in [
        ("the device", &before.device, &now.device, true),
        ("the precision", &before.precision, &now.precision, true),
        ("the number of threads", &threads[0], &threads[1], true),
        ("the processor", &before.processor, &now.processor, false),
    ] {
        if from == to {
            continue;
        }
        if is_asked && !options.allow_change {
            return Err(RunDirError::OtherMachine {
                path: path(),
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
