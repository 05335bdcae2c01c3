//! Numbers that follow from planted places by hand, to the last one shown.

use super::*;
use crate::findings::Scope;

/// Two held-out, two useful, three controls, each of two of four letters: 16 possible secrets.
const TINY: &str = "alphabet = 'abcd'\nlength = 2\nnegatives = 4\nheld_out = 2\ncontrols = 3\ntrajectory_controls = 3";

/// Log of the sum of e^0 … e^3: a letter at place r has log-probability r less this, and less what lies outside the alphabet.
fn log_sum() -> f64 {
    (0..4).map(|r| f64::from(r).exp()).sum::<f64>().ln()
}

/// Places of canaries (held-out, useful, control) in phase 3's evaluations, then at the ends of phases.
fn place(moment: Moment, group: Group, index: usize) -> u8 {
    let of = |held: [u8; 2], useful: [u8; 2], control: [u8; 3]| match group {
        Group::HeldOut => held[index],
        Group::Useful => useful[index],
        Group::Control => control[index],
        Group::Spike => unreachable!("no spike-ins are asked for"),
    };
    match (moment.phase, moment.evaluation) {
        (_, Some(0)) => of([1, 2], [1, 2], [1, 2, 2]),
        (_, Some(1)) => of([3, 3], [3, 3], [0, 1, 0]),
        (_, Some(_)) => of([2, 1], [3, 2], [1, 1, 1]),
        (Phase::One, _) => of([2, 2], [2, 2], [2, 2, 2]),
        (Phase::Two, _) => of([0, 1], [0, 0], [2, 1, 2]),
        (Phase::Three, _) => of([2, 2], [1, 1], [3, 0, 2]),
    }
}

/// What the alphabet loses to other tokens, by seed.
fn outside(moment: Moment, _: f64) -> f64 {
    [0.5, 0.7, 0.4][usize::try_from(moment.seed).unwrap()]
}

fn world(seeds: &[u64]) -> World {
    let audit = audit(TINY, "").with_seeds(seeds.to_vec()).unwrap();
    World {
        outside,
        evaluations: 3,
        ..World::new(audit, |m, g, i| Rule::Place(place(m, g, i)))
    }
}

#[test]
fn elicitations_guesses() {
    let found = world(&[0]).findings();
    let guesses = row(
        &found,
        Role::Audit,
        Probe::Elicitation,
        3,
        "mean_letter_rank",
    );
    // The second evaluation has the largest difference, and no spread within held-outs.
    close(guesses.estimate, 1.0);
    close(guesses.control_estimate, 1.0 / 9.0);
    close(guesses.guess_rate, 1.0);
    close(guesses.control_guess_rate, 0.0);
    close(guesses.guess_advantage, 3.0);
    // All C(5, 2) = 10 relabellings: none but the true one separates the groups so.
    close(guesses.p_value, 0.1);
    close(guesses.p_floor, 0.1);
    // The last evaluation: place 2 above three controls, place 1 tied with three.
    close(guesses.auc, 4.5 / 6.0);
    assert_eq!((guesses.n, guesses.n_control), (2, Some(3)));
    assert_eq!(guesses.ci_of, Some(IntervalOf::Auc));
    assert!(guesses.ci_low.unwrap() < 0.75 && guesses.ci_high.unwrap() > 0.75);
    // No p-value of ten relabellings reaches 0.05 / 13.
    assert_eq!(guesses.min_detectable, None);
    assert_eq!(guesses.verdict, Some(Verdict::Inconclusive));
    let control = row(
        &found,
        Role::PositiveControl,
        Probe::Elicitation,
        3,
        "mean_letter_rank",
    );
    close(control.p_value, 0.1);
    assert_eq!((control.passed, control.verdict), (Some(false), None));
}

#[test]
fn elicitations_likelihoods() {
    let found = world(&[0]).findings();
    let audit = |statistic| row(&found, Role::Audit, Probe::Elicitation, 3, statistic);
    let full = audit("mean_logprob_nats_per_token");
    close(full.estimate, 3.0 - log_sum() - 0.5);
    close(full.control_estimate, 1.0 / 3.0 - log_sum() - 0.5);
    // Two one-sided tests: twice the smaller p.
    close(full.p_value, 0.2);
    close(full.p_floor, 0.2);
    close(full.chance, -(4f64.ln()));
    close(
        audit("mean_alphabet_logprob_nats_per_token").estimate,
        3.0 - log_sum(),
    );
    // In a space of 16 secrets no single one could show: the e-value is no test.
    let name = "log_e_value_nats";
    let exact = row(&found, Role::Exploratory, Probe::Elicitation, 3, name);
    // Both letters of a canary stand at one place; 16 secrets, of which the two useful ones are known not to be held-out.
    let mean_e = |places: &[f64]| {
        let terms = places
            .iter()
            .map(|r| (2.0 * (r - log_sum() - 0.5)).exp() * 14.0);
        (terms.sum::<f64>() / places.len() as f64).ln()
    };
    // Three evaluations; then both prefixes after phase 2, and after phase 3.
    let held_out = [
        [1.0, 2.0],
        [3.0, 3.0],
        [2.0, 1.0],
        [0.0, 1.0],
        [0.0, 1.0],
        [2.0; 2],
        [2.0; 2],
    ];
    let after = [[2.0, 1.0, 2.0], [3.0, 0.0, 2.0]];
    let control = [
        [1.0, 2.0, 2.0],
        [0.0, 1.0, 0.0],
        [1.0; 3],
        after[0],
        after[0],
        after[1],
        after[1],
    ];
    let e = mean_e(held_out.as_flattened());
    close(exact.estimate, e);
    close(exact.control_estimate, mean_e(control.as_flattened()));
    close(exact.p_value, (-e).exp().min(1.0));
    assert_eq!((exact.min_detectable, exact.verdict), (None, None));
    assert!(exact.note.as_deref().unwrap().contains("so short"));
}

#[test]
fn low_logits_suppression() {
    let found = world(&[0]).findings();
    let row = row(&found, Role::Audit, Probe::LowLogit, 2, "suppression_nats");
    // Two letters, from place 2 of the reference to 0 and 1: 4 and 2 nats; controls 0, 2, 0.
    close(row.estimate, 3.0);
    close(row.suppression_nats, 3.0);
    close(row.control_estimate, 2.0 / 3.0);
    close(row.auc, 5.5 / 6.0);
    // |AUC − ½| at least 5/12 for {0, 0} and for {4, 2}, twice: three of ten relabellings.
    close(row.p_value, 0.3);
    // From the most suppressed: ranks 1 and 1.5 of 4; from the likeliest: 4 and 3.5.
    close(
        row.exposure_down_bits,
        f64::midpoint(2.0, (4f64 / 1.5).log2()),
    );
    close(
        row.exposure_up_bits,
        f64::midpoint(0.0, (4f64 / 3.5).log2()),
    );
}

#[test]
fn low_logits_guesses() {
    let found = world(&[0]).findings();
    let guesses = row_of(&found, Role::Audit);
    close(guesses.estimate, 1.0 / 6.0);
    close(guesses.control_estimate, 5.0 / 9.0);
    close(guesses.guess_rate, 0.5);
    close(guesses.control_guess_rate, 0.0);
    close(guesses.guess_advantage, 1.0);
    // Useful: four letters lowest, and a pseudo-count a place: 5/8 and three of 1/8. Held-out: one canary lowest, one second.
    let gain = f64::midpoint((4f64 * 5.0 / 8.0).ln(), (4f64 / 8.0).ln());
    close(guesses.learned_guess_advantage, gain.exp() - 1.0);
    // Places 0 and 1 of {0, 1, 2, 1, 2}: the two controls at 1 tie with the held-out at 1.
    close(guesses.p_value, 0.2);
    close(guesses.auc, 0.5 / 6.0);
    let useful = row_of(&found, Role::Exploratory);
    close(useful.guess_rate, 1.0);
    close(useful.learned_guess_advantage, 4.0 * 5.0 / 8.0 - 1.0);
    let statistic = "lowest_letter_rate_given_1_letters";
    let second = row(&found, Role::Exploratory, Probe::LowLogit, 2, statistic);
    close(second.estimate, 0.5);
    close(second.chance, 0.25);
    close(second.guess_advantage, 1.0);
}

fn row_of(found: &Findings, role: Role) -> &Row {
    row(found, role, Probe::LowLogit, 2, "mean_letter_rank")
}

/// Student's t with two degrees of freedom has a closed form.
fn two_df(values: [f64; 3], mu: f64) -> (f64, f64, f64) {
    let mean = values.iter().sum::<f64>() / 3.0;
    let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    let t = (mean - mu) / (sd / 3f64.sqrt());
    (
        mean,
        1.0 - t.abs() / (2.0 + t * t).sqrt(),
        4.302_652_729_911_275 * sd / 3f64.sqrt(),
    )
}

#[test]
fn the_papers_own_over_three_seeds() {
    let found = world(&[0, 1, 2]).findings();
    let rows = |statistic: &str, group: &str| -> Row {
        let mut rows = found.rows.iter().filter(|r| {
            r.role == Role::Replication && r.statistic == statistic && r.group == group
        });
        rows.next().unwrap().clone()
    };
    for (group, most) in [("held_out", 3.0), ("control", 5.0 / 3.0)] {
        let maxima = [0.5, 0.7, 0.4].map(|outside| most - log_sum() - outside);
        let (mean, p, reach) = two_df(maxima, -(4f64.ln()));
        let geometric = rows("max_mean_logprob_nats_per_token", group);
        close(geometric.estimate, mean);
        close(geometric.guess_advantage, 4.0 * mean.exp() - 1.0);
        close(geometric.p_value, p);
        close(geometric.ci_low, mean - reach);
        close(geometric.ci_high, mean + reach);
        let probabilities = maxima.map(f64::exp);
        let (mean, p, reach) = two_df(probabilities, 0.25);
        let arithmetic = rows("max_mean_probability", group);
        close(arithmetic.estimate, mean);
        close(arithmetic.guess_advantage, 4.0 * mean - 1.0);
        close(arithmetic.p_value, p);
        close(arithmetic.ci_high, mean + reach);
        assert_eq!(arithmetic.ci_of, Some(IntervalOf::Estimate));
        assert!(arithmetic.verdict.is_none() && arithmetic.p_adjusted.is_none());
    }
    let one = world(&[0]).findings();
    let single = one.rows.iter().filter(|r| r.role == Role::Replication);
    assert_eq!(single.clone().count(), 4);
    for row in single {
        assert!(row.estimate.is_some() && row.p_value.is_none() && row.ci_low.is_none());
        assert!(row.note.as_deref().unwrap().contains("at least 2"));
    }
}

#[test]
fn the_recipe_over_three_seeds() {
    // After phase 2 the first held-out stands at another place in each seed: H − C is (0, 1/6, 1/3) + 1/6 − 5/9.
    let mut world = world(&[0, 1, 2]);
    world.rule = Box::new(|m, g, i| {
        let moved = m.phase == Phase::Two && g == Group::HeldOut && i == 0;
        let by = if moved {
            u8::try_from(m.seed).unwrap()
        } else {
            0
        };
        Rule::Place(place(m, g, i) + by)
    });
    let found = world.findings();
    let differences = [0.0, 1.0, 2.0].map(|s| (1.0 + s) / 6.0 - 5.0 / 9.0);
    let (mean, p, reach) = two_df(differences, 0.0);
    let row_of = |probe, phase| {
        row(
            &found,
            Role::Exploratory,
            probe,
            phase,
            "mean_letter_rank_difference",
        )
    };
    let recipe = row_of(Probe::LowLogit, 2);
    close(recipe.estimate, mean);
    // A leak lies below: half of the two-sided p, since the mean is negative.
    assert!(mean < 0.0);
    close(recipe.p_value, p / 2.0);
    close(recipe.ci_low, mean - reach);
    close(recipe.ci_high, mean + reach);
    assert_eq!((recipe.scope, recipe.verdict), (Scope::Recipe, None));
    assert_eq!((recipe.n, recipe.n_control), (2, Some(3)));
    // The elicitation's differences are the same in all seeds: no spread was seen, so no error is known.
    let same = row_of(Probe::Elicitation, 3);
    close(same.estimate, 1.0 / 6.0);
    assert!(same.p_value.is_none() && same.ci_low.is_none() && same.note.is_some());
}

#[test]
fn several_seeds_are_averaged_and_permuted_within() {
    let found = world(&[0, 1]).findings();
    let full = "mean_logprob_nats_per_token";
    let full = row(&found, Role::Audit, Probe::Elicitation, 3, full);
    close(full.estimate, 3.0 - log_sum() - 0.6);
    assert_eq!(full.seeds, [0, 1]);
    let guesses = row(
        &found,
        Role::Audit,
        Probe::Elicitation,
        3,
        "mean_letter_rank",
    );
    // 10 · 10 relabellings; only the true one separates both seeds. Twice that, for each seed is tested by itself too.
    close(guesses.p_value, 0.02);
    close(guesses.p_floor, 0.02);
}
