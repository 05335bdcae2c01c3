//! Data without spread, and data that are refused.

use super::*;

#[test]
fn without_spread_nothing_is_undefined() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let group = |score: f64, n: usize| vec![vec![score; 3]; n];
    let equal = Groups {
        treated: group(0.1, 5),
        control: group(0.1, 9),
    };
    let apart = Groups {
        treated: group(1.0, 5),
        control: group(0.1, 9),
    };
    let test =
        max_standardised_difference(&cells(&[equal]), Tail::Upper, 99, 0.05, &mut rng).unwrap();
    assert_eq!(
        (test.observed, test.p_value, test.critical_value),
        (0.0, 1.0, Some(0.0))
    );
    let opposite = Groups {
        treated: apart.control.clone(),
        control: apart.treated.clone(),
    };
    let test =
        max_standardised_difference(&cells(&[apart]), Tail::Upper, 99, 0.05, &mut rng).unwrap();
    assert!(test.observed > 1e3 && test.observed.is_finite() && test.p_value < 0.05);
    let test =
        max_standardised_difference(&cells(&[opposite]), Tail::Upper, 99, 0.05, &mut rng).unwrap();
    assert!(test.observed < -1e3 && test.p_value == 1.0);
    let equal = Groups {
        treated: group(0.1, 5),
        control: group(0.1, 9),
    };
    let flat = |group: &Group| {
        group
            .iter()
            .map(|canary| canary[..1].to_vec())
            .collect::<Group>()
    };
    let (treated, control) = (flat(&equal.treated), flat(&equal.control));
    let test = auc_two_sided(
        &[Cell {
            treated: &treated,
            control: &control,
        }],
        99,
        0.05,
        &mut rng,
    )
    .unwrap();
    assert_eq!((test.observed, test.p_value), (0.0, 1.0));
}

#[test]
fn unsound_data_are_errors() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let good = vec![vec![1.0, 2.0], vec![0.0, 1.0]];
    let mut up = |treated: &Group, control: &Group, resamples| {
        max_standardised_difference(
            &[Cell { treated, control }],
            Tail::Upper,
            resamples,
            0.05,
            &mut rng,
        )
        .unwrap_err()
    };
    assert_eq!(
        up(&vec![], &good, 9),
        PermutationError::EmptyGroup {
            seed: 0,
            group: "treated"
        }
    );
    assert_eq!(
        up(&good, &vec![], 9),
        PermutationError::EmptyGroup {
            seed: 0,
            group: "control"
        }
    );
    assert_eq!(
        up(&good, &vec![vec![1.0]], 9),
        PermutationError::Ragged {
            seed: 0,
            group: "control",
            canary: 0,
            expected: 2,
            got: 1
        }
    );
    assert_eq!(
        up(&vec![vec![]], &vec![vec![], vec![]], 9),
        PermutationError::Ragged {
            seed: 0,
            group: "treated",
            canary: 0,
            expected: 1,
            got: 0
        }
    );
    assert_eq!(
        up(&good, &vec![vec![1.0, f64::NAN]], 9),
        PermutationError::NotFinite {
            seed: 0,
            group: "control",
            canary: 0,
            evaluation: 1
        }
    );
    assert_eq!(
        up(&vec![vec![1.0]], &vec![vec![2.0]], 9),
        PermutationError::Size { seed: 0, got: 2 }
    );
    assert_eq!(up(&good, &good, 0), PermutationError::Resamples { got: 0 });
    assert_eq!(
        up(&good, &good, usize::MAX),
        PermutationError::Resamples { got: usize::MAX }
    );
    assert_eq!(
        auc_two_sided(&[], 9, 0.05, &mut rng),
        Err(PermutationError::NoSeeds)
    );
    let long = auc_two_sided(
        &[Cell {
            treated: &good,
            control: &good,
        }],
        9,
        0.05,
        &mut rng,
    )
    .unwrap_err();
    assert_eq!(
        long,
        PermutationError::Ragged {
            seed: 0,
            group: "treated",
            canary: 0,
            expected: 1,
            got: 2
        }
    );
}
