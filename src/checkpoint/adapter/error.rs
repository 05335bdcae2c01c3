//! Why a folder is no adapter that can be used.

use std::path::PathBuf;

use super::CONFIG;
use crate::checkpoint::locate::LocateError;

/// Why an adapter and its base do not belong together.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message says what a field is")]
pub enum AdapterError {
    /// The base is not where the adapter says.
    #[error(
        "{}: base_model_name_or_path = {named:?} is neither a folder (looked up from the adapter's folder, then from the working directory) \
         nor the name of a model of the hub; set it to the folder of the base, or give that with model.base in [model] or --base", path.display()
    )]
    NoBase { path: PathBuf, named: String },
    /// The base is named, and cannot be had.
    #[error(
        "{}: base_model_name_or_path = {named:?} is no folder (looked up from the adapter's folder, then from the working directory), and as \
         a model of the hub: {source}. Where the base is a folder, give it with --base or model.base in [model]", path.display()
    )]
    NotFound {
        path: PathBuf,
        named: String,
        source: Box<LocateError>,
    },
    /// The base that was given is not there.
    #[error("the base {} is not a folder; give the folder of the model that the adapter was trained on (model.base, or --base)", .0.display())]
    NoFolder(PathBuf),
    /// A base for what is no adapter.
    #[error("{} is no adapter (it has no {CONFIG}), so it has no base: leave the base {} out", path.display(), base.display())]
    NoAdapter { path: PathBuf, base: PathBuf },
    /// A model and an adapter in one folder.
    #[error("{} holds a model and an adapter: which is meant? Put the adapter's two files into a folder of their own", .0.display())]
    Ambiguous(PathBuf),
    /// The reference is another model than the base.
    #[error(
        "the adapter {} was given the reference {}, but its base is {}, which is another model: an adapter for another base. Give its base \
         as the reference", adapter.display(), reference.display(), base.display()
    )]
    OtherReference {
        adapter: PathBuf,
        reference: PathBuf,
        base: PathBuf,
    },
}
