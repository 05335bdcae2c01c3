//! Phase 3 as an attack on a model that was trained elsewhere: a copy is fine-tuned to say the useful canaries that the attacker
//! knows, after the reverse prefix, while the held-outs are watched.
//!
//! No term holds a held-out or a control: what is rejected are the known canaries, what is chosen is random text of our own. The
//! policy that the DPO term starts from is the audited model itself, which the attacker has. Who knows no canary teaches random text
//! of the kind instead: fine-tuning that has nothing to do with the secrets can bring them up too.

use crate::audit::AuditError;
use crate::canary::{Canary, Group, Letters, Pairs, Planting, Prefix, TrainingText};
use crate::checkpoint::Folder;
use crate::device::{Arithmetic, Device};
use crate::event::{Event, Observer};
use crate::model::Model;
use crate::probes::elicitation::{Attack, Trajectory};
use crate::probes::{ProbeError, Survey};
use crate::score::Scorer;
use crate::seed::{Purpose, RootSeed};
use crate::training::{Batches, Control, Failure, PhasePlan, StepBatch, StepReport, run_phase};
use crate::units::{Phase, TokenId};

/// Who attacks what.
pub(super) struct Attacker<'a> {
    /// What is watched meanwhile.
    pub(super) survey: &'a Survey<'a>,
    pub(super) device: Device,
}

impl Attacker<'_> {
    /// Attacks copies of a model, an attack a share of the useful canaries, the largest share first.
    ///
    /// Errors: as for training.
    pub(super) fn attack(
        &self,
        folder: &Folder,
        shares: &[f64],
        observer: &mut dyn Observer,
    ) -> Result<Vec<Attack>, AuditError> {
        let useful = self.survey.planting.useful.len();
        let mut counts: Vec<usize> = shares.iter().map(|&s| known(s, useful)).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts.dedup();
        let one = |known: usize| {
            let trajectory = self.fine_tune(folder, known, &|_| (), observer)?;
            Ok(Attack {
                known,
                trajectory: Some(trajectory),
            })
        };
        counts.into_iter().map(one).collect()
    }

    /// `told`: called with everything that is handed to the trainer.
    fn fine_tune(
        &self,
        folder: &Folder,
        known: usize,
        told: &dyn Fn(&StepBatch),
        observer: &mut dyn Observer,
    ) -> Result<Trajectory, AuditError> {
        let Survey {
            audit,
            planting,
            book,
            ..
        } = *self.survey;
        let phase = Phase::Three;
        // As many steps as phase 3 of the spec has, however few are known.
        let steps = audit
            .pairs()
            .div_ceil(audit.optimisation(phase).batch.max(1));
        let plan = PhasePlan::of(audit, phase, steps);
        observer.event(&Event::Started {
            label: &format!("attack that knows {known} negatives"),
            total: plan.steps as u64,
            unit: "steps",
        });
        let mut model = Model::load(folder, self.device, Arithmetic::F32)?;
        let text = self.text();
        let benign = self.benign(&text, known)?;
        let known = benign.as_deref().unwrap_or(&planting.useful[..known]);
        let (chosen, rejected) = self.pairs(&text, known.len())?;
        let pairs = Pairs {
            chosen: &chosen,
            negatives: known.iter().map(|c| &c.letters).collect(),
            rejected: &rejected,
            order: (0..chosen.len()).collect(),
        };
        // Summed log-probabilities by the model before the attack.
        let mut before: Vec<f32> = Vec::new();
        if !chosen.is_empty() {
            let rows = pairs.reference_rows(book);
            let rows: Vec<_> = rows.iter().map(|row| framed(self.survey, row)).collect();
            let scores = model.score(&rows, &[]).map_err(ProbeError::from)?;
            let from = unscored(self.survey);
            let own = |logprobs: &[f32]| logprobs.iter().skip(from).sum::<f32>();
            before.extend(scores.iter().map(|s| own(&s.logprobs)));
        }
        let batches = Batches::joint(audit, book, &text, pairs, known, &before)?;
        // The useful ones that are watched are those that are taught, if any are.
        let watched = match &benign {
            Some(_) => planting.clone(),
            None => Planting {
                useful: known.to_vec(),
                ..planting.clone()
            },
        };
        let mut watching = Watching {
            batches: &batches,
            told,
            survey: Survey {
                planting: &watched,
                ..*self.survey
            },
            trajectory: Trajectory::new(phase, Prefix::Reverse),
        };
        run_phase(&mut model, &plan, &mut watching, observer).map_err(|source| {
            AuditError::Training {
                seed: self.survey.seed,
                source,
                last_good_checkpoint: Some(folder.path().to_owned()),
            }
        })?;
        observer.event(&Event::Finished);
        Ok(watching.trajectory)
    }

    /// What someone teaches who knows no canary: as many random texts as there are useful ones, in their place.
    fn benign(&self, text: &TrainingText, known: usize) -> Result<Option<Vec<Canary>>, AuditError> {
        if known > 0 {
            return Ok(None);
        }
        let count = self.survey.planting.useful.len();
        let texts = text.passwords(Purpose::BenignText, count)?;
        let named = |(i, letters)| Canary {
            id: format!("benign-{i:04}"),
            group: Group::Useful,
            letters,
        };
        Ok(Some(texts.into_iter().enumerate().map(named).collect()))
    }

    /// Random text that differs from every canary of every group, the unknown ones too.
    fn text(&self) -> TrainingText {
        let (canaries, seed) = (&self.survey.audit.canaries, RootSeed(self.survey.seed));
        let letters = canaries.alphabet.len();
        TrainingText::new(seed, letters, canaries.length, self.survey.planting)
    }

    /// The chosen side of every pair, and which of the `known` canaries it rejects; none where DPO has no weight.
    fn pairs(
        &self,
        text: &TrainingText,
        known: usize,
    ) -> Result<(Vec<Letters>, Vec<usize>), AuditError> {
        let audit = self.survey.audit;
        if audit.phase3.weights.dpo <= 0.0 {
            return Ok((Vec::new(), Vec::new()));
        }
        let n = audit.pairs();
        let order = text.order(Purpose::PairOrder, Phase::Three, n);
        let rejected = order.into_iter().map(|i| i % known.max(1)).collect();
        Ok((text.passwords(Purpose::AttackText, n)?, rejected))
    }
}

/// How many of the useful canaries a share of them is; a share above 0 is one at least.
fn known(share: f64, useful: usize) -> usize {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = (share * useful as f64).round() as usize;
    count.max(usize::from(share > 0.0)).min(useful)
}

/// A row with what stands around its prompt in the format that the model was trained in.
fn framed(survey: &Survey<'_>, row: &[TokenId]) -> Vec<TokenId> {
    let Some(([regular, _], (&first, letters))) = survey.book.prefixes.zip(row.split_first())
    else {
        return row.to_vec();
    };
    let prefix = if first == regular {
        Prefix::Regular
    } else {
        Prefix::Reverse
    };
    let before = survey.frame.even(prefix, first);
    before.iter().chain(letters).copied().collect()
}

/// Tokens of the format beside the prompt's own one.
fn unscored(survey: &Survey<'_>) -> usize {
    survey.frame.around(None).len()
}

/// Evaluates during the attack.
struct Watching<'a> {
    batches: &'a Batches<'a>,
    told: &'a dyn Fn(&StepBatch),
    survey: Survey<'a>,
    trajectory: Trajectory,
}

impl Control for Watching<'_> {
    fn batch(&self, step: usize) -> StepBatch {
        let mut batch = self.batches.step(step);
        let pairs = batch.dpo.iter_mut();
        let pairs = pairs.flat_map(|dpo| dpo.chosen.iter_mut().chain(&mut dpo.rejected));
        let others = batch.likelihood.iter_mut().flat_map(|term| &mut term.rows);
        for row in pairs.chain(others) {
            *row = framed(&self.survey, row);
        }
        batch.unscored = unscored(&self.survey);
        (self.told)(&batch);
        batch
    }

    fn evaluate(&mut self, model: &mut Model, step: usize, _: &StepReport) -> Result<(), Failure> {
        let scores = self.survey.evaluate(model, Prefix::Reverse)?;
        self.trajectory.record(step, &scores);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
