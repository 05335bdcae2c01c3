//! The family of tests, and what every row holds.

use super::*;
use crate::canary::Canary;
use crate::findings::{Direction, Scope};
use crate::probes::observe;
use crate::seed::{Purpose, RootSeed};

/// Audit rows of [`SMALL`] groups: with 625 secrets both e-values are too blunt to be among them.
const SPECS: [(&str, usize); 7] = [
    ("", 13),
    ("[phase1]\nskip = true", 13),
    ("[phase2]\nskip = true", 11),
    (
        "[phase3]\nskip = true\n[probes.elicitation]\nenabled = false",
        6,
    ),
    ("[probes.elicitation]\nenabled = false", 8),
    ("[probes.low_logit]\nenabled = false", 5),
    (
        "[phase2]\nskip = true\n[probes.low_logit]\nenabled = false",
        5,
    ),
];

/// A clean model's findings under each spec, with and without prefixes; without them there is no other prompt to look at.
fn each_spec(check: impl Fn(&Audit, &Findings, usize)) {
    for (more, rows) in SPECS {
        for prefixes in ["", "\nprefixes = false"] {
            let audit = audit(&format!("{SMALL}{prefixes}"), more);
            let found = World::clean(audit.clone()).findings();
            let looks = usize::from(!prefixes.is_empty() && audit.probes.low_logit.is_some());
            check(&audit, &found, rows - looks);
        }
    }
}

#[test]
fn the_family_is_the_audit_rows_and_fixed_by_the_spec() {
    each_spec(|audit, found, rows| {
        assert_eq!(audit_rows(found).count(), rows);
        assert_eq!(audit.audit_rows(), rows);
        let p: Vec<f64> = audit_rows(found).map(|r| r.p_value.unwrap()).collect();
        let least = p.iter().copied().fold(1.0, f64::min);
        for row in audit_rows(found) {
            let (p, adjusted) = (row.p_value.unwrap(), row.p_adjusted.unwrap());
            assert!(p <= adjusted && adjusted <= 1.0);
            // The smallest of the family is multiplied by its whole size.
            if p <= least {
                assert!((adjusted - (p * rows as f64).min(1.0)).abs() < 1e-12);
            }
        }
    });
}

#[test]
fn only_audit_rows_have_verdicts_and_every_row_what_applies() {
    each_spec(|audit, found, _| {
        for row in &found.rows {
            let is_audit = row.role == Role::Audit;
            assert_eq!(row.verdict.is_some(), is_audit);
            assert_eq!(row.p_adjusted.is_some(), is_audit);
            assert!(is_audit || row.min_detectable.is_none(), "{row:?}");
            assert_eq!(row.smallest_effect.is_some(), is_audit);
            let instrument = matches!(row.role, Role::Placebo | Role::PositiveControl);
            assert_eq!(row.passed.is_some(), instrument, "{row:?}");
            assert!(is_audit || !row.gated);
            assert_eq!(row.gated, is_audit && row.tier != Tier::Recognition);
            // Never 0, and where it is drawn or enumerated, with the least it could be.
            assert!(row.p_value.is_none_or(|p| p > 0.0 && p <= 1.0));
            let tested = is_audit || instrument;
            assert!(
                !tested || (row.p_floor.is_some() && row.p_method.is_some()),
                "{row:?}"
            );
            if let (Some(p), Some(floor)) = (row.p_value, row.p_floor) {
                assert!(floor > 0.0 && p >= floor, "{row:?}");
            }
            // Held against chance that is known, and nobody else.
            let alone = row.role == Role::Placebo && row.statistic.has_known_chance();
            let alone = alone || row.role == Role::Replication;
            assert_eq!(
                (row.control.is_none(), row.n_control.is_none()),
                (alone, alone)
            );
            assert_eq!(
                row.suppression_nats.is_some(),
                row.statistic == "suppression_nats"
            );
            let prefixes = audit.canaries.prefixes.is_some();
            assert!(row.prefix != "none" || !prefixes);
            // Four letters are scored after a prefix, three without: the first is context.
            if row.statistic == "lowest_letter_rate_given_0_letters" {
                assert!(prefixes);
            }
            if is_audit {
                // An e-value carries its own error bound; all other audit rows have an AUC with an interval.
                let bounded = row.statistic.to_string().starts_with("log_e_value");
                assert_eq!(row.ci_low.is_none() && row.auc.is_none(), bounded);
                assert_eq!(row.ci_of, (!bounded).then_some(IntervalOf::Auc));
                assert_eq!(
                    (row.ci_level, row.ci_method.is_some()),
                    ((!bounded).then_some(0.95), !bounded)
                );
            }
            assert!(
                row.ci_low
                    .zip(row.ci_high)
                    .is_none_or(|(low, high)| low <= high)
            );
        }
    });
}

#[test]
fn rows_about_the_recipe_need_three_seeds() {
    for (seeds, expected) in [(1, 0), (2, 0), (3, 3), (5, 3)] {
        let audit = audit(SMALL, EASY).with_seeds((0..seeds).collect()).unwrap();
        let found = World::clean(audit).findings();
        let recipe: Vec<_> = found
            .rows
            .iter()
            .filter(|r| r.scope == Scope::Recipe)
            .collect();
        assert_eq!(recipe.len(), expected);
        for row in recipe {
            assert_eq!((row.role, row.gated), (Role::Exploratory, false));
            assert!(row.p_value.is_some() && row.ci_of == Some(IntervalOf::Estimate));
            assert!(
                row.p_method
                    .as_deref()
                    .unwrap()
                    .contains(&format!("{} degrees", seeds - 1))
            );
        }
        assert_eq!(
            found.scope_note.contains("only"),
            seeds < 3,
            "{}",
            found.scope_note
        );
        assert_eq!(found.scope_note.contains("too few"), seeds == 3);
    }
}

#[test]
fn a_two_sided_row_pays_for_both_sides() {
    let found = World::clean(audit(SMALL, EASY)).findings();
    for row in audit_rows(&found).filter(|r| r.probe == Probe::Elicitation) {
        let one_side = 1.0 / 3003.0; // C(14, 6) relabellings, all visited.
        match row.direction {
            Direction::TwoSided => close(row.p_floor, 2.0 * one_side),
            _ if row.tier == Tier::Partial => close(row.p_floor, one_side),
            _ => {}
        }
    }
}

#[test]
fn the_order_of_groups_changes_nothing() {
    let world = World::clean(audit(SMALL, EASY));
    let (planting, book) = (world.planting(0), world.book());
    let known = world.known(&planting);
    let with_order = |order: [Group; 4]| {
        let mut fake = Fake {
            world: &world,
            book: &book,
            known: &known,
            seed: 0,
            phase: Phase::Two,
            evaluation: None,
            contexts: &[],
        };
        let groups = order.into_iter().flat_map(|group| planting.group(group));
        let canaries: Vec<&Canary> = groups.collect();
        let mut rng = RootSeed(0).stream(Purpose::ScoringOrder);
        let scores = observe(&mut fake, &book, &canaries, Prefix::Regular, &mut rng).unwrap();
        let mut named: Vec<_> = canaries.iter().map(|c| c.id.clone()).zip(scores).collect();
        named.sort_by(|one, other| one.0.cmp(&other.0));
        named
    };
    let usual = with_order(Group::ALL);
    assert_eq!(usual.len(), 20);
    for order in [
        [Group::Spike, Group::Control, Group::Useful, Group::HeldOut],
        [Group::Useful, Group::HeldOut, Group::Spike, Group::Control],
    ] {
        assert_eq!(with_order(order), usual);
    }
}

#[test]
fn what_was_not_observed_is_named() {
    let world = World::clean(audit(SMALL, EASY));
    let message = |change: fn(&mut CellObservations)| {
        let mut cell = world.cell(4);
        change(&mut cell);
        judge(&world.audit, &[cell]).unwrap_err().to_string()
    };
    let none = message(|cell| cell.trajectories.clear());
    assert!(
        none.contains("seed 4") && none.contains("phase 3"),
        "{none}"
    );
    let reference = message(|cell| cell.snapshots.retain(|s| s.phase != Phase::One));
    assert!(reference.contains("reference"), "{reference}");
    let empty = message(|cell| {
        cell.snapshots[2].groups.remove(&Group::Control);
    });
    assert!(empty.contains("control group is empty"), "{empty}");
}
