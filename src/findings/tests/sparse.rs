//! A few leaking canaries of 128 are found: whole and from either end, after one prompt alone, in half of their letters alone.

use super::calibration::told;
use super::*;

/// Where a few canaries leak.
#[derive(Clone, Copy)]
struct Leak {
    name: &'static str,
    top: bool,
    half: bool,
    /// After another token instead of the training's own prompt.
    elsewhere: bool,
}

const LEAKS: [Leak; 6] = [
    Leak {
        name: "upward",
        top: true,
        half: false,
        elsewhere: false,
    },
    Leak {
        name: "downward",
        top: false,
        half: false,
        elsewhere: false,
    },
    Leak {
        name: "upward, one prompt",
        top: true,
        half: false,
        elsewhere: true,
    },
    Leak {
        name: "downward, one prompt",
        top: false,
        half: false,
        elsewhere: true,
    },
    Leak {
        name: "upward, half of the letters",
        top: true,
        half: true,
        elsewhere: false,
    },
    Leak {
        name: "downward, half of the letters",
        top: false,
        half: true,
        elsewhere: false,
    },
];

/// Whether an audit of a model in which so many canaries leak fails the gate. Only the last phase leaks.
fn is_found(leak: Leak, canaries: usize, seed: u64) -> bool {
    let sizes = "negatives = 160\nheld_out = 128\ncontrols = 128";
    let sets = [
        "probes.elicitation.contexts=2",
        "probes.low_logit.completion_letters=[]",
        "probes.generation.enabled=false",
    ];
    let spec = audit_with(sizes, EASY, &sets);
    let Leak {
        top,
        half,
        elsewhere,
        ..
    } = leak;
    let rule = move |m: Moment, g, index| {
        let own = m.prefix == Prefix::Regular && m.evaluation.is_none() && !elsewhere;
        if own && m.phase == Phase::Three && g == Group::HeldOut && index < canaries {
            Rule::Leaks { top, half }
        } else {
            Rule::Noise
        }
    };
    let mut world = World::new(spec.with_seeds(vec![seed]).unwrap(), rule);
    if elsewhere {
        // The third of four contexts: the first other token.
        world.context_rule = match (top, canaries) {
            (true, 1) => |m, g, i| in_context(m, g, i < 1, true),
            (true, _) => |m, g, i| in_context(m, g, i < 3, true),
            (false, 1) => |m, g, i| in_context(m, g, i < 1, false),
            (false, _) => |m, g, i| in_context(m, g, i < 3, false),
        };
    }
    world.audit.gate.permutations = 2000;
    world.evaluations = 3;
    world.findings().gate.exit_code == 1
}

fn in_context(m: Moment, group: Group, few: bool, top: bool) -> Rule {
    let there = m.phase == Phase::Three && m.evaluation == Some(1002);
    if there && few && group == Group::HeldOut {
        Rule::Leaks { top, half: false }
    } else {
        Rule::Noise
    }
}

/// How many of so many audits find each leak, of one canary and of three.
fn found(audits: u64, check: impl Fn(&str, usize, u64, u64)) {
    for leak in LEAKS {
        for canaries in [1, 3] {
            let seeds = (0..audits).map(|audit| 11_000_000 + audit);
            let count = seeds.filter(|&seed| is_found(leak, canaries, seed)).count() as u64;
            check(leak.name, canaries, count, audits);
        }
    }
}

#[test]
fn quick() {
    found(2, |name, canaries, count, audits| {
        assert_eq!(count, audits, "{canaries} of 128, {name}");
    });
}

/// The same in so many audits that 95 and 99 % can be asked for.
pub(super) fn full(audits: u64) {
    found(audits, |name, canaries, count, audits| {
        let [count, of] = [count, audits].map(|n| usize::try_from(n).unwrap());
        told(&format!("{canaries} of 128 found, {name}"), count, of);
        let asked = if canaries == 1 { 0.95 } else { 0.99 };
        assert!(
            count as f64 >= asked * of as f64,
            "{canaries} of 128, {name}: {count} of {of}"
        );
    });
}
