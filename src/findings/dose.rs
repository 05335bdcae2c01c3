//! Dose: held-outs by how often they stood on the rejected side. Guide: evidence, "Dose".
//!
//! The highest dose is tested first, at α; each further one only where all higher ones leaked. In that fixed order no level is
//! shared: a dose that is named as leaking is named wrongly with a chance of at most α per test. Dose rows have no verdict: their
//! note says what was found, and says that none was detected only where an effect of the size to exclude would have been found and
//! the probe's instruments held.

use std::ops::Range;

use super::context::{Context, scored};
use super::error::FindingsError;
use super::groups::{Groups, Values, take_p};
use super::measure::Statistic;
use super::row::{Row, Subject};
use super::terms::{Direction, Probe, Role};
use super::verdict::failed;
use crate::canary::{Group, Prefix};
use crate::probes::low_logit::suppression;
use crate::probes::{CellObservations, LetterScores};
use crate::stats::{PermutationTest, Tail};
use crate::units::Phase;

/// A statistic, from the reference's scores and the model's.
type Measured = (Statistic, fn(&LetterScores, &LetterScores) -> f64);

/// The audit rows' own tests.
const MEASURED: [Measured; 2] = [
    (Statistic::Suppression, suppression),
    (Statistic::MeanLetterRank, |_, model| model.mean_rank()),
];

/// Low-logit's tests at each dose, after the last phase that trains against the negatives.
pub(super) fn rows(context: &Context<'_>) -> Result<Vec<Row>, FindingsError> {
    let mut rows = Vec::new();
    let Some(phase) = context.audit.negative_phases().last().copied() else {
        return Ok(rows);
    };
    for measured in &MEASURED {
        let mut leaks = true;
        for group in (0..context.audit.canaries.dose.len()).rev() {
            let (row, leak) = test(context, measured, phase, group, leaks)?;
            leaks = leak;
            rows.push(row);
        }
    }
    Ok(rows)
}

fn test(
    context: &Context<'_>,
    measured: &Measured,
    phase: Phase,
    group: usize,
    higher_leak: bool,
) -> Result<(Row, bool), FindingsError> {
    let dose = context.audit.canaries.dose[group];
    let name = format!("held_out_rejected_{dose}_times");
    let place = (phase, context.prefix_name(Prefix::Regular));
    let mut row = context.about(&Subject::of(
        (Probe::LowLogit, Role::Dose),
        place,
        &name,
        measured.0.clone(),
    ));
    let size = context.audit.dose_size();
    let own = group * size..(group + 1) * size;
    let of = |group, places| values(context, measured, phase, group, places);
    let groups = Groups {
        treated: of(Group::HeldOut, own)?,
        control: of(Group::Control, 0..usize::MAX)?,
    };
    groups.first_into(&mut row);
    groups.separate_into(&mut row);
    if !higher_leak {
        row.note = Some("not tested: a higher dose was no leak".to_owned());
        return Ok((row, false));
    }
    let label = format!("dose {} {dose}", row.statistic);
    let test = tested(context, &mut row, &groups, &label, || {
        of(Group::Useful, 0..usize::MAX)
    })?;
    take_p(&mut row, &test);
    row.ask(context.audit);
    let leak = context.finds(&row) == Some(true);
    Ok((row, leak))
}

/// The test at α; into the row the smallest effect that it would find.
fn tested(
    context: &Context<'_>,
    row: &mut Row,
    groups: &Groups,
    label: &str,
    useful: impl Fn() -> Result<Vec<Values>, FindingsError>,
) -> Result<PermutationTest, FindingsError> {
    let alpha = context.audit.gate.alpha;
    if row.direction == Direction::TwoSided {
        let test = groups.separation(context, label, alpha)?;
        row.min_detectable = groups.detectable_auc(&test);
        return Ok(test);
    }
    let test = groups.one_sided(context, Tail::Lower, label, alpha)?;
    groups.detectable_into(row, &test, &useful()?);
    row.min_detectable_sparse = None;
    Ok(test)
}

/// Says of every dose that was tested what was found, once the instruments are decided.
pub(super) fn tell(rows: &mut [Row], alpha: f64) {
    let [placebo_failed, control_failed] =
        [Role::Placebo, Role::PositiveControl].map(|role| failed(rows, Probe::LowLogit, role));
    let tested = |row: &&mut Row| row.role == Role::Dose && row.p_value.is_some();
    for row in rows.iter_mut().filter(tested) {
        let is_excluded = row
            .min_detectable
            .zip(row.smallest_effect)
            .is_some_and(|(finds, asked)| finds <= asked);
        let found = if placebo_failed {
            "inconclusive at this dose: the placebo found a difference before anything was planted"
        } else if row.p_value.is_some_and(|p| p < alpha) {
            "leak at this dose"
        } else if control_failed {
            "inconclusive at this dose: the positive control failed"
        } else if is_excluded {
            "no leak detected at this dose"
        } else {
            "inconclusive at this dose: an effect of the size to exclude could have been missed"
        };
        row.note = Some(found.to_owned());
    }
}

fn values(
    context: &Context<'_>,
    measured: &Measured,
    phase: Phase,
    group: Group,
    places: Range<usize>,
) -> Result<Vec<Values>, FindingsError> {
    let of = |cell: &CellObservations| {
        let reference = scored(cell, Phase::One, Prefix::Regular)?.group(group);
        let model = scored(cell, phase, Prefix::Regular)?.group(group);
        let pairs = reference.iter().zip(model);
        let own = pairs.skip(places.start).take(places.len());
        Ok(own
            .map(|(reference, model)| vec![(measured.1)(reference, model)])
            .collect())
    };
    context.cells.iter().map(of).collect()
}
