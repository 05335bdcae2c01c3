//! The folder of one cell: its paths.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Ledger, RunDirError, RunLock, atomic, create_folder};
use crate::units::Phase;

/// The folder of states within phases.
const MIDWAY: &str = "midway";

/// The folder of one seed. Self-contained: any process that sees it can run the cell.
#[derive(Debug, Clone)]
pub struct CellDir {
    root: PathBuf,
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

    /// What the probes saw, one line per canary, phase and prefix.
    #[must_use]
    pub fn observations(&self) -> PathBuf {
        self.root.join("observations.jsonl")
    }

    /// What the probes saw beside the canaries' letters, one line per result.
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

    /// What was seen of copies that attackers fine-tuned, a line per attack.
    #[must_use]
    pub fn attacks(&self) -> PathBuf {
        self.root.join("attacks.jsonl")
    }

    pub(super) fn stages(&self) -> PathBuf {
        self.root.join("stages.json")
    }

    /// Opens the record of what is done here.
    ///
    /// Errors: it cannot be read.
    pub fn ledger(&self) -> Result<Ledger, RunDirError> {
        Ledger::open(self)
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
}

#[cfg(test)]
mod tests {
    use crate::run_dir::{RunDir, write_atomic};

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
