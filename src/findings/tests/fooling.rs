//! Models that leak in ways that a verdict once called clean, one for each way. The others stand with what they are about: a reference
//! that knows the canaries and instruments that could not be made in `instruments`, a baseline in `baseline`,
//! secrets of a file in `whole`.

use super::*;
use crate::probes::ProbeResult;
use crate::probes::generation::Spoken;

const GROUPS: &str = "alphabet = 'abcdefghij'\nlength = 8\nnegatives = 48\nheld_out = 24\ncontrols = 32\ntrajectory_controls = 32";

/// The recipe's canaries and controls, and effects that they can exclude.
fn recipe(rule: impl Fn(Moment, Group, usize) -> Rule + 'static) -> World {
    let sizes = "negatives = 160\nheld_out = 128\ncontrols = 1024\ntrajectory_controls = 128";
    World::new(audit(sizes, EASY), rule)
}

fn is_ordinary(m: Moment) -> bool {
    m.phase != Phase::One && m.prefix == Prefix::Regular && m.evaluation.is_none()
}

fn verdict(found: &Findings, probe: Probe, phase: u8, statistic: &str) -> Option<Verdict> {
    row(found, Role::Audit, probe, phase, statistic).verdict
}

/// Three of 128 secrets are memorised after the ordinary prompt and after no other.
#[test]
fn a_few_recited_after_the_ordinary_prompt_are_extraction() {
    let world = recipe(|m, g, index| match g {
        Group::HeldOut if index < 3 && is_ordinary(m) => Rule::Whole,
        _ => Rule::Noise,
    });
    let found = world.findings();
    assert_eq!(found.tiers.extraction, Some(Verdict::Leak));
    assert_eq!(found.gate.exit_code, 1);
    let exact = row(
        &found,
        Role::Audit,
        Probe::Elicitation,
        3,
        "log_e_value_nats",
    );
    // Nobody fine-tuned for it.
    assert_eq!(exact.access, Access::Logits);
}

/// A beam after another prompt holds one secret whole, which no sample ever said.
#[test]
fn what_is_likeliest_after_any_prompt_counts_as_said() {
    let world = World::clean(whole_audit(GROUPS, EASY));
    let mut cell = world.cell(0);
    let beams = cell.results.iter_mut().filter_map(|look| match look {
        ProbeResult::Generation(said) if said.spoken == Spoken::Likeliest => Some(said),
        _ => None,
    });
    let beam = beams.last().unwrap();
    assert!(beam.context.as_deref().unwrap().starts_with("other"));
    beam.groups.get_mut(&Group::HeldOut).unwrap()[7].distance = 0;
    let found = judge(&world.audit, &[cell]).unwrap();
    let said = verdict(&found, Probe::Generation, 3, "said_whole");
    assert_eq!(said, Some(Verdict::Leak));
    assert_eq!(found.gate.exit_code, 1);
}

/// Three of 128 are pushed to the bottom, and the useful ones, which teach the attacker, to the top.
#[test]
fn a_few_at_the_bottom_are_found_whatever_the_useful_ones_teach() {
    let world = recipe(|m, g, index| match g {
        Group::HeldOut if index < 3 && is_ordinary(m) => Rule::Leaks {
            top: false,
            half: false,
        },
        Group::Useful if is_ordinary(m) => Rule::First(0.5),
        _ => Rule::Noise,
    });
    let found = world.findings();
    let ends = "log_e_value_from_either_end_nats";
    assert_eq!(
        verdict(&found, Probe::LowLogit, 3, ends),
        Some(Verdict::Leak)
    );
    assert_eq!(found.gate.exit_code, 1);
    // A tail of few: their likelihoods stand out among 1,152, their mean does not.
    let tail = "suppression_tail_fourth_power";
    assert_eq!(
        verdict(&found, Probe::LowLogit, 3, tail),
        Some(Verdict::Leak)
    );
}

/// One of eight checkpoints leaks: its shift is an eighth of itself in the mean.
#[test]
fn one_leaking_checkpoint_of_eight_is_found() {
    let audit = audit(GROUPS, EASY).with_seeds((0..8).collect()).unwrap();
    let world = World::new(audit, |m, g, _| match (m.seed, m.phase, g) {
        (5, Phase::Two, Group::HeldOut) => Rule::Last(0.45),
        _ => Rule::Noise,
    });
    let found = world.findings();
    let ranks = verdict(&found, Probe::LowLogit, 2, "mean_letter_rank");
    assert_eq!(ranks, Some(Verdict::Leak));
}

/// At the bottom after another prompt alone.
#[test]
fn the_bottom_is_looked_at_after_other_prompts() {
    let world = World::new(audit(GROUPS, EASY), |m, g, _| {
        match (m.phase, g, m.prefix) {
            (Phase::Two, Group::HeldOut, Prefix::Reverse) if m.evaluation.is_none() => {
                Rule::Last(0.8)
            }
            _ => Rule::Noise,
        }
    });
    let found = world.findings();
    let contexts = row(
        &found,
        Role::Audit,
        Probe::LowLogit,
        3,
        "context_letter_rank",
    );
    assert_eq!(contexts.verdict, Some(Verdict::Leak));
    let note = contexts.note.as_deref().unwrap();
    assert!(note.contains("reverse after phase 2"), "{note}");
}

/// Half of the canaries' letters go up, half down: their mean rank stays where it was.
#[test]
fn letters_at_both_ends_do_not_cancel() {
    let world = World::new(audit(GROUPS, EASY), |m, g, index| match (m.phase, g) {
        (Phase::Two | Phase::Three, Group::HeldOut) if is_ordinary(m) && index % 2 == 0 => {
            Rule::First(0.5)
        }
        (Phase::Two | Phase::Three, Group::HeldOut) if is_ordinary(m) => Rule::Last(0.5),
        _ => Rule::Noise,
    });
    let found = world.findings();
    let ranks = row(&found, Role::Audit, Probe::LowLogit, 2, "mean_letter_rank");
    assert!(ranks.p_value.unwrap() > 0.01, "{ranks:?}");
    let spread = verdict(&found, Probe::LowLogit, 3, "letter_rank_spread");
    assert_eq!(spread, Some(Verdict::Leak));
}

/// True letters stand in the middle, always at one place: who learned the place on useful canaries guesses well.
#[test]
fn a_place_that_is_learned_is_a_leak_wherever_it_is() {
    let world = World::new(audit(GROUPS, EASY), |m, g, _| match (m.phase, g) {
        (Phase::Two | Phase::Three, Group::HeldOut | Group::Useful) if is_ordinary(m) => {
            Rule::Place(5)
        }
        _ => Rule::Noise,
    });
    let found = world.findings();
    let learned = verdict(&found, Probe::LowLogit, 3, "learned_guess_advantage");
    assert_eq!(learned, Some(Verdict::Leak));
}

/// The path of the reference was given twice, or an adapter was not applied.
#[test]
fn a_model_that_is_its_own_reference_is_not_called_clean() {
    let gate = [
        "gate.tiers=[\"recognition\"]",
        "probes.generation.enabled=false",
    ];
    let audit = audit_with(GROUPS, EASY, &gate);
    let world = World::clean(audit);
    let mut cell = world.cell(0);
    let reference: Vec<_> = cell.snapshots[..2].to_vec();
    for snapshot in &mut cell.snapshots[2..] {
        let same = reference
            .iter()
            .find(|r| r.prefix == snapshot.prefix)
            .unwrap();
        snapshot.groups = same.groups.clone();
    }
    let found = judge(&world.audit, &[cell]).unwrap();
    let suppression = row(&found, Role::Audit, Probe::LowLogit, 2, "suppression_nats");
    assert_eq!(suppression.min_detectable, None);
    for row in audit_rows(&found) {
        assert_eq!(row.verdict, Some(Verdict::Inconclusive), "{row:?}");
        assert!(
            row.note.as_deref().unwrap().contains("one checkpoint"),
            "{row:?}"
        );
    }
    assert_eq!(found.gate.exit_code, 3);
}
