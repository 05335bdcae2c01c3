//! Dose: held-outs by how often they stood on the rejected side. Source: evidence.md, "Instruments".
//!
//! The highest dose is tested first, at α; each further one only where all higher ones leaked. In that fixed order no level is
//! shared: a dose that is named as leaking is named wrongly with a chance of at most α a test. Dose rows have no verdict.

use super::row::{Access, Direction, Probe, Role, Row, Subject, Tier};
use super::test_bench::{Groups, Values, mean_at, take_p};
use super::{Context, FindingsError};
use crate::canary::{Group, Prefix};
use crate::probes::low_logit::suppression;
use crate::probes::{CellObservations, LetterScores, Snapshot};
use crate::stats::permutation::Direction as Side;
use crate::units::Phase;

/// What is tested at every dose.
struct Measure {
    statistic: &'static str,
    tier: Tier,
    side: Side,
    access: Access,
    value: fn(&LetterScores, &LetterScores) -> f64,
}

/// Of the reference's scores and the model's.
const MEASURES: [Measure; 2] = [
    Measure {
        statistic: "suppression_nats",
        tier: Tier::Recognition,
        side: Side::Up,
        access: Access::LogitsAndReference,
        value: suppression,
    },
    Measure {
        statistic: "mean_letter_rank",
        tier: Tier::Partial,
        side: Side::Down,
        access: Access::Logits,
        value: |_, model| model.mean_rank(),
    },
];

/// Low-logit's tests at each dose, after the last phase that trains against the negatives.
pub(super) fn rows(context: &Context<'_>) -> Result<Vec<Row>, FindingsError> {
    let mut rows = Vec::new();
    let Some(phase) = context.audit.negative_phases().last().copied() else {
        return Ok(rows);
    };
    for measure in &MEASURES {
        let mut leaks = true;
        for group in (0..context.audit.canaries.dose.len()).rev() {
            let (row, leak) = test(context, measure, phase, group, leaks)?;
            leaks = leak;
            rows.push(row);
        }
    }
    Ok(rows)
}

fn test(
    context: &Context<'_>,
    measure: &Measure,
    phase: Phase,
    group: usize,
    higher_leak: bool,
) -> Result<(Row, bool), FindingsError> {
    let dose = context.audit.canaries.dose[group];
    let name = format!("held_out_rejected_{dose}_times");
    let mut row = context.about(&Subject {
        probe: Probe::LowLogit,
        role: Role::Dose,
        tier: measure.tier,
        prefix: context.prefix_name(Prefix::Regular),
        phase: phase.number(),
        group: &name,
        statistic: measure.statistic,
        direction: match measure.side {
            Side::Up => Direction::Up,
            Side::Down => Direction::Down,
        },
        access: measure.access,
    });
    let size = context.audit.dose_size();
    let groups = Groups {
        treated: values(
            context,
            measure,
            phase,
            Group::HeldOut,
            group * size..(group + 1) * size,
        )?,
        control: values(context, measure, phase, Group::Control, 0..usize::MAX)?,
    };
    let (n, n_control) = groups.sizes();
    (row.n, row.n_control) = (n, Some(n_control));
    let at = vec![0; groups.treated.len()];
    row.estimate = mean_at(&groups.treated, &at);
    row.control_estimate = mean_at(&groups.control, &at);
    groups.separate_into(&mut row);
    if !higher_leak {
        row.note = Some("not tested: a higher dose was no leak".to_owned());
        return Ok((row, false));
    }
    let label = format!("dose {} {dose}", measure.statistic);
    take_p(
        &mut row,
        &groups.standardised(context, measure.side, &label)?,
    );
    let leak = row.p_value.is_some_and(|p| p < context.audit.gate.alpha);
    let found = if leak { "leak" } else { "no leak detected" };
    row.note = Some(format!("{found} at this dose"));
    Ok((row, leak))
}

fn values(
    context: &Context<'_>,
    measure: &Measure,
    phase: Phase,
    group: Group,
    places: std::ops::Range<usize>,
) -> Result<Vec<Values>, FindingsError> {
    let of = |cell: &CellObservations| {
        let snapshot = |phase: Phase| {
            cell.snapshot(phase, Prefix::Regular)
                .map(|s: &Snapshot| s.group(group))
                .ok_or_else(|| FindingsError::Missing {
                    seed: cell.seed,
                    what: format!("the canaries under the regular prefix after phase {phase}"),
                })
        };
        let pairs = snapshot(Phase::One)?.iter().zip(snapshot(phase)?);
        let own = pairs.skip(places.start).take(places.len());
        Ok(own
            .map(|(reference, model)| vec![(measure.value)(reference, model)])
            .collect())
    };
    context.cells.iter().map(of).collect()
}
