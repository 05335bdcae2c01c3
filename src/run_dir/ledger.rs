//! The record of what is done in a cell: `stages.json`, opened once, written after every stage.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{CellDir, RunDirError, atomic, write_atomic};
use crate::bounded;

/// A file and its digest when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256 then.
    pub sha256: String,
}

impl Recorded {
    /// Whether the file still is what it was.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        atomic::digest_file(&self.path).is_ok_and(|now| now == self.sha256)
    }
}

/// Stages of a cell, and the digests of the files that each left.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Stages {
    /// Stage name → file (relative to the cell) → sha256.
    stages: BTreeMap<String, BTreeMap<String, String>>,
}

/// The stages of one cell as they are on disk. Who writes to it holds the cell's lock.
#[derive(Debug)]
pub struct Ledger {
    root: PathBuf,
    path: PathBuf,
    stages: RefCell<Stages>,
}

impl Ledger {
    pub(super) fn open(dir: &CellDir) -> Result<Self, RunDirError> {
        let path = dir.stages();
        let stages = match bounded::read_text(&path, bounded::SMALL) {
            Ok(text) => {
                let unreadable = |message| RunDirError::Unreadable {
                    path: path.clone(),
                    message,
                };
                Stages::parse(&text).map_err(unreadable)?
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Stages::default(),
            Err(e) => return Err(super::refused(path, e)),
        };
        Ok(Self {
            root: dir.root().to_owned(),
            path,
            stages: RefCell::new(stages),
        })
    }

    /// Whether a stage is recorded as done with every file still as it was.
    ///
    /// Errors: a recorded file changed or is gone.
    pub fn is_done(&self, stage: &str) -> Result<bool, RunDirError> {
        let Some(files) = self.recorded(stage) else {
            return Ok(false);
        };
        match files.into_iter().find(|file| !file.is_unchanged()) {
            Some(file) => Err(RunDirError::Changed { path: file.path }),
            None => Ok(true),
        }
    }

    /// The files of a recorded stage; `None` where it is not recorded.
    #[must_use]
    pub fn recorded(&self, stage: &str) -> Option<Vec<Recorded>> {
        let stages = self.stages.borrow();
        let file = |(file, sha256): (&String, &String)| Recorded {
            path: self.root.join(file),
            sha256: sha256.clone(),
        };
        let files = stages.stages.get(stage)?;
        Some(files.iter().map(file).collect())
    }

    /// Digest of one recorded file, as `canaries.jsonl`.
    #[must_use]
    pub fn digest(&self, file: &str) -> Option<String> {
        let stages = self.stages.borrow();
        let mut all = stages.stages.values();
        all.find_map(|files| files.get(file).cloned())
    }

    /// The names of the recorded stages.
    #[must_use]
    pub fn stage_names(&self) -> Vec<String> {
        self.stages.borrow().stages.keys().cloned().collect()
    }

    /// Records a stage as done, with the digests of its files. Comes last, after they are written. What was recorded of the
    /// stage `over` is forgotten in the same moment.
    pub fn record(
        &self,
        stage: &str,
        files: &[PathBuf],
        over: Option<&str>,
    ) -> Result<(), RunDirError> {
        let digest = |path: &PathBuf| {
            let sha256 = atomic::digest_file(path).map_err(RunDirError::io("read", path))?;
            Ok(Recorded {
                path: path.clone(),
                sha256,
            })
        };
        let digests = files.iter().map(digest).collect::<Result<Vec<_>, _>>()?;
        self.record_digests(stage, digests, over)
    }

    /// Records a stage whose files' digests are known.
    pub fn record_digests(
        &self,
        stage: &str,
        files: Vec<Recorded>,
        over: Option<&str>,
    ) -> Result<(), RunDirError> {
        let mut stages = self.stages.borrow().clone();
        let mut digests = BTreeMap::new();
        for Recorded { path, sha256 } in files {
            let name = path.strip_prefix(&self.root).unwrap_or(&path);
            digests.insert(name.to_string_lossy().into_owned(), sha256);
        }
        // A file that a later stage rewrote is that stage's from now on.
        for earlier in stages.stages.values_mut() {
            earlier.retain(|file, _| !digests.contains_key(file));
        }
        if let Some(over) = over {
            stages.stages.remove(over);
        }
        stages.stages.insert(stage.to_owned(), digests);
        let json = serde_json::to_vec_pretty(&stages).map_err(|e| RunDirError::Unreadable {
            path: self.path.clone(),
            message: e.to_string(),
        })?;
        write_atomic(&self.path, &json)?;
        self.stages.replace(stages);
        Ok(())
    }
}

impl Stages {
    /// Reads a record; every file it names lies in the cell's folder.
    fn parse(text: &str) -> Result<Self, String> {
        let stages: Self =
            serde_json::from_str(text).map_err(|e| format!("not a record of stages: {e}"))?;
        let files = stages.stages.values().flat_map(BTreeMap::keys);
        for file in files {
            let plain = |part| matches!(part, Component::Normal(_));
            if file.is_empty() || !Path::new(file).components().all(plain) {
                return Err(format!(
                    "not a record of stages: {file:?} lies outside the folder"
                ));
            }
        }
        Ok(stages)
    }
}

/// Reads the text of a `stages.json`, for the tests of bad input: gives the number of its stages.
///
/// Errors: what is wrong with it.
pub fn parse_stages(text: &str) -> Result<usize, String> {
    Stages::parse(text).map(|stages| stages.stages.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::RunDir;

    #[test]
    fn a_stage_is_done_only_with_its_files_as_recorded() {
        let tmp = tempfile::tempdir().unwrap();
        let cell = RunDir::existing(tmp.path()).cell(3);
        cell.create().unwrap();
        let ledger = cell.ledger().unwrap();
        assert!(!ledger.is_done("phase 1").unwrap());
        write_atomic(&cell.metrics(), b"one").unwrap();
        ledger.record("phase 1", &[cell.metrics()], None).unwrap();
        assert!(ledger.is_done("phase 1").unwrap());
        write_atomic(&cell.metrics(), b"two").unwrap();
        assert!(matches!(
            ledger.is_done("phase 1"),
            Err(RunDirError::Changed { .. })
        ));
        ledger.record("phase 2", &[cell.metrics()], None).unwrap();
        assert!(ledger.is_done("phase 1").unwrap() && ledger.is_done("phase 2").unwrap());
        // What is on disk is what is in memory.
        let again = cell.ledger().unwrap();
        assert_eq!(*again.stages.borrow(), *ledger.stages.borrow());
    }

    #[test]
    fn a_record_names_files_of_its_own_folder_alone() {
        for file in ["/etc/passwd", "../canaries.jsonl", "a/../../b", ""] {
            let text = format!(r#"{{"stages":{{"phase-1":{{{file:?}:"00"}}}}}}"#);
            assert!(Stages::parse(&text).is_err(), "{file}");
        }
        let text = r#"{"stages":{"phase-1":{"checkpoints/phase-1/config.json":"00"}}}"#;
        assert_eq!(parse_stages(text), Ok(1));
    }
}
