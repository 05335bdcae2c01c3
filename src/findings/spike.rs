//! Positive spike-in: canaries that training was *for*. Guide: evidence, "Spike-in".
//!
//! They stand on the chosen side of pairs as often as negatives stand on the rejected side, after the regular prefix. A model that
//! was trained so must give them more than controls; a probe that looks upward and does not find them is blind, and what it calls
//! clean means nothing. They are no part of the audit: whether they are found is never a leak.

use super::row::{Access, Direction, Probe, Role, Row, Subject, Tier};
use super::test_bench::{Groups, Values, mean_at, take_p};
use super::{Context, FindingsError};
use crate::canary::{Group, Prefix};
use crate::probes::{CellObservations, LetterScores};
use crate::stats::permutation::Direction as Side;
use crate::units::Phase;

/// Ranks of spike-ins against controls, upward, after the last phase that trains on pairs; none where no probe looks upward.
pub(super) fn row(context: &Context<'_>) -> Result<Option<Row>, FindingsError> {
    let Some(phase) = context.audit.negative_phases().last().copied() else {
        return Ok(None);
    };
    if context.audit.probes.elicitation.is_none() {
        return Ok(None);
    }
    let mut row = context.about(&Subject {
        probe: Probe::Elicitation,
        role: Role::PositiveControl,
        tier: Tier::Partial,
        prefix: context.prefix_name(Prefix::Regular),
        phase: phase.number(),
        group: Group::Spike.name(),
        statistic: "mean_letter_rank",
        direction: Direction::Up,
        access: Access::Logits,
    });
    let groups = Groups {
        treated: ranks(context, phase, Group::Spike)?,
        control: ranks(context, phase, Group::Control)?,
    };
    let (n, n_control) = groups.sizes();
    (row.n, row.n_control) = (n, Some(n_control));
    let at = vec![0; groups.treated.len()];
    row.estimate = mean_at(&groups.treated, &at);
    row.control_estimate = mean_at(&groups.control, &at);
    row.chance = Some(0.5);
    groups.separate_into(&mut row);
    take_p(&mut row, &groups.standardised(context, Side::Up, "spike")?);
    row.passed = row.p_value.map(|p| p < context.audit.gate.alpha);
    row.note = Some("spike-in: canaries that training was for, on the chosen side".to_owned());
    Ok(Some(row))
}

fn ranks(context: &Context<'_>, phase: Phase, group: Group) -> Result<Vec<Values>, FindingsError> {
    let of = |cell: &CellObservations| {
        let scores = cell
            .snapshot(phase, Prefix::Regular)
            .map(|snapshot| snapshot.group(group))
            .filter(|scores| !scores.is_empty())
            .ok_or_else(|| FindingsError::Missing {
                seed: cell.seed,
                what: format!("the {} canaries after phase {phase}", group.name()),
            })?;
        let rank = |scores: &LetterScores| vec![scores.mean_rank()];
        Ok(scores.iter().map(rank).collect())
    };
    context.cells.iter().map(of).collect()
}
