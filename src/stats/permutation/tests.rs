use super::*;
use crate::stats::auc::auc;
use crate::stats::resample::distribution;
use crate::stats::summary::{mean, variance};
use proptest::prelude::*;
use rand_chacha::rand_core::SeedableRng;

mod degenerate;

type Group = Vec<Vec<f64>>;

#[derive(Debug)]
struct Groups {
    treated: Group,
    control: Group,
}

fn cells(seeds: &[Groups]) -> Vec<Cell<'_>> {
    seeds
        .iter()
        .map(|seed| Cell {
            treated: &seed.treated,
            control: &seed.control,
        })
        .collect()
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / 4_294_967_296.0
}

/// Scores from one distribution: trajectories wander, so evaluations depend on each other; `ties` leaves five values.
fn null_group(canaries: usize, evaluations: usize, ties: bool, rng: &mut ChaCha8Rng) -> Group {
    let trajectory = |_| {
        let mut score = uniform(rng);
        let step = |_| {
            score = 0.7 * score + 0.3 * uniform(rng).powi(3);
            if ties { (score * 5.0).floor() } else { score }
        };
        (0..evaluations).map(step).collect()
    };
    (0..canaries).map(trajectory).collect()
}

fn null_seed(
    n_h: usize,
    n_c: usize,
    evaluations: usize,
    ties: bool,
    rng: &mut ChaCha8Rng,
) -> Groups {
    let treated = null_group(n_h, evaluations, ties, rng);
    Groups {
        treated,
        control: null_group(n_c, evaluations, ties, rng),
    }
}

/// The definition, with no shortcut; `None` where s is 0.
fn naive_t(treated: &[&Vec<f64>], control: &[&Vec<f64>]) -> Option<f64> {
    let evaluations = treated[0].len();
    let at =
        |group: &[&Vec<f64>], t: usize| group.iter().map(|canary| canary[t]).collect::<Vec<f64>>();
    let ratio = |t| {
        let (h, c) = (at(treated, t), at(control, t));
        let squares = |g: &[f64]| variance(g).unwrap_or(0.0) * (g.len() as f64 - 1.0);
        let s = ((squares(&h) + squares(&c)) / (h.len() + c.len() - 2) as f64).sqrt();
        (s > 0.0).then(|| (mean(&h).unwrap() - mean(&c).unwrap()) / s)
    };
    (0..evaluations)
        .map(ratio)
        .collect::<Option<Vec<f64>>>()
        .map(|all| all.into_iter().fold(f64::MIN, f64::max))
}

/// Share of null data sets with p at or below each level stays within four standard errors of the level; without ties also from below.
fn assert_calibrated(
    n_seeds: usize,
    ties: bool,
    run: impl Fn(&[Cell<'_>], &mut ChaCha8Rng) -> f64,
    evaluations: usize,
) {
    const SETS: u64 = 400;
    let p_values: Vec<f64> = (0..SETS)
        .map(|set| {
            let mut rng = ChaCha8Rng::seed_from_u64(1_000 * n_seeds as u64 + set);
            let seeds: Vec<Groups> = (0..n_seeds)
                .map(|s| null_seed(9 + s, 12 - s, evaluations, ties, &mut rng))
                .collect();
            run(&cells(&seeds), &mut rng)
        })
        .collect();
    for level in [0.02, 0.05, 0.1, 0.25, 0.5, 0.8] {
        let share = p_values.iter().filter(|p| **p <= level).count() as f64 / SETS as f64;
        let slack = 4.0 * (level * (1.0 - level) / SETS as f64).sqrt();
        assert!(
            share <= level + slack,
            "{share} of null p-values at or below {level}"
        );
        assert!(
            ties || share >= level - slack,
            "only {share} of null p-values at or below {level}"
        );
    }
}

#[test]
fn null_p_values_are_uniform_or_conservative() {
    for (n_seeds, ties) in [(1, false), (1, true), (3, false), (3, true)] {
        for side in [Tail::Upper, Tail::Lower] {
            let run = |cells: &[Cell<'_>], rng: &mut ChaCha8Rng| {
                max_standardised_difference(cells, side, 199, 0.05, rng)
                    .unwrap()
                    .p_value
            };
            assert_calibrated(n_seeds, ties, run, 7);
        }
        let run = |cells: &[Cell<'_>], rng: &mut ChaCha8Rng| {
            auc_two_sided(cells, 199, 0.05, rng).unwrap().p_value
        };
        assert_calibrated(n_seeds, ties, run, 1);
    }
}

/// Groups small enough to enumerate: the p-value is uniform on its few values.
#[test]
fn exhaustive_null_p_values_are_calibrated() {
    let run = |cells: &[Cell<'_>], rng: &mut ChaCha8Rng| {
        let small = cells
            .iter()
            .map(|c| Cell {
                treated: &c.treated[..3],
                control: &c.control[..5],
            })
            .collect::<Vec<_>>();
        let test = max_standardised_difference(&small, Tail::Upper, 199, 0.05, rng).unwrap();
        assert!(test.exhaustive && test.resamples == 56);
        // Uniform on 1/56 … 1: spread evenly over the step, as a continuous one would be.
        (test.p_value - uniform(rng) / 56.0).max(1e-9)
    };
    assert_calibrated(1, false, run, 4);
}

#[test]
fn a_planted_shift_is_found_on_its_side_and_where_it_is() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut seeds: Vec<Groups> = (0..3)
        .map(|_| null_seed(40, 60, 33, false, &mut rng))
        .collect();
    for (place, seed) in seeds.iter_mut().enumerate() {
        for canary in &mut seed.treated {
            canary[20 + place] += 0.3;
        }
    }
    let cells = cells(&seeds);
    let up = max_standardised_difference(&cells, Tail::Upper, 999, 0.05, &mut rng).unwrap();
    assert_eq!((up.exceeding, up.p_value, up.p_floor), (0, 1e-3, 1e-3));
    assert_eq!(up.argmax, [20, 21, 22]);
    assert!(up.observed > up.critical_value.unwrap());
    let down = max_standardised_difference(&cells, Tail::Lower, 999, 0.05, &mut rng).unwrap();
    assert!(down.p_value > 0.05, "{down:?}");

    let at_20 = |group: &Group| {
        group
            .iter()
            .map(|canary| vec![-canary[20]])
            .collect::<Group>()
    };
    let one = Groups {
        treated: at_20(&seeds[0].treated),
        control: at_20(&seeds[0].control),
    };
    let test = auc_two_sided(
        &[Cell {
            treated: &one.treated,
            control: &one.control,
        }],
        999,
        0.05,
        &mut rng,
    )
    .unwrap();
    assert_eq!(test.p_value, 1e-3);
    let expected = auc(&one.treated.concat(), &one.control.concat()).unwrap() - 0.5;
    assert!((test.observed - expected.abs()).abs() < 1e-12 && expected < 0.0);
}

#[test]
fn threads_change_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let groups: Vec<Groups> = (0..2)
        .map(|_| null_seed(30, 20, 40, false, &mut rng))
        .collect();
    let seeds: Vec<Seed> = cells(&groups)
        .iter()
        .map(|cell| standardised_seed(0, *cell, Tail::Upper).unwrap())
        .collect();
    let alone = distribution(&seeds, 1_000, [9; 32], 1).values;
    for threads in [2, 3, 16] {
        assert_eq!(distribution(&seeds, 1_000, [9; 32], threads).values, alone);
    }
    assert_ne!(distribution(&seeds, 1_000, [8; 32], 1).values, alone);
    // More resamples only add to the same ones.
    assert_eq!(
        distribution(&seeds, 1_500, [9; 32], 2).values[..1_000],
        alone
    );
}

/// Golden: same data, same generator, same p-value on every machine.
#[test]
fn results_are_pinned() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let groups = [null_seed(30, 20, 40, false, &mut rng)];
    let test =
        max_standardised_difference(&cells(&groups), Tail::Upper, 9_999, 0.05, &mut rng).unwrap();
    assert_eq!(
        (test.exceeding, test.resamples, test.exhaustive),
        (5_506, 9_999, false)
    );
}

#[test]
fn exhaustive_is_brute_force() {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    for (n_h, n_c) in [(3, 4), (4, 3), (2, 5), (6, 1)] {
        let groups = [
            null_seed(n_h, n_c, 5, false, &mut rng),
            null_seed(2, 2, 5, false, &mut rng),
        ];
        let of_seed = |seed: &Groups| {
            let all: Vec<&Vec<f64>> = seed.treated.iter().chain(&seed.control).collect();
            let mut values = Vec::new();
            for mask in 0_u32..1 << all.len() {
                if mask.count_ones() as usize == seed.treated.len() {
                    let part = |side| {
                        (0..all.len())
                            .filter(move |i| (mask >> i & 1 == 1) == side)
                            .map(|i| all[i])
                    };
                    values.push(
                        naive_t(
                            &part(true).collect::<Vec<_>>(),
                            &part(false).collect::<Vec<_>>(),
                        )
                        .unwrap(),
                    );
                }
            }
            values
        };
        // The lowest bits are the treated: the first mask is the data.
        let (first, second) = (of_seed(&groups[0]), of_seed(&groups[1]));
        let observed = f64::midpoint(first[0], second[0]);
        let means: Vec<f64> = first
            .iter()
            .flat_map(|a| second.iter().map(move |b| f64::midpoint(*a, *b)))
            .collect();
        let extreme = means
            .iter()
            .filter(|value| **value >= observed - 1e-9)
            .count();
        let test = max_standardised_difference(&cells(&groups), Tail::Upper, 1_000, 0.05, &mut rng)
            .unwrap();
        assert!(test.exhaustive);
        assert_eq!((test.exceeding, test.resamples), (extreme, means.len()));
        assert!((test.observed - observed).abs() < 1e-9);
        assert!((test.p_value - extreme as f64 / means.len() as f64).abs() < 1e-12);
    }
}

/// 99,999 permutations of 256 canaries × 240 evaluations × 8 seeds: about 2 s on two cores in release.
#[test]
#[ignore = "seconds of work whose only result is how long it took"]
fn the_largest_audit_takes_seconds() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let groups: Vec<Groups> = (0..8)
        .map(|_| null_seed(128, 128, 240, false, &mut rng))
        .collect();
    let test =
        max_standardised_difference(&cells(&groups), Tail::Upper, 99_999, 0.05, &mut rng).unwrap();
    assert_eq!(test.resamples, 99_999);
}

fn table() -> impl Strategy<Value = Groups> {
    (1_usize..4, 2_usize..9, 2_usize..9).prop_flat_map(|(evaluations, n_h, n_c)| {
        let group = |n| {
            prop::collection::vec(
                prop::collection::vec((-3_i8..4).prop_map(f64::from), evaluations),
                n,
            )
        };
        (group(n_h), group(n_c)).prop_map(|(treated, control)| Groups { treated, control })
    })
}

proptest! {
    #[test]
    fn what_is_reported_hangs_together(groups in prop::collection::vec(table(), 1..3), seed in 0_u64..1000, level in 0.005..0.5_f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let test = max_standardised_difference(&cells(&groups), Tail::Upper, 99, level, &mut rng).unwrap();
        prop_assert!(test.p_value >= test.p_floor && test.p_floor > 0.0 && test.p_value <= 1.0);
        prop_assert!(test.observed.is_finite());
        // Clear of ties, a statistic is significant exactly where it exceeds the critical value.
        match test.critical_value {
            Some(value) if (test.observed - value).abs() > 1e-6 * value.abs().max(1.0) => {
                prop_assert_eq!(test.observed > value, test.p_value <= level + 1e-12);
            }
            Some(_) => prop_assert!(test.p_value > level),
            None => prop_assert!(test.p_value > level),
        }
    }

    #[test]
    fn the_statistic_is_its_definition(groups in table(), seed in 0_u64..1000) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let refs = |group: &'_ Group| -> Vec<Vec<f64>> { group.clone() };
        let (treated, control) = (refs(&groups.treated), refs(&groups.control));
        if let Some(expected) = naive_t(&treated.iter().collect::<Vec<_>>(), &control.iter().collect::<Vec<_>>()) {
            let test = max_standardised_difference(&cells(std::slice::from_ref(&groups)), Tail::Upper, 19, 0.05, &mut rng).unwrap();
            prop_assert!((test.observed - expected).abs() < 1e-9 * expected.abs().max(1.0), "{} {}", test.observed, expected);
        }
    }

    /// Neither unit nor zero of the scores matters, even where their squares overflow or their mean dwarfs their spread.
    #[test]
    fn unit_and_zero_do_not_matter(groups in table(), factor in prop::sample::select(vec![1e-300, 1.0, 1e200]), offset in prop::sample::select(vec![0.0, 1e6])) {
        let moved = |group: &Group| -> Group {
            group.iter().map(|canary| canary.iter().map(|score| (score + offset) * factor).collect()).collect()
        };
        let other = Groups { treated: moved(&groups.treated), control: moved(&groups.control) };
        let run = |groups: &Groups| {
            let mut rng = ChaCha8Rng::seed_from_u64(4);
            max_standardised_difference(&cells(std::slice::from_ref(groups)), Tail::Lower, 99, 0.05, &mut rng).unwrap()
        };
        let (plain, moved) = (run(&groups), run(&other));
        prop_assert!((plain.observed - moved.observed).abs() < 1e-6 * plain.observed.abs().max(1.0));
    }
}
