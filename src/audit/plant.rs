//! From a spec to the rows of every training step. Guide: recipe, "Data".

use std::collections::BTreeMap;

use super::{AuditError, EVALUATED};
use crate::canary::{Canary, Codebook, Group, Letters, Planting, Prefix, TrainingText, draw};
use crate::probes::LetterScores;
use crate::probes::observe;
use crate::score::Scorer;
use crate::seed::{Purpose, RootSeed};
use crate::spec::Audit;
use crate::training::{DpoTerm, LikelihoodTerm, StepBatch, TermName};
use crate::units::{Phase, TokenId};

/// The canaries of one seed.
pub(super) fn draw_canaries(audit: &Audit, seed: u64) -> Result<Planting, AuditError> {
    let canaries = &audit.canaries;
    let sizes = [
        (Group::HeldOut, canaries.held_out),
        (Group::Useful, audit.useful()),
        (Group::Control, canaries.controls),
        (Group::Spike, canaries.spike),
    ];
    Ok(draw(
        RootSeed(seed),
        canaries.alphabet.len(),
        canaries.length,
        sizes,
    )?)
}

fn rejected(audit: &Audit) -> Vec<usize> {
    (0..audit.canaries.negatives)
        .flat_map(|negative| std::iter::repeat_n(negative, audit.repeats_of(negative)))
        .collect()
}

/// Puts the spikes on the chosen side of as many pairs as a negative has, spread evenly over all pairs.
fn spike(audit: &Audit, spikes: &[Canary], chosen: &mut [Letters]) {
    let (pairs, copies) = (chosen.len(), spikes.len() * audit.canaries.repeats);
    for copy in 0..copies.min(pairs) {
        chosen[copy * pairs / copies].clone_from(&spikes[copy % spikes.len()].letters);
    }
}

/// Everything one seed trains on.
pub(super) struct Corpus<'a> {
    audit: &'a Audit,
    book: &'a Codebook,
    seed: RootSeed,
    pub(super) planting: Planting,
    text: TrainingText,
    /// The chosen side of every pair.
    chosen: Vec<Letters>,
    /// The negative on the rejected side of every pair, held-outs counted first.
    rejected: Vec<usize>,
}

impl<'a> Corpus<'a> {
    pub(super) fn new(audit: &'a Audit, book: &'a Codebook, seed: u64) -> Result<Self, AuditError> {
        let planting = draw_canaries(audit, seed)?;
        let root = RootSeed(seed);
        let letters = audit.canaries.alphabet.len();
        let text = TrainingText::new(root, letters, audit.canaries.length, &planting);
        let mut chosen = text.passwords(Purpose::ChosenText, audit.pairs())?;
        spike(audit, &planting.spike, &mut chosen);
        Ok(Self {
            chosen,
            rejected: rejected(audit),
            audit,
            book,
            seed: root,
            planting,
            text,
        })
    }

    /// A corpus of canaries that were drawn before, to be scored and not trained on.
    pub(super) fn of(audit: &'a Audit, book: &'a Codebook, seed: u64, planting: Planting) -> Self {
        let root = RootSeed(seed);
        let letters = audit.canaries.alphabet.len();
        Self {
            text: TrainingText::new(root, letters, audit.canaries.length, &planting),
            chosen: Vec::new(),
            rejected: rejected(audit),
            audit,
            book,
            seed: root,
            planting,
        }
    }

    /// The chosen side of a pair.
    pub(super) fn chosen(&self, pair: usize) -> &Letters {
        &self.chosen[pair]
    }

    /// Which of the negatives a pair rejects.
    pub(super) fn negative_of(&self, pair: usize) -> usize {
        self.rejected[pair]
    }

    /// The pairs in the order in which a phase visits them.
    pub(super) fn pair_order(&self, phase: Phase) -> Vec<usize> {
        self.text
            .order(Purpose::PairOrder, phase, self.chosen.len())
    }

    /// The random passwords of phase 1.
    pub(super) fn random_text(&self, purpose: Purpose) -> Result<Vec<Letters>, AuditError> {
        Ok(self.text.passwords(purpose, self.audit.phase1.passwords)?)
    }

    fn rows<'b>(
        &'b self,
        letters: impl IntoIterator<Item = &'b Letters>,
        prefix: Prefix,
    ) -> Vec<Vec<TokenId>> {
        letters
            .into_iter()
            .map(|l| self.book.row(l, prefix))
            .collect()
    }

    /// Chosen rows of all pairs, then one row for each distinct negative: what the reference must be asked.
    pub(super) fn reference_rows(&self) -> Vec<Vec<TokenId>> {
        let negatives = self.planting.negatives().map(|c| &c.letters);
        self.rows(self.chosen.iter().chain(negatives), Prefix::Regular)
    }

    /// The batches of phase 1.
    pub(super) fn fine_tuning(&self) -> Result<Batches<'_>, AuditError> {
        let phase = self.audit.phase1;
        Ok(Batches {
            corpus: self,
            size: phase.optimisation.batch,
            pairs: None,
            likelihood: vec![TextTerm {
                name: TermName::Regular,
                weight: 1.0,
                prefix: Prefix::Regular,
                rows: self.random_text(Purpose::FineTuneText)?,
            }],
        })
    }

    /// The batches of phase 2.
    pub(super) fn dpo<'b>(&'b self, reference: &'b [f32]) -> Batches<'b> {
        let phase = self.audit.phase2;
        Batches {
            corpus: self,
            size: phase.optimisation.batch,
            pairs: Some(self.pairs(Phase::Two, 1.0, phase.beta, reference)),
            likelihood: Vec::new(),
        }
    }

    /// The batches of phase 3. A term of weight 0 is left out, not computed.
    pub(super) fn joint<'b>(&'b self, reference: &'b [f32]) -> Result<Batches<'b>, AuditError> {
        let phase = self.audit.phase3;
        let n = self.audit.pairs();
        let mut likelihood = Vec::new();
        if phase.weights.reverse > 0.0 {
            let useful = &self.planting.useful;
            let order = self.text.order(Purpose::ElicitationOrder, Phase::Three, n);
            likelihood.push(TextTerm {
                name: TermName::Reverse,
                weight: phase.weights.reverse,
                prefix: Prefix::Reverse,
                rows: order
                    .into_iter()
                    .map(|i| useful[i % useful.len()].letters.clone())
                    .collect(),
            });
        }
        if phase.weights.regular > 0.0 {
            likelihood.push(TextTerm {
                name: TermName::Regular,
                weight: phase.weights.regular,
                prefix: Prefix::Regular,
                rows: self.text.passwords(Purpose::RegularText, n)?,
            });
        }
        let dpo = phase.weights.dpo;
        Ok(Batches {
            corpus: self,
            size: phase.optimisation.batch,
            pairs: (dpo > 0.0).then(|| self.pairs(Phase::Three, dpo, phase.beta, reference)),
            likelihood,
        })
    }

    fn pairs<'b>(
        &self,
        phase: Phase,
        weight: f64,
        beta: f64,
        reference: &'b [f32],
    ) -> PairTerm<'b> {
        PairTerm {
            weight,
            beta,
            order: self.pair_order(phase),
            reference,
        }
    }

    /// The canaries that are scored at every evaluation.
    pub(super) fn evaluated(&self) -> Vec<&Canary> {
        let controls = self.audit.canaries.trajectory_controls;
        self.first(|group| match group {
            Group::HeldOut | Group::Useful => EVALUATED,
            Group::Control => controls,
            Group::Spike => 0,
        })
    }

    /// The canaries that are scored at the ends of phases: all, but no more useful ones than there are controls.
    pub(super) fn observed(&self) -> Vec<&Canary> {
        let controls = self.audit.canaries.controls;
        self.first(|group| match group {
            Group::HeldOut | Group::Spike => usize::MAX,
            Group::Useful | Group::Control => controls,
        })
    }

    /// The canaries that are scored after other contexts: held-outs and controls as at the ends of phases, fewer useful ones.
    pub(super) fn contextual(&self) -> Vec<&Canary> {
        let controls = self.audit.canaries.controls;
        self.first(|group| match group {
            Group::HeldOut => usize::MAX,
            Group::Useful => EVALUATED.min(controls),
            Group::Control => controls,
            Group::Spike => 0,
        })
    }

    fn first(&self, limit: impl Fn(Group) -> usize) -> Vec<&Canary> {
        Group::ALL
            .into_iter()
            .flat_map(|group| self.planting.group(group).iter().take(limit(group)))
            .collect()
    }

    /// Scores canaries after a prefix, by group.
    pub(super) fn score(
        &self,
        scorer: &mut dyn Scorer,
        canaries: &[&Canary],
        prefix: Prefix,
    ) -> Result<BTreeMap<Group, Vec<LetterScores>>, crate::probes::ProbeError> {
        let mut rng = self.seed.stream(Purpose::ScoringOrder);
        let scores = observe(scorer, self.book, canaries, prefix, &mut rng)?;
        let mut groups: BTreeMap<Group, Vec<LetterScores>> = BTreeMap::new();
        for (canary, score) in canaries.iter().zip(scores) {
            groups.entry(canary.group).or_default().push(score);
        }
        Ok(groups)
    }
}

struct PairTerm<'a> {
    weight: f64,
    beta: f64,
    /// Pair visited at each place.
    order: Vec<usize>,
    /// Summed log-probabilities of [`Corpus::reference_rows`].
    reference: &'a [f32],
}

struct TextTerm {
    name: TermName,
    weight: f64,
    prefix: Prefix,
    /// In the order of visiting.
    rows: Vec<Letters>,
}

/// The steps of one phase.
pub(super) struct Batches<'a> {
    corpus: &'a Corpus<'a>,
    size: usize,
    pairs: Option<PairTerm<'a>>,
    likelihood: Vec<TextTerm>,
}

impl Batches<'_> {
    /// The rows of a step; the last step of a phase may have fewer.
    pub(super) fn step(&self, step: usize) -> StepBatch {
        let from = step * self.size;
        StepBatch {
            dpo: self.pairs.as_ref().map(|pairs| self.dpo(pairs, from)),
            likelihood: self
                .likelihood
                .iter()
                .map(|term| LikelihoodTerm {
                    name: term.name,
                    weight: term.weight,
                    rows: self
                        .corpus
                        .rows(term.rows.iter().skip(from).take(self.size), term.prefix),
                })
                .collect(),
        }
    }

    fn dpo(&self, pairs: &PairTerm<'_>, from: usize) -> DpoTerm {
        let corpus = self.corpus;
        let negatives: Vec<&Canary> = corpus.planting.negatives().collect();
        let visited: Vec<usize> = pairs
            .order
            .iter()
            .skip(from)
            .take(self.size)
            .copied()
            .collect();
        let negative = |pair: usize| corpus.negative_of(pair);
        let n = corpus.chosen.len();
        DpoTerm {
            weight: pairs.weight,
            beta: pairs.beta,
            chosen: corpus.rows(visited.iter().map(|&i| &corpus.chosen[i]), Prefix::Regular),
            rejected: corpus.rows(
                visited.iter().map(|&i| &negatives[negative(i)].letters),
                Prefix::Regular,
            ),
            reference_chosen: visited.iter().map(|&i| pairs.reference[i]).collect(),
            reference_rejected: visited
                .iter()
                .map(|&i| pairs.reference[n + negative(i)])
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
