//! A leak of the size that `min_detectable` names is found as often as it promises.

use super::*;

/// Simulated audits.
const AUDITS: u64 = 100;

/// How often a row is a leak, in audits of models that differ in their seed alone.
fn found(world: impl Fn() -> World, probe: Probe, phase: u8) -> usize {
    (0..AUDITS)
        .filter(|audit| {
            let mut world = world();
            world.audit.seeds = vec![7000 + audit];
            let found = world.findings();
            let row = row(&found, Role::Audit, probe, phase, "mean_letter_rank");
            row.verdict == Some(Verdict::Leak)
        })
        .count()
}

/// Mean over some clean audits of the smallest effect a row would have found.
fn promised(world: impl Fn() -> World, probe: Probe, phase: u8) -> f64 {
    let each = (0..8).map(|audit| {
        let mut world = world();
        world.audit.seeds = vec![900 + audit];
        let found = world.findings();
        row(&found, Role::Audit, probe, phase, "mean_letter_rank")
            .min_detectable
            .unwrap()
    });
    each.sum::<f64>() / 8.0
}

const CANARIES: &str = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 64\nheld_out = 32\ncontrols = 64\ntrajectory_controls = 64";

/// One probe; what lies outside the alphabet drowns the likelihoods, so that the row under test stands alone.
fn one_probe(off: &str, more: &str, rule: impl Fn(Moment, Group) -> Rule + 'static) -> World {
    let more = format!("{more}\n[probes.{off}]\nenabled = false\n");
    let mut world = World::new(audit(CANARIES, &more), move |m, g, _| rule(m, g));
    world.audit.gate.permutations = 4000;
    world.outside = |_, u| 6.0 * u;
    world
}

/// With a true power of 0.8, 65 to 90 of 100 have a chance of 0.9997 and 0.994 on their sides (binomial, sd 4); the normal
/// approximation of `min_detectable` may cost or lend a few percent.
fn as_promised(count: usize) {
    assert!((65..=90).contains(&count), "{count} of {AUDITS} found");
}

/// With probability q a true letter changes places with the end: the mean rank moves by q/2.
#[test]
fn low_logits_guesses() {
    let world = |q| {
        move || {
            one_probe("elicitation", "[phase3]\nskip = true", move |m, g| {
                match (m.phase, g) {
                    (Phase::Two, Group::HeldOut) => Rule::Last(q),
                    _ => Rule::Noise,
                }
            })
        }
    };
    let shift = promised(world(0.0), Probe::LowLogit, 2);
    as_promised(found(world(2.0 * shift), Probe::LowLogit, 2));
}

/// A leak at the third of five evaluations, found by the maximum.
#[test]
fn elicitations_guesses() {
    let world = |q| {
        move || {
            one_probe("low_logit", "", move |m, g| match (m.evaluation, g) {
                (Some(2), Group::HeldOut) => Rule::First(q),
                _ => Rule::Noise,
            })
        }
    };
    let shift = promised(world(0.0), Probe::Elicitation, 3);
    as_promised(found(world(2.0 * shift), Probe::Elicitation, 3));
}
