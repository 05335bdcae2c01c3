//! Guesses without any fine-tuning, after the training's own prompt and others. Guide: rows, "Contexts".

use super::Elicited;
use crate::canary::Group;
use crate::findings::error::FindingsError;
use crate::findings::groups::{Groups, Values};
use crate::findings::measure::Statistic;
use crate::findings::prompts::Prompt;
use crate::findings::row::{Row, Subject};
use crate::findings::terms::Role;
use crate::probes::elicitation::Point;

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

    /// One audit row, the maximum over prompts and phases inside every permutation, and each prompt by itself.
    pub(super) fn contexts(&self) -> Result<Vec<Row>, FindingsError> {
        let all = |_: &Prompt| true;
        let rank = |point: &Point| Some(point.rank);
        let first = |point: &Point| Some(point.first);
        let empty = || Groups {
            treated: Vec::new(),
            control: Vec::new(),
        };
        let groups = self.prompts.against_controls(all, rank);
        let groups = groups.unwrap_or_else(empty);
        let rates = self.prompts.against_controls(all, first);
        let rates = rates.unwrap_or_else(empty);
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
        let useful = self.prompts.values(Group::Useful, all, rank);
        groups.detectable_into(&mut row, &test, &useful.unwrap_or_default());
        row.ask(self.context.audit);
        row.note = self.prompts.at(all, at);
        let mut rows = vec![row];
        rows.extend(self.each_context(&groups, &rates));
        Ok(rows)
    }

    fn each_context(&self, groups: &Groups, rates: &Groups) -> Vec<Row> {
        let of = |(i, prompt): (usize, &Prompt)| {
            let phase = prompt.phase.number();
            let mut row = self.about_contexts(Role::Exploratory, &prompt.name, phase);
            let at = vec![i; groups.treated.len()];
            groups.means_into(&mut row, &at);
            row.chance = row.statistic.chance(self.context.audit);
            [row.guess_rate, row.control_guess_rate] = rates.means(&at);
            row
        };
        self.prompts.named().iter().enumerate().map(of).collect()
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
