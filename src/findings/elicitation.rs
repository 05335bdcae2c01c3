//! Rows of the elicitation probe. Guide: rows, "Elicitation, guesses", and guide: rows, "Contexts".

mod contexts;
mod exact;
mod phases;
mod published;
mod sweep;

use super::context::Context;
use super::error::FindingsError;
use super::groups::{Groups, Values};
use super::measure::Statistic;
use super::prompts::Prompts;
use super::row::{Row, Subject};
use super::terms::{Access, Probe, Role};
use crate::canary::{Group, Prefix};
use crate::probes::elicitation::{Point, Trajectory};
use crate::probes::{CellObservations, LetterScores};
use crate::spec::Elicitation;
use crate::units::Phase;

type Value = fn(&Point) -> f64;

/// What the positive control of fine-tuning is worth.
const TAUGHT: &str = "these canaries were taught directly: it shows that the fine-tuning worked, and that ranks show what it did";

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

/// What was seen of an attacker who fine-tunes, and of one who does not.
struct Elicited<'a> {
    context: &'a Context<'a>,
    settings: &'a Elicitation,
    /// Phase 3's, one per seed; none where nothing was fine-tuned.
    trajectories: Vec<&'a Trajectory>,
    /// What was seen without fine-tuning.
    prompts: Prompts,
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
        prompts: Prompts::of(context)?,
        known: known.unwrap_or_else(|| context.audit.useful()),
    };
    let mut rows = vec![
        elicited.guesses(Role::Audit, Group::HeldOut, Statistic::MeanLetterRank)?,
        elicited.averaged()?,
        elicited.relative(Statistic::MeanLogprob, logprob)?,
        elicited.relative(Statistic::MeanAlphabetLogprob, alphabet_logprob)?,
        elicited.exact(),
        elicited.guesses(
            Role::PositiveControl,
            Group::Useful,
            Statistic::MeanLetterRank,
        )?,
    ];
    rows.extend(elicited.contexts()?);
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

/// What is left for someone who knows no secret of the kind, or may not fine-tune: to ask after the training's own prompt and
/// others.
fn without_fine_tuning(
    context: &Context<'_>,
    settings: &Elicitation,
) -> Result<Vec<Row>, FindingsError> {
    let elicited = Elicited {
        context,
        settings,
        trajectories: Vec::new(),
        prompts: Prompts::of(context)?,
        known: 0,
    };
    let mut rows = vec![elicited.exact()];
    rows.extend(elicited.contexts()?);
    if context.has_reference() {
        rows.extend(elicited.placebos()?);
    }
    rows.extend(elicited.sweep()?);
    Ok(rows)
}

fn trajectories<'a>(context: &Context<'a>) -> Result<Vec<&'a Trajectory>, FindingsError> {
    let of = |cell: &'a CellObservations| {
        cell.trajectory(Phase::Three)
            .ok_or_else(|| FindingsError::missing(cell, "phase 3's evaluations"))
    };
    context.cells.iter().map(of).collect()
}

impl Elicited<'_> {
    fn subject(&self, role: Role, group: Group, statistic: Statistic) -> Subject<'_> {
        let place = (Phase::Three, self.context.prefix_name(Prefix::Reverse));
        let subject = Subject::of((Probe::Elicitation, role), place, group.name(), statistic);
        Subject {
            access: if self.trajectories.is_empty() {
                Access::Logits
            } else {
                subject.access
            },
            ..subject
        }
    }

    fn values(&self, group: Group, value: Value) -> Vec<Values> {
        self.trajectories
            .iter()
            .map(|t| t.values(group, value))
            .collect()
    }

    /// A row tested by the maximum over evaluations, with estimates at that evaluation.
    fn tested(
        &self,
        subject: &Subject<'_>,
        group: Group,
        value: Value,
    ) -> Result<(Row, Vec<usize>), FindingsError> {
        let label = format!("elicitation {} {}", subject.statistic, subject.group);
        let groups = Groups::against_controls(group, |group| self.values(group, value));
        let mut row = self.context.about(subject);
        let test = groups.tested_into(&mut row, self.context, &label)?;
        groups.detectable_into(&mut row, &test, &self.values(Group::Useful, value));
        row.known_negatives = Some(self.known);
        row.ask(self.context.audit);
        Ok((row, test.argmax))
    }

    /// Ranks of the true letter, and how often it was guessed first.
    fn guesses(
        &self,
        role: Role,
        group: Group,
        statistic: Statistic,
    ) -> Result<Row, FindingsError> {
        let subject = self.subject(role, group, statistic);
        let (mut row, at) = self.tested(&subject, group, rank)?;
        let rates = Groups::against_controls(group, |group| self.values(group, first));
        self.context.guessed_into(&mut row, rates.means(&at));
        if role == Role::Audit {
            return Ok(row);
        }
        (row.min_detectable, row.min_detectable_sparse) = (None, None);
        row.smallest_effect = None;
        if role == Role::PositiveControl {
            let passed = self.context.passes(self.settings.positive_control, &row);
            row.passed = passed.and(self.context.moves(&row));
            row.note = Some(TAUGHT.to_owned());
        }
        Ok(row)
    }

    /// Ranks averaged over evaluations: a shift that stays is seen where it is too small for a maximum over many looks.
    fn averaged(&self) -> Result<Row, FindingsError> {
        let average = |group| -> Vec<Values> {
            let mean =
                |points: Vec<f64>| vec![points.iter().sum::<f64>() / points.len().max(1) as f64];
            let seeds = self.values(group, rank).into_iter();
            seeds
                .map(|canaries| canaries.into_iter().map(mean).collect())
                .collect()
        };
        let statistic = Statistic::AveragedLetterRank;
        let mut row = self
            .context
            .about(&self.subject(Role::Audit, Group::HeldOut, statistic));
        let groups = Groups::against_controls(Group::HeldOut, average);
        let test = groups.tested_into(&mut row, self.context, "elicitation averaged guesses")?;
        groups.detectable_into(&mut row, &test, &average(Group::Useful));
        row.known_negatives = Some(self.known);
        row.ask(self.context.audit);
        Ok(row)
    }

    /// Mean log-likelihood. Two-sided (guide: rows, "Elicitation, relative"): whoever holds a candidate recognises it by
    /// what it is pushed away from as well as by what it is drawn to, and a one-sided test would call that clean.
    fn relative(&self, statistic: Statistic, value: Value) -> Result<Row, FindingsError> {
        let subject = self.subject(Role::Audit, Group::HeldOut, statistic);
        Ok(self.tested(&subject, Group::HeldOut, value)?.0)
    }

    /// The tests on the reference, which never saw a canary: of guesses, and two-sided of likelihood.
    fn placebos(&self) -> Result<[Row; 2], FindingsError> {
        Ok([
            self.placebo(Statistic::MeanLetterRank, LetterScores::mean_rank)?,
            self.placebo(Statistic::MeanLogprob, LetterScores::mean_logprob)?,
        ])
    }

    fn placebo(
        &self,
        statistic: Statistic,
        value: fn(&LetterScores) -> f64,
    ) -> Result<Row, FindingsError> {
        let label = format!("elicitation placebo {statistic}");
        let groups = Groups::gathered(Group::HeldOut, |group| self.reference(group, value))?;
        let mut row = self
            .context
            .about(&self.subject(Role::Placebo, Group::HeldOut, statistic));
        row.phase = Phase::One.number();
        groups.tested_into(&mut row, self.context, &label)?;
        Ok(row)
    }

    /// A number of every canary of a group under the reverse prefix, from the reference.
    fn reference(
        &self,
        group: Group,
        value: fn(&LetterScores) -> f64,
    ) -> Result<Vec<Values>, FindingsError> {
        let of = |cell: &CellObservations| {
            let snapshot = cell.snapshot(Phase::One, Prefix::Reverse);
            let snapshot = snapshot.ok_or_else(|| {
                FindingsError::missing(cell, "the reference under the reverse prefix")
            })?;
            let scores = snapshot.group(group).iter();
            Ok(scores.map(|s| vec![value(s)]).collect())
        };
        self.context.cells.iter().map(of).collect()
    }
}
