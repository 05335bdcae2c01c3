//! A checkpoint named on the command line: a folder, or a model of the hub.

use std::path::Path;

use super::failure::Failure;
use crate::checkpoint::{CheckpointError, Folder, Source, is_gguf, obtain, quantised};
use crate::event::Observer;
use crate::probe::NamedFolder;

/// Opens the model that an option names, and downloads a model of the hub that is not in the cache.
///
/// `option`: the option's name, for messages; `base`: the folder of an adapter's base, where its config names another place.
pub(super) fn open(
    option: &str,
    name: &str,
    base: Option<&Path>,
    observer: &mut dyn Observer,
) -> Result<NamedFolder, Failure> {
    let path = Path::new(name);
    let (id, revision) = name.split_once('@').unwrap_or((name, "main"));
    let source = if path.is_dir() {
        Source::Path(path)
    } else if is_hub_name(id) && !path.exists() {
        Source::Hub { id, revision }
    } else if is_gguf(path) && path.exists() {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        return Err(Failure::Input(format!(
            "{option} {name}: {}",
            quantised(&file)
        )));
    } else {
        return Err(Failure::Input(format!(
            "{option} {name}: neither a folder nor the name of a model of the hub; give the folder that holds config.json, or \
             OWNER/NAME, or OWNER/NAME@REVISION"
        )));
    };
    let located = obtain(source, observer).map_err(CheckpointError::from)?;
    let shown = match source {
        Source::Path(path) => path.canonicalize().unwrap_or_else(|_| path.to_owned()),
        Source::Hub { .. } => path.to_owned(),
    };
    let called = match (source, shown.file_name()) {
        (Source::Path(_), Some(last)) => last.to_string_lossy().into_owned(),
        _ => name.to_owned(),
    };
    Ok(NamedFolder {
        folder: Folder::open_on(&located.path, base, &mut |of| obtain(of, &mut *observer))?,
        name: called,
        commit: located.commit,
    })
}

/// Whether a text has the form `OWNER/NAME`.
fn is_hub_name(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let plain = |part: &&str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    parts.len() == 2 && parts.iter().all(plain)
}
