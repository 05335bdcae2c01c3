//! The run directory: its paths, and files that are written whole or not at all. Does not know what the files mean.

mod atomic;
mod cell;
mod error;
mod fault;
mod lock;
mod provenance;

pub use atomic::{create_folder, sha256_hex, write_atomic, write_private, write_streamed};
pub use cell::{CellDir, Recorded, parse_stages};
pub use error::RunDirError;
pub use lock::{RunLock, holder};
pub use provenance::{Change, Provenance, processor, rfc3339};

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
    /// Errors: the folder holds another run, or something that is no run, or another process works on it. Nothing is
    /// written then.
    pub fn open(root: &Path, spec: &str) -> Result<(Self, RunLock), RunDirError> {
        let dir = Self::existing(root);
        if !dir.holds(spec)? {
            create_folder(root)?;
        }
        let lock = RunLock::take(root)?;
        // Another process may have been faster in between.
        if !dir.holds(spec)? {
            write_atomic(&dir.spec(), spec.as_bytes())?;
        }
        atomic::sweep(root);
        Ok((dir, lock))
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
                    return Err(RunDirError::NotARun { path: root.clone() });
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
        Err(source) => Err(RunDirError::Io {
            doing: "read the folder",
            path: root.to_owned(),
            source,
        }),
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
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_holds_another_run_or_none_is_left_alone() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("run");
        drop(RunDir::open(&root, "a = 1\n").unwrap());
        drop(RunDir::open(&root, "a = 1\n").unwrap());
        let error = RunDir::open(&root, "a = 2\n").unwrap_err();
        assert!(error.to_string().contains("`a = 1`"), "{error}");
        fs::remove_file(root.join("spec.toml")).unwrap();
        fs::write(root.join("thesis.tex"), "x").unwrap();
        assert!(matches!(
            RunDir::open(&root, "a = 1\n"),
            Err(RunDirError::NotARun { .. })
        ));
        // The thesis, and the lock of the runs before.
        assert_eq!(fs::read_dir(&root).unwrap().count(), 2);
    }

    #[test]
    fn one_process_at_a_time_has_it() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("run");
        let (dir, lock) = RunDir::open(&root, "a = 1\n").unwrap();
        fs::write(root.join(".unsaid-left"), "by a killed process").unwrap();
        assert!(matches!(
            RunDir::open(&root, "a = 1\n"),
            Err(RunDirError::InUse { .. })
        ));
        assert!(root.join(".unsaid-left").exists());
        assert!(dir.spec().exists() && holder(&root).is_some());
        drop(lock);
        RunDir::open(&root, "a = 1\n").unwrap();
        assert!(!root.join(".unsaid-left").exists());
    }
}
