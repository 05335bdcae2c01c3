//! The run directory: its paths, and files that are written whole or not at all. Does not know what the files mean.

mod atomic;
mod provenance;

pub use atomic::{digest_file, hex, sha256_hex, write_atomic, write_private};
pub use provenance::{CellProvenance, Provenance, processor, rfc3339};

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::units::Phase;

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The folder holds a run of another spec.
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
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunDir {
    root: PathBuf,
}

impl RunDir {
    /// Opens the folder for a run of `spec`: makes it where it is absent or empty, continues where it holds the same spec.
    ///
    /// Errors: the folder holds another run, or something that is no run. Nothing is written then.
    pub fn open(root: &Path, spec: &str) -> Result<Self, RunDirError> {
        let dir = Self {
            root: root.to_owned(),
        };
        match fs::read_to_string(dir.spec()) {
            Ok(found) if found == spec => Ok(dir),
            Ok(found) => Err(RunDirError::OtherRun {
                path: root.to_owned(),
                what: first_difference(&found, spec),
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                if is_occupied(root)? {
                    // Another process may have begun the same run in between.
                    return match fs::read_to_string(dir.spec()) {
                        Ok(found) if found == spec => Ok(dir),
                        _ => Err(RunDirError::NotARun {
                            path: root.to_owned(),
                        }),
                    };
                }
                fs::create_dir_all(root).map_err(RunDirError::io("create the folder", root))?;
                write_atomic(&dir.spec(), spec.as_bytes())?;
                Ok(dir)
            }
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => Err(RunDirError::NotAFolder {
                path: root.to_owned(),
            }),
            Err(source) => Err(RunDirError::Io {
                doing: "read",
                path: dir.spec(),
                source,
            }),
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
        fs::create_dir_all(&plots).map_err(RunDirError::io("create the folder", &plots))
    }

    /// The folder of one seed.
    #[must_use]
    pub fn cell(&self, seed: u64) -> CellDir {
        CellDir {
            root: self.root.join(format!("seed-{seed}")),
        }
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

    /// A file that one stage leaves until the cell is whole, as `parts/phase-2.metrics.jsonl`.
    #[must_use]
    pub fn part(&self, stage: &str, name: &str) -> PathBuf {
        self.root.join("parts").join(format!("{stage}.{name}"))
    }

    fn stages_file(&self) -> PathBuf {
        self.root.join("stages.json")
    }

    /// Makes the folder.
    pub fn create(&self) -> Result<(), RunDirError> {
        let parts = self.root.join("parts");
        fs::create_dir_all(&parts).map_err(RunDirError::io("create the folder", &parts))
    }

    /// Whether a stage is recorded as done with every file still as it was.
    ///
    /// Errors: a recorded file changed or is gone.
    pub fn is_done(&self, stage: &str) -> Result<bool, RunDirError> {
        let stages = self.stages()?;
        let Some(files) = stages.stages.get(stage) else {
            return Ok(false);
        };
        for (file, digest) in files {
            let path = self.root.join(file);
            if atomic::digest_file(&path).ok().as_ref() != Some(digest) {
                return Err(RunDirError::Changed { path });
            }
        }
        Ok(true)
    }

    /// Records a stage as done, with the digests of its files. Comes last, after they are written.
    pub fn record(&self, stage: &str, files: &[PathBuf]) -> Result<(), RunDirError> {
        let mut stages = self.stages()?;
        let mut digests = BTreeMap::new();
        for path in files {
            let digest = atomic::digest_file(path).map_err(RunDirError::io("read", path))?;
            let name = path.strip_prefix(&self.root).unwrap_or(path);
            digests.insert(name.to_string_lossy().into_owned(), digest);
        }
        // A file that a later stage rewrote is that stage's from now on.
        for earlier in stages.stages.values_mut() {
            earlier.retain(|file, _| !digests.contains_key(file));
        }
        stages.stages.insert(stage.to_owned(), digests);
        let json = serde_json::to_vec_pretty(&stages).map_err(|e| RunDirError::Unreadable {
            path: self.stages_file(),
            message: e.to_string(),
        })?;
        write_atomic(&self.stages_file(), &json)
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
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| RunDirError::Unreadable {
                path,
                message: format!("not a record of stages: {e}"),
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Stages::default()),
            Err(source) => Err(RunDirError::Io {
                doing: "read",
                path,
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
