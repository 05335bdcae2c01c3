//! The locks of a run directory and of its cells: one process writes, any number read. Processes that work on one cell each share
//! the run's.
//!
//! The system's own lock on a small file, so that it ends with its process whatever ends that; the file says who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{RunDirError, rfc3339};

/// The file's name. It begins as a temporary file's, so that a folder that holds it alone counts as empty.
pub(super) const NAME: &str = ".unsaid-lock";

/// Longest description that is read.
const LONGEST: u64 = 4096;

/// Who holds a lock.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    since: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, host, since } = self;
        write!(f, "process {pid} on {host}, since {since}")
    }
}

impl Holder {
    fn this_process() -> Self {
        Self {
            pid: std::process::id(),
            host: host(),
            since: rfc3339(SystemTime::now()),
        }
    }

    /// Whether the process is known to be gone; a process of another machine never is.
    fn is_gone(&self) -> bool {
        self.host == host()
            && Path::new("/proc/self").exists()
            && !Path::new("/proc").join(self.pid.to_string()).exists()
    }
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "this machine".to_owned(), |name| name.trim().to_owned())
}

/// A lock that is held. Dropping it gives it back.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    left_by: Option<String>,
    /// Whether the file names this process.
    is_named: bool,
}

impl RunLock {
    /// Takes a share of the lock of the folder `root`, which must exist: others may have a share too, but nobody the lock.
    /// It names nobody; who shares a run is named by the locks within it.
    ///
    /// Errors: another process has the lock, or its file cannot be written.
    pub fn share(root: &Path) -> Result<Self, RunDirError> {
        let path = root.join(NAME);
        let mut file = opened(&path)?;
        match file.try_lock_shared() {
            Ok(()) => {}
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {
                unheld(root, describe(&mut file).as_ref())?;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(in_use(root, named(root, describe(&mut file))));
            }
            Err(TryLockError::Error(e)) => return Err(RunDirError::io("lock", &path)(e)),
        }
        Ok(Self {
            file,
            left_by: None,
            is_named: false,
        })
    }

    /// Takes the lock of the folder `root`, which must exist. A lock whose process has died is taken over.
    ///
    /// Errors: another process holds it, or its file cannot be written.
    pub fn take(root: &Path) -> Result<Self, RunDirError> {
        let path = root.join(NAME);
        let mut file = opened(&path)?;
        let lock = file.try_lock();
        let before = describe(&mut file);
        match lock {
            Ok(()) => {}
            // A file system without locks: what the file says must do.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {
                unheld(root, before.as_ref())?;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(in_use(root, named(root, before)));
            }
            Err(TryLockError::Error(e)) => return Err(RunDirError::io("lock", &path)(e)),
        }
        let holder = serde_json::to_string(&Holder::this_process()).unwrap_or_default();
        rewrite(&mut file, &holder).map_err(RunDirError::io("write the lock", &path))?;
        Ok(Self {
            file,
            left_by: before.map(|holder| holder.to_string()),
            is_named: true,
        })
    }

    /// Who held it before and ended without giving it back.
    #[must_use]
    pub fn left_by(&self) -> Option<&str> {
        self.left_by.as_deref()
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        if self.is_named {
            // Where this fails the next holder only reads that one died, and that is no reason to stop.
            let _ = rewrite(&mut self.file, "");
        }
        let _ = self.file.unlock();
    }
}

/// Who works on the run or on one of its cells now; `None` where nobody does.
#[must_use]
pub fn holder(root: &Path) -> Option<String> {
    // Without trying the lock: even a moment's shared one could turn a run away.
    let named = |folder: &Path| {
        let holder = describe(&mut File::open(folder.join(NAME)).ok()?)?;
        (!holder.is_gone()).then(|| holder.to_string())
    };
    let cells = std::fs::read_dir(root).into_iter().flatten().flatten();
    named(root).or_else(|| {
        cells
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("seed-"))
            .find_map(|entry| named(&entry.path()))
    })
}

fn opened(path: &Path) -> Result<File, RunDirError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(RunDirError::io("open the lock", path))
}

/// On a file system without locks, where what the files say must do.
fn unheld(root: &Path, before: Option<&Holder>) -> Result<(), RunDirError> {
    match before.filter(|holder| !holder.is_gone()) {
        Some(holder) => {
            let path = root.join(NAME);
            let hint = format!("{holder} (remove {} if it is gone)", path.display());
            Err(in_use(root, hint))
        }
        None => Ok(()),
    }
}

/// Who turned us away.
fn named(root: &Path, before: Option<Holder>) -> String {
    let found = before.map(|holder| holder.to_string());
    found
        .or_else(|| holder(root))
        .unwrap_or_else(|| "another process".to_owned())
}

fn in_use(root: &Path, holder: String) -> RunDirError {
    RunDirError::InUse {
        path: PathBuf::from(root),
        holder,
    }
}

fn describe(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn rewrite(file: &mut File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_a_second_learns_who() {
        let tmp = tempfile::tempdir().unwrap();
        assert_eq!(holder(tmp.path()), None);
        let lock = RunLock::take(tmp.path()).unwrap();
        assert_eq!(lock.left_by(), None);
        let who = format!("process {}", std::process::id());
        assert!(holder(tmp.path()).unwrap().contains(&who));
        let error = RunLock::take(tmp.path()).unwrap_err().to_string();
        assert!(error.contains(&who) && error.contains("--out"), "{error}");
        drop(lock);
        assert_eq!(holder(tmp.path()), None);
        assert_eq!(RunLock::take(tmp.path()).unwrap().left_by(), None);
    }

    #[test]
    fn the_lock_of_a_dead_process_is_taken_over() {
        let tmp = tempfile::tempdir().unwrap();
        let dead = Holder {
            pid: u32::MAX,
            ..Holder::this_process()
        };
        assert!(dead.is_gone() && !Holder::this_process().is_gone());
        let elsewhere = Holder {
            host: "elsewhere".to_owned(),
            ..Holder::this_process()
        };
        assert!(!elsewhere.is_gone());
        std::fs::write(tmp.path().join(NAME), serde_json::to_string(&dead).unwrap()).unwrap();
        assert_eq!(holder(tmp.path()), None);
        let lock = RunLock::take(tmp.path()).unwrap();
        assert!(lock.left_by().unwrap().contains("4294967295"));
    }

    #[test]
    fn a_description_that_is_none_is_passed_over() {
        let tmp = tempfile::tempdir().unwrap();
        for junk in ["", "{", "[[[[", "\0\0\0"] {
            std::fs::write(tmp.path().join(NAME), junk).unwrap();
            assert_eq!(RunLock::take(tmp.path()).unwrap().left_by(), None);
        }
    }
}
