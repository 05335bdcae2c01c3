//! The observations of a finished run, made again from its saved checkpoints.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Opened, Verified};
use crate::audit::{AuditError, Base, read_cell, read_results, result_lines};
use crate::canary::{draw_canaries, write_manifest};
use crate::checkpoint::Folder;
use crate::device::{self, Arithmetic, Device};
use crate::event::{Event, Observer};
use crate::probes::{ProbeResult, Snapshot};
use crate::run::{results, snapshots, survey};
use crate::run_dir::{RunDir, sha256_hex};
use crate::spec::Audit;
use crate::units::Phase;

/// Verifies the run in `root`, and makes its observations again on `device`.
///
/// Errors: as for [`verify`](super::verify); the model cannot be run; the observer asks to stop.
pub fn verify_and_rerun(
    root: &Path,
    device: Device,
    observer: &mut dyn Observer,
) -> Result<Verified, AuditError> {
    let opened = Opened::open(root)?;
    let (mut found, base) = opened.verify()?;
    let Some(base) = base else {
        found.notes.push(
            "the observations were not made again: they need the model that the run began with"
                .to_owned(),
        );
        return Ok(found);
    };
    base.check_weights()?;
    // As many threads as then: another number adds in another order.
    let _ = device::set_threads(opened.audit.threads.or(Some(opened.before.threads)));
    let rerun = Rerun {
        audit: &opened.audit,
        dir: &opened.dir,
        base: &base,
        device,
    };
    for &seed in &opened.audit.seeds {
        rerun.seed(seed, &mut found, observer)?;
    }
    Ok(found)
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
        let planting = draw_canaries(self.audit, seed)?;
        let manifest = write_manifest(&planting, book)?;
        if cell.ledger()?.digest("canaries.jsonl") != Some(sha256_hex(manifest.as_bytes())) {
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
        let recorded = read_cell(&cell, seed)?;
        let survey = survey(self.audit, self.base, &planting, seed);
        // Observations are made in float32, whatever the model trained in.
        let mut model = self.base.model(seed, self.device, Arithmetic::F32)?;
        for (done, &phase) in phases.iter().enumerate() {
            if observer.interrupted() {
                return Err(AuditError::Interrupted);
            }
            if !self.audit.skips(phase) {
                model.read_weights(&Folder::open(&cell.checkpoint(phase))?)?;
            }
            for now in snapshots(&survey, &mut model, phase)? {
                found.snapshot(seed, &now, &recorded.snapshots);
            }
            if phase != Phase::One {
                let (from, reference) = ((self.base, self.device), cell.checkpoint(Phase::One));
                let now = results(&survey, &mut model, phase, from, &reference)?;
                // As they would be read again.
                let now = read_results(&result_lines(&now), &cell.looks())?;
                let of_phase = |one: &&ProbeResult| one.phase() == phase;
                let before: Vec<&ProbeResult> = recorded.results.iter().filter(of_phase).collect();
                found.results(seed, phase, &now, &before);
            }
            observer.event(&Event::Advanced {
                done: done as u64 + 1,
                state: "",
            });
        }
        observer.event(&Event::Finished);
        Ok(())
    }
}

impl Verified {
    /// Holds what the probes saw after a phase against what is recorded.
    fn results(&mut self, seed: u64, phase: Phase, now: &[ProbeResult], before: &[&ProbeResult]) {
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
