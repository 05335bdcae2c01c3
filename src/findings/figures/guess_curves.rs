//! Shares of canaries that have fallen after so many guesses.

use super::GuessCurve;
use crate::canary::Group;
use crate::findings::context::Context;
use crate::findings::guess_numbers::{GuessNumbers, Order, guess_numbers};
use crate::findings::terms::Access;
use crate::probes::completion::Shown;
use crate::probes::scan::Hunt;
use crate::stats::mean;

/// Powers of ten up to which guesses are counted, and points to each.
const DECADES: usize = 12;
const TO_A_DECADE: usize = 2;

/// The curves of someone who learned on useful canaries, shown the logits alone or those of the reference too.
pub(super) fn guess_curves(context: &Context<'_>) -> Vec<GuessCurve> {
    let is_on = context.audit.probes.low_logit.is_some() && context.guesses_letters();
    let phases = context.audit.negative_phases().into_iter();
    let phases = phases.filter(|_| is_on);
    phases
        .flat_map(|phase| {
            let all = guess_numbers(context, phase).into_iter();
            all.filter(|n| {
                n.order == Order::Learned && matches!(n.shown, Shown::Logits | Shown::Reference)
            })
            .map(move |numbers| curve(context, phase.number(), &numbers))
        })
        .collect()
}

fn curve(context: &Context<'_>, phase: u8, numbers: &GuessNumbers) -> GuessCurve {
    let points = 0..=DECADES * TO_A_DECADE;
    let log10_guesses: Vec<f64> = points.map(|i| i as f64 / TO_A_DECADE as f64).collect();
    let share = |group: Group| -> Vec<f64> {
        let at = |power: &f64| {
            let within = |n: &crate::stats::GuessNumber| n.chance_within(10f64.powf(*power));
            mean(&numbers.group(group).iter().map(within).collect::<Vec<_>>()).unwrap_or(0.0)
        };
        log10_guesses.iter().map(at).collect()
    };
    let chance = |power: &f64| numbers.chance(context, 10f64.powf(*power));
    let hunts = if numbers.known == 0 {
        hunts(context, phase, numbers.shown)
    } else {
        Vec::new()
    };
    GuessCurve {
        phase,
        access: Access::from(numbers.shown),
        hunted: hunted(&hunts, &log10_guesses),
        sought: sought(&hunts, &log10_guesses),
        known_letters: numbers.known,
        held_out: share(Group::HeldOut),
        control: share(Group::Control),
        chance: log10_guesses.iter().map(chance).collect(),
        log10_guesses,
    }
}

/// The scan's hunts of all seeds.
fn hunts<'a>(context: &Context<'a>, phase: u8, shown: Shown) -> Vec<&'a Hunt> {
    let scans = context.cells.iter().filter_map(|cell| cell.scan());
    let scans = scans.filter(|scan| scan.phase.number() == phase);
    let hunts = scans.flat_map(|scan| &scan.hunts);
    hunts.filter(|hunt| hunt.shown == shown).collect()
}

/// What the beam found among its first guesses, all seeds together.
fn hunted(hunts: &[&Hunt], log10_guesses: &[f64]) -> Vec<f64> {
    let most = hunts.iter().map(|hunt| hunt.guesses).min().unwrap_or(0) as f64;
    let places = hunts
        .iter()
        .filter_map(|hunt| hunt.found.get(&Group::HeldOut));
    let places: Vec<Option<usize>> = places.flatten().copied().collect();
    let share = |power: &f64| {
        let within = |place: &&Option<usize>| place.is_some_and(|p| p as f64 <= 10f64.powf(*power));
        places.iter().filter(within).count() as f64 / places.len().max(1) as f64
    };
    let guessed = log10_guesses
        .iter()
        .take_while(|power| 10f64.powf(**power) <= most);
    guessed.map(share).collect()
}

fn sought(hunts: &[&Hunt], log10_guesses: &[f64]) -> Vec<f64> {
    let numbers = hunts
        .iter()
        .filter_map(|hunt| hunt.log10_guesses.get(&Group::HeldOut));
    let numbers: Vec<f64> = numbers.flatten().copied().collect();
    if numbers.is_empty() {
        return Vec::new();
    }
    let within = |power: &f64| numbers.iter().filter(|number| *number <= power).count();
    let share = |power| within(power) as f64 / numbers.len() as f64;
    log10_guesses.iter().map(share).collect()
}
