//! A finished run held against its own records: digests, reports made again, and on request the observations made again.

#[cfg(feature = "torch")]
mod rerun;

use std::path::Path;

use crate::audit::{AuditError, Base, Baseline, COMPLETE, REPORTS, judged, read_provenance};
use crate::bounded;
use crate::report::{plots, render};
use crate::run_dir::{Provenance, RunDir, RunDirError, holder, refused, sha256_hex};
use crate::spec::{Audit, parse};
#[cfg(feature = "torch")]
pub use rerun::verify_and_rerun;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Files that were held against a digest or made again.
    pub files: usize,
    /// Observations that were made again; `None` where that was not asked for.
    pub observations: Option<usize>,
    /// What differs, a sentence each.
    pub differences: Vec<String>,
    /// What could not be looked at, a sentence each.
    pub notes: Vec<String>,
}

/// Verifies the run, or the probe, in `root`.
///
/// Errors: the folder holds neither, or its records cannot be read, or a process works on it. What differs is no error.
pub fn verify(root: &Path) -> Result<Verified, AuditError> {
    Ok(Opened::open(root)?.verify()?.0)
}

/// A run or a probe whose records could be read.
struct Opened {
    dir: RunDir,
    audit: Audit,
    /// What it was made with.
    before: Provenance,
    spec_sha256: String,
}

impl Opened {
    fn open(root: &Path) -> Result<Self, AuditError> {
        let dir = RunDir::existing(root);
        if let Some(holder) = holder(root) {
            let path = root.to_owned();
            return Err(RunDirError::InUse { path, holder }.into());
        }
        let text = bounded::read_text(&dir.spec(), bounded::SMALL).map_err(|e| missing(&dir, e))?;
        let before = read_provenance(&dir.provenance())?;
        Ok(Self {
            audit: parse(&text, &dir.spec(), &[])?,
            before: before.ok_or_else(|| missing(&dir, std::io::ErrorKind::NotFound.into()))?,
            spec_sha256: sha256_hex(text.as_bytes()),
            dir,
        })
    }

    /// What was found, and the model that a run began with, where it is still there.
    fn verify(&self) -> Result<(Verified, Option<Base>), AuditError> {
        let Self {
            dir, audit, before, ..
        } = self;
        let mut found = Verified::default();
        found.hold(
            self.spec_sha256 == before.spec_sha256,
            "spec.toml is not the spec that provenance.json names",
        );
        if before.unsaid != env!("CARGO_PKG_VERSION") {
            found.notes.push(format!(
                "the run was made by unsaid {}, this is {}",
                before.unsaid,
                env!("CARGO_PKG_VERSION")
            ));
        }
        for &seed in &audit.seeds {
            found.cell(dir, seed, before)?;
        }
        if all_recorded(audit, dir)? {
            found.reports(audit, dir, before)?;
        } else {
            found
                .notes
                .push("the run is not complete: no report can be made of it".to_owned());
        }
        let base = if before.probe.is_none() {
            found.base(audit, before)
        } else {
            found.notes.push(
                "the model was not checked: a probe's folder does not say where it lies".to_owned(),
            );
            None
        };
        Ok((found, base))
    }
}

fn missing(dir: &RunDir, source: std::io::Error) -> AuditError {
    if source.kind() != std::io::ErrorKind::NotFound {
        return refused(dir.spec(), source).into();
    }
    RunDirError::Missing {
        path: dir.root().to_owned(),
        missing: "run (spec.toml and provenance.json)".to_owned(),
        hint: "give the folder of a run (unsaid run SPEC --out DIR)",
    }
    .into()
}

/// As `all_complete`, but a changed file is a difference and no error.
fn all_recorded(audit: &Audit, dir: &RunDir) -> Result<bool, AuditError> {
    for &seed in &audit.seeds {
        if dir.cell(seed).ledger()?.recorded(COMPLETE).is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Verified {
    fn hold(&mut self, is_same: bool, otherwise: &str) {
        self.files += 1;
        if !is_same {
            self.differences.push(otherwise.to_owned());
        }
    }

    /// The recorded files of one seed.
    fn cell(&mut self, dir: &RunDir, seed: u64, before: &Provenance) -> Result<(), AuditError> {
        let ledger = dir.cell(seed).ledger()?;
        for stage in ledger.stage_names() {
            for file in ledger.recorded(&stage).unwrap_or_default() {
                let name = file.path.strip_prefix(dir.root()).unwrap_or(&file.path);
                let what = if file.path.exists() {
                    "changed after it was recorded"
                } else {
                    "is gone"
                };
                self.hold(
                    file.is_unchanged(),
                    &format!("{} {what} ({stage})", name.display()),
                );
            }
        }
        if let Some(digest) = before.manifest_sha256.get(&format!("seed-{seed}"))
            && ledger.digest("canaries.jsonl").as_ref() != Some(digest)
        {
            self.differences.push(format!(
                "seed {seed}: stages.json and provenance.json name different canaries"
            ));
        }
        Ok(())
    }

    /// Every report, against one made now from the cells.
    fn reports(
        &mut self,
        audit: &Audit,
        dir: &RunDir,
        before: &Provenance,
    ) -> Result<(), AuditError> {
        let baseline = match Baseline::read(audit) {
            Ok(baseline) => baseline,
            Err(e) => {
                self.notes
                    .push(format!("the reports were not made again: {e}"));
                return Ok(());
            }
        };
        if baseline.as_ref().map(|b| &b.sha256) != before.baseline_sha256.as_ref() {
            self.notes.push(
                "the reports were not made again: the run that gate.baseline names has another report now"
                    .to_owned(),
            );
            return Ok(());
        }
        let report = match judged(audit, dir, before, baseline.as_ref()) {
            Ok(report) => report,
            Err(e) => {
                self.differences
                    .push(format!("no report can be made from the cells: {e}"));
                return Ok(());
            }
        };
        for plot in plots(&report)? {
            self.made(&dir.plot(&plot.name), dir, &plot.svg);
        }
        for (name, format) in REPORTS {
            let made = render(&report, format, 80, false)?;
            self.made(&dir.report(name), dir, &made);
        }
        Ok(())
    }

    /// A file of a report, against its text made now.
    fn made(&mut self, path: &Path, dir: &RunDir, made: &str) {
        let found = bounded::read_text(path, bounded::LARGE);
        let name = path.strip_prefix(dir.root()).unwrap_or(path);
        self.hold(
            found.is_ok_and(|found| found == made),
            &format!("{} is not what the cells give", name.display()),
        );
    }

    /// The model that the run began with, where it is still there.
    fn base(&mut self, audit: &Audit, before: &Provenance) -> Option<Base> {
        let found = Base::find_here(audit).and_then(|base| Ok((base.digests()?, base)));
        match found {
            Ok((now, base)) => {
                for (name, digest) in &before.checkpoint_sha256 {
                    self.hold(
                        now.get(name) == Some(digest),
                        &format!("the checkpoint's {name} is not the one that the run began with"),
                    );
                }
                Some(base)
            }
            Err(e) => {
                self.notes.push(format!("the model was not checked: {e}"));
                None
            }
        }
    }
}
