//! Guesses after other contexts, without any fine-tuning. Guide: evidence, "Contexts".

use super::{Elicited, Value, first, rank};
use crate::canary::Group;
use crate::findings::error::FindingsError;
use crate::findings::groups::{Groups, Values};
use crate::findings::measure::Statistic;
use crate::findings::row::{Row, Subject};
use crate::findings::terms::Role;
use crate::probes::CellObservations;
use crate::probes::contexts::ContextScores;

impl Elicited<'_> {
    fn about_contexts(&self, role: Role, prefix: &str, phase: u8) -> Row {
        self.context.about(&Subject {
            prefix,
            phase,
            ..self.subject(role, Group::HeldOut, Statistic::ContextLetterRank)
        })
    }

    /// The last phase that canaries were scored after in other contexts.
    pub(super) fn last_phase(&self) -> u8 {
        let phases = self.context.audit.negative_phases();
        phases.last().map_or(0, |phase| phase.number())
    }

    /// One audit row, the maximum over contexts and phases inside every permutation, and each context by itself.
    pub(super) fn contexts(&self) -> Result<Vec<Row>, FindingsError> {
        let groups = Groups::gathered(Group::HeldOut, |group| self.looks(group, rank))?;
        let rates = Groups::gathered(Group::HeldOut, |group| self.looks(group, first))?;
        let mut row = self.about_contexts(Role::Audit, "contexts", self.last_phase());
        let test = groups.tested_into(&mut row, self.context, "elicitation contexts")?;
        let at = &test.argmax;
        self.context.guessed_into(&mut row, rates.means(at));
        // Not at a chosen context: the mean over all of them.
        Groups {
            treated: averaged(&groups.treated),
            control: averaged(&groups.control),
        }
        .separate_into(&mut row);
        groups.detectable_into(&mut row, &test, &self.looks(Group::Useful, rank)?);
        row.ask(self.context.audit);
        row.note = self.where_largest(at);
        let mut rows = vec![row];
        rows.extend(self.each_context(&groups, &rates));
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

    fn each_context(&self, groups: &Groups, rates: &Groups) -> Vec<Row> {
        let of = |(i, scores): (usize, &ContextScores)| {
            let phase = scores.phase.number();
            let mut row = self.about_contexts(Role::Exploratory, &scores.context.name, phase);
            let at = vec![i; groups.treated.len()];
            groups.means_into(&mut row, &at);
            row.chance = row.statistic.chance(self.context.audit);
            [row.guess_rate, row.control_guess_rate] = rates.means(&at);
            row
        };
        self.named().into_iter().enumerate().map(of).collect()
    }

    /// A number of every canary after every context, `[seeds][canaries][contexts]`.
    fn looks(&self, group: Group, value: Value) -> Result<Vec<Values>, FindingsError> {
        let expected = self.named().len();
        let of = |cell: &CellObservations| {
            let scores: Vec<&ContextScores> = cell.contexts().collect();
            if scores.is_empty() || scores.len() != expected {
                let what = "the canaries after other contexts";
                return Err(FindingsError::missing(cell, what));
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
