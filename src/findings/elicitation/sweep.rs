//! The same attack by someone who knows fewer negatives, down to none. No verdict rests on it.

use super::Elicited;
use crate::canary::Group;
use crate::findings::error::FindingsError;
use crate::findings::measure::Statistic;
use crate::findings::prompts::Prompts;
use crate::findings::row::{Row, Subject};
use crate::findings::terms::{Access, Role};
use crate::probes::elicitation::Attack;

/// What is said of an attacker without examples.
const BENIGN: &str = "the attacker knows no negative and fine-tunes on random text";

/// What versions before saw of such a one.
const NOTHING: &str = "n/a: nothing was fine-tuned by someone who knows no negative";

impl Elicited<'_> {
    /// Guesses of every attacker but the strongest, who has the audit rows.
    pub(super) fn sweep(&self) -> Result<Vec<Row>, FindingsError> {
        let attacks = self.attacks();
        let audited = attacks.first().is_some_and(Attack::teaches_negatives);
        (usize::from(audited)..attacks.len())
            .map(|place| self.weaker(place))
            .collect()
    }

    /// The first seed's attacks; all seeds have the same.
    fn attacks(&self) -> &[Attack] {
        let cell = self.context.cells.first();
        cell.map_or(&[], |cell| cell.attacks.as_slice())
    }

    fn weaker(&self, place: usize) -> Result<Row, FindingsError> {
        let known = self.attacks()[place].known;
        let statistic = Statistic::MeanLetterRankGiven {
            known_negatives: known,
        };
        if self.attacks()[place].trajectory.is_none() {
            let mut row = self.context.about(&Subject {
                access: Access::Logits,
                ..self.subject(Role::Exploratory, Group::HeldOut, statistic)
            });
            row.known_negatives = Some(known);
            row.note = Some(NOTHING.to_owned());
            return Ok(row);
        }
        let trajectories = self.context.cells.iter().map(|cell| {
            let attack = cell.attacks.get(place);
            let trajectory = attack.and_then(|a| a.trajectory.as_ref());
            let what = || format!("the attack that knows {known} negatives");
            trajectory.ok_or_else(|| FindingsError::missing(cell, what()))
        });
        let weaker = Elicited {
            context: self.context,
            settings: self.settings,
            trajectories: trajectories.collect::<Result<_, _>>()?,
            prompts: Prompts::default(),
            known,
        };
        let mut row = weaker.guesses(Role::Exploratory, Group::HeldOut, statistic)?;
        row.note = Some(match known {
            0 => BENIGN.to_owned(),
            _ => format!(
                "the attacker knows {known} of {} useful negatives",
                self.context.audit.useful()
            ),
        });
        Ok(row)
    }
}
