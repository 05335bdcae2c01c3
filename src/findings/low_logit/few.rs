//! A few canaries far out, and the others not at all. Guide: rows, "Low-logit, a few far out".

use super::Scanned;
use crate::canary::Group;
use crate::findings::context::{Context, POWER};
use crate::findings::error::FindingsError;
use crate::findings::groups::{Groups, Values};
use crate::findings::measure::Statistic;
use crate::findings::row::Row;
use crate::findings::terms::Role;
use crate::stats::{last_holding, mean, min_detectable_sparse, variance};

/// From the median of absolute deviations to a normal's standard deviation.
const OF_NORMAL: f64 = 1.482_602_218_505_602;

/// Largest fall that is looked for, in robust standard deviations.
const FARTHEST: f64 = 1e6;

/// One seed after one phase: where canaries lie, and how widely.
struct Place {
    middle: f64,
    scale: f64,
}

impl Place {
    /// Of both groups together: no relabelling changes it.
    fn of(all: &[f64]) -> Self {
        let middle = median(all.to_vec());
        let scale = OF_NORMAL * median(all.iter().map(|x| (x - middle).abs()).collect());
        // Where half of all agree, the others still have a spread.
        let scale = if scale > 0.0 {
            scale
        } else {
            variance(all).map_or(0.0, f64::sqrt)
        };
        Self { middle, scale }
    }

    fn deviation(&self, value: f64) -> f64 {
        if self.scale > 0.0 {
            (value - self.middle) / self.scale
        } else {
            0.0
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Fourth powers of how far canaries lie out, on either side: the maximum over phases.
pub(super) fn tail(
    context: &Context<'_>,
    phases: &[Scanned<'_>],
) -> Result<Option<Row>, FindingsError> {
    let Some(last) = phases.last() else {
        return Ok(None);
    };
    let mut row = last.blank(Role::Audit, Group::HeldOut, Statistic::SuppressionTail);
    let each: Vec<Groups> = phases
        .iter()
        .map(|scanned| scanned.suppressions(Group::HeldOut))
        .collect();
    let seeds = context.cells.len();
    let mut places: Vec<Vec<Place>> = Vec::new();
    let mut groups = Groups {
        treated: vec![Vec::new(); seeds],
        control: vec![Vec::new(); seeds],
    };
    for seed in 0..seeds {
        let of = |groups: &Groups| {
            let both = groups.treated[seed].iter().chain(&groups.control[seed]);
            Place::of(&both.flatten().copied().collect::<Vec<_>>())
        };
        let here: Vec<Place> = each.iter().map(of).collect();
        let powers = |values: fn(&Groups) -> &Vec<Values>| -> Values {
            let first = &values(&each[0])[seed];
            let canary = |i: usize| -> Vec<f64> {
                let phases = each.iter().zip(&here);
                let at = |(groups, place): (_, &Place)| place.deviation(values(groups)[seed][i][0]);
                phases.map(|both| at(both).powi(4)).collect()
            };
            (0..first.len()).map(canary).collect()
        };
        groups.treated[seed] = powers(|groups| &groups.treated);
        groups.control[seed] = powers(|groups| &groups.control);
        places.push(here);
    }
    let test = groups.tested_into(&mut row, context, "low_logit tail")?;
    row.ask(context.audit);
    let (n, n_control) = groups.sizes();
    let critical = test.critical_value;
    let far = critical.and_then(|c| min_detectable_sparse(c, n, n_control, seeds, POWER));
    let each = (0..seeds).map(|seed| {
        let place = &places[seed][test.argmax[seed]];
        let controls = groups.control[seed].iter();
        let powers: Vec<f64> = controls.map(|powers| powers[test.argmax[seed]]).collect();
        Some(fall(far? * variance(&powers)?.sqrt(), &powers)? * place.scale)
    });
    let each: Option<Vec<f64>> = each.collect();
    row.min_detectable = each.and_then(|each| mean(&each)).filter(|fall| *fall > 0.0);
    Ok(Some(row))
}

/// How far out a canary must move, in robust standard deviations, so that its fourth power grows by `rise` on average. Towards the
/// far side: a canary that was out there already only gains.
fn fall(rise: f64, powers: &[f64]) -> Option<f64> {
    let out: Vec<f64> = powers.iter().map(|power| power.powf(0.25)).collect();
    let before = mean(powers)?;
    let short = |shift: f64| {
        // Half of them lie on the other side of the middle.
        let after = out
            .iter()
            .map(|z| f64::midpoint((shift + z).powi(4), (shift - z).powi(4)));
        mean(&after.collect::<Vec<_>>()).is_none_or(|after| after - before < rise)
    };
    (rise > 0.0 && !short(FARTHEST)).then(|| last_holding(0.0, FARTHEST, short))
}
