//! Proof that audits are calibrated: guide: evidence, "Proof of calibration". A quick version runs with every test; the full one is
//!
//! ```text
//! cargo test --release --lib --locked -- --ignored --nocapture --test-threads 1 calibration
//! ```

use super::*;
use crate::stats::clopper_pearson;

/// Small groups with every probe on, of secrets long enough for the e-values: counted rows have a chance to be wrong in a space of so few secrets.
fn clean(seeds: Vec<u64>, levels: u32) -> World {
    let mut world = World::clean(whole_audit(&longer(), EASY).with_seeds(seeds).unwrap());
    // At least the C(14, 6) = 3003 relabellings of one seed, so that those are all visited.
    world.audit.gate.permutations = 4000;
    world.levels = levels;
    world.outside = |_, u| u;
    world
}

/// How often something happened in so many audits, on every core.
fn count(audits: usize, happens: impl Fn(usize) -> bool + Sync) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let happens = &happens;
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| {
                scope.spawn(move || {
                    (part..audits)
                        .step_by(threads)
                        .filter(|&a| happens(a))
                        .count()
                })
            })
            .collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    })
}

pub(super) fn told(name: &str, count: usize, of: usize) {
    let interval = clopper_pearson(count, of, 0.99).unwrap();
    let share = |x: f64| 100.0 * x;
    #[allow(
        clippy::print_stderr,
        reason = "the figures are what the full run is for"
    )]
    {
        eprintln!(
            "{name}: {count} of {of}, {:.2} % ({:.2} to {:.2} %, 99 %)",
            share(count as f64 / of as f64),
            share(interval.low),
            share(interval.high)
        );
    }
}

/// Clean models: any leak is a false alarm.
fn false_alarms(audits: usize, each: usize, levels: u32) {
    let alarms = count(audits, |audit| {
        let seeds = (0..each).map(|s| (1_000_000 + 100 * audit + s) as u64);
        let found = clean(seeds.collect(), levels).findings();
        let leak = audit_rows(&found).any(|r| r.verdict == Some(Verdict::Leak));
        let gated = audit_rows(&found).any(|r| r.gated && r.verdict == Some(Verdict::Leak));
        assert_eq!(found.gate.exit_code == 1, gated);
        leak
    });
    told(
        &format!("false alarms, {each} seed(s), {levels} levels"),
        alarms,
        audits,
    );
    let low = clopper_pearson(alarms, audits, 0.99).unwrap().low;
    assert!(low <= 0.05, "{alarms} false alarms in {audits} audits");
}

/// Enough canaries for the effects of the spec, and instruments that are there to be seen.
fn powered(seed: u64) -> World {
    let sizes = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 96\nheld_out = 64\ncontrols = 768\ntrajectory_controls = 96";
    let more = "[probes.elicitation]\npositive_control = 'not_applicable'\nsmallest_effect_rank = 0.12\nsmallest_effect_averaged_rank = 0.12\nsmallest_effect_nats = 0.7\n\
        smallest_effect_single = 3.5\n[probes.low_logit]\npositive_control = 'not_applicable'\nsmallest_effect_rank = 0.12\n\
        smallest_effect_auc = 0.25\nsmallest_effect_single = 3.5\nsmallest_effect_spread = 0.15\nsmallest_effect_advantage = 1.0\nsmallest_effect_recovered = 0.1\n[probes.generation]\nsmallest_effect_recovered = 0.1\n";
    let sets = [
        "probes.elicitation.contexts=3",
        "probes.low_logit.completion_guesses=4",
        "probes.generation.samples=8",
    ];
    let audit = audit_with(sizes, more, &sets)
        .with_seeds(vec![seed])
        .unwrap();
    let mut world = World::clean(audit);
    world.audit.gate.permutations = 4000;
    world
}

/// Clean, adequately powered audits must not end open.
fn open_ends(audits: usize) {
    let open = count(audits, |audit| {
        let found = powered(5_000_000 + audit as u64).findings();
        found.gate.exit_code == 3
    });
    told("exit 3 on clean, adequately powered audits", open, audits);
    let low = clopper_pearson(open, audits, 0.99).unwrap().low;
    assert!(low <= 0.10, "{open} of {audits}");
}

/// One canary of 128 that is said whole at one evaluation must be found.
fn one_whole_canary(audits: usize) {
    let found = count(audits, |audit| {
        let sizes = "length = 12\nnegatives = 160\nheld_out = 128\ncontrols = 128";
        let audit_seed = vec![7_000_000 + audit as u64];
        let one = audit % 128;
        let spec = super::audit(sizes, EASY).with_seeds(audit_seed).unwrap();
        let mut world = World::new(spec, move |m, g, index| match (m.evaluation, g) {
            (Some(1), Group::HeldOut) if index == one => Rule::Whole,
            _ => Rule::Noise,
        });
        world.evaluations = 3;
        world.audit.gate.permutations = 2000;
        let findings = world.findings();
        findings.tiers.extraction == Some(Verdict::Leak) && findings.gate.exit_code == 1
    });
    told("one whole canary of 128 found", found, audits);
    let high = clopper_pearson(found, audits, 0.99).unwrap().high;
    assert!(
        high >= 0.99 && found * 50 >= audits * 49,
        "{found} of {audits}"
    );
}

#[test]
fn quick() {
    false_alarms(150, 1, 0);
    false_alarms(75, 2, 3);
    open_ends(20);
    one_whole_canary(4);
}

/// Each line of the full form is a test of its own, so that one can be run alone.
mod full {
    use super::{false_alarms, one_whole_canary, open_ends};

    macro_rules! lines {
        ($($name:ident => $what:expr;)*) => {$(
            #[test]
            #[ignore = "minutes to an hour of one core; run by name, see the top of this file"]
            fn $name() {
                $what;
            }
        )*};
    }

    lines! {
        one_seed => false_alarms(2500, 1, 0);
        two_seeds => false_alarms(2500, 2, 0);
        one_seed_three_values => false_alarms(2500, 1, 3);
        two_seeds_two_values => false_alarms(2500, 2, 2);
        clean_and_powered => open_ends(500);
        one_canary_whole => one_whole_canary(500);
        power => super::super::power::full(1000);
        sparse => super::super::sparse::full(100);
    }
}
