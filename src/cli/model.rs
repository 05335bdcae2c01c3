//! A checkpoint named on the command line: a folder, or a model of the hub.

use std::path::Path;

use super::failure::Failure;
use crate::checkpoint::{CheckpointError, Folder, Source, is_gguf, is_hub_name, obtain, quantised};
use crate::event::Observer;
use crate::probe::NamedFolder;

/// Opens the model that an option names, and downloads a model of the hub that is not in the cache.
///
/// `option`: the option's name, for messages; `base`: the folder of an adapter's base, where its config names another place.
pub(super) fn open(
    option: &str,
    name: &Path,
    base: Option<&Path>,
    observer: &mut dyn Observer,
) -> Result<NamedFolder, Failure> {
    let shown = name.display();
    // A name of the hub is plain text; a folder may be called anything.
    let text = name.to_str().unwrap_or_default();
    let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
    let source = if name.is_dir() {
        Source::Path(name)
    } else if id.contains('/') && is_hub_name(id) && !name.exists() {
        Source::Hub { id, revision }
    } else if is_gguf(name) && name.exists() {
        let file = name.file_name().unwrap_or_default().to_string_lossy();
        return Err(Failure::Input(format!(
            "{option} {shown}: {}",
            quantised(&file)
        )));
    } else {
        return Err(Failure::Input(format!(
            "{option} {shown}: neither a folder nor the name of a model of the hub; give the folder that holds config.json, or \
             OWNER/NAME, or OWNER/NAME@REVISION"
        )));
    };
    let located = obtain(source, observer).map_err(CheckpointError::from)?;
    let called = match source {
        Source::Path(path) => {
            let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            let last = whole.file_name().unwrap_or(path.as_os_str());
            last.to_string_lossy().into_owned()
        }
        Source::Hub { .. } => text.to_owned(),
    };
    Ok(NamedFolder {
        folder: Folder::open_on(&located.path, base, &mut |of| obtain(of, &mut *observer))?,
        name: called,
        commit: located.commit,
    })
}
