//! Which phase did it, and in which context: changes over each phase, and each canary under one prefix less the other. No
//! verdict rests on them.

use super::Elicited;
use crate::canary::{Group, Prefix};
use crate::findings::FindingsError;
use crate::findings::row::{Access, Direction, Role, Row, Subject, Tier};
use crate::findings::test_bench::{Groups, Values, mean_at, take_p};
use crate::probes::{LetterScores, Snapshot};
use crate::units::Phase;

type Score = fn(&LetterScores) -> f64;

/// A number of a canary, and the name of what is made of it.
struct Measure {
    name: &'static str,
    score: Score,
}

impl Elicited<'_> {
    fn snapshot(
        &self,
        seed: usize,
        phase: Phase,
        prefix: Prefix,
    ) -> Result<&Snapshot, FindingsError> {
        let cell = &self.context.cells[seed];
        cell.snapshot(phase, prefix)
            .ok_or_else(|| FindingsError::Missing {
                seed: cell.seed,
                what: format!(
                    "the canaries under the {} prefix after phase {phase}",
                    prefix.name()
                ),
            })
    }

    /// Each canary's difference between two snapshots, `[seeds][canaries][1]`.
    fn differences(
        &self,
        group: Group,
        [(phase, prefix), (less_phase, less_prefix)]: [(Phase, Prefix); 2],
        score: Score,
    ) -> Result<Vec<Values>, FindingsError> {
        let of = |seed| {
            let one = self.snapshot(seed, phase, prefix)?.group(group);
            let other = self.snapshot(seed, less_phase, less_prefix)?.group(group);
            let less = one
                .iter()
                .zip(other)
                .map(|(a, b)| vec![score(a) - score(b)]);
            Ok(less.collect())
        };
        (0..self.context.cells.len()).map(of).collect()
    }

    fn difference(
        &self,
        measure: &Measure,
        prefix: Prefix,
        pair: [(Phase, Prefix); 2],
    ) -> Result<Row, FindingsError> {
        let phase = pair[0].0;
        let subject = Subject {
            prefix: self.context.prefix_name(prefix),
            phase: phase.number(),
            direction: Direction::TwoSided,
            access: if phase == pair[1].0 {
                Access::Logits
            } else {
                Access::LogitsAndReference
            },
            ..self.subject(
                Role::Exploratory,
                Tier::Recognition,
                Group::HeldOut,
                measure.name,
            )
        };
        let groups = Groups {
            treated: self.differences(Group::HeldOut, pair, measure.score)?,
            control: self.differences(Group::Control, pair, measure.score)?,
        };
        let label = format!(
            "elicitation {} {} phase {phase}",
            measure.name,
            prefix.name()
        );
        let test = groups.standardised_two_sided(self.context, &label)?;
        let mut row = self.context.about(&subject);
        let (n, n_control) = groups.sizes();
        (row.n, row.n_control) = (n, Some(n_control));
        row.estimate = mean_at(&groups.treated, &test.argmax);
        row.control_estimate = mean_at(&groups.control, &test.argmax);
        row.chance = Some(0.0);
        take_p(&mut row, &test);
        groups.separate_into(&mut row);
        Ok(row)
    }

    /// What each phase changed, from its beginning to its end, under both prefixes.
    pub(super) fn by_phase(&self) -> Result<Vec<Row>, FindingsError> {
        let measure = Measure {
            name: "letter_rank_change_in_phase",
            score: LetterScores::mean_rank,
        };
        let mut rows = Vec::new();
        let mut before = Phase::One;
        for phase in self.context.audit.negative_phases() {
            for prefix in [Prefix::Regular, Prefix::Reverse] {
                rows.push(self.difference(
                    &measure,
                    prefix,
                    [(phase, prefix), (before, prefix)],
                )?);
            }
            before = phase;
        }
        Ok(rows)
    }

    /// Each canary under the reverse prefix less the same canary under the regular one.
    pub(super) fn paired(&self) -> Result<Vec<Row>, FindingsError> {
        if self.context.audit.canaries.prefixes.is_none() {
            return Ok(Vec::new());
        }
        let measures = [
            Measure {
                name: "letter_rank_reverse_less_regular",
                score: LetterScores::mean_rank,
            },
            Measure {
                name: "logprob_reverse_less_regular_nats_per_token",
                score: LetterScores::mean_logprob,
            },
        ];
        let mut rows = Vec::new();
        for phase in self.context.audit.negative_phases() {
            for measure in &measures {
                let pair = [(phase, Prefix::Reverse), (phase, Prefix::Regular)];
                rows.push(self.difference(measure, Prefix::Reverse, pair)?);
            }
        }
        Ok(rows)
    }
}
