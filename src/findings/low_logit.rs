//! Rows of the low-logit probe. Guide: rows, "Low-logit (a), suppression", and
//! guide: rows, "Low-logit (b), guesses".

mod few;
mod own;
mod prompted;
mod tails;

use super::context::{Context, scored};
use super::error::FindingsError;
use super::groups::{Groups, Values};
use super::measure::Statistic;
use super::prompts::Prompts;
use super::recipe::over_seeds;
use super::row::{Row, Subject};
use super::terms::{Access, Direction, Probe, Role};
use crate::canary::{Group, Prefix};
use crate::probes::low_logit::{RankGuesser, suppression};
use crate::probes::{CellObservations, LetterScores, Snapshot};
use crate::spec::LowLogit;
use crate::stats::{Tail, mean};
use crate::units::Phase;

/// One seed's reference, where there is one, and model.
struct Pair<'a> {
    reference: Option<&'a Snapshot>,
    model: &'a Snapshot,
}

/// All seeds after one phase.
struct Scanned<'a> {
    context: &'a Context<'a>,
    settings: &'a LowLogit,
    phase: Phase,
    pairs: Vec<Pair<'a>>,
}

pub(super) fn rows(context: &Context<'_>, settings: &LowLogit) -> Result<Vec<Row>, FindingsError> {
    let mut rows = Vec::new();
    let phases = context.audit.negative_phases().into_iter();
    let phases = phases.map(|phase| Scanned::new(context, settings, phase));
    let phases: Vec<Scanned<'_>> = phases.collect::<Result<_, _>>()?;
    for (i, scanned) in phases.iter().enumerate() {
        rows.push(scanned.suppression(Role::Audit, Group::HeldOut)?);
        if context.guesses_letters() {
            rows.push(scanned.guesses(Role::Audit, Group::HeldOut)?);
            rows.push(scanned.guesses(Role::Exploratory, Group::Useful)?);
            rows.extend(scanned.by_position());
            rows.extend(scanned.tails());
            rows.extend(scanned.recipe());
        }
        if i == 0 {
            // The phase that suppresses shows whether the probe can see suppression.
            rows.push(scanned.suppression(Role::PositiveControl, Group::Useful)?);
            // Without a reference there is no model before planting to look at.
            if scanned.has_reference() {
                rows.push(scanned.placebo_recognition()?);
                if context.guesses_letters() {
                    rows.push(scanned.placebo_guesses()?);
                    rows.extend(prompted::ends_placebo(context));
                }
            }
        }
    }
    rows.extend(few::tail(context, &phases)?);
    if context.guesses_letters() {
        let prompts = Prompts::of(context)?;
        rows.push(prompted::ends(context, &prompts));
        if context.audit.other_prompts() > 0 {
            rows.push(prompted::other_prompts(context, &prompts)?);
        }
        rows.push(prompted::spread(context, &prompts)?);
        rows.push(prompted::learned(context)?);
    } else {
        rows.extend(own::rows(context, &phases, settings)?);
    }
    Ok(rows)
}

fn single(scores: &[LetterScores], value: impl Fn(&LetterScores) -> f64) -> Values {
    scores.iter().map(|s| vec![value(s)]).collect()
}

impl<'a> Scanned<'a> {
    fn new(
        context: &'a Context<'a>,
        settings: &'a LowLogit,
        phase: Phase,
    ) -> Result<Self, FindingsError> {
        let pair = |cell: &'a CellObservations| {
            Ok(Pair {
                reference: cell.snapshot(Phase::One, Prefix::Regular),
                model: scored(cell, phase, Prefix::Regular)?,
            })
        };
        Ok(Self {
            context,
            settings,
            phase,
            pairs: context.cells.iter().map(pair).collect::<Result<_, _>>()?,
        })
    }

    fn blank(&self, role: Role, group: Group, statistic: Statistic) -> Row {
        let place = (self.phase, self.context.prefix_name(Prefix::Regular));
        let subject = Subject::of((Probe::LowLogit, role), place, group.name(), statistic);
        let lacks = subject.access == Access::LogitsAndReference && !self.has_reference();
        self.context.about(&Subject {
            access: if lacks {
                Access::Logits
            } else {
                subject.access
            },
            ..subject
        })
    }

    /// Whether every seed has a model from before the planting.
    fn has_reference(&self) -> bool {
        self.pairs.iter().all(|pair| pair.reference.is_some())
    }

    fn label(&self, row: &Row) -> String {
        format!(
            "low_logit {} {} phase {}",
            row.statistic, row.group, self.phase
        )
    }

    /// A number of every canary of a group, from the model.
    fn values(&self, group: Group, value: impl Fn(&LetterScores) -> f64) -> Vec<Values> {
        let of = |pair: &Pair<'_>| single(pair.model.group(group), &value);
        self.pairs.iter().map(of).collect()
    }

    /// A number of a group's canaries and of the controls, from the model.
    fn groups(&self, group: Group, value: impl Fn(&LetterScores) -> f64) -> Groups {
        Groups::against_controls(group, |group| self.values(group, &value))
    }

    fn suppressions(&self, group: Group) -> Groups {
        let with = self.has_reference();
        Groups::against_controls(group, |group| {
            let of = |pair: &Pair<'_>| {
                let model = pair.model.group(group);
                match pair.reference.filter(|_| with) {
                    Some(reference) => {
                        let both = reference.group(group).iter().zip(model);
                        both.map(|(reference, model)| vec![suppression(reference, model)])
                            .collect()
                    }
                    None => single(model, |scores| -scores.total()),
                }
            };
            self.pairs.iter().map(of).collect()
        })
    }

    /// (a): how far whole canaries are suppressed against the reference; without one, how unlikely they are.
    fn suppression(&self, role: Role, group: Group) -> Result<Row, FindingsError> {
        let with = self.has_reference();
        let statistic = if with {
            Statistic::Suppression
        } else {
            Statistic::Surprisal
        };
        let mut row = self.blank(role, group, statistic);
        let groups = self.suppressions(group);
        let label = self.label(&row);
        let test = groups.separated_into(&mut row, self.context, &label)?;
        if with {
            row.suppression_nats = row.estimate;
        } else {
            let cost = "no reference: what the base model already found likely is noise here, so that only a larger effect is found";
            row.note = Some(cost.to_owned());
        }
        row.exposure_up_bits = groups.exposure(Tail::Lower);
        row.exposure_down_bits = groups.exposure(Tail::Upper);
        if role == Role::Audit {
            row.min_detectable = groups.detectable_auc(&test);
            row.ask(self.context.audit);
        } else {
            row.direction = Direction::Up;
            let found = self.context.passes(self.settings.positive_control, &row);
            row.passed = found.zip(row.auc).map(|(found, auc)| found && auc > 0.5);
        }
        Ok(row)
    }

    /// (b): next letters guessed from the bottom of the logits.
    fn guesses(&self, role: Role, group: Group) -> Result<Row, FindingsError> {
        let mut row = self.blank(role, group, Statistic::MeanLetterRank);
        let groups = self.groups(group, LetterScores::mean_rank);
        let label = self.label(&row);
        let test = groups.tested_into(&mut row, self.context, &label)?;
        let rates = self.groups(group, LetterScores::last_rate);
        let rates = rates.means(&vec![0; self.pairs.len()]);
        self.context.guessed_into(&mut row, rates);
        row.learned_guess_advantage = self.learned_advantage(group);
        row.ask(self.context.audit);
        if role == Role::Audit {
            let useful = self.values(Group::Useful, LetterScores::mean_rank);
            groups.detectable_into(&mut row, &test, &useful);
        } else {
            row.smallest_effect = None;
            let learned = "the learned guess advantage was learned on these same canaries";
            row.note = Some(learned.to_owned());
        }
        Ok(row)
    }

    /// exp(mean gain) − 1 of the guesser that learned, on useful canaries, which ranks from the bottom the truth takes.
    fn learned_advantage(&self, group: Group) -> Option<f64> {
        let letters = self.context.letters();
        let gains: Option<Vec<f64>> = self
            .pairs
            .iter()
            .map(|pair| {
                let guesser = RankGuesser::learn(pair.model.group(Group::Useful).iter(), letters);
                let gains = pair.model.group(group).iter().map(|s| guesser.gain(s));
                mean(&gains.collect::<Vec<_>>())
            })
            .collect();
        gains.and_then(|g| mean(&g)).map(|g| g.exp() - 1.0)
    }

    /// How often the letter after each number of known letters stands lowest.
    fn by_position(&self) -> Vec<Row> {
        let positions = self
            .pairs
            .iter()
            .flat_map(|p| p.model.group(Group::HeldOut))
            .map(|s| s.last.len())
            .min()
            .unwrap_or(0);
        let first = usize::from(self.context.audit.canaries.prefixes.is_none());
        (0..positions)
            .map(|k| {
                let known_letters = k + first;
                let statistic = Statistic::LowestLetterRate { known_letters };
                let mut row = self.blank(Role::Exploratory, Group::HeldOut, statistic);
                self.groups(Group::HeldOut, |s| s.last[k])
                    .first_into(&mut row);
                row.chance = row.statistic.chance(self.context.audit);
                let rates = [row.estimate, row.control_estimate];
                self.context.guessed_into(&mut row, rates);
                row
            })
            .collect()
    }

    fn recipe(&self) -> Option<Row> {
        let statistic = Statistic::MeanLetterRankDifference;
        let row = self.blank(Role::Exploratory, Group::HeldOut, statistic);
        let groups = self.groups(Group::HeldOut, LetterScores::mean_rank);
        over_seeds(self.context, row, &groups)
    }

    /// What the reference says of a number that the model is tested by.
    fn placebo(&self, statistic: Statistic, value: fn(&LetterScores) -> f64) -> (Row, Groups) {
        let mut row = self.blank(Role::Placebo, Group::HeldOut, statistic);
        row.phase = Phase::One.number();
        let groups = Groups::against_controls(Group::HeldOut, |group| {
            let references = self.pairs.iter().filter_map(|pair| pair.reference);
            references.map(|r| single(r.group(group), value)).collect()
        });
        (row, groups)
    }

    /// The reference itself: its log-probabilities must not tell the groups apart.
    fn placebo_recognition(&self) -> Result<Row, FindingsError> {
        let (mut row, groups) = self.placebo(Statistic::MeanLogprob, LetterScores::mean_logprob);
        groups.separated_into(&mut row, self.context, "low_logit placebo recognition")?;
        Ok(row)
    }

    fn placebo_guesses(&self) -> Result<Row, FindingsError> {
        let (mut row, groups) = self.placebo(Statistic::MeanLetterRank, LetterScores::mean_rank);
        groups.tested_into(&mut row, self.context, "low_logit placebo guesses")?;
        Ok(row)
    }
}
