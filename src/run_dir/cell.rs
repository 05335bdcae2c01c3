//! The folder of one cell: its paths, and the record of what is done.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{RunDirError, RunLock, atomic, create_folder, write_atomic};
use crate::bounded;
use crate::units::Phase;

/// The folder of states within phases.
const MIDWAY: &str = "midway";

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

/// The folder of one seed. Self-contained: any process that sees it can run the cell.
#[derive(Debug, Clone)]
pub struct CellDir {
    root: PathBuf,
}

/// Stages of a cell in order, and the digests of the files that each left.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Stages {
    /// Stage name → file (relative to the cell) → sha256.
    stages: BTreeMap<String, BTreeMap<String, String>>,
}

impl CellDir {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the cell was made with.
    #[must_use]
    pub fn provenance(&self) -> PathBuf {
        self.root.join("provenance.json")
    }

    /// Canaries of the seed.
    #[must_use]
    pub fn canaries(&self) -> PathBuf {
        self.root.join("canaries.jsonl")
    }

    /// A line an evaluation.
    #[must_use]
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// Per-canary log-likelihoods by evaluation.
    #[must_use]
    pub fn likelihoods(&self) -> PathBuf {
        self.root.join("likelihoods.safetensors")
    }

    /// What the probes saw, a line a canary, phase and prefix.
    #[must_use]
    pub fn observations(&self) -> PathBuf {
        self.root.join("observations.jsonl")
    }

    /// What the probes saw beside the canaries' letters, a line a look.
    #[must_use]
    pub fn looks(&self) -> PathBuf {
        self.root.join("looks.jsonl")
    }

    /// Log-probabilities of the training sequences under the reference.
    #[must_use]
    pub fn reference(&self) -> PathBuf {
        self.root.join("reference.safetensors")
    }

    /// The model as a phase left it, a Hugging Face folder.
    #[must_use]
    pub fn checkpoint(&self, phase: Phase) -> PathBuf {
        self.root.join("checkpoints").join(format!("phase-{phase}"))
    }

    /// A file of a phase that is not over, as `midway/phase-2-step-40.state.safetensors`.
    #[must_use]
    pub fn midway(&self, name: &str) -> PathBuf {
        self.root.join(MIDWAY).join(name)
    }

    /// A file that one stage leaves until the cell is whole, as `parts/phase-2.metrics.jsonl`.
    #[must_use]
    pub fn part(&self, stage: &str, name: &str) -> PathBuf {
        self.root.join("parts").join(format!("{stage}.{name}"))
    }

    fn stages_file(&self) -> PathBuf {
        self.root.join("stages.json")
    }

    /// Takes the cell's lock, and makes its folder. Who writes into a cell holds it.
    ///
    /// Errors: another process works on the cell.
    pub fn lock(&self) -> Result<RunLock, RunDirError> {
        create_folder(&self.root)?;
        RunLock::take(&self.root)
    }

    /// Makes the folder, and removes what a killed process left half-written.
    pub fn create(&self) -> Result<(), RunDirError> {
        create_folder(&self.root.join("parts"))?;
        atomic::sweep(&self.root);
        Ok(())
    }

    /// Whether a stage is recorded as done with every file still as it was.
    ///
    /// Errors: a recorded file changed or is gone.
    pub fn is_done(&self, stage: &str) -> Result<bool, RunDirError> {
        let Some(files) = self.recorded(stage)? else {
            return Ok(false);
        };
        match files.into_iter().find(|file| !file.is_unchanged()) {
            Some(file) => Err(RunDirError::Changed { path: file.path }),
            None => Ok(true),
        }
    }

    /// The files of a recorded stage; `None` where it is not recorded.
    pub fn recorded(&self, stage: &str) -> Result<Option<Vec<Recorded>>, RunDirError> {
        Ok(self.stages()?.stages.remove(stage).map(|files| {
            files
                .into_iter()
                .map(|(file, sha256)| Recorded {
                    path: self.root.join(file),
                    sha256,
                })
                .collect()
        }))
    }

    /// The names of the recorded stages.
    pub fn stage_names(&self) -> Result<Vec<String>, RunDirError> {
        Ok(self.stages()?.stages.into_keys().collect())
    }

    /// Records a stage as done, with the digests of its files. Comes last, after they are written. What was recorded of the
    /// stage `over` is forgotten in the same moment.
    pub fn record(
        &self,
        stage: &str,
        files: &[PathBuf],
        over: Option<&str>,
    ) -> Result<(), RunDirError> {
        let mut digests = Vec::new();
        for path in files {
            let sha256 = atomic::digest_file(path).map_err(RunDirError::io("read", path))?;
            digests.push(Recorded {
                path: path.clone(),
                sha256,
            });
        }
        self.record_digests(stage, digests, over)
    }

    /// The same with digests that are known.
    pub fn record_digests(
        &self,
        stage: &str,
        files: Vec<Recorded>,
        over: Option<&str>,
    ) -> Result<(), RunDirError> {
        let mut stages = self.stages()?;
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
            path: self.stages_file(),
            message: e.to_string(),
        })?;
        write_atomic(&self.stages_file(), &json)
    }

    /// Makes the folder of states within phases.
    pub fn create_midway(&self) -> Result<(), RunDirError> {
        create_folder(&self.root.join(MIDWAY))
    }

    /// Removes every file of `midway/` that `keep` does not name, and the folder where it is empty then.
    pub fn clear_midway(&self, keep: &[PathBuf]) -> Result<(), RunDirError> {
        let folder = self.root.join(MIDWAY);
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !keep.contains(&path) {
                atomic::remove(&path)?;
            }
        }
        if keep.is_empty() {
            // Something else in it, or none there: no harm.
            fs::remove_dir(&folder).ok();
        }
        Ok(())
    }

    /// Digest of one recorded file, as `canaries.jsonl`.
    pub fn recorded_digest(&self, file: &str) -> Result<Option<String>, RunDirError> {
        Ok(self
            .stages()?
            .stages
            .values()
            .find_map(|files| files.get(file).cloned()))
    }

    fn stages(&self) -> Result<Stages, RunDirError> {
        let path = self.stages_file();
        let text = match bounded::read_text(&path, bounded::SMALL) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Stages::default()),
            Err(e) => return Err(super::refused(path, e)),
        };
        Stages::parse(&text).map_err(|message| RunDirError::Unreadable { path, message })
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
        assert!(!cell.is_done("phase 1").unwrap());
        write_atomic(&cell.metrics(), b"one").unwrap();
        cell.record("phase 1", &[cell.metrics()], None).unwrap();
        assert!(cell.is_done("phase 1").unwrap());
        write_atomic(&cell.metrics(), b"two").unwrap();
        assert!(matches!(
            cell.is_done("phase 1"),
            Err(RunDirError::Changed { .. })
        ));
        cell.record("phase 2", &[cell.metrics()], None).unwrap();
        assert!(cell.is_done("phase 1").unwrap() && cell.is_done("phase 2").unwrap());
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

    #[test]
    fn midway_holds_what_is_kept_and_no_more() {
        let tmp = tempfile::tempdir().unwrap();
        let cell = RunDir::existing(tmp.path()).cell(0);
        cell.create_midway().unwrap();
        let [old, new] = ["old", "new"].map(|name| cell.midway(name));
        for path in [&old, &new] {
            write_atomic(path, b"x").unwrap();
        }
        cell.clear_midway(std::slice::from_ref(&new)).unwrap();
        assert!(new.exists() && !old.exists());
        cell.clear_midway(&[]).unwrap();
        assert!(!tmp.path().join("seed-0/midway").exists());
    }
}
