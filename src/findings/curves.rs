//! The groups' curves through the phases, averaged over seeds.

use super::context::Context;
use super::report::Curve;
use crate::canary::Group;
use crate::probes::elicitation::{Point, Trajectory};
use crate::units::Phase;

/// One curve per phase and group.
pub(super) fn curves(context: &Context<'_>) -> Vec<Curve> {
    let mut curves = Vec::new();
    for phase in Phase::ALL {
        for group in Group::USUAL {
            curves.extend(aligned(context, phase).and_then(|seeds| curve(context, group, &seeds)));
        }
    }
    curves
}

/// The seeds' trajectories through a phase; `None` where some seed has none, or was evaluated at other steps: those could not be
/// averaged.
pub(super) fn aligned<'a>(context: &Context<'a>, phase: Phase) -> Option<Vec<&'a Trajectory>> {
    let seeds = context.cells.iter().map(|c| c.trajectory(phase));
    let seeds: Vec<&Trajectory> = seeds.collect::<Option<_>>()?;
    let first = seeds.first()?;
    let alike = seeds.iter().all(|t| t.steps == first.steps);
    alike.then_some(seeds)
}

fn curve(context: &Context<'_>, group: Group, seeds: &[&Trajectory]) -> Option<Curve> {
    let first = seeds.first()?;
    let over_seeds = |value: fn(&Point) -> f64| -> Vec<f64> {
        let each: Vec<Vec<f64>> = seeds.iter().map(|t| t.curve(group, value)).collect();
        (0..first.steps.len())
            .map(|t| each.iter().map(|c| c[t]).sum::<f64>() / each.len() as f64)
            .collect()
    };
    Some(Curve {
        phase: first.phase.number(),
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
