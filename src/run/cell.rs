//! One cell of a run: one seed's model trained through the phases, observed, and kept. Stages that are done are not repeated.

use std::path::PathBuf;

use super::midway::{self, Found, Keeper, Saved};
use super::record::Record;
use super::watch::Watching;
use super::{Setting, results, snapshots, survey};
use crate::audit::{
    AuditError, COMPLETE, numbers_from_file, numbers_to_bytes, observation_lines, result_lines,
    trajectories_from_bytes, trajectories_to_bytes,
};
use crate::bounded;
use crate::canary::{Corpus, Look, write_manifest};
use crate::checkpoint::Folder;
use crate::event::{Event, Observer};
use crate::model::Model;
use crate::probes::{ProbeError, Survey};
use crate::run_dir::{CellDir, Ledger, RunDirError, sha256_hex, write_atomic, write_private};
use crate::score::Scorer;
use crate::training::{Batches, PhasePlan, run_phase};
use crate::units::Phase;

/// Rows scored between two signs of life.
const REFERENCE_CHUNK: usize = 2048;

/// Tensor name in `reference.safetensors`.
const REFERENCE: &str = "summed_logprobs";

/// Says that a seed needs nothing more.
pub(super) fn kept(seed: u64) -> String {
    format!("seed {seed}: complete, kept")
}

/// Runs what is missing of one seed.
pub(super) fn run(
    setting: &Setting<'_>,
    seed: u64,
    observer: &mut dyn Observer,
) -> Result<(), AuditError> {
    let dir = setting.dir.cell(seed);
    if dir.ledger()?.is_done(COMPLETE)? {
        observer.event(&Event::Note(&kept(seed)));
        return Ok(());
    }
    let lock = dir.lock()?;
    if let Some(holder) = lock.left_by() {
        observer.event(&Event::Note(&format!(
            "seed {seed} was left by {holder}, which ended in the middle of it"
        )));
    }
    // Another process may have completed it in between: what is done is read once more, under the lock.
    let ledger = dir.ledger()?;
    if ledger.is_done(COMPLETE)? {
        observer.event(&Event::Note(&kept(seed)));
        return Ok(());
    }
    dir.create()?;
    let record = Record::begin(setting, seed)?;
    let result = plant(setting, seed, dir, &ledger, observer);
    // What was spent is told even of a cell that stopped; why it stopped matters more than that this cannot be told.
    match result {
        Ok(()) => record.end(&ledger, true),
        Err(error) => {
            let _ = record.end(&ledger, false);
            Err(error)
        }
    }
}

fn plant(
    setting: &Setting<'_>,
    seed: u64,
    dir: CellDir,
    ledger: &Ledger,
    observer: &mut dyn Observer,
) -> Result<(), AuditError> {
    let corpus = Corpus::new(setting.audit, seed)?;
    let manifest = write_manifest(&corpus.planting, &setting.base.book)?;
    if !ledger.is_done("canaries")? {
        write_private(&dir.canaries(), manifest.as_bytes())?;
        ledger.record("canaries", &[dir.canaries()], None)?;
    } else if ledger.digest("canaries.jsonl") != Some(sha256_hex(manifest.as_bytes())) {
        return Err(RunDirError::OtherRun {
            path: setting.dir.root().to_owned(),
            what: format!("the canaries of seed {seed}"),
        }
        .into());
    }
    let mut cell = Running {
        setting,
        seed,
        dir,
        ledger,
        corpus: &corpus,
        survey: survey(setting.audit, &setting.base, &corpus.planting, seed),
        model: None,
        last_good: None,
    };
    cell.phases(observer)?;
    cell.complete()
}

struct Running<'a> {
    setting: &'a Setting<'a>,
    seed: u64,
    dir: CellDir,
    ledger: &'a Ledger,
    corpus: &'a Corpus<'a>,
    survey: Survey<'a>,
    /// The model as the last stage left it; loaded when first needed.
    model: Option<Model>,
    last_good: Option<PathBuf>,
}

fn stage(phase: Phase) -> String {
    format!("phase-{phase}")
}

impl Running<'_> {
    fn phases(&mut self, observer: &mut dyn Observer) -> Result<(), AuditError> {
        let (audit, book, corpus) = (self.setting.audit, &self.setting.base.book, self.corpus);
        if !audit.phase1.skip {
            let batches = Batches::fine_tuning(audit, book, corpus.fine_tuning()?);
            self.phase(Phase::One, &batches, observer)?;
        }
        let reference = self.reference(observer)?;
        if !audit.phase2.skip {
            let batches = Batches::dpo(audit, book, corpus.pairs(Phase::Two), &reference);
            self.phase(Phase::Two, &batches, observer)?;
        }
        if !audit.phase3.skip {
            let (pairs, known) = (corpus.pairs(Phase::Three), &corpus.planting.useful);
            let batches = Batches::joint(audit, book, &corpus.text, pairs, known, &reference)?;
            self.phase(Phase::Three, &batches, observer)?;
        }
        Ok(())
    }

    /// The model as it stands: in memory, else from the last stage's checkpoint, else as the audit began.
    fn model(&mut self) -> Result<&mut Model, AuditError> {
        let model = if let Some(model) = self.model.take() {
            model
        } else {
            let (device, arithmetic) = (self.setting.device, self.setting.arithmetic);
            match &self.last_good {
                Some(path) => Model::load(&Folder::open(path)?, device, arithmetic)?,
                None => self.setting.base.model(self.seed, device, arithmetic)?,
            }
        };
        Ok(self.model.insert(model))
    }

    /// Runs a phase, or takes note that it is done.
    fn phase(
        &mut self,
        phase: Phase,
        batches: &Batches<'_>,
        observer: &mut dyn Observer,
    ) -> Result<(), AuditError> {
        let stage = stage(phase);
        let checkpoint = self.dir.checkpoint(phase);
        if self.ledger.is_done(&stage)? {
            observer.event(&Event::Note(&format!(
                "seed {}: phase {phase} is done, kept",
                self.seed
            )));
            self.last_good = Some(checkpoint);
            self.model = None;
            return Ok(());
        }
        let audit = self.setting.audit;
        let plan = PhasePlan::of(audit, phase, audit.steps(phase));
        let label = format!("seed {} · phase {phase}", self.seed);
        observer.event(&Event::Started {
            label: &label,
            total: plan.steps as u64,
            unit: "steps",
        });
        let (seed, last_good_checkpoint) = (self.seed, self.last_good.clone());
        let (survey, dir, ledger) = (self.survey, self.dir.clone(), self.ledger);
        let saved = self.saved(phase, observer);
        let first = saved.as_ref().map_or(0, |saved| saved.place.next);
        let keeper = Keeper::new(&dir, ledger, phase, audit.checkpoint_every, first);
        let mut watching = Watching::new(phase, &survey, batches, keeper, saved);
        run_phase(self.model()?, &plan, &mut watching, observer).map_err(|source| {
            AuditError::Training {
                seed,
                source,
                last_good_checkpoint,
            }
        })?;
        observer.event(&Event::Finished);
        let Watching {
            trajectory,
            metrics,
            ..
        } = watching;
        let likeness = &self.setting.base.likeness;
        let mut files = self.model()?.save(likeness, &checkpoint)?;
        let likelihoods =
            trajectories_to_bytes(&[trajectory]).map_err(|message| self.unwritable(message))?;
        files.push(self.write_part(&stage, "likelihoods.safetensors", &likelihoods)?);
        files.push(self.write_part(&stage, "metrics.jsonl", metrics.as_bytes())?);
        if phase != Phase::One {
            let observations = self.observe(phase)?;
            files.push(self.write_part(&stage, "observations.jsonl", observations.as_bytes())?);
            let (base, device) = (&self.setting.base, self.setting.device);
            let reference = self.dir.checkpoint(Phase::One);
            let seen = results(&survey, self.model()?, phase, (base, device), &reference)?;
            files.push(self.write_part(&stage, "looks.jsonl", result_lines(&seen).as_bytes())?);
        }
        midway::finish(&self.dir, self.ledger, &stage, &files)?;
        self.last_good = Some(checkpoint);
        Ok(())
    }

    /// Where an earlier process left a phase, where it did.
    fn saved(&self, phase: Phase, observer: &mut dyn Observer) -> Option<Box<Saved>> {
        let seed = self.seed;
        let (saved, note) = match midway::find(self.ledger, phase) {
            Found::Nothing => return None,
            Found::Damaged(why) => (
                None,
                format!(
                    "seed {seed}: the saved state of phase {phase} is of no use ({why}); the phase begins again"
                ),
            ),
            Found::State(saved) => {
                let next = saved.place.next;
                (
                    Some(saved),
                    format!("seed {seed}: resumed at phase {phase} step {next}"),
                )
            }
        };
        observer.event(&Event::Note(&note));
        saved
    }

    /// Summed log-probabilities of every training sequence of the pairs under the reference: once for each distinct one.
    fn reference(&mut self, observer: &mut dyn Observer) -> Result<Vec<f32>, AuditError> {
        let path = self.dir.reference();
        if self.ledger.is_done("reference")? {
            return numbers_from_file(REFERENCE, &path);
        }
        let rows = (self.corpus.pairs(Phase::Two)).reference_rows(&self.setting.base.book);
        let label = format!("seed {} · reference", self.seed);
        observer.event(&Event::Started {
            label: &label,
            total: rows.len() as u64,
            unit: "sequences",
        });
        let mut sums = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(REFERENCE_CHUNK) {
            if observer.interrupted() {
                return Err(AuditError::Interrupted);
            }
            let scores = self.model()?.score(chunk, &[]);
            let scores = scores.map_err(ProbeError::from)?;
            sums.extend(scores.iter().map(|s| s.logprobs.iter().sum::<f32>()));
            observer.event(&Event::Advanced {
                done: sums.len() as u64,
                state: "",
            });
        }
        let bytes = numbers_to_bytes(REFERENCE, &sums).map_err(|m| self.unwritable(m))?;
        write_atomic(&path, &bytes)?;
        let observations = self.observe(Phase::One)?;
        let part = self.write_part("reference", "observations.jsonl", observations.as_bytes())?;
        self.ledger.record("reference", &[path, part], None)?;
        observer.event(&Event::Finished);
        Ok(sums)
    }

    /// All canaries under both prefixes as lines, with the model as `phase` left it.
    fn observe(&mut self, phase: Phase) -> Result<String, AuditError> {
        let survey = self.survey;
        let canaries = survey.canaries(Look::PhaseEnd);
        let snapshots = snapshots(&survey, self.model()?, phase)?;
        let lines = snapshots
            .iter()
            .map(|one| observation_lines(one, &canaries));
        Ok(lines.collect())
    }

    fn write_part(&self, stage: &str, name: &str, bytes: &[u8]) -> Result<PathBuf, AuditError> {
        let path = self.dir.part(stage, name);
        write_atomic(&path, bytes)?;
        Ok(path)
    }

    fn unwritable(&self, message: String) -> AuditError {
        RunDirError::Unreadable {
            path: self.dir.root().to_owned(),
            message,
        }
        .into()
    }

    /// Joins the parts of all stages into the cell's own files.
    fn complete(self) -> Result<(), AuditError> {
        let audit = self.setting.audit;
        let trained: Vec<String> = Phase::ALL
            .into_iter()
            .filter(|&p| !audit.skips(p))
            .map(stage)
            .collect();
        let read = |stage: &str, name: &str| {
            let path = self.dir.part(stage, name);
            bounded::read_file(&path, bounded::LARGE).map_err(|source| RunDirError::Io {
                doing: "read",
                path,
                source,
            })
        };
        let mut metrics = Vec::new();
        let mut trajectories = Vec::new();
        let mut observations = read("reference", "observations.jsonl")?;
        let mut looks = Vec::new();
        for stage in &trained {
            metrics.extend(read(stage, "metrics.jsonl")?);
            let path = self.dir.part(stage, "likelihoods.safetensors");
            let bytes = read(stage, "likelihoods.safetensors")?;
            trajectories.extend(trajectories_from_bytes(&bytes, &path)?);
            if *stage != self::stage(Phase::One) {
                observations.extend(read(stage, "observations.jsonl")?);
                looks.extend(read(stage, "looks.jsonl")?);
            }
        }
        let likelihoods = trajectories_to_bytes(&trajectories).map_err(|m| self.unwritable(m))?;
        write_atomic(&self.dir.metrics(), &metrics)?;
        write_atomic(&self.dir.observations(), &observations)?;
        write_atomic(&self.dir.looks(), &looks)?;
        write_atomic(&self.dir.likelihoods(), &likelihoods)?;
        let files = [
            self.dir.metrics(),
            self.dir.observations(),
            self.dir.looks(),
            self.dir.likelihoods(),
        ];
        Ok(midway::finish(&self.dir, self.ledger, COMPLETE, &files)?)
    }
}
