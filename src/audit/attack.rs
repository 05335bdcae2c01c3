//! Phase 3 as an attack on a model that was trained elsewhere: a copy is fine-tuned to say the useful canaries that the attacker
//! knows, after the reverse prefix, while the held-outs are watched.
//!
//! No term holds a held-out or a control: what is rejected are the known canaries, what is chosen is random text of our own. The
//! policy that the DPO term starts from is the audited model itself, which the attacker has.

use std::collections::BTreeMap;

use super::AuditError;
use super::plant::Corpus;
use crate::canary::{Canary, Codebook, Group, Letters, Planting, Prefix, TrainingText};
use crate::checkpoint::Folder;
use crate::device::{Arithmetic, Device};
use crate::event::{Event, Observer};
use crate::model::Model;
use crate::probes::elicitation::{Attack, Trajectory};
use crate::probes::{LetterScores, ProbeError};
use crate::score::Scorer;
use crate::seed::{Purpose, RootSeed};
use crate::spec::Audit;
use crate::training::{
    Control, DpoTerm, Failure, LikelihoodTerm, PhasePlan, Settings, StepBatch, StepReport,
    TermName, run_phase,
};
use crate::units::{Phase, TokenId};

/// Who attacks what.
pub(super) struct Attacker<'a> {
    pub(super) audit: &'a Audit,
    pub(super) book: &'a Codebook,
    pub(super) planting: &'a Planting,
    pub(super) seed: u64,
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
        let useful = self.planting.useful.len();
        let mut counts: Vec<usize> = shares.iter().map(|&s| known(s, useful)).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        counts.dedup();
        let one = |known: usize| {
            let trajectory = (known > 0)
                .then(|| self.fine_tune(folder, known, &|_| (), observer))
                .transpose()?;
            Ok(Attack { known, trajectory })
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
        let phase = &self.audit.phase3;
        let optimisation = &phase.optimisation;
        let plan = PhasePlan {
            phase: Phase::Three,
            steps: self.audit.pairs().div_ceil(optimisation.batch.max(1)),
            freeze: phase.freeze,
            learning_rate: optimisation.learning_rate,
            warmup_steps: optimisation.warmup_steps,
            eval_every: optimisation.eval_every,
            settings: Settings {
                micro_batch: self.audit.micro_batch,
                ..Settings::from(optimisation)
            },
        };
        observer.event(&Event::Started {
            label: &format!("attack that knows {known} negatives"),
            total: plan.steps as u64,
            unit: "steps",
        });
        let mut model = Model::load(folder, self.device, Arithmetic::F32)?;
        let examples = Examples::new(self, known, &mut model)?;
        // The useful ones that are watched are those that are taught.
        let watched = Planting {
            useful: self.planting.useful[..known].to_vec(),
            ..self.planting.clone()
        };
        let corpus = Corpus::of(self.audit, self.book, self.seed, watched);
        let mut watching = Watching {
            examples: &examples,
            told,
            canaries: corpus.evaluated(),
            corpus: &corpus,
            trajectory: Trajectory::new(Phase::Three, Prefix::Reverse),
        };
        run_phase(&mut model, &plan, &mut watching, observer).map_err(|source| {
            AuditError::Training {
                seed: self.seed,
                source,
                last_good_checkpoint: Some(folder.path().to_owned()),
            }
        })?;
        observer.event(&Event::Finished);
        Ok(watching.trajectory)
    }
}

/// How many of the useful canaries a share of them is; a share above 0 is one at least.
fn known(share: f64, useful: usize) -> usize {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = (share * useful as f64).round() as usize;
    count.max(usize::from(share > 0.0)).min(useful)
}

/// All that the attack trains on.
struct Examples<'a> {
    attacker: &'a Attacker<'a>,
    known: &'a [Canary],
    /// The canary at each place of the reverse term, and of the rejected side.
    taught: Vec<usize>,
    rejected: Vec<usize>,
    chosen: Vec<Letters>,
    regular: Vec<Letters>,
    /// Summed log-probabilities of the chosen rows, then of the known canaries, by the model before the attack.
    before: Vec<f32>,
}

impl<'a> Examples<'a> {
    /// Draws the attacker's text; as many rows as phase 3 of the spec has, however few are known.
    fn new(
        attacker: &'a Attacker<'a>,
        known: usize,
        model: &mut dyn Scorer,
    ) -> Result<Self, AuditError> {
        let audit = attacker.audit;
        let weights = audit.phase3.weights;
        let n = audit.pairs();
        let canaries = &audit.canaries;
        // Differs from every canary of every group, the unknown ones too.
        let text = TrainingText::new(
            RootSeed(attacker.seed),
            canaries.alphabet.len(),
            canaries.length,
            attacker.planting,
        );
        let random = |purpose, weight: f64| {
            let rows = if weight > 0.0 { n } else { 0 };
            text.passwords(purpose, rows)
        };
        let order = |purpose| {
            let order = text.order(purpose, Phase::Three, n);
            order.into_iter().map(|i| i % known.max(1)).collect()
        };
        let mut examples = Self {
            attacker,
            known: &attacker.planting.useful[..known],
            taught: order(Purpose::ElicitationOrder),
            rejected: order(Purpose::PairOrder),
            chosen: random(Purpose::AttackText, weights.dpo)?,
            regular: random(Purpose::RegularText, weights.regular)?,
            before: Vec::new(),
        };
        if weights.dpo > 0.0 {
            let scores = model.score(&examples.reference_rows(), &[]);
            let scores = scores.map_err(ProbeError::from)?;
            let sum = |score: &crate::score::RowScore| score.logprobs.iter().sum();
            examples.before = scores.iter().map(sum).collect();
        }
        Ok(examples)
    }

    fn row(&self, letters: &Letters, prefix: Prefix) -> Vec<TokenId> {
        self.attacker.book.row(letters, prefix)
    }

    /// What the model is asked before the attack: the chosen rows, then each known canary.
    fn reference_rows(&self) -> Vec<Vec<TokenId>> {
        let known = self.known.iter().map(|c| &c.letters);
        let all = self.chosen.iter().chain(known);
        all.map(|l| self.row(l, Prefix::Regular)).collect()
    }

    /// The rows of a step.
    fn step(&self, step: usize) -> StepBatch {
        let phase = &self.attacker.audit.phase3;
        let n = self.taught.len();
        let size = phase.optimisation.batch;
        let places = (step * size).min(n)..((step + 1) * size).min(n);
        let mut likelihood = Vec::new();
        let mut term = |name, weight, rows: Vec<Vec<TokenId>>| {
            if weight > 0.0 {
                likelihood.push(LikelihoodTerm { name, weight, rows });
            }
        };
        let taught = self.taught[places.clone()].iter();
        let taught = taught.map(|&i| self.row(&self.known[i].letters, Prefix::Reverse));
        term(TermName::Reverse, phase.weights.reverse, taught.collect());
        let regular = self.regular.get(places.clone()).unwrap_or_default().iter();
        let regular = regular.map(|letters| self.row(letters, Prefix::Regular));
        term(TermName::Regular, phase.weights.regular, regular.collect());
        StepBatch {
            dpo: (phase.weights.dpo > 0.0).then(|| self.dpo(places)),
            likelihood,
        }
    }

    fn dpo(&self, places: std::ops::Range<usize>) -> DpoTerm {
        let phase = &self.attacker.audit.phase3;
        let rejected = &self.rejected[places.clone()];
        let chosen = &self.chosen[places.clone()];
        let n = self.chosen.len();
        DpoTerm {
            weight: phase.weights.dpo,
            beta: phase.beta,
            chosen: chosen
                .iter()
                .map(|l| self.row(l, Prefix::Regular))
                .collect(),
            rejected: rejected
                .iter()
                .map(|&i| self.row(&self.known[i].letters, Prefix::Regular))
                .collect(),
            reference_chosen: self.before[places].to_vec(),
            reference_rejected: rejected.iter().map(|&i| self.before[n + i]).collect(),
        }
    }
}

/// Evaluates during the attack.
struct Watching<'a> {
    examples: &'a Examples<'a>,
    told: &'a dyn Fn(&StepBatch),
    corpus: &'a Corpus<'a>,
    canaries: Vec<&'a Canary>,
    trajectory: Trajectory,
}

impl Control for Watching<'_> {
    fn batch(&self, step: usize) -> StepBatch {
        let batch = self.examples.step(step);
        (self.told)(&batch);
        batch
    }

    fn evaluate(&mut self, model: &mut Model, step: usize, _: &StepReport) -> Result<(), Failure> {
        let scores: BTreeMap<Group, Vec<LetterScores>> =
            self.corpus.score(model, &self.canaries, Prefix::Reverse)?;
        self.trajectory.record(step, &scores);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
