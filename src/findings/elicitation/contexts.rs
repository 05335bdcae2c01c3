//! Guesses after other contexts, without any fine-tuning. Guide: evidence, "Contexts".

use super::{Elicited, Value, first, rank};
use crate::canary::Group;
use crate::findings::FindingsError;
use crate::findings::row::{Access, Direction, Role, Row, Subject, Tier};
use crate::findings::test_bench::{Groups, Values, mean_at, spread, take_p};
use crate::probes::CellObservations;
use crate::probes::contexts::ContextScores;
use crate::stats::permutation::Direction as Side;

const STATISTIC: &str = "context_letter_rank";

impl Elicited<'_> {
    fn about_contexts<'s>(&self, role: Role, prefix: &'s str, phase: u8) -> Subject<'s> {
        Subject {
            prefix,
            phase,
            access: Access::Logits,
            direction: Direction::Up,
            ..self.subject(role, Tier::Partial, Group::HeldOut, STATISTIC)
        }
    }

    /// The last phase that canaries were scored after in other contexts.
    pub(super) fn last_phase(&self) -> u8 {
        let phases = self.context.audit.negative_phases();
        phases.last().map_or(0, |phase| phase.number())
    }

    /// One audit row, the maximum over contexts and phases inside every permutation, and each context by itself.
    pub(super) fn contexts(&self) -> Result<Vec<Row>, FindingsError> {
        let groups = Groups {
            treated: self.looks(Group::HeldOut, rank)?,
            control: self.looks(Group::Control, rank)?,
        };
        let test = groups.standardised(self.context, Side::Up, "elicitation contexts")?;
        let mut row =
            self.context
                .about(&self.about_contexts(Role::Audit, "contexts", self.last_phase()));
        let (n, n_control) = groups.sizes();
        (row.n, row.n_control) = (n, Some(n_control));
        let at = &test.argmax;
        row.estimate = mean_at(&groups.treated, at);
        row.control_estimate = mean_at(&groups.control, at);
        row.chance = Some(0.5);
        row.guess_rate = mean_at(&self.looks(Group::HeldOut, first)?, at);
        row.control_guess_rate = mean_at(&self.looks(Group::Control, first)?, at);
        row.guess_advantage = row
            .guess_rate
            .map(|r| r * self.context.letters() as f64 - 1.0);
        take_p(&mut row, &test);
        // Not at a chosen context: the mean over all of them.
        Groups {
            treated: averaged(&groups.treated),
            control: averaged(&groups.control),
        }
        .separate_into(&mut row);
        let spread = spread(&self.looks(Group::Useful, rank)?, &groups.control, at);
        let detectable = groups.detectable(&test, spread);
        row.min_detectable = detectable.all;
        row.min_detectable_sparse = detectable.sparse;
        row.smallest_effect = Some(self.settings.smallest_effect_rank);
        row.effect_unit = Some("of rank 0–1".to_owned());
        row.note = self.where_largest(at);
        let mut rows = vec![row];
        rows.extend(self.each_context(&groups)?);
        Ok(rows)
    }

    /// The first seed's contexts; all seeds have the same.
    fn named(&self) -> Vec<&ContextScores> {
        let first = self.context.cells.first();
        first.map_or_else(Vec::new, |cell| cell.contexts().collect())
    }

    fn where_largest(&self, at: &[usize]) -> Option<String> {
        let named = self.named();
        let names: Option<Vec<String>> = at
            .iter()
            .map(|&i| {
                let scores = named.get(i)?;
                Some(format!(
                    "{} after phase {}",
                    scores.context.name, scores.phase
                ))
            })
            .collect();
        Some(format!("the largest difference: {}", names?.join("; ")))
    }

    fn each_context(&self, groups: &Groups) -> Result<Vec<Row>, FindingsError> {
        let [rates, control_rates] = [Group::HeldOut, Group::Control].map(|g| self.looks(g, first));
        let (rates, control_rates) = (rates?, control_rates?);
        let (n, n_control) = groups.sizes();
        let rows = self.named().into_iter().enumerate().map(|(i, scores)| {
            let name = &scores.context.name;
            let subject = self.about_contexts(Role::Exploratory, name, scores.phase.number());
            let mut row = self.context.about(&subject);
            let at = vec![i; groups.treated.len()];
            (row.n, row.n_control) = (n, Some(n_control));
            row.estimate = mean_at(&groups.treated, &at);
            row.control_estimate = mean_at(&groups.control, &at);
            row.chance = Some(0.5);
            row.guess_rate = mean_at(&rates, &at);
            row.control_guess_rate = mean_at(&control_rates, &at);
            row
        });
        Ok(rows.collect())
    }

    /// A number of every canary after every context, `[seeds][canaries][contexts]`.
    fn looks(&self, group: Group, value: Value) -> Result<Vec<Values>, FindingsError> {
        let expected = self.named().len();
        let of = |cell: &CellObservations| {
            let scores: Vec<&ContextScores> = cell.contexts().collect();
            if scores.is_empty() || scores.len() != expected {
                return Err(FindingsError::Missing {
                    seed: cell.seed,
                    what: "the canaries after other contexts".to_owned(),
                });
            }
            let canaries = scores[0].groups.get(&group).map_or(0, Vec::len);
            Ok((0..canaries)
                .map(|i| {
                    let points = scores.iter().filter_map(|s| s.groups.get(&group)?.get(i));
                    points.map(value).collect()
                })
                .collect())
        };
        self.context.cells.iter().map(of).collect()
    }
}

/// Each canary's mean over contexts.
fn averaged(values: &[Values]) -> Vec<Values> {
    let mean = |all: &Vec<f64>| vec![all.iter().sum::<f64>() / all.len().max(1) as f64];
    values
        .iter()
        .map(|canaries| canaries.iter().map(mean).collect())
        .collect()
}
