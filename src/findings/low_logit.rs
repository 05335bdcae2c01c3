//! Rows of the low-logit probe. Guide: evidence, "Low-logit (a), suppression", and
//! guide: evidence, "Low-logit (b), guesses".

mod tails;

use super::recipe::recipe_into;
use super::row::{Access, Direction, Probe, Role, Row, Subject, Tier};
use super::test_bench::{Groups, Values, exposure, mean_at, spread, take_p};
use super::{Context, FindingsError, POWER, RECIPE_SEEDS};
use crate::canary::{Group, Prefix};
use crate::probes::low_logit::{RankGuesser, suppression};
use crate::probes::{CellObservations, LetterScores, Snapshot};
use crate::spec::{LowLogit, PositiveControl};
use crate::stats::permutation::Direction as Side;
use crate::stats::{Tail, mean, min_detectable_auc};
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
    for (i, phase) in context.audit.negative_phases().into_iter().enumerate() {
        let scanned = Scanned::new(context, settings, phase)?;
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
                }
            }
        }
    }
    Ok(rows)
}

fn snapshot(cell: &CellObservations, phase: Phase) -> Result<&Snapshot, FindingsError> {
    cell.snapshot(phase, Prefix::Regular)
        .ok_or_else(|| FindingsError::Missing {
            seed: cell.seed,
            what: format!("the canaries under the regular prefix after phase {phase}"),
        })
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
                model: snapshot(cell, phase)?,
            })
        };
        Ok(Self {
            context,
            settings,
            phase,
            pairs: context.cells.iter().map(pair).collect::<Result<_, _>>()?,
        })
    }

    fn blank(&self, role: Role, tier: Tier, group: Group, statistic: &str) -> Row {
        let recognition = tier == Tier::Recognition;
        let subject = Subject {
            probe: Probe::LowLogit,
            role,
            tier,
            prefix: self.context.prefix_name(Prefix::Regular),
            phase: self.phase.number(),
            group: group.name(),
            statistic,
            direction: if recognition {
                Direction::TwoSided
            } else {
                Direction::Down
            },
            access: if recognition && self.has_reference() {
                Access::LogitsAndReference
            } else {
                Access::Logits
            },
        };
        self.context.about(&subject)
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

    fn suppressions(&self, group: Group) -> Vec<Values> {
        let with = self.has_reference();
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
    }

    /// (a): how far whole canaries are suppressed against the reference; without one, how unlikely they are.
    fn suppression(&self, role: Role, group: Group) -> Result<Row, FindingsError> {
        let with = self.has_reference();
        let statistic = if with {
            "suppression_nats"
        } else {
            "surprisal_nats"
        };
        let mut row = self.blank(role, Tier::Recognition, group, statistic);
        let groups = Groups {
            treated: self.suppressions(group),
            control: self.suppressions(Group::Control),
        };
        let test = groups.separation(self.context, &self.label(&row))?;
        let (n, n_control) = groups.sizes();
        (row.n, row.n_control) = (n, Some(n_control));
        let at = vec![0; self.pairs.len()];
        row.estimate = mean_at(&groups.treated, &at);
        row.control_estimate = mean_at(&groups.control, &at);
        if with {
            row.suppression_nats = row.estimate;
            row.chance = Some(0.0);
        } else {
            let cost = "no reference: what the base model already found likely is noise here, so that only a larger effect is found";
            row.note = Some(cost.to_owned());
        }
        row.exposure_up_bits = exposure(&groups, Tail::Lower);
        row.exposure_down_bits = exposure(&groups, Tail::Upper);
        take_p(&mut row, &test);
        groups.separate_into(&mut row);
        if role == Role::Audit {
            row.min_detectable = test
                .critical_value
                .and_then(|c| min_detectable_auc(c, n, n_control, self.pairs.len(), POWER));
            row.smallest_effect = Some(self.settings.smallest_effect_auc);
            row.effect_unit = Some("AUC from 0.5".to_owned());
        } else {
            let alpha = self.context.audit.gate.alpha;
            row.direction = Direction::Up;
            row.passed = match self.settings.positive_control {
                PositiveControl::NotApplicable => None,
                PositiveControl::Required => row
                    .p_value
                    .zip(row.auc)
                    .map(|(p, auc)| p < alpha && auc > 0.5),
            };
        }
        Ok(row)
    }

    fn ranks(&self, group: Group) -> Vec<Values> {
        let of = |pair: &Pair<'_>| single(pair.model.group(group), LetterScores::mean_rank);
        self.pairs.iter().map(of).collect()
    }

    /// Mean over seeds of a group's mean of some number.
    fn group_mean(&self, group: Group, value: impl Fn(&LetterScores) -> f64) -> Option<f64> {
        let values: Vec<Values> = self
            .pairs
            .iter()
            .map(|pair| single(pair.model.group(group), &value))
            .collect();
        mean_at(&values, &vec![0; values.len()])
    }

    /// (b): next letters guessed from the bottom of the logits.
    fn guesses(&self, role: Role, group: Group) -> Result<Row, FindingsError> {
        let mut row = self.blank(role, Tier::Partial, group, "mean_letter_rank");
        let groups = Groups {
            treated: self.ranks(group),
            control: self.ranks(Group::Control),
        };
        let test = groups.standardised(self.context, Side::Down, &self.label(&row))?;
        let (n, n_control) = groups.sizes();
        (row.n, row.n_control) = (n, Some(n_control));
        row.estimate = mean_at(&groups.treated, &test.argmax);
        row.control_estimate = mean_at(&groups.control, &test.argmax);
        row.chance = Some(0.5);
        row.guess_rate = self.group_mean(group, LetterScores::last_rate);
        row.control_guess_rate = self.group_mean(Group::Control, LetterScores::last_rate);
        row.guess_advantage = row
            .guess_rate
            .map(|rate| rate * self.context.letters() as f64 - 1.0);
        row.learned_guess_advantage = self.learned_advantage(group);
        take_p(&mut row, &test);
        groups.separate_into(&mut row);
        row.effect_unit = Some("of rank 0–1".to_owned());
        if role == Role::Audit {
            let spread = spread(&self.ranks(Group::Useful), &groups.control, &test.argmax);
            let detectable = groups.detectable(&test, spread);
            row.min_detectable = detectable.all;
            row.min_detectable_sparse = detectable.sparse;
            row.smallest_effect = Some(self.settings.smallest_effect_rank);
        } else {
            row.note =
                Some("the learned guess advantage was learned on these same canaries".to_owned());
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
                let gains: Vec<f64> = pair
                    .model
                    .group(group)
                    .iter()
                    .map(|s| guesser.gain(s))
                    .collect();
                mean(&gains)
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
                let statistic = format!("lowest_letter_rate_given_{}_letters", k + first);
                let mut row =
                    self.blank(Role::Exploratory, Tier::Partial, Group::HeldOut, &statistic);
                let rate = |s: &LetterScores| s.last[k];
                row.n = self
                    .pairs
                    .iter()
                    .map(|p| p.model.group(Group::HeldOut).len())
                    .min()
                    .unwrap_or(0);
                row.n_control = self
                    .pairs
                    .iter()
                    .map(|p| p.model.group(Group::Control).len())
                    .min();
                row.direction = Direction::Up;
                row.estimate = self.group_mean(Group::HeldOut, rate);
                row.control_estimate = self.group_mean(Group::Control, rate);
                row.guess_rate = row.estimate;
                row.control_guess_rate = row.control_estimate;
                let letters = self.context.letters() as f64;
                row.chance = Some(1.0 / letters);
                row.guess_advantage = row.estimate.map(|e| e * letters - 1.0);
                row
            })
            .collect()
    }

    fn recipe(&self) -> Option<Row> {
        if self.pairs.len() < RECIPE_SEEDS {
            return None;
        }
        let differences: Option<Vec<f64>> = self
            .pairs
            .iter()
            .map(|pair| {
                let ranks = |group| {
                    let all: Vec<f64> = pair
                        .model
                        .group(group)
                        .iter()
                        .map(LetterScores::mean_rank)
                        .collect();
                    mean(&all)
                };
                Some(ranks(Group::HeldOut)? - ranks(Group::Control)?)
            })
            .collect();
        let mut row = self.blank(
            Role::Exploratory,
            Tier::Partial,
            Group::HeldOut,
            "mean_letter_rank_difference",
        );
        row.n = self.ranks(Group::HeldOut).first().map_or(0, Vec::len);
        row.n_control = self.ranks(Group::Control).first().map(Vec::len);
        recipe_into(&mut row, &differences?, -1.0);
        Some(row)
    }

    fn reference_values(&self, group: Group, value: impl Fn(&LetterScores) -> f64) -> Vec<Values> {
        self.pairs
            .iter()
            .filter_map(|pair| pair.reference)
            .map(|reference| single(reference.group(group), &value))
            .collect()
    }

    fn placebo(
        &self,
        tier: Tier,
        statistic: &str,
        value: impl Fn(&LetterScores) -> f64,
    ) -> (Row, Groups) {
        let mut row = self.blank(Role::Placebo, tier, Group::HeldOut, statistic);
        row.phase = Phase::One.number();
        row.access = Access::Logits;
        let groups = Groups {
            treated: self.reference_values(Group::HeldOut, &value),
            control: self.reference_values(Group::Control, &value),
        };
        let (n, n_control) = groups.sizes();
        (row.n, row.n_control) = (n, Some(n_control));
        let at = vec![0; self.pairs.len()];
        row.estimate = mean_at(&groups.treated, &at);
        row.control_estimate = mean_at(&groups.control, &at);
        groups.separate_into(&mut row);
        (row, groups)
    }

    /// The reference itself: its log-probabilities must not tell the groups apart.
    fn placebo_recognition(&self) -> Result<Row, FindingsError> {
        let (mut row, groups) =
            self.placebo(Tier::Recognition, "mean_logprob_nats_per_token", |s| {
                s.mean_logprob()
            });
        let test = groups.separation(self.context, "low_logit placebo recognition")?;
        take_p(&mut row, &test);
        let is_known = self.context.guesses_letters();
        row.chance = is_known.then(|| self.context.audit.chance_level());
        Ok(row)
    }

    fn placebo_guesses(&self) -> Result<Row, FindingsError> {
        let (mut row, groups) =
            self.placebo(Tier::Partial, "mean_letter_rank", LetterScores::mean_rank);
        let test = groups.standardised(self.context, Side::Down, "low_logit placebo guesses")?;
        take_p(&mut row, &test);
        row.chance = Some(0.5);
        Ok(row)
    }
}
