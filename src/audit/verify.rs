//! A finished run held against its own records: digests, reports made again, and on request the observations made again.

use std::collections::BTreeMap;
use std::path::Path;

use super::base::Base;
use super::looks::{Before, Looking};
use super::plant::Corpus;
use super::{AuditError, baseline, cell, record, reports, store};
use crate::bounded;
use crate::canary::write_manifest;
use crate::checkpoint::Folder;
use crate::device::{self, Arithmetic, Device};
use crate::event::{Event, Observer};
use crate::model::Model;
use crate::probes::{CellObservations, Look, Snapshot};
use crate::report::{plots, render};
use crate::run_dir::{Provenance, RunDir, RunDirError, holder, refused, sha256_hex};
use crate::spec::{Audit, parse};
use crate::units::Phase;

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

/// Verifies the run in `root`. `rerun`: also makes the observations again, on this device, from the saved checkpoints.
///
/// Errors: the folder holds no run, or its records cannot be read, or a process works on it. What differs is no error.
pub fn verify(
    root: &Path,
    rerun: Option<Device>,
    observer: &mut dyn Observer,
) -> Result<Verified, AuditError> {
    let dir = RunDir::existing(root);
    if let Some(holder) = holder(root) {
        let path = root.to_owned();
        return Err(RunDirError::InUse { path, holder }.into());
    }
    let text = bounded::read_text(&dir.spec(), bounded::SMALL).map_err(|e| missing(&dir, e))?;
    let audit = parse(&text, &dir.spec(), &[])?;
    let before = record::read(&dir.provenance())?;
    let before = before.ok_or_else(|| missing(&dir, std::io::ErrorKind::NotFound.into()))?;
    let mut found = Verified::default();
    found.hold(
        sha256_hex(text.as_bytes()) == before.spec_sha256,
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
        found.cell(&dir, seed, &before)?;
    }
    if all_recorded(&audit, &dir)? {
        found.reports(&audit, &dir, &before)?;
    } else {
        found
            .notes
            .push("the run is not complete: no report can be made of it".to_owned());
    }
    let base = found.base(&audit, &before);
    if let Some(device) = rerun {
        let Some(base) = base else {
            found.notes.push(
                "the observations were not made again: they need the model that the run began with"
                    .to_owned(),
            );
            return Ok(found);
        };
        // As many threads as then: another number adds in another order.
        let _ = device::set_threads(audit.threads.or(Some(before.threads)));
        let rerun = Rerun {
            audit: &audit,
            dir: &dir,
            base: &base,
            device,
        };
        for &seed in &audit.seeds {
            rerun.seed(seed, &mut found, observer)?;
        }
    }
    Ok(found)
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
        if dir.cell(seed).recorded(cell::COMPLETE)?.is_none() {
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
        let cell = dir.cell(seed);
        for stage in cell.stage_names()? {
            for file in cell.recorded(&stage)?.unwrap_or_default() {
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
            && cell.recorded_digest("canaries.jsonl")?.as_ref() != Some(digest)
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
        let baseline = match baseline::read(audit) {
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
        let report = match reports::judged(audit, dir, before, baseline.as_ref()) {
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
        for (name, format) in reports::REPORTS {
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

/// What observations are made again with.
struct Rerun<'a> {
    audit: &'a Audit,
    dir: &'a RunDir,
    base: &'a Base,
    device: Device,
}

impl Rerun<'_> {
    fn seed(
        &self,
        seed: u64,
        found: &mut Verified,
        observer: &mut dyn Observer,
    ) -> Result<(), AuditError> {
        let cell = self.dir.cell(seed);
        let book = &self.base.book;
        let corpus = Corpus::new(self.audit, book, seed)?;
        let manifest = write_manifest(&corpus.planting, book)?;
        if cell.recorded_digest("canaries.jsonl")? != Some(sha256_hex(manifest.as_bytes())) {
            found
                .differences
                .push(format!("seed {seed}: other canaries are drawn now"));
            return Ok(());
        }
        let phases: Vec<Phase> = Phase::ALL
            .into_iter()
            .filter(|&phase| phase == Phase::One || !self.audit.skips(phase))
            .collect();
        observer.event(&Event::Started {
            label: &format!("seed {seed} · probing again"),
            total: phases.len() as u64,
            unit: "checkpoints",
        });
        let CellObservations {
            snapshots, looks, ..
        } = store::read_cell(&cell, seed)?;
        // Observations are made in float32, whatever the model trained in.
        let mut model = self.base.model(seed, self.device, Arithmetic::F32)?;
        for (done, &phase) in phases.iter().enumerate() {
            if observer.interrupted() {
                return Err(AuditError::Interrupted);
            }
            if !self.audit.skips(phase) {
                model.read_weights(&Folder::open(&cell.checkpoint(phase))?)?;
            }
            let lines = cell::observe(&corpus, &mut model, phase)?;
            for now in store::read_snapshots(&lines, &cell.observations())? {
                found.snapshot(seed, &now, &snapshots);
            }
            if phase != Phase::One {
                let now = self.looks(&corpus, &mut model, seed, phase)?;
                let before: Vec<&Look> = looks.iter().filter(|l| l.phase() == phase).collect();
                found.looks(seed, phase, &now, &before);
            }
            observer.event(&Event::Advanced {
                done: done as u64 + 1,
                state: "",
            });
        }
        observer.event(&Event::Finished);
        Ok(())
    }

    /// What the probes beside the snapshots see now, as it would be read again.
    fn looks(
        &self,
        corpus: &Corpus<'_>,
        model: &mut Model,
        seed: u64,
        phase: Phase,
    ) -> Result<Vec<Look>, AuditError> {
        let cell = self.dir.cell(seed);
        let reference = cell.checkpoint(Phase::One);
        let looking = Looking {
            audit: self.audit,
            book: &self.base.book,
            corpus,
            seed,
            phase,
            context: &[],
        };
        let reference = (!self.audit.skips(Phase::One))
            .then(|| Folder::open(&reference))
            .transpose()?;
        let before = || Before::load(self.base, seed, self.device, reference.as_ref());
        let looks = model.strictly(|model| looking.all(model, before))?;
        store::read_looks(&store::look_lines(&looks), &cell.looks())
    }
}

impl Verified {
    /// Holds the looks of a phase against the recorded ones.
    fn looks(&mut self, seed: u64, phase: Phase, now: &[Look], before: &[&Look]) {
        let place = format!("seed {seed}, phase {phase}");
        *self.observations.get_or_insert(0) += now.len();
        let differing = now.iter().zip(before).filter(|(a, b)| a != *b).count();
        if now.len() != before.len() {
            self.differences
                .push(format!("{place}: another number of looks was recorded"));
        } else if differing > 0 {
            self.differences.push(format!(
                "{place}: {differing} of {} looks differ",
                now.len()
            ));
        }
    }

    /// Holds a snapshot made now against the recorded one of its phase and prefix.
    fn snapshot(&mut self, seed: u64, now: &Snapshot, recorded: &[Snapshot]) {
        let (phase, prefix) = (now.phase, now.prefix.name());
        let place = format!("seed {seed}, phase {phase}, prefix {prefix}");
        let same = |s: &&Snapshot| s.phase == phase && s.prefix == now.prefix;
        let Some(before) = recorded.iter().find(same) else {
            self.differences
                .push(format!("{place}: no observations were recorded"));
            return;
        };
        let (mut canaries, mut differing, mut largest) = (0, 0, 0.0_f64);
        let mut sizes = BTreeMap::new();
        for (group, scores) in &now.groups {
            let old = before.group(*group);
            sizes.insert(*group, (old.len(), scores.len()));
            for (now, old) in scores.iter().zip(old) {
                canaries += 1;
                if now != old {
                    differing += 1;
                    let pairs = now.logprobs.iter().zip(&old.logprobs);
                    largest = pairs.fold(largest, |most, (a, b)| most.max((a - b).abs()));
                }
            }
        }
        *self.observations.get_or_insert(0) += canaries;
        if sizes.values().any(|(old, new)| old != new) || now.groups.len() != before.groups.len() {
            self.differences
                .push(format!("{place}: another number of canaries was recorded"));
        } else if differing > 0 {
            self.differences.push(format!(
                "{place}: {differing} of {canaries} canaries differ, by at most {largest:.1e} nats per token"
            ));
        }
    }
}
