//! Whole secrets, guessed in the order of their letters' ranks.

use super::*;
use crate::probes::ProbeResult;
use crate::probes::completion::Shown;

/// All probes, in a space of a thousand million secrets.
const GROUPS: &str = "alphabet = 'abcdefghij'\nlength = 9\nnegatives = 48\nheld_out = 24\ncontrols = 32\ntrajectory_controls = 32";

fn everything() -> World {
    World::clean(whole_audit(GROUPS, EASY))
}

/// Where one secret within a thousand guesses is beyond luck, for all who try.
fn longer() -> World {
    World::clean(whole_audit(
        &GROUPS.replace("length = 9", "length = 12"),
        EASY,
    ))
}

/// Letters at the bottom: someone who learned so on useful canaries tries whole secrets, and needs no beginning.
#[test]
fn secrets_are_guessed_whole_from_nothing() {
    let mut world = everything();
    world.rule = Box::new(|m, g, _| match (m.phase, g) {
        (Phase::Two, Group::HeldOut | Group::Useful) if m.prefix == Prefix::Regular => {
            Rule::Last(0.8)
        }
        _ => Rule::Noise,
    });
    let found = world.findings();
    let whole = row(&found, Role::Audit, Probe::LowLogit, 2, "completed_whole");
    assert_eq!(whole.verdict, Some(Verdict::Leak));
    let curves = &found.figures.guess_curves;
    let of = |known: usize| {
        let mut all = curves.iter();
        all.find(|c| (c.phase, c.access, c.known_letters) == (2, Access::Logits, known))
            .unwrap()
    };
    let nothing = of(0);
    let million = nothing
        .log10_guesses
        .iter()
        .position(|x| *x >= 6.0)
        .unwrap();
    // Nine letters, each at the bottom with a chance of 0.8: a million words hold most that have up to four elsewhere.
    assert!(nothing.held_out[million] > 0.8, "{nothing:?}");
    assert!(nothing.control[million] < 0.1, "{nothing:?}");
    assert!((nothing.chance[million] - 1e-3).abs() < 1e-6);
    // Who knows more letters needs no more guesses.
    for (more, less) in of(4).held_out.iter().zip(&nothing.held_out) {
        assert!(more >= less);
    }
}

/// What useful canaries teach points the other way: whoever tries from the bottom needs no lesson.
#[test]
fn one_secret_at_the_bottom_is_guessed_whole_whatever_the_useful_ones_teach() {
    let mut world = longer();
    world.rule = Box::new(|m, g, index| match (m.phase, g) {
        (Phase::Two, Group::HeldOut) if index == 3 => Rule::Last(1.0),
        (Phase::Two, Group::Useful) => Rule::First(0.9),
        _ => Rule::Noise,
    });
    let found = world.findings();
    let whole = row(&found, Role::Audit, Probe::LowLogit, 2, "completed_whole");
    assert_eq!(whole.verdict, Some(Verdict::Leak));
    let note = whole.note.as_deref().unwrap();
    assert!(note.contains("1 of 24 held-outs guessed whole"), "{note}");
    assert!(note.ends_with("from the bottom of the ranks"), "{note}");
}

/// The model as it is tells nothing; whoever moves its weights against the training is told a secret whole.
#[test]
fn a_secret_that_altered_weights_tell_is_a_leak_to_who_holds_them() {
    let world = longer();
    let with = |group: Group| {
        let mut cell = world.cell(0);
        for look in &mut cell.results {
            if let ProbeResult::Contrast(made) = look
                && (made.phase, made.shown) == (Phase::Two, Shown::Negated)
            {
                made.orders.get_mut(&group).unwrap()[5] = vec![9; 12];
            }
        }
        judge(&world.audit, &[cell]).unwrap()
    };
    let found = with(Group::HeldOut);
    let whole = row(&found, Role::Audit, Probe::LowLogit, 2, "completed_whole");
    assert_eq!(whole.verdict, Some(Verdict::Leak));
    assert_eq!(whole.access, Access::WeightsAndReference);
    let note = whole.note.as_deref().unwrap();
    assert!(note.contains("1 of 24 held-outs guessed whole"), "{note}");
    assert!(note.contains("by −1 of the training"), "{note}");
    // The same of a control is none.
    let found = with(Group::Control);
    let whole = row(&found, Role::Audit, Probe::LowLogit, 2, "completed_whole");
    assert_eq!(whole.estimate, Some(0.0), "{whole:?}");
    assert_ne!(whole.verdict, Some(Verdict::Leak));
}
