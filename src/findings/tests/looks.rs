//! What `unsaid check` foretells against what the rows of a clean audit then say.

use super::*;
use crate::forecast::clean_run;

/// Mean smallest detectable effect of elicitation's guesses in clean audits, and what was foretold.
fn measured(alike: f64, seeds: u64) -> [f64; 2] {
    let canaries = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 48\nheld_out = 24\ncontrols = 48\ntrajectory_controls = 48\nrepeats = 160";
    let audit = audit(canaries, EASY)
        .with_seeds((0..seeds).collect())
        .unwrap();
    let foretold = clean_run(&audit).rows[0].detectable;
    let each = (0..6).map(|i| {
        let mut world = World::clean(audit.clone());
        world.audit.seeds = (0..seeds).map(|s| 100 * (i + 1) + s).collect();
        world.alike = alike;
        world.evaluations = audit.evaluations(Phase::Three);
        let found = world.findings();
        row(
            &found,
            Role::Audit,
            Probe::Elicitation,
            3,
            "mean_letter_rank",
        )
        .min_detectable
        .unwrap()
    });
    [each.sum::<f64>() / 6.0, foretold]
}

/// Twelve evaluations that have nothing in common: the forecast is right.
#[test]
fn the_forecast_is_right_where_evaluations_are_independent() {
    for seeds in [1, 4] {
        let [measured, foretold] = measured(0.0, seeds);
        assert!(
            (0.9..1.1).contains(&(measured / foretold)),
            "{measured}, foretold {foretold}, {seeds} seed(s)"
        );
    }
}

/// Where they are all the same the test is sharper than foretold, not blunter.
#[test]
fn the_forecast_errs_towards_too_large_where_they_are_alike() {
    for seeds in [1, 4] {
        let [measured, foretold] = measured(1.0, seeds);
        assert!(
            (0.4..1.0).contains(&(measured / foretold)),
            "{measured}, foretold {foretold}, {seeds} seed(s)"
        );
    }
}
