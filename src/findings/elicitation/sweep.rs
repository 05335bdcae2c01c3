//! The same attack by someone who knows fewer negatives, down to none. No verdict rests on it.

use super::Elicited;
use crate::canary::Group;
use crate::findings::FindingsError;
use crate::findings::row::{Access, Role, Row, Subject, Tier};
use crate::probes::elicitation::Attack;

/// What is said of an attacker without examples.
const NOTHING: &str = "n/a: who knows no negative has nothing to fine-tune on; what is left to them is the row of other contexts";

impl Elicited<'_> {
    /// Guesses of every attacker but the strongest, who has the audit rows.
    pub(super) fn sweep(&self) -> Result<Vec<Row>, FindingsError> {
        let attacks = self.attacks(0);
        let first = attacks.iter().take_while(|a| a.trajectory.is_some());
        let audited = first.count().min(1);
        (audited..attacks.len())
            .map(|place| self.weaker(place))
            .collect()
    }

    fn attacks(&self, seed: usize) -> &[Attack] {
        let cell = self.context.cells.get(seed);
        cell.map_or(&[], |cell| cell.attacks.as_slice())
    }

    fn weaker(&self, place: usize) -> Result<Row, FindingsError> {
        let known = self.attacks(0)[place].known;
        let statistic = format!("mean_letter_rank_given_{known}_negatives");
        if known == 0 {
            let subject = Subject {
                access: Access::Logits,
                ..self.subject(Role::Exploratory, Tier::Partial, Group::HeldOut, &statistic)
            };
            let mut row = self.context.about(&subject);
            row.known_negatives = Some(0);
            row.note = Some(NOTHING.to_owned());
            return Ok(row);
        }
        let of = |seed: usize| {
            let attack = self.attacks(seed).get(place);
            let trajectory = attack.and_then(|a| a.trajectory.as_ref());
            trajectory.ok_or_else(|| FindingsError::Missing {
                seed: self.context.cells[seed].seed,
                what: format!("the attack that knows {known} negatives"),
            })
        };
        let weaker = Elicited {
            context: self.context,
            settings: self.settings,
            trajectories: (0..self.context.cells.len())
                .map(of)
                .collect::<Result<_, _>>()?,
            known,
        };
        let mut row = weaker.guesses_as(&statistic, Role::Exploratory, Group::HeldOut)?;
        row.note = Some(format!(
            "the attacker knows {known} of {} useful negatives",
            self.context.audit.useful()
        ));
        Ok(row)
    }
}
