//! What is seen during a phase: the trajectory, and a line of `metrics.jsonl` an evaluation.

use std::collections::BTreeMap;

use serde::Serialize;

use super::midway::{Keeper, Saved};
use crate::canary::{Group, Prefix};
use crate::model::Model;
use crate::probes::elicitation::{Point, Trajectory};
use crate::probes::{LetterScores, Survey};
use crate::training::{Batches, Control, Failure, StepBatch, StepReport, Trainer};
use crate::units::Phase;

/// Evaluates during a phase and keeps what it saw.
pub(super) struct Watching<'a> {
    survey: &'a Survey<'a>,
    batches: &'a Batches<'a>,
    /// The canaries over the evaluations.
    pub(super) trajectory: Trajectory,
    /// The lines of `metrics.jsonl`.
    pub(super) metrics: String,
    keeper: Keeper<'a>,
    /// Where an earlier process left the phase.
    saved: Option<Box<Saved>>,
}

impl<'a> Watching<'a> {
    /// Watches a phase that `keeper` keeps, and that an earlier process may have `saved` midway.
    pub(super) fn new(
        phase: Phase,
        survey: &'a Survey<'a>,
        batches: &'a Batches<'a>,
        keeper: Keeper<'a>,
        saved: Option<Box<Saved>>,
    ) -> Self {
        let prefix = if phase == Phase::Three {
            Prefix::Reverse
        } else {
            Prefix::Regular
        };
        Self {
            survey,
            batches,
            trajectory: Trajectory::new(phase, prefix),
            metrics: String::new(),
            keeper,
            saved,
        }
    }
}

/// One line of `metrics.jsonl`.
#[derive(Serialize)]
struct Metrics {
    phase: Phase,
    step: usize,
    prefix: &'static str,
    learning_rate: f64,
    loss: f64,
    terms: BTreeMap<&'static str, f64>,
    grad_norm: f64,
    /// Nats a token of this step's chosen and rejected rows, before the update.
    chosen_logprob: Option<f64>,
    rejected_logprob: Option<f64>,
    groups: BTreeMap<Group, GroupMeans>,
}

/// Means over the canaries of a group.
#[derive(Serialize)]
struct GroupMeans {
    n: usize,
    logprob: f64,
    alphabet_logprob: f64,
    rank: f64,
    first_rate: f64,
}

fn means(scores: &[LetterScores]) -> GroupMeans {
    let points: Vec<Point> = scores.iter().map(Point::from).collect();
    let mean = |value: fn(&Point) -> f64| {
        points.iter().map(value).sum::<f64>() / points.len().max(1) as f64
    };
    GroupMeans {
        n: points.len(),
        logprob: mean(|p| p.logprob),
        alphabet_logprob: mean(|p| p.alphabet_logprob),
        rank: mean(|p| p.rank),
        first_rate: mean(|p| p.first),
    }
}

impl Control for Watching<'_> {
    fn batch(&self, step: usize) -> StepBatch {
        self.batches.step(step)
    }

    fn evaluate(
        &mut self,
        model: &mut Model,
        step: usize,
        report: &StepReport,
    ) -> Result<(), Failure> {
        let prefix = self.trajectory.prefix;
        let scores = self.survey.evaluate(model, prefix)?;
        let line = Metrics {
            phase: self.trajectory.phase,
            step,
            prefix: prefix.name(),
            learning_rate: report.learning_rate,
            loss: report.loss,
            terms: report.terms.iter().map(|(n, v)| (n.name(), *v)).collect(),
            grad_norm: report.grad_norm,
            chosen_logprob: report.chosen,
            rejected_logprob: report.rejected,
            groups: scores.iter().map(|(g, s)| (*g, means(s))).collect(),
        };
        self.metrics.push_str(&serde_json::to_string(&line)?);
        self.metrics.push('\n');
        self.trajectory.record(step, &scores);
        Ok(())
    }

    fn begin(&mut self, trainer: &mut Trainer<'_>) -> Result<usize, Failure> {
        let Some(saved) = self.saved.take() else {
            return Ok(0);
        };
        saved.restore(trainer)?;
        self.trajectory = saved.trajectory;
        self.metrics = saved.metrics;
        Ok(saved.place.next)
    }

    fn between(
        &mut self,
        trainer: &mut Trainer<'_>,
        next: usize,
        stopping: bool,
    ) -> Result<(), Failure> {
        if stopping || self.keeper.is_due(next) {
            self.keeper
                .save(trainer, next, &self.trajectory, &self.metrics)?;
        }
        Ok(())
    }
}
