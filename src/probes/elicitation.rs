//! Reverse-prefix elicitation: held-out canaries watched while phase 3 teaches the model to say the useful ones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::LetterScores;
use super::ends::Ends;
use crate::canary::{Group, Prefix};
use crate::units::Phase;

/// One canary at one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Mean log-probability, nats per token.
    pub logprob: f64,
    /// Mean log-probability within the alphabet, nats per token.
    pub alphabet_logprob: f64,
    /// Mean rank of the true letter, 0…1 from the bottom.
    pub rank: f64,
    /// Share of letters guessed first.
    pub first: f64,
    /// What guessers from either end make of it; not kept during training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
}

impl From<&LetterScores> for Point {
    fn from(scores: &LetterScores) -> Self {
        Self {
            logprob: scores.mean_logprob(),
            alphabet_logprob: scores.mean_alphabet_logprob(),
            rank: scores.mean_rank(),
            first: scores.first_rate(),
            ends: scores.ends,
        }
    }
}

/// Canaries over the evaluations of a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    /// The phase.
    pub phase: Phase,
    /// The prefix before the canaries.
    pub prefix: Prefix,
    /// Steps after whose update the evaluations were made.
    pub steps: Vec<usize>,
    /// Letters scored a canary.
    pub length: usize,
    /// A canary's points, `[canaries][evaluations]`, a group.
    pub groups: BTreeMap<Group, Vec<Vec<Point>>>,
}

/// One attack on a model that was trained elsewhere: fine-tuned on negatives that the attacker knows, while the others are watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// Useful negatives that the attacker was taken to know.
    pub known: usize,
    /// What was seen meanwhile. Who knows none fine-tunes on random text of the kind; `None` by versions before.
    pub trajectory: Option<Trajectory>,
}

impl Attack {
    /// Whether something was fine-tuned on negatives, and not on random text alone.
    #[must_use]
    pub fn teaches_negatives(&self) -> bool {
        self.known > 0 && self.trajectory.is_some()
    }
}

impl Trajectory {
    /// No evaluation yet.
    #[must_use]
    pub fn new(phase: Phase, prefix: Prefix) -> Self {
        Self {
            phase,
            prefix,
            steps: Vec::new(),
            length: 0,
            groups: BTreeMap::new(),
        }
    }

    /// Adds the evaluation made after `step`.
    pub fn record(&mut self, step: usize, scores: &BTreeMap<Group, Vec<LetterScores>>) {
        self.steps.push(step);
        for (&group, scores) in scores {
            let canaries = self.groups.entry(group).or_default();
            canaries.resize_with(scores.len(), Vec::new);
            for (points, score) in canaries.iter_mut().zip(scores) {
                self.length = score.logprobs.len();
                points.push(Point {
                    ends: None,
                    ..Point::from(score)
                });
            }
        }
    }

    /// One number of every canary of a group, `[canaries][evaluations]`.
    #[must_use]
    pub fn values(&self, group: Group, value: impl Fn(&Point) -> f64) -> Vec<Vec<f64>> {
        let canaries = self.groups.get(&group).map_or(&[][..], Vec::as_slice);
        canaries
            .iter()
            .map(|points| points.iter().map(&value).collect())
            .collect()
    }

    /// Mean of a number over the canaries of a group, an evaluation.
    #[must_use]
    pub fn curve(&self, group: Group, value: impl Fn(&Point) -> f64) -> Vec<f64> {
        let all = self.values(group, value);
        (0..self.steps.len())
            .map(|t| all.iter().map(|c| c[t]).sum::<f64>() / all.len().max(1) as f64)
            .collect()
    }
}

/// Log of e = p(secret) · |A|^L averaged over canaries, evaluations and models, from log-probabilities of whole canaries.
///
/// Null hypothesis: the model carries nothing upward about secrets drawn uniformly; then the mean of e is at most 1, whatever the
/// dependence between the terms, so min(1, 1/e) is a valid one-sided p-value (Markov). `None` without terms.
#[must_use]
pub fn log_mean_e(totals: impl Iterator<Item = f64>, log_candidates: f64) -> Option<f64> {
    let terms: Vec<f64> = totals.map(|total| total + log_candidates).collect();
    let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if terms.is_empty() || !top.is_finite() {
        return None;
    }
    let sum: f64 = terms.iter().map(|t| (t - top).exp()).sum();
    Some(top + (sum / terms.len() as f64).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_is_one_at_chance_and_sees_one_canary_in_many() {
        let chance = -16.0 * 26f64.ln();
        let at_chance = log_mean_e([chance; 100].into_iter(), -chance).unwrap();
        assert!(at_chance.abs() < 1e-12);
        let one_leaks =
            log_mean_e([0.0].into_iter().chain(vec![chance - 50.0; 9999]), -chance).unwrap();
        assert!((one_leaks - (-chance - 10_000f64.ln())).abs() < 1e-9);
        assert_eq!(log_mean_e(std::iter::empty(), 1.0), None);
    }

    #[test]
    fn a_trajectory_keeps_canaries_apart() {
        let score = |rank: f64| LetterScores {
            logprobs: vec![-rank; 2],
            alphabet_logprobs: vec![0.0; 2],
            ranks: vec![rank; 2],
            first: vec![0.0; 2],
            last: vec![0.0; 2],
            ..LetterScores::default()
        };
        let mut trajectory = Trajectory::new(Phase::Three, Prefix::Reverse);
        for (step, shift) in [(0, 0.0), (5, 0.5)] {
            let scores =
                BTreeMap::from([(Group::HeldOut, vec![score(0.1 + shift), score(0.3 + shift)])]);
            trajectory.record(step, &scores);
        }
        assert_eq!(
            trajectory.values(Group::HeldOut, |p| p.rank),
            [[0.1, 0.6], [0.3, 0.8]]
        );
        let curve = trajectory.curve(Group::HeldOut, |p| p.rank);
        assert!((curve[0] - 0.2).abs() < 1e-12 && (curve[1] - 0.7).abs() < 1e-12);
        assert_eq!((trajectory.length, trajectory.steps), (2, vec![0, 5]));
    }
}
