//! The groups' curves through the phases, averaged over seeds.

use super::Context;
use super::report::Curve;
use crate::canary::Group;
use crate::probes::elicitation::{Point, Trajectory};
use crate::units::Phase;

/// One curve a phase and group; a phase that some seed lacks has none.
pub(super) fn curves(context: &Context<'_>) -> Vec<Curve> {
    let mut curves = Vec::new();
    for phase in Phase::ALL {
        let seeds: Option<Vec<&Trajectory>> =
            context.cells.iter().map(|c| c.trajectory(phase)).collect();
        for group in Group::USUAL {
            curves.extend(
                seeds
                    .as_deref()
                    .and_then(|s| curve(context, phase, group, s)),
            );
        }
    }
    curves
}

fn curve(
    context: &Context<'_>,
    phase: Phase,
    group: Group,
    seeds: &[&Trajectory],
) -> Option<Curve> {
    let first = seeds.first()?;
    // Seeds of one spec are evaluated at the same steps; others could not be averaged.
    if seeds.iter().any(|t| t.steps != first.steps) {
        return None;
    }
    let over_seeds = |value: fn(&Point) -> f64| -> Vec<f64> {
        let each: Vec<Vec<f64>> = seeds.iter().map(|t| t.curve(group, value)).collect();
        (0..first.steps.len())
            .map(|t| each.iter().map(|c| c[t]).sum::<f64>() / each.len() as f64)
            .collect()
    };
    Some(Curve {
        phase: phase.number(),
        prefix: context.prefix_name(first.prefix).to_owned(),
        group: group.name().to_owned(),
        n: first.groups.get(&group)?.len(),
        steps: first.steps.clone(),
        mean_logprob: over_seeds(|p| p.logprob),
        mean_alphabet_logprob: over_seeds(|p| p.alphabet_logprob),
        mean_letter_rank: over_seeds(|p| p.rank),
        guess_rate: over_seeds(|p| p.first),
    })
}
