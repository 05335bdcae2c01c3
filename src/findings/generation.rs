//! Rows of the generation probe: what was said whole, and how near it came. Guide: evidence, "Scan and generation".

use super::counted::{Counted, best_into, chance_of};
use super::row::{Access, Direction, Probe, Role, Row, Subject, Tier};
use super::test_bench::{Groups, Values, mean_at, take_p};
use super::{Context, FindingsError};
use crate::canary::{Group, Prefix};
use crate::probes::generation::{Generation as Said, Nearness};
use crate::probes::{CellObservations, LetterScores};
use crate::spec::{Generation, PositiveControl};
use crate::stats::permutation::Direction as Side;
use crate::units::Phase;

/// A number of how near the samples came to a canary, and where a leak would lie.
struct Near {
    name: &'static str,
    value: fn(&Nearness) -> f64,
    side: Side,
}

const NEAR: [Near; 2] = [
    Near {
        name: "longest_shared_beginning_letters",
        value: |near| near.shared as f64,
        side: Side::Up,
    },
    Near {
        name: "edit_distance_letters",
        value: |near| near.distance as f64,
        side: Side::Down,
    },
];

pub(super) fn rows(
    context: &Context<'_>,
    settings: &Generation,
) -> Result<Vec<Row>, FindingsError> {
    for cell in context.cells {
        let expected = context.cells.first().map_or(0, |c| c.generations().count());
        if cell.generations().count() != expected || expected == 0 {
            return Err(FindingsError::Missing {
                seed: cell.seed,
                what: "samples".to_owned(),
            });
        }
    }
    let mut rows = vec![
        recovered(context, settings, Role::Audit, Group::HeldOut),
        recovered(context, settings, Role::Placebo, Group::Control),
    ];
    let first: Vec<&Said> = context.cells[0].generations().collect();
    for (place, said) in first.iter().enumerate() {
        for near in &NEAR {
            let role = Role::Exploratory;
            rows.push(nearness(
                context,
                near,
                place,
                said,
                (role, Group::HeldOut),
            )?);
        }
    }
    // Useful canaries are there to be said after the reverse prefix, at the end of phase 3.
    let taught = first.iter().enumerate().find(|(_, said)| {
        said.phase == Phase::Three
            && (said.prefix == Prefix::Reverse || context.audit.canaries.prefixes.is_none())
    });
    if let Some((place, said)) = taught {
        let about = (Role::PositiveControl, Group::Useful);
        let mut row = nearness(context, &NEAR[0], place, said, about)?;
        let alpha = context.audit.gate.alpha;
        row.passed = match settings.positive_control {
            PositiveControl::NotApplicable => None,
            PositiveControl::Required => row.p_value.map(|p| p < alpha),
        };
        rows.push(row);
    }
    rows.extend(greedy(context));
    Ok(rows)
}

fn blank(
    context: &Context<'_>,
    (role, group): (Role, Group),
    tier: Tier,
    (phase, prefix): (Phase, &str),
    statistic: &str,
) -> Row {
    context.about(&Subject {
        probe: Probe::Generation,
        role,
        tier,
        prefix,
        phase: phase.number(),
        group: group.name(),
        statistic,
        direction: Direction::Up,
        access: Access::Samples,
    })
}

/// What was said whole, over all phases, prefixes and seeds. The samples of a seed together are its guesses.
fn recovered(context: &Context<'_>, settings: &Generation, role: Role, group: Group) -> Row {
    let last = context.audit.negative_phases().last().copied();
    let place = (last.unwrap_or(Phase::Three), "any");
    let mut row = blank(
        context,
        (role, group),
        Tier::Extraction,
        place,
        "said_whole",
    );
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
        row.smallest_effect = Some(settings.smallest_effect_recovered);
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
    near: &Near,
    place: usize,
    said: &Said,
    about: (Role, Group),
) -> Result<Row, FindingsError> {
    let values = |group| -> Vec<Values> {
        let of = |cell: &CellObservations| -> Values {
            let said = cell.generations().nth(place);
            let all = said.and_then(|said| said.groups.get(&group));
            all.into_iter()
                .flatten()
                .map(|n| vec![(near.value)(n)])
                .collect()
        };
        context.cells.iter().map(of).collect()
    };
    let groups = Groups {
        treated: values(about.1),
        control: values(Group::Control),
    };
    let prefix = context.prefix_name(said.prefix);
    let mut row = blank(
        context,
        about,
        Tier::Partial,
        (said.phase, prefix),
        near.name,
    );
    let label = format!("generation {} {} {place}", near.name, about.1.name());
    let test = groups.standardised(context, near.side, &label)?;
    let (n, n_control) = groups.sizes();
    (row.n, row.n_control) = (n, Some(n_control));
    row.estimate = mean_at(&groups.treated, &test.argmax);
    row.control_estimate = mean_at(&groups.control, &test.argmax);
    if near.side == Side::Down {
        row.direction = Direction::Down;
    }
    take_p(&mut row, &test);
    groups.separate_into(&mut row);
    Ok(row)
}

type Measure = fn(&LetterScores) -> f64;

/// Greedy decoding along the truth: share of letters that stand first (exact memorisation), and 1 − k/L for the smallest number
/// k of first letters after which greedy decoding says all the rest (extraction strength).
fn greedy(context: &Context<'_>) -> Vec<Row> {
    let measures: [(&str, Measure); 2] = [
        ("exact_memorisation_rate", LetterScores::first_rate),
        ("extraction_strength", extraction_strength),
    ];
    let mut rows = Vec::new();
    for phase in context.audit.negative_phases() {
        for prefix in [Prefix::Regular, Prefix::Reverse] {
            for (name, measure) in measures {
                let values = |group| -> Vec<Values> {
                    let of = |cell: &CellObservations| {
                        let snapshot = cell.snapshot(phase, prefix);
                        let all = snapshot.map_or(&[][..], |s| s.group(group));
                        all.iter().map(|s| vec![measure(s)]).collect()
                    };
                    context.cells.iter().map(of).collect()
                };
                let about = (Role::Exploratory, Group::HeldOut);
                let place = (phase, context.prefix_name(prefix));
                let mut row = blank(context, about, Tier::Extraction, place, name);
                let (held_out, control) = (values(Group::HeldOut), values(Group::Control));
                let at = vec![0; held_out.len()];
                row.n = held_out.iter().map(Vec::len).min().unwrap_or(0);
                row.n_control = control.iter().map(Vec::len).min();
                row.estimate = mean_at(&held_out, &at);
                row.control_estimate = mean_at(&control, &at);
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
