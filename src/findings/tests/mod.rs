//! Whole audits on a fake scorer: planted numbers through `observe` → observations → `judge` → rows, tiers, gate, exit code.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets no value should stop there"
)]

mod baseline;
mod calibration;
mod clean;
mod counts;
mod fake;
mod family;
mod figures;
mod gate;
mod instruments;
mod looks;
mod planted;
mod power;
mod verdicts;
mod whole;
mod world;

use std::collections::{BTreeMap, HashMap};

use fake::Fake;

use super::{
    Access, Direction, Findings, IntervalOf, Probe, Role, Row, Statistic, Subject, Tier, Verdict,
    judge,
};
use crate::canary::{Canary, Codebook, Group, Planting, Prefix, draw};
use crate::probes::elicitation::Trajectory;
use crate::probes::{CellObservations, LetterScores, Snapshot, observe};
use crate::seed::{Purpose, RootSeed};
use crate::spec::Audit;
use crate::units::{Phase, TokenId};

/// When a model is asked, and under which prefix.
#[derive(Clone, Copy)]
struct Moment {
    seed: u64,
    phase: Phase,
    prefix: Prefix,
    /// Place of the evaluation within its phase; `None` at the phase's end.
    evaluation: Option<usize>,
    /// Whether another context stands before the canaries.
    context: bool,
}

/// What the fake model does with the true letters of one canary.
#[derive(Clone, Copy)]
enum Rule {
    /// Carries nothing: logits are a hash.
    Noise,
    /// Every letter the same.
    Tied,
    /// Each true letter changes places with the first of the alphabet with this probability.
    First(f64),
    /// The same with the last.
    Last(f64),
    /// Every true letter is all but certain.
    Whole,
    /// Noise, and the whole canary less likely by so many nats.
    Suppressed(f64),
    /// Noise, and every letter of the alphabet less likely, by so many nats a canary: no rank moves.
    Outside(f64),
    /// The true letter stands exactly at this place from the bottom; the letter at place r has the logit r.
    Place(u8),
}

/// A spec and a fake model for it.
struct World {
    audit: Audit,
    rule: Box<dyn Fn(Moment, Group, usize) -> Rule>,
    /// The same after other contexts.
    context_rule: fn(Moment, Group, usize) -> Rule,
    /// Probability outside the alphabet: nats that all its letters lose, for a moment and a number drawn for the letter (0…1).
    outside: fn(Moment, f64) -> f64,
    /// Values a noisy logit may have; few make ties. 0 for any.
    levels: u32,
    evaluations: usize,
    /// Share of the noise that all moments have in common: a trained model's evaluations are alike.
    alike: f64,
    /// Order in which groups stand in the list that is scored.
    order: [Group; 4],
}

/// A spec of small groups; `more` may hold further tables. Elicitation and low-logit alone, without contexts and completion.
fn audit(canaries: &str, more: &str) -> Audit {
    let off = [
        "probes.elicitation.contexts=0",
        "probes.low_logit.completion_letters=[]",
        "probes.generation.enabled=false",
    ];
    audit_with(canaries, more, &off)
}

/// The same with every probe on.
fn whole_audit(canaries: &str, more: &str) -> Audit {
    let few = [
        "probes.elicitation.contexts=3",
        "probes.low_logit.completion_guesses=4",
        "probes.generation.samples=8",
        "probes.scan.enabled=true",
        "probes.scan.depth=2",
        "probes.scan.top=3",
        "probes.scan.beam=4",
        "probes.scan.guesses=4",
    ];
    audit_with(canaries, more, &few)
}

fn audit_with(canaries: &str, more: &str, sets: &[&str]) -> Audit {
    let text = format!(
        "format = 1\n[audit]\nname = 'fake'\nseeds = [0]\n[model]\nid = 'a/b'\n[canaries]\n{canaries}\n\
         [gate]\npermutations = 14000\n{more}"
    );
    let sets: Vec<_> = sets
        .iter()
        .map(|set| crate::spec::Override::parse(set).unwrap())
        .collect();
    crate::spec::parse(&text, std::path::Path::new("fake.toml"), &sets).unwrap()
}

/// A row about nothing in particular.
pub(super) fn blank_row() -> Row {
    let subject = Subject {
        probe: Probe::Scan,
        role: Role::Audit,
        tier: Tier::Extraction,
        prefix: "regular",
        phase: 2,
        group: "held_out",
        statistic: "nothing".into(),
        direction: Direction::Up,
        access: Access::Logits,
    };
    Row::about(&subject, &[0])
}

/// Six held-out, six useful and eight control canaries of four letters out of five.
const SMALL: &str = "alphabet = 'abcde'\nlength = 4\nnegatives = 12\nheld_out = 6\ncontrols = 8\ntrajectory_controls = 8";

/// Effects so large that any group can exclude them, and no positive control: what remains is the tests alone.
const EASY: &str = "[probes.elicitation]\npositive_control = 'not_applicable'\nsmallest_effect_rank = 0.5\n\
    smallest_effect_nats = 1000.0\nsmallest_effect_single = 1000.0\n\
    [probes.low_logit]\npositive_control = 'not_applicable'\nsmallest_effect_rank = 0.5\nsmallest_effect_auc = 0.5\n";

impl World {
    fn new(audit: Audit, rule: impl Fn(Moment, Group, usize) -> Rule + 'static) -> Self {
        Self {
            audit,
            rule: Box::new(rule),
            context_rule: |_, _, _| Rule::Noise,
            outside: |_, _| 0.0,
            levels: 0,
            evaluations: 5,
            alike: 0.6,
            order: Group::ALL,
        }
    }

    /// A model that carries nothing.
    fn clean(audit: Audit) -> Self {
        Self::new(audit, |_, _, _| Rule::Noise)
    }

    fn book(&self) -> Codebook {
        let letters = u32::try_from(self.audit.canaries.alphabet.len()).unwrap();
        Codebook {
            alphabet: (0..letters).map(TokenId).collect(),
            texts: self.audit.canaries.alphabet.clone(),
            prefixes: (self.audit.canaries.prefixes.as_ref())
                .map(|_| [TokenId(letters), TokenId(letters + 1)]),
        }
    }

    fn planting(&self, seed: u64) -> Planting {
        let c = &self.audit.canaries;
        let sizes = [
            (Group::HeldOut, c.held_out),
            (Group::Useful, self.audit.useful()),
            (Group::Control, c.controls),
            (Group::Spike, c.spike),
        ];
        draw(RootSeed(seed), c.alphabet.len(), c.length, sizes).unwrap()
    }

    /// Scores a list of canaries at a moment, through the probes' own `observe`.
    fn look(
        &self,
        planting: &Planting,
        controls: usize,
        moment: Moment,
    ) -> BTreeMap<Group, Vec<LetterScores>> {
        let book = self.book();
        let mut known = HashMap::new();
        let mut canaries: Vec<&Canary> = Vec::new();
        for group in self.order {
            let limit = match group {
                Group::Control => controls,
                // Spike-ins are scored at the ends of phases alone.
                Group::Spike if moment.evaluation.is_some() => 0,
                _ => usize::MAX,
            };
            for (index, canary) in planting.group(group).iter().take(limit).enumerate() {
                known.insert(book.row(&canary.letters, moment.prefix), (group, index));
                canaries.push(canary);
            }
        }
        let mut fake = Fake {
            world: self,
            moment,
            known,
        };
        let mut rng = RootSeed(moment.seed).stream(Purpose::ScoringOrder);
        let scores = observe(&mut fake, &book, &canaries, moment.prefix, &mut rng).unwrap();
        let mut groups: BTreeMap<Group, Vec<LetterScores>> = BTreeMap::new();
        for (canary, score) in canaries.iter().zip(scores) {
            groups.entry(canary.group).or_default().push(score);
        }
        groups
    }

    fn cell(&self, seed: u64) -> CellObservations {
        let planting = self.planting(seed);
        let at = |phase, prefix, evaluation| Moment {
            seed,
            phase,
            prefix,
            evaluation,
            context: false,
        };
        let mut cell = CellObservations {
            seed,
            ..CellObservations::default()
        };
        for phase in Phase::ALL {
            if phase != Phase::One && self.audit.skips(phase) {
                continue;
            }
            for prefix in [Prefix::Regular, Prefix::Reverse] {
                let moment = at(phase, prefix, None);
                let groups = self.look(&planting, self.audit.canaries.controls, moment);
                cell.snapshots.push(Snapshot {
                    phase,
                    prefix,
                    groups,
                });
            }
        }
        if !self.audit.phase3.skip {
            let mut trajectory = Trajectory::new(Phase::Three, Prefix::Reverse);
            for t in 0..self.evaluations {
                let moment = at(Phase::Three, Prefix::Reverse, Some(t));
                let controls = self.audit.canaries.trajectory_controls;
                trajectory.record(5 * t, &self.look(&planting, controls, moment));
            }
            cell.trajectories.push(trajectory);
        }
        cell.looks = self.looks(&planting, seed);
        cell
    }

    fn findings(&self) -> Findings {
        let cells: Vec<_> = self.audit.seeds.iter().map(|&s| self.cell(s)).collect();
        judge(&self.audit, &cells).unwrap()
    }
}

/// The one row of a role, probe, phase, group and statistic.
#[track_caller]
fn row<'a>(found: &'a Findings, role: Role, probe: Probe, phase: u8, statistic: &str) -> &'a Row {
    let mut rows = found.rows.iter().filter(|r| {
        r.role == role && r.probe == probe && r.phase == phase && r.statistic == statistic
    });
    let row = rows.next().expect(statistic);
    assert!(rows.next().is_none(), "two rows of {statistic}");
    row
}

fn audit_rows(found: &Findings) -> impl Iterator<Item = &Row> {
    found.rows.iter().filter(|r| r.role == Role::Audit)
}

#[track_caller]
fn close(got: Option<f64>, expected: f64) {
    let got = got.unwrap();
    assert!((got - expected).abs() < 2e-6, "{got} instead of {expected}");
}
