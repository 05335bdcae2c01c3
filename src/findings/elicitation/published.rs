//! What is told over seeds: the paper's own statistic, and the recipe.

use super::{Elicited, logprob, rank};
use crate::canary::Group;
use crate::findings::context::CI_LEVEL;
use crate::findings::groups::Groups;
use crate::findings::measure::Statistic;
use crate::findings::recipe::over_seeds;
use crate::findings::row::{IntervalOf, Row};
use crate::findings::terms::Role;
use crate::stats::{mean, one_sample_t};

impl Elicited<'_> {
    /// The paper's own: the maximum over phase 3 of the group's mean log-likelihood, t-tests over seeds against chance.
    pub(super) fn replication(&self, group: Group) -> [Row; 2] {
        let maxima: Vec<f64> = self
            .trajectories
            .iter()
            .map(|t| {
                t.curve(group, logprob)
                    .into_iter()
                    .fold(f64::NEG_INFINITY, f64::max)
            })
            .collect();
        let probabilities: Vec<f64> = maxima.iter().map(|m| m.exp()).collect();
        [
            self.replicated(group, Statistic::MaxMeanProbability, &probabilities),
            self.replicated(group, Statistic::MaxMeanLogprob, &maxima),
        ]
    }

    fn replicated(&self, group: Group, statistic: Statistic, values: &[f64]) -> Row {
        let subject = self.subject(Role::Replication, group, statistic);
        let mut row = self.context.about(&subject);
        row.control = None;
        let first = self.trajectories.first();
        row.n = first.map_or(0, |t| t.groups.get(&group).map_or(0, Vec::len));
        row.estimate = mean(values);
        row.chance = subject.statistic.chance(self.context.audit);
        let known = row.estimate.zip(row.chance);
        row.guess_advantage = known.and_then(|(e, chance)| subject.statistic.advantage(e, chance));
        match row.chance.and_then(|chance| one_sample_t(values, chance)) {
            Some(test) => {
                row.p_value = Some(test.p_two_sided);
                row.p_method = Some(format!("one-sample t, {} degrees of freedom", test.df));
                if let Some(interval) = test.interval(CI_LEVEL) {
                    row.set_interval(IntervalOf::Estimate, interval);
                }
            }
            None => row.note = Some("a t-test over seeds needs at least 2".to_owned()),
        }
        row
    }

    /// Over seeds: does the recipe leak? By ranks at the last evaluation.
    pub(super) fn recipe(&self) -> Option<Row> {
        let statistic = Statistic::MeanLetterRankDifference;
        let subject = self.subject(Role::Exploratory, Group::HeldOut, statistic);
        let groups = Groups::against_controls(Group::HeldOut, |group| self.values(group, rank));
        over_seeds(self.context, self.context.about(&subject), &groups)
    }
}
