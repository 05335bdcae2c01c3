//! Positive spike-in: canaries that training was *for*. Guide: evidence, "Spike-in".
//!
//! They stand on the chosen side of pairs as often as negatives stand on the rejected side, after the regular prefix. A model that
//! was trained so must give them more than controls; a probe that looks upward and does not find them is blind, and what it calls
//! clean means nothing. They are no part of the audit: whether they are found is never a leak.

use super::context::Context;
use super::error::FindingsError;
use super::groups::{Groups, Values};
use super::measure::Statistic;
use super::row::{Row, Subject};
use super::terms::{Access, Probe, Role};
use crate::canary::{Group, Prefix};
use crate::probes::{CellObservations, LetterScores};
use crate::units::Phase;

/// Ranks of spike-ins against controls, upward, after the last phase that trains on pairs; none where no probe looks upward.
pub(super) fn row(context: &Context<'_>) -> Result<Option<Row>, FindingsError> {
    let Some(phase) = context.audit.negative_phases().last().copied() else {
        return Ok(None);
    };
    if context.audit.probes.elicitation.is_none() {
        return Ok(None);
    }
    let probe = (Probe::Elicitation, Role::PositiveControl);
    let place = (phase, context.prefix_name(Prefix::Regular));
    let statistic = Statistic::MeanLetterRank;
    let mut row = context.about(&Subject {
        access: Access::Logits,
        ..Subject::of(probe, place, Group::Spike.name(), statistic)
    });
    let groups = Groups::gathered(Group::Spike, |group| ranks(context, phase, group))?;
    groups.tested_into(&mut row, context, "spike")?;
    row.passed = context.moves(&row);
    row.note = Some("spike-in: canaries that training was for, on the chosen side".to_owned());
    Ok(Some(row))
}

fn ranks(context: &Context<'_>, phase: Phase, group: Group) -> Result<Vec<Values>, FindingsError> {
    let of = |cell: &CellObservations| {
        let scores = cell
            .snapshot(phase, Prefix::Regular)
            .map(|snapshot| snapshot.group(group))
            .filter(|scores| !scores.is_empty())
            .ok_or_else(|| {
                let what = format!("the {} canaries after phase {phase}", group.name());
                FindingsError::missing(cell, what)
            })?;
        let rank = |scores: &LetterScores| vec![scores.mean_rank()];
        Ok(scores.iter().map(rank).collect())
    };
    context.cells.iter().map(of).collect()
}
