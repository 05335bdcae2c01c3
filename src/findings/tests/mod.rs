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
mod fooling;
mod gate;
mod guess_numbers;
mod instruments;
mod looks;
mod planted;
mod power;
mod sparse;
mod verdicts;
mod whole;

use std::collections::HashMap;

use fake::Fake;

use super::{
    Access, Direction, Findings, IntervalOf, Probe, Role, Row, Statistic, Subject, Tier, Verdict,
    judge,
};
use crate::canary::{Codebook, Group, Planting, Prefix, draw_canaries};
use crate::probes::completion::Shown;
use crate::probes::elicitation::Trajectory;
use crate::probes::{CellObservations, ProbeError, References, Survey, contexts};
use crate::score::Scorer;
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
    /// Every true letter, or every second one, all but certain from this end of the logits.
    Leaks { top: bool, half: bool },
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
         [gate]\npermutations = 20000\n{more}"
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

/// Where the moments begin that stand for models with altered weights.
const ALTERED: usize = 2000;

/// Six held-out, six useful and eight control canaries of four letters out of five.
const SMALL: &str = "alphabet = 'abcde'\nlength = 4\nnegatives = 12\nheld_out = 6\ncontrols = 8\ntrajectory_controls = 8";

/// The same with secrets long enough that one could show in an e-value.
fn longer() -> String {
    SMALL.replace("length = 4", "length = 8")
}

/// Effects so large that any group can exclude them, and no positive control: what remains is the tests alone.
const EASY: &str = "[probes.elicitation]\npositive_control = 'not_applicable'\nsmallest_effect_rank = 0.5\nsmallest_effect_averaged_rank = 0.5\n\
    smallest_effect_nats = 1000.0\nsmallest_effect_single = 1000.0\n\
    [probes.low_logit]\npositive_control = 'not_applicable'\nsmallest_effect_rank = 0.5\nsmallest_effect_auc = 0.5\n\
    smallest_effect_single = 1000.0\nsmallest_effect_spread = 0.5\nsmallest_effect_advantage = 1000.0\n\
    smallest_effect_tail = 1000.0\n";

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
        draw_canaries(&self.audit, seed).unwrap()
    }

    /// Whose letters they are.
    fn known(&self, planting: &Planting) -> HashMap<Vec<TokenId>, (Group, usize)> {
        let book = self.book();
        let of = |group: Group| {
            let canaries = planting.group(group).iter().enumerate();
            canaries.map(move |(index, canary)| (&canary.letters, (group, index)))
        };
        let all = Group::ALL.into_iter().flat_map(of);
        all.map(|(letters, whose)| (book.tokens(letters).collect(), whose))
            .collect()
    }

    /// Everything that is seen of one seed's made-up models, by the survey that runs and probes make too.
    fn cell(&self, seed: u64) -> CellObservations {
        let (planting, book) = (self.planting(seed), self.book());
        let known = self.known(&planting);
        let contexts = self.audit.probes.elicitation.map_or(0, |p| p.contexts);
        let survey = Survey {
            audit: &self.audit,
            book: &book,
            planting: &planting,
            seed,
            vocabulary: book.alphabet.len() + 2 + contexts,
            frame: &crate::canary::BARE,
        };
        let (length, others) = (self.audit.canaries.length, contexts);
        let chosen = contexts::choose(&book, length, survey.vocabulary, others);
        let chosen: Vec<_> = chosen.iter().map(|context| context.token).collect();
        let fake = |phase, evaluation, contexts| Fake {
            world: self,
            book: &book,
            known: &known,
            seed,
            phase,
            evaluation,
            contexts,
        };
        let mut cell = CellObservations {
            seed,
            ..CellObservations::default()
        };
        for phase in Phase::ALL {
            if phase != Phase::One && self.audit.skips(phase) {
                continue;
            }
            let snapshots = survey.snapshots(&mut fake(phase, None, &[]), phase);
            cell.snapshots.extend(snapshots.unwrap());
            let references = || {
                let reference = || Some(Box::new(fake(Phase::One, None, &[])) as Box<dyn Scorer>);
                Ok::<_, ProbeError>(References {
                    reference: reference(),
                    base: reference(),
                })
            };
            let results = survey.results(&mut fake(phase, None, &chosen), phase, references);
            cell.results.extend(results.unwrap());
            if survey.alters() && phase != Phase::One {
                for (i, shown) in Shown::ALTERED.into_iter().enumerate() {
                    let mut made = fake(phase, Some(ALTERED + i), &[]);
                    cell.results
                        .push(survey.altered(&mut made, shown, phase).unwrap());
                }
            }
        }
        if !self.audit.phase3.skip {
            let mut trajectory = Trajectory::new(Phase::Three, Prefix::Reverse);
            for t in 0..self.evaluations {
                let mut fake = fake(Phase::Three, Some(t), &[]);
                let scores = survey.evaluate(&mut fake, Prefix::Reverse).unwrap();
                trajectory.record(5 * t, &scores);
            }
            cell.trajectories.push(trajectory);
        }
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

/// Whether a row asks for a few canaries far out, which groups as small as most here could not show.
fn asks_for_few(row: &Row) -> bool {
    row.statistic == Statistic::SuppressionTail
}

fn audit_rows(found: &Findings) -> impl Iterator<Item = &Row> {
    found.rows.iter().filter(|r| r.role == Role::Audit)
}

#[track_caller]
fn close(got: Option<f64>, expected: f64) {
    let got = got.unwrap();
    assert!((got - expected).abs() < 2e-6, "{got} instead of {expected}");
}
