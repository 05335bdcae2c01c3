//! Why a run directory cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The folder holds a run of another spec, checkpoint, version or set of canaries.
    #[error(
        "{} holds another run ({what} differs from this spec's); choose another folder with --out, or remove it",
        path.display()
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The run began on another device or in another precision.
    #[error(
        "{} holds another run: {what} was {before} and is {now}; continue as it began, choose another folder with --out, \
         or give --allow-change, which records the change",
        path.display()
    )]
    OtherMachine {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// As the run began.
        before: String,
        /// As asked for now.
        now: String,
    },
    /// Another process works on the run.
    #[error("{} is in use by {holder}; wait for it or stop it, or choose another folder with --out", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who.
        holder: String,
    },
    /// The folder holds files that are no run.
    #[error("{} is not empty and holds no run (no spec.toml); choose another folder with --out", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A file stands where the folder should.
    #[error("{} is, or lies under, a file; choose another folder with --out", path.display())]
    NotAFolder {
        /// The folder asked for.
        path: PathBuf,
    },
    /// There is no such run.
    #[error("{} holds no {missing}: {hint}", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        missing: String,
        /// The mend.
        hint: &'static str,
    },
    /// A file changed after its stage was recorded.
    #[error(
        "{} is not what was recorded when its stage ended (sha256 differs or the file is gone); remove the folder of this seed to train it again",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file holds what this version cannot read.
    #[error("{}: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RunDirError {
    /// What makes the error of an attempt on `path` out of what the system said. `doing`: as in "cannot open PATH".
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}
