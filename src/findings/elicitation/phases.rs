//! Which phase did it, and in which context: changes over each phase, and each canary under one prefix less the other. No
//! verdict rests on them.

use super::Elicited;
use crate::canary::{Group, Prefix};
use crate::findings::context::scored;
use crate::findings::error::FindingsError;
use crate::findings::groups::{Groups, Values};
use crate::findings::measure::Statistic;
use crate::findings::row::{Row, Subject};
use crate::findings::terms::Role;
use crate::probes::{CellObservations, LetterScores};
use crate::units::Phase;

type Score = fn(&LetterScores) -> f64;

/// When, and under which prefix, canaries were scored.
type Moment = (Phase, Prefix);

impl Elicited<'_> {
    /// Each canary's difference between two snapshots, `[seeds][canaries][1]`.
    fn differences(
        &self,
        group: Group,
        [moment, less]: [Moment; 2],
        score: Score,
    ) -> Result<Vec<Values>, FindingsError> {
        let of = |cell: &CellObservations| {
            let one = scored(cell, moment.0, moment.1)?.group(group);
            let other = scored(cell, less.0, less.1)?.group(group);
            let less = one
                .iter()
                .zip(other)
                .map(|(a, b)| vec![score(a) - score(b)]);
            Ok(less.collect())
        };
        self.context.cells.iter().map(of).collect()
    }

    fn difference(
        &self,
        statistic: Statistic,
        score: Score,
        pair: [Moment; 2],
    ) -> Result<Row, FindingsError> {
        let (phase, prefix) = pair[0];
        let label = format!("elicitation {statistic} {} phase {phase}", prefix.name());
        let groups = Groups::gathered(Group::HeldOut, |g| self.differences(g, pair, score))?;
        let mut row = self.context.about(&Subject {
            prefix: self.context.prefix_name(prefix),
            phase: phase.number(),
            ..self.subject(Role::Exploratory, Group::HeldOut, statistic)
        });
        groups.tested_into(&mut row, self.context, &label)?;
        Ok(row)
    }

    /// What each phase changed, from its beginning to its end, under both prefixes.
    pub(super) fn by_phase(&self) -> Result<Vec<Row>, FindingsError> {
        let mut rows = Vec::new();
        let mut before = Phase::One;
        for phase in self.context.audit.negative_phases() {
            for prefix in [Prefix::Regular, Prefix::Reverse] {
                let pair = [(phase, prefix), (before, prefix)];
                let statistic = Statistic::LetterRankChange;
                rows.push(self.difference(statistic, LetterScores::mean_rank, pair)?);
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
        let measured: [(Statistic, Score); 2] = [
            (
                Statistic::LetterRankReverseLessRegular,
                LetterScores::mean_rank,
            ),
            (
                Statistic::LogprobReverseLessRegular,
                LetterScores::mean_logprob,
            ),
        ];
        let mut rows = Vec::new();
        for phase in self.context.audit.negative_phases() {
            for (statistic, score) in &measured {
                let pair = [(phase, Prefix::Reverse), (phase, Prefix::Regular)];
                rows.push(self.difference(statistic.clone(), *score, pair)?);
            }
        }
        Ok(rows)
    }
}
