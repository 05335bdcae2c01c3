//! A leak of the size that `min_detectable` names is found as often as it promises.

use super::*;

/// Simulated audits.
const AUDITS: u64 = 100;

/// How often something is found, in so many audits.
struct Found {
    /// By the row's own test, at the level of the least favourable place in Holm's order: what `min_detectable` promises.
    alone: usize,
    /// By the verdict. Other rows that see the same leak make room in Holm's order; a placebo that fails by chance takes it away.
    verdict: usize,
}

/// How often a leak is found in audits of models that differ in their seed alone.
fn found(audits: u64, world: impl Fn() -> World, probe: Probe, phase: u8) -> Found {
    let mut count = Found {
        alone: 0,
        verdict: 0,
    };
    for audit in 0..audits {
        let mut world = world();
        world.audit.seeds = vec![7000 + audit];
        let found = world.findings();
        let rows = audit_rows(&found).count() as f64;
        let row = row(&found, Role::Audit, probe, phase, "mean_letter_rank");
        count.alone += usize::from(row.p_value.unwrap() * rows < world.audit.gate.alpha);
        count.verdict += usize::from(row.verdict == Some(Verdict::Leak));
    }
    count
}

/// Clean audits whose promise is averaged: one varies by a tenth, with the spread of its canaries.
const PROMISES: u64 = 60;

/// Mean over clean audits of the smallest effect a row would have found.
fn promised(world: impl Fn() -> World, probe: Probe, phase: u8) -> f64 {
    let each = (0..PROMISES).map(|audit| {
        let mut world = world();
        world.audit.seeds = vec![900 + audit];
        let found = world.findings();
        row(&found, Role::Audit, probe, phase, "mean_letter_rank")
            .min_detectable
            .unwrap()
    });
    each.sum::<f64>() / PROMISES as f64
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
fn as_promised(found: &Found) {
    let count = found.alone;
    assert!((65..=90).contains(&count), "{count} of {AUDITS} found");
}

/// With probability q a true letter changes places with the end: the mean rank moves by q/2.
fn low_logit_world(q: f64) -> World {
    one_probe("elicitation", "[phase3]\nskip = true", move |m, g| {
        match (m.phase, g) {
            (Phase::Two, Group::HeldOut) => Rule::Last(q),
            _ => Rule::Noise,
        }
    })
}

/// A leak at the third of five evaluations, found by the maximum.
fn elicitation_world(q: f64) -> World {
    one_probe("low_logit", "", move |m, g| match (m.evaluation, g) {
        (Some(2), Group::HeldOut) => Rule::First(q),
        _ => Rule::Noise,
    })
}

/// How often a leak of the size that is promised is found, in so many audits.
fn at_the_size_promised(audits: u64, world: fn(f64) -> World, probe: Probe, phase: u8) -> Found {
    let shift = promised(|| world(0.0), probe, phase);
    found(audits, || world(2.0 * shift), probe, phase)
}

#[test]
fn low_logits_guesses() {
    as_promised(&at_the_size_promised(
        AUDITS,
        low_logit_world,
        Probe::LowLogit,
        2,
    ));
}

#[test]
fn elicitations_guesses() {
    as_promised(&at_the_size_promised(
        AUDITS,
        elicitation_world,
        Probe::Elicitation,
        3,
    ));
}

/// The same in so many audits that 75 to 85 % can be asked for.
pub(super) fn full(audits: u64) {
    for (name, world, probe, phase) in [
        (
            "low_logit",
            low_logit_world as fn(f64) -> World,
            Probe::LowLogit,
            2,
        ),
        ("elicitation", elicitation_world, Probe::Elicitation, 3),
    ] {
        let found = at_the_size_promised(audits, world, probe, phase);
        let count = found.alone;
        for (by, count) in [
            ("the row's own test", count),
            ("the verdict", found.verdict),
        ] {
            super::calibration::told(
                &format!("leaks of the size promised found by {by}, {name}"),
                count,
                usize::try_from(audits).unwrap(),
            );
        }
        let share = count as f64 / audits as f64;
        assert!(
            (0.75..=0.85).contains(&share),
            "{name}: {count} of {audits}"
        );
    }
}
