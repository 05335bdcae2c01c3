//! Dose: held-outs by how often they stood on the rejected side. Guide: evidence, "Dose".
//!
//! The highest dose is tested first, at α; each further one only where all higher ones leaked. In that fixed order no level is
//! shared: a dose that is named as leaking is named wrongly with a chance of at most α a test. Dose rows have no verdict: their
//! note says what was found, and says that none was detected only where an effect of the size to exclude would have been found and
//! the probe's instruments held.

use super::row::{Access, Direction, Probe, Role, Row, Subject, Tier};
use super::test_bench::{Groups, Values, mean_at, spread, take_p};
use super::{Context, FindingsError, POWER};
use crate::canary::{Group, Prefix};
use crate::probes::low_logit::suppression;
use crate::probes::{CellObservations, LetterScores, Snapshot};
use crate::spec::LowLogit;
use crate::stats::min_detectable_auc;
use crate::stats::permutation::{Direction as Side, PermutationTest};
use crate::units::Phase;

/// What is tested at every dose.
struct Measure {
    statistic: &'static str,
    tier: Tier,
    direction: Direction,
    access: Access,
    value: fn(&LetterScores, &LetterScores) -> f64,
    /// What the spec asks to be able to exclude.
    asked: fn(&LowLogit) -> f64,
    unit: &'static str,
}

/// The audit rows' own tests. Values are of the reference's scores and the model's.
const MEASURES: [Measure; 2] = [
    Measure {
        statistic: "suppression_nats",
        tier: Tier::Recognition,
        direction: Direction::TwoSided,
        access: Access::LogitsAndReference,
        value: suppression,
        asked: |settings| settings.smallest_effect_auc,
        unit: "AUC from 0.5",
    },
    Measure {
        statistic: "mean_letter_rank",
        tier: Tier::Partial,
        direction: Direction::Down,
        access: Access::Logits,
        value: |_, model| model.mean_rank(),
        asked: |settings| settings.smallest_effect_rank,
        unit: "of rank 0–1",
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
        direction: measure.direction,
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
    let (test, finds) = tested(context, measure, phase, &groups, dose)?;
    take_p(&mut row, &test);
    let settings = context.audit.probes.low_logit.as_ref();
    row.min_detectable = finds;
    row.smallest_effect = settings.map(measure.asked);
    row.effect_unit = Some(measure.unit.to_owned());
    let leak = leaks(&row, context.audit.gate.alpha);
    Ok((row, leak))
}

fn leaks(row: &Row, alpha: f64) -> bool {
    row.p_value.is_some_and(|p| p < alpha)
}

/// The test at α, and the smallest effect that it would find.
fn tested(
    context: &Context<'_>,
    measure: &Measure,
    phase: Phase,
    groups: &Groups,
    dose: usize,
) -> Result<(PermutationTest, Option<f64>), FindingsError> {
    let label = format!("dose {} {dose}", measure.statistic);
    let alpha = context.audit.gate.alpha;
    if measure.direction == Direction::TwoSided {
        let test = groups.separation_at(context, &label, alpha)?;
        let (n, n_control) = groups.sizes();
        let finds = test.critical_value.and_then(|critical| {
            min_detectable_auc(critical, n, n_control, groups.treated.len(), POWER)
        });
        return Ok((test, finds));
    }
    let test = groups.standardised_at(context, Side::Down, &label, alpha)?;
    let useful = values(context, measure, phase, Group::Useful, 0..usize::MAX)?;
    let spread = spread(&useful, &groups.control, &test.argmax);
    let finds = groups.detectable(&test, spread).all;
    Ok((test, finds))
}

/// Says of every dose that was tested what was found, once the instruments are decided.
pub(super) fn tell(rows: &mut [Row], alpha: f64) {
    let failed = |role: Role| {
        let of = |row: &&Row| row.role == role && row.probe == Probe::LowLogit;
        rows.iter().filter(of).any(|row| row.passed == Some(false))
    };
    let (placebo_failed, control_failed) = (failed(Role::Placebo), failed(Role::PositiveControl));
    let tested = |row: &&mut Row| row.role == Role::Dose && row.p_value.is_some();
    for row in rows.iter_mut().filter(tested) {
        let is_excluded = row
            .min_detectable
            .zip(row.smallest_effect)
            .is_some_and(|(finds, asked)| finds <= asked);
        let found = if placebo_failed {
            "inconclusive at this dose: the placebo found a difference before anything was planted"
        } else if leaks(row, alpha) {
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
