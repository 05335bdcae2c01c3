//! Rows of the elicitation probe. Guide: evidence, "Elicitation, guesses", and guide: evidence, "Contexts".

mod contexts;
mod exact;
mod phases;
mod published;
mod sweep;

use super::row::{Access, Direction, Probe, Role, Row, Subject, Tier};
use super::test_bench::{Groups, Values, mean_at, spread, take_p};
use super::{Context, FindingsError};
use crate::canary::{Group, Prefix};
use crate::probes::elicitation::{Point, Trajectory};
use crate::probes::{CellObservations, LetterScores};
use crate::spec::{Elicitation, PositiveControl};
use crate::stats::permutation::Direction as Side;
use crate::units::Phase;

type Value = fn(&Point) -> f64;

fn rank(point: &Point) -> f64 {
    point.rank
}
fn first(point: &Point) -> f64 {
    point.first
}
fn logprob(point: &Point) -> f64 {
    point.logprob
}
fn alphabet_logprob(point: &Point) -> f64 {
    point.alphabet_logprob
}

/// Phase 3's trajectories, a seed each.
struct Elicited<'a> {
    context: &'a Context<'a>,
    settings: &'a Elicitation,
    /// None where nothing was fine-tuned.
    trajectories: Vec<&'a Trajectory>,
    /// Useful negatives that were the elicitation examples.
    known: usize,
}

pub(super) fn rows(
    context: &Context<'_>,
    settings: &Elicitation,
) -> Result<Vec<Row>, FindingsError> {
    if !context.elicits() {
        return without_fine_tuning(context, settings);
    }
    let attacks = context
        .cells
        .first()
        .map_or(&[][..], |cell| cell.attacks.as_slice());
    let known = attacks.first().map(|attack| attack.known);
    let elicited = Elicited {
        context,
        settings,
        trajectories: trajectories(context)?,
        known: known.unwrap_or_else(|| context.audit.useful()),
    };
    let mut rows = vec![
        elicited.guesses(Role::Audit, Group::HeldOut)?,
        elicited.relative("mean_logprob_nats_per_token", logprob)?,
        elicited.relative("mean_alphabet_logprob_nats_per_token", alphabet_logprob)?,
        elicited.exact(),
        elicited.guesses(Role::PositiveControl, Group::Useful)?,
    ];
    if settings.contexts > 0 {
        rows.extend(elicited.contexts()?);
    }
    if context.has_reference() {
        rows.extend(elicited.placebos()?);
    }
    for group in [Group::HeldOut, Group::Control] {
        rows.extend(elicited.replication(group));
    }
    rows.extend(elicited.recipe());
    if context.has_reference() {
        rows.extend(elicited.by_phase()?);
    }
    rows.extend(elicited.paired()?);
    rows.extend(elicited.sweep()?);
    Ok(rows)
}

/// What is left for someone who knows no secret of the kind, or may not fine-tune: other contexts.
fn without_fine_tuning(
    context: &Context<'_>,
    settings: &Elicitation,
) -> Result<Vec<Row>, FindingsError> {
    let elicited = Elicited {
        context,
        settings,
        trajectories: Vec::new(),
        known: 0,
    };
    let mut rows = Vec::new();
    if settings.contexts > 0 {
        rows.push(elicited.exact());
        rows.extend(elicited.contexts()?);
        if context.has_reference() {
            rows.extend(elicited.placebos()?);
        }
    }
    rows.extend(elicited.sweep()?);
    Ok(rows)
}

fn trajectories<'a>(context: &Context<'a>) -> Result<Vec<&'a Trajectory>, FindingsError> {
    let of = |cell: &'a CellObservations| {
        cell.trajectory(Phase::Three)
            .ok_or_else(|| FindingsError::Missing {
                seed: cell.seed,
                what: "phase 3's evaluations".to_owned(),
            })
    };
    context.cells.iter().map(of).collect()
}

impl Elicited<'_> {
    fn subject<'s>(&self, role: Role, tier: Tier, group: Group, statistic: &'s str) -> Subject<'s> {
        Subject {
            probe: Probe::Elicitation,
            role,
            tier,
            prefix: self.context.prefix_name(Prefix::Reverse),
            phase: Phase::Three.number(),
            group: group.name(),
            statistic,
            direction: Direction::Up,
            access: if self.trajectories.is_empty() {
                Access::Logits
            } else {
                Access::FineTuning
            },
        }
    }

    fn values(&self, group: Group, value: Value) -> Vec<Values> {
        self.trajectories
            .iter()
            .map(|t| t.values(group, value))
            .collect()
    }

    fn groups(&self, group: Group, value: Value) -> Groups {
        Groups {
            treated: self.values(group, value),
            control: self.values(Group::Control, value),
        }
    }

    /// A row tested by the maximum over evaluations, with estimates at that evaluation.
    fn tested(
        &self,
        subject: Subject<'_>,
        group: Group,
        value: Value,
    ) -> Result<(Row, Vec<usize>), FindingsError> {
        let direction = subject.direction;
        let label = format!("elicitation {} {}", subject.statistic, subject.group);
        let groups = self.groups(group, value);
        let test = match direction {
            Direction::TwoSided => groups.standardised_two_sided(self.context, &label)?,
            _ => groups.standardised(self.context, Side::Up, &label)?,
        };
        let mut row = self.context.about(&subject);
        row.known_negatives = Some(self.known);
        let (n, n_control) = groups.sizes();
        (row.n, row.n_control) = (n, Some(n_control));
        row.estimate = mean_at(&groups.treated, &test.argmax);
        row.control_estimate = mean_at(&groups.control, &test.argmax);
        take_p(&mut row, &test);
        groups.separate_into(&mut row);
        let spread = spread(
            &self.values(Group::Useful, value),
            &groups.control,
            &test.argmax,
        );
        let detectable = groups.detectable(&test, spread);
        row.min_detectable = detectable.all;
        row.min_detectable_sparse = detectable.sparse;
        Ok((row, test.argmax))
    }

    /// Mean rank of the true letter, and how often it was guessed first.
    fn guesses(&self, role: Role, group: Group) -> Result<Row, FindingsError> {
        self.guesses_as("mean_letter_rank", role, group)
    }

    fn guesses_as(&self, statistic: &str, role: Role, group: Group) -> Result<Row, FindingsError> {
        let subject = self.subject(role, Tier::Partial, group, statistic);
        let (mut row, at) = self.tested(subject, group, rank)?;
        let letters = self.context.letters() as f64;
        row.chance = Some(0.5);
        row.guess_rate = mean_at(&self.values(group, first), &at);
        row.control_guess_rate = mean_at(&self.values(Group::Control, first), &at);
        row.guess_advantage = row.guess_rate.map(|rate| rate * letters - 1.0);
        row.effect_unit = Some("of rank 0–1".to_owned());
        if role == Role::Audit {
            row.smallest_effect = Some(self.settings.smallest_effect_rank);
            return Ok(row);
        }
        row.min_detectable = None;
        row.min_detectable_sparse = None;
        if role == Role::PositiveControl {
            row.passed = match self.settings.positive_control {
                PositiveControl::NotApplicable => None,
                PositiveControl::Required => row.p_value.map(|p| p < self.context.audit.gate.alpha),
            };
        }
        Ok(row)
    }

    /// Mean log-likelihood. Two-sided (guide: evidence, "Elicitation, relative"): whoever holds a candidate recognises it by
    /// what it is pushed away from as well as by what it is drawn to, and a one-sided test would call that clean.
    fn relative(&self, statistic: &str, value: Value) -> Result<Row, FindingsError> {
        let subject = Subject {
            direction: Direction::TwoSided,
            ..self.subject(Role::Audit, Tier::Recognition, Group::HeldOut, statistic)
        };
        let (mut row, _) = self.tested(subject, Group::HeldOut, value)?;
        row.chance = Some(self.context.audit.chance_level());
        row.smallest_effect = Some(self.settings.smallest_effect_nats);
        row.effect_unit = Some("nats/token".to_owned());
        Ok(row)
    }

    /// The tests on the reference, which never saw a canary: of guesses, and two-sided of likelihood.
    fn placebos(&self) -> Result<[Row; 2], FindingsError> {
        let guesses = self.subject(
            Role::Placebo,
            Tier::Partial,
            Group::HeldOut,
            "mean_letter_rank",
        );
        let likelihood = Subject {
            direction: Direction::TwoSided,
            ..self.subject(
                Role::Placebo,
                Tier::Recognition,
                Group::HeldOut,
                "mean_logprob_nats_per_token",
            )
        };
        Ok([
            self.placebo(guesses, 0.5, LetterScores::mean_rank)?,
            self.placebo(
                likelihood,
                self.context.audit.chance_level(),
                LetterScores::mean_logprob,
            )?,
        ])
    }

    fn placebo(
        &self,
        subject: Subject<'_>,
        chance: f64,
        value: fn(&LetterScores) -> f64,
    ) -> Result<Row, FindingsError> {
        let groups = Groups {
            treated: self.reference_values(Group::HeldOut, value)?,
            control: self.reference_values(Group::Control, value)?,
        };
        let label = format!("elicitation placebo {}", subject.statistic);
        let test = match subject.direction {
            Direction::TwoSided => groups.standardised_two_sided(self.context, &label)?,
            _ => groups.standardised(self.context, Side::Up, &label)?,
        };
        let mut row = self.context.about(&subject);
        row.phase = Phase::One.number();
        let (n, n_control) = groups.sizes();
        (row.n, row.n_control) = (n, Some(n_control));
        row.estimate = mean_at(&groups.treated, &test.argmax);
        row.control_estimate = mean_at(&groups.control, &test.argmax);
        row.chance = Some(chance);
        take_p(&mut row, &test);
        groups.separate_into(&mut row);
        Ok(row)
    }

    /// A number of every canary of a group under the reverse prefix, from the reference.
    fn reference_values(
        &self,
        group: Group,
        value: fn(&LetterScores) -> f64,
    ) -> Result<Vec<Values>, FindingsError> {
        let of = |cell: &CellObservations| {
            let snapshot = cell.snapshot(Phase::One, Prefix::Reverse);
            let snapshot = snapshot.ok_or_else(|| FindingsError::Missing {
                seed: cell.seed,
                what: "the reference under the reverse prefix".to_owned(),
            })?;
            Ok(snapshot
                .group(group)
                .iter()
                .map(|s| vec![value(s)])
                .collect())
        };
        self.context.cells.iter().map(of).collect()
    }
}
