//! Rows of the generation probe: what was said whole, and how near it came. Guide: rows, "Scan and generation".

use super::context::Context;
use super::counted::{Counted, best_into, chance_of};
use super::error::FindingsError;
use super::groups::{Groups, Values};
use super::measure::Statistic;
use super::row::{Row, Subject};
use super::terms::{Probe, Role};
use crate::canary::{Group, Prefix};
use crate::probes::generation::{Generation as Said, Nearness, Spoken};
use crate::probes::{CellObservations, LetterScores};
use crate::spec::Generation;
use crate::units::Phase;

/// A number of how near the samples came to a canary.
type Near = (Statistic, fn(&Nearness) -> f64);

const SHARED: Near = (Statistic::LongestSharedBeginning, |near| near.shared as f64);
const DISTANCE: Near = (Statistic::EditDistance, |near| near.distance as f64);

pub(super) fn rows(
    context: &Context<'_>,
    settings: &Generation,
) -> Result<Vec<Row>, FindingsError> {
    for cell in context.cells {
        let expected = context.cells.first().map_or(0, |c| c.generations().count());
        if cell.generations().count() != expected || expected == 0 {
            return Err(FindingsError::missing(cell, "samples"));
        }
    }
    let mut rows = vec![
        recovered(context, Role::Audit, Group::HeldOut),
        recovered(context, Role::Placebo, Group::Control),
    ];
    let first: Vec<&Said> = context.cells[0].generations().collect();
    let sampled = || {
        let all = first.iter().enumerate();
        all.filter(|(_, said)| said.spoken == Spoken::Sampled)
    };
    for (place, said) in sampled() {
        for near in [SHARED, DISTANCE] {
            let about = (Role::Exploratory, Group::HeldOut);
            rows.push(nearness(context, near, place, said, about)?);
        }
    }
    // Useful canaries are there to be said after the reverse prefix, at the end of phase 3.
    let taught = sampled().find(|(_, said)| {
        said.phase == Phase::Three
            && (said.prefix == Prefix::Reverse || context.audit.canaries.prefixes.is_none())
    });
    if let Some((place, said)) = taught {
        let about = (Role::PositiveControl, Group::Useful);
        let mut row = nearness(context, SHARED, place, said, about)?;
        row.passed = context.passes(settings.positive_control, &row);
        rows.push(row);
    }
    rows.extend(greedy(context));
    Ok(rows)
}

fn blank(
    context: &Context<'_>,
    (role, group): (Role, Group),
    place: (Phase, &str),
    statistic: Statistic,
) -> Row {
    let probe = (Probe::Generation, role);
    context.about(&Subject::of(probe, place, group.name(), statistic))
}

/// What was said whole, over all phases, prompts and seeds. All that a seed's models said together are its guesses.
fn recovered(context: &Context<'_>, role: Role, group: Group) -> Row {
    let last = context.audit.negative_phases().last().copied();
    let place = (last.unwrap_or(Phase::Three), "any");
    let mut row = blank(context, (role, group), place, Statistic::SaidWhole);
    let counted = |group| {
        let mut all = Counted {
            recovered: 0,
            canaries: 0,
            chance: 0.0,
        };
        for cell in context.cells {
            let canaries = cell
                .generations()
                .map(|said| said.groups.get(&group).map_or(0, Vec::len))
                .max()
                .unwrap_or(0);
            let whole = |i: &usize| {
                let near =
                    |said: &Said| said.groups.get(&group).and_then(|all| all.get(*i).copied());
                cell.generations()
                    .filter_map(near)
                    .any(|near| near.distance == 0)
            };
            all.recovered += (0..canaries).filter(whole).count();
            all.canaries += canaries;
            let guesses: usize = cell.generations().map(|said| said.distinct).sum();
            let left = context.share_left();
            let chance = chance_of(guesses as f64, context.letters(), context.length(), left);
            // The largest of all seeds bounds each.
            all.chance = all.chance.max(chance);
        }
        all
    };
    let own = counted(group);
    best_into(&mut row, &[own]);
    row.p_method = Some("binomial, chance known".to_owned());
    let n = |group| {
        context.cells.first().map_or(0, |cell| {
            let said = cell.generations().next();
            said.map_or(0, |said| said.groups.get(&group).map_or(0, Vec::len))
        })
    };
    row.n = n(group);
    if role == Role::Audit {
        row.ask(context.audit);
        row.n_control = Some(n(Group::Control));
        row.control_estimate = counted(Group::Control).share();
    } else {
        (row.control, row.min_detectable, row.effect_unit) = (None, None, None);
    }
    row
}

/// How near the samples of one phase and prefix came to a group, against controls.
fn nearness(
    context: &Context<'_>,
    (statistic, value): Near,
    place: usize,
    said: &Said,
    about: (Role, Group),
) -> Result<Row, FindingsError> {
    let groups = Groups::against_controls(about.1, |group| {
        let of = |cell: &CellObservations| -> Values {
            let said = cell.generations().nth(place);
            let all = said.and_then(|said| said.groups.get(&group));
            all.into_iter().flatten().map(|n| vec![value(n)]).collect()
        };
        context.cells.iter().map(of).collect()
    });
    let label = format!("generation {statistic} {} {place}", about.1.name());
    let moment = (said.phase, context.prefix_name(said.prefix));
    let mut row = blank(context, about, moment, statistic);
    groups.tested_into(&mut row, context, &label)?;
    Ok(row)
}

/// Greedy decoding along the truth: exact memorisation and extraction strength.
fn greedy(context: &Context<'_>) -> Vec<Row> {
    type Measured = (Statistic, fn(&LetterScores) -> f64);
    let measured: [Measured; 2] = [
        (Statistic::ExactMemorisation, LetterScores::first_rate),
        (Statistic::ExtractionStrength, extraction_strength),
    ];
    let mut rows = Vec::new();
    for phase in context.audit.negative_phases() {
        for prefix in [Prefix::Regular, Prefix::Reverse] {
            for (statistic, value) in &measured {
                let groups = Groups::against_controls(Group::HeldOut, |group| {
                    let of = |cell: &CellObservations| {
                        let snapshot = cell.snapshot(phase, prefix);
                        let all = snapshot.map_or(&[][..], |s| s.group(group));
                        all.iter().map(|s| vec![value(s)]).collect()
                    };
                    context.cells.iter().map(of).collect()
                });
                let about = (Role::Exploratory, Group::HeldOut);
                let place = (phase, context.prefix_name(prefix));
                let mut row = blank(context, about, place, statistic.clone());
                groups.first_into(&mut row);
                rows.push(row);
            }
        }
    }
    rows
}

fn extraction_strength(scores: &LetterScores) -> f64 {
    let said = scores
        .first
        .iter()
        .rev()
        .take_while(|&&first| first >= 1.0)
        .count();
    said as f64 / scores.first.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extraction_strength_counts_the_letters_said_at_the_end() {
        let of = |first: &[f64]| {
            extraction_strength(&LetterScores {
                first: first.to_vec(),
                ..LetterScores::default()
            })
        };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(of(&[1.0, 1.0, 0.0, 1.0]), 0.25);
        close(of(&[1.0; 4]), 1.0);
        close(of(&[1.0, 0.5]), 0.0);
        close(of(&[]), 0.0);
    }
}
