//! The run directory: its paths, and files that are written whole or not at all. Does not know what the files mean.

mod atomic;
mod cell;
mod error;
mod fault;
mod ledger;
mod lock;
mod provenance;

pub use atomic::{
    create_folder, digest_file, hex, sha256_hex, write_atomic, write_private, write_streamed,
};
pub use cell::CellDir;
pub use error::RunDirError;
pub use ledger::{Ledger, Recorded, parse_stages};
pub use lock::{RunLock, holder};
pub use provenance::{CellProvenance, Change, ProbeProvenance, Provenance, processor, rfc3339};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bounded;

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// Opens the folder for a run of `spec`: makes it where it is absent or empty, continues where it holds the same spec.
    /// The lock that comes with it keeps other processes from writing.
    ///
    /// Errors: the folder holds another run, or something that is no run, or another process works on it or on one of its
    /// cells. Nothing is written then.
    pub fn open(root: &Path, spec: &str) -> Result<(Self, RunLock), RunDirError> {
        let dir = Self::made(root, spec)?;
        let lock = RunLock::take(root)?;
        dir.begin(spec)?;
        // Also cells that are complete, which nothing else opens: a kill may fall between the last record and the times.
        atomic::sweep(root);
        Ok((dir, lock))
    }

    /// Opens the folder for a process that works on one cell, whose own lock ([`CellDir::lock`]) keeps others from that cell: any
    /// number of them at once, but none beside a process that has the whole run.
    pub fn open_shared(root: &Path, spec: &str) -> Result<(Self, RunLock), RunDirError> {
        let dir = Self::made(root, spec)?;
        let lock = RunLock::share(root)?;
        dir.begin(spec)?;
        Ok((dir, lock))
    }

    /// Opens the folder for a process that works on one cell for the one that has the run's lock.
    pub fn open_held(root: &Path, spec: &str) -> Result<Self, RunDirError> {
        let dir = Self::existing(root);
        if dir.holds(spec)? {
            return Ok(dir);
        }
        Err(RunDirError::Missing {
            path: root.to_owned(),
            missing: "run (spec.toml)".to_owned(),
            hint: "--cell-threads is for cells that --jobs started",
        })
    }

    fn made(root: &Path, spec: &str) -> Result<Self, RunDirError> {
        let dir = Self::existing(root);
        if !dir.holds(spec)? {
            create_folder(root)?;
        }
        Ok(dir)
    }

    /// Another process may have been faster in between.
    fn begin(&self, spec: &str) -> Result<(), RunDirError> {
        if !self.holds(spec)? {
            write_atomic(&self.spec(), spec.as_bytes())?;
        }
        Ok(())
    }

    /// Whether the folder holds a run of `spec`; false where it is absent or empty.
    fn holds(&self, spec: &str) -> Result<bool, RunDirError> {
        let root = &self.root;
        match bounded::read_text(&self.spec(), bounded::SMALL) {
            Ok(found) if found == spec => Ok(true),
            Ok(found) => Err(RunDirError::OtherRun {
                path: root.clone(),
                what: first_difference(&found, spec),
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if is_occupied(root)? {
                    // Another process may have begun the same run in between.
                    return match bounded::read_text(&self.spec(), bounded::SMALL) {
                        Ok(found) if found == spec => Ok(true),
                        _ => Err(RunDirError::NotARun { path: root.clone() }),
                    };
                }
                Ok(false)
            }
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
                Err(RunDirError::NotAFolder { path: root.clone() })
            }
            Err(e) => Err(refused(self.spec(), e)),
        }
    }

    /// An existing run, for reading.
    #[must_use]
    pub fn existing(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The resolved spec.
    #[must_use]
    pub fn spec(&self) -> PathBuf {
        self.root.join("spec.toml")
    }

    /// What ran where.
    #[must_use]
    pub fn provenance(&self) -> PathBuf {
        self.root.join("provenance.json")
    }

    /// A report file, as `report.json`.
    #[must_use]
    pub fn report(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A plot, as `plots/likelihood-phase-3.svg`.
    #[must_use]
    pub fn plot(&self, name: &str) -> PathBuf {
        self.plots().join(format!("{name}.svg"))
    }

    fn plots(&self) -> PathBuf {
        self.root.join("plots")
    }

    /// Makes the folder of the plots.
    pub fn create_plots(&self) -> Result<(), RunDirError> {
        let plots = self.plots();
        create_folder(&plots)
    }

    /// The folder of one seed.
    #[must_use]
    pub fn cell(&self, seed: u64) -> CellDir {
        CellDir::new(self.root.join(format!("seed-{seed}")))
    }
}

/// The error of a file that cannot be read: a bad one is the input's fault, anything else the system's.
#[must_use]
pub fn refused(path: PathBuf, source: io::Error) -> RunDirError {
    match source.kind() {
        io::ErrorKind::FileTooLarge
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::IsADirectory => RunDirError::Unreadable {
            path,
            message: source.to_string(),
        },
        _ => RunDirError::Io {
            doing: "read",
            path,
            source,
        },
    }
}

fn is_occupied(root: &Path) -> Result<bool, RunDirError> {
    match fs::read_dir(root) {
        // A temporary sibling is what a killed process left; it holds nothing.
        Ok(mut entries) => Ok(entries.any(|e| {
            e.map_or(true, |e| {
                !e.file_name()
                    .to_string_lossy()
                    .starts_with(atomic::TEMPORARY)
            })
        })),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(RunDirError::io("read the folder", root)(e)),
    }
}

/// The first line that differs, as "`alpha = 0.1` instead of `alpha = 0.05`".
fn first_difference(found: &str, wanted: &str) -> String {
    let differing = found
        .lines()
        .zip(wanted.lines())
        .find(|(found, wanted)| found != wanted);
    match differing {
        Some((found, wanted)) => {
            format!(
                "its spec.toml has `{}`, which here is `{}`; that",
                found.trim(),
                wanted.trim()
            )
        }
        None => "its spec.toml".to_owned(),
    }
}

#[cfg(test)]
mod tests;
