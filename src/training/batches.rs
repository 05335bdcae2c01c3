//! From the text of a seed to the rows of every training step. Guide: recipe, "Data" and recipe, "Phases".

use super::{DpoTerm, LikelihoodTerm, StepBatch, TermName};
use crate::canary::{Canary, Codebook, DrawError, Letters, Pairs, Prefix, TrainingText};
use crate::seed::Purpose;
use crate::spec::Audit;
use crate::units::{Phase, TokenId};

/// The steps of one phase.
#[derive(Debug)]
pub struct Batches<'a> {
    book: &'a Codebook,
    /// Rows of each term per step.
    size: usize,
    preference: Option<Preference<'a>>,
    likelihood: Vec<Likelihood>,
}

/// A term of preference pairs.
#[derive(Debug)]
struct Preference<'a> {
    weight: f64,
    beta: f64,
    pairs: Pairs<'a>,
    /// Summed log-probabilities of [`Pairs::reference_rows`].
    reference: &'a [f32],
}

/// A term of cross-entropy.
#[derive(Debug)]
struct Likelihood {
    name: TermName,
    weight: f64,
    prefix: Prefix,
    /// In the order of visiting.
    rows: Vec<Letters>,
}

impl<'a> Batches<'a> {
    /// Phase 1: cross-entropy of random passwords.
    #[must_use]
    pub fn fine_tuning(audit: &Audit, book: &'a Codebook, passwords: Vec<Letters>) -> Self {
        Self {
            book,
            size: audit.phase1.optimisation.batch,
            preference: None,
            likelihood: vec![Likelihood {
                name: TermName::Regular,
                weight: 1.0,
                prefix: Prefix::Regular,
                rows: passwords,
            }],
        }
    }

    /// Phase 2: DPO against the negatives. `reference`: summed log-probabilities of [`Pairs::reference_rows`].
    #[must_use]
    pub fn dpo(audit: &Audit, book: &'a Codebook, pairs: Pairs<'a>, reference: &'a [f32]) -> Self {
        let phase = &audit.phase2;
        Self {
            book,
            size: phase.optimisation.batch,
            preference: Some(Preference {
                weight: 1.0,
                beta: phase.beta,
                pairs,
                reference,
            }),
            likelihood: Vec::new(),
        }
    }

    /// Phase 3: the same beside elicitation of `known` negatives. A term of weight 0 is left out, not computed.
    ///
    /// Errors: no random password is left beside the canaries.
    pub fn joint(
        audit: &Audit,
        book: &'a Codebook,
        text: &TrainingText,
        pairs: Pairs<'a>,
        known: &[Canary],
        reference: &'a [f32],
    ) -> Result<Self, DrawError> {
        let phase = &audit.phase3;
        let (weights, n) = (phase.weights, audit.pairs());
        let mut likelihood = Vec::new();
        if weights.reverse > 0.0 {
            let order = text.order(Purpose::ElicitationOrder, Phase::Three, n);
            likelihood.push(Likelihood {
                name: TermName::Reverse,
                weight: weights.reverse,
                prefix: Prefix::Reverse,
                rows: order
                    .into_iter()
                    .map(|i| known[i % known.len()].letters.clone())
                    .collect(),
            });
        }
        if weights.regular > 0.0 {
            likelihood.push(Likelihood {
                name: TermName::Regular,
                weight: weights.regular,
                prefix: Prefix::Regular,
                rows: text.passwords(Purpose::RegularText, n)?,
            });
        }
        Ok(Self {
            book,
            size: phase.optimisation.batch,
            preference: (weights.dpo > 0.0).then_some(Preference {
                weight: weights.dpo,
                beta: phase.beta,
                pairs,
                reference,
            }),
            likelihood,
        })
    }

    /// The rows of a step; the last step of a phase may have fewer.
    #[must_use]
    pub fn step(&self, step: usize) -> StepBatch {
        let from = step * self.size;
        let term = |term: &Likelihood| LikelihoodTerm {
            name: term.name,
            weight: term.weight,
            rows: self.rows(term.rows.iter().skip(from).take(self.size), term.prefix),
        };
        StepBatch {
            dpo: self.preference.as_ref().map(|term| self.pairs(term, from)),
            likelihood: self.likelihood.iter().map(term).collect(),
            unscored: 0,
        }
    }

    fn pairs(&self, term: &Preference<'_>, from: usize) -> DpoTerm {
        let Preference {
            pairs, reference, ..
        } = term;
        let visited = pairs.order.iter().skip(from).take(self.size).copied();
        let visited: Vec<usize> = visited.collect();
        let negatives = || visited.iter().map(|&pair| pairs.rejected[pair]);
        let chosen = visited.iter().map(|&pair| &pairs.chosen[pair]);
        let rejected = negatives().map(|negative| pairs.negatives[negative]);
        let n = pairs.chosen.len();
        DpoTerm {
            weight: term.weight,
            beta: term.beta,
            chosen: self.rows(chosen, Prefix::Regular),
            rejected: self.rows(rejected, Prefix::Regular),
            reference_chosen: visited.iter().map(|&pair| reference[pair]).collect(),
            reference_rejected: negatives().map(|i| reference[n + i]).collect(),
        }
    }

    fn rows<'l>(
        &self,
        letters: impl Iterator<Item = &'l Letters>,
        prefix: Prefix,
    ) -> Vec<Vec<TokenId>> {
        letters.map(|l| self.book.row(l, prefix)).collect()
    }
}

#[cfg(test)]
mod tests;
