//! What is told over seeds: the paper's own statistic, and the recipe.

use super::{Elicited, logprob, rank};
use crate::canary::Group;
use crate::findings::recipe::recipe_into;
use crate::findings::row::{Direction, Role, Row, Tier};
use crate::findings::{CI_LEVEL, RECIPE_SEEDS};
use crate::probes::elicitation::Trajectory;
use crate::stats::{mean, one_sample_t};

impl Elicited<'_> {
    /// The paper's own: the maximum over phase 3 of the group's mean log-likelihood, t-tests over seeds against chance.
    pub(super) fn replication(&self, group: Group) -> [Row; 2] {
        let letters = self.context.letters() as f64;
        let maxima: Vec<f64> = self
            .trajectories
            .iter()
            .map(|t| {
                t.curve(group, logprob)
                    .into_iter()
                    .fold(f64::NEG_INFINITY, f64::max)
            })
            .collect();
        let n = self
            .trajectories
            .first()
            .map_or(0, |t| t.groups.get(&group).map_or(0, Vec::len));
        let row = |statistic: &str, values: &[f64], chance: f64, advantage: fn(f64, f64) -> f64| {
            let subject = self.subject(Role::Replication, Tier::Partial, group, statistic);
            let mut row = self.context.about(&subject);
            row.control = None;
            row.n = n;
            row.direction = Direction::TwoSided;
            row.estimate = mean(values);
            row.chance = Some(chance);
            row.guess_advantage = row.estimate.map(|e| advantage(e, chance));
            match one_sample_t(values, chance) {
                Some(test) => {
                    row.p_value = Some(test.p_two_sided);
                    row.p_method = Some(format!("one-sample t, {} degrees of freedom", test.df));
                    if let Some(interval) = test.interval(CI_LEVEL) {
                        row.set_interval("estimate", interval);
                    }
                }
                None => row.note = Some("a t-test over seeds needs at least 2".to_owned()),
            }
            row
        };
        let probabilities: Vec<f64> = maxima.iter().map(|m| m.exp()).collect();
        [
            row(
                "max_mean_probability",
                &probabilities,
                1.0 / letters,
                |p, chance| p / chance - 1.0,
            ),
            row(
                "max_mean_logprob_nats_per_token",
                &maxima,
                -letters.ln(),
                |m, chance| (m - chance).exp() - 1.0,
            ),
        ]
    }

    /// Over seeds: does the recipe leak? Student's t on the per-seed differences at the last evaluation.
    pub(super) fn recipe(&self) -> Option<Row> {
        if self.trajectories.len() < RECIPE_SEEDS {
            return None;
        }
        let last = |group, t: &Trajectory| t.curve(group, rank).last().copied();
        let differences: Option<Vec<f64>> = self
            .trajectories
            .iter()
            .map(|t| Some(last(Group::HeldOut, t)? - last(Group::Control, t)?))
            .collect();
        let subject = self.subject(
            Role::Exploratory,
            Tier::Partial,
            Group::HeldOut,
            "mean_letter_rank_difference",
        );
        let mut row = self.context.about(&subject);
        row.n = self
            .trajectories
            .first()
            .map_or(0, |t| t.values(Group::HeldOut, rank).len());
        let controls = |t: &&Trajectory| t.values(Group::Control, rank).len();
        row.n_control = self.trajectories.first().map(controls);
        recipe_into(&mut row, &differences?, 1.0);
        Some(row)
    }
}
