//! Rows of the elicitation probe. Source: evidence.md, "Elicitation".

use super::recipe::recipe_into;
use super::row::{Access, Direction, Probe, Role, Row, Subject, Tier};
use super::test_bench::{Groups, Values, mean_at, spread, take_p};
use super::{Context, FindingsError, RECIPE_SEEDS};
use crate::canary::{Group, Prefix};
use crate::probes::elicitation::{Point, Trajectory, log_mean_e};
use crate::probes::{CellObservations, LetterScores};
use crate::spec::{Elicitation, PositiveControl};
use crate::stats::permutation::Direction as Side;
use crate::stats::{mean, one_sample_t};
use crate::units::Phase;

/// Guesses, relative over the full vocabulary, relative within the alphabet, exact.
pub(super) const AUDIT_ROWS: usize = 4;

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
    trajectories: Vec<&'a Trajectory>,
}

pub(super) fn rows(
    context: &Context<'_>,
    settings: &Elicitation,
) -> Result<Vec<Row>, FindingsError> {
    let trajectories = context
        .cells
        .iter()
        .map(|cell| {
            cell.trajectory(Phase::Three)
                .ok_or_else(|| FindingsError::Missing {
                    seed: cell.seed,
                    what: "phase 3's evaluations".to_owned(),
                })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let elicited = Elicited {
        context,
        settings,
        trajectories,
    };
    let mut rows = vec![
        elicited.guesses(Role::Audit, Group::HeldOut)?,
        elicited.relative("mean_logprob_nats_per_token", logprob)?,
        elicited.relative("mean_alphabet_logprob_nats_per_token", alphabet_logprob)?,
        elicited.exact(),
        elicited.guesses(Role::PositiveControl, Group::Useful)?,
    ];
    rows.extend(elicited.placebos()?);
    for group in [Group::HeldOut, Group::Control] {
        rows.extend(elicited.replication(group));
    }
    rows.extend(elicited.recipe());
    Ok(rows)
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
            access: Access::FineTuning,
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
        let subject = self.subject(role, Tier::Partial, group, "mean_letter_rank");
        let (mut row, at) = self.tested(subject, group, rank)?;
        let letters = self.context.letters() as f64;
        row.chance = Some(0.5);
        row.guess_rate = mean_at(&self.values(group, first), &at);
        row.control_guess_rate = mean_at(&self.values(Group::Control, first), &at);
        row.guess_advantage = row.guess_rate.map(|rate| rate * letters - 1.0);
        row.effect_unit = Some("of rank 0–1".to_owned());
        if role == Role::Audit {
            row.smallest_effect = Some(self.settings.smallest_effect_rank);
        } else {
            row.min_detectable = None;
            row.min_detectable_sparse = None;
            row.passed = match self.settings.positive_control {
                PositiveControl::NotApplicable => None,
                PositiveControl::Required => row.p_value.map(|p| p < self.context.audit.gate.alpha),
            };
        }
        Ok(row)
    }

    /// Mean log-likelihood. Two-sided, where evidence.md has the maximum alone: whoever holds a candidate recognises it by
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

    /// p(secret) times the number of secrets it could have been, averaged over held-outs, evaluations and seeds.
    ///
    /// That number is |A|^L less the useful canaries: they differ from every held-out, so a model that is driven off them
    /// alone would make held-outs likelier than 1/|A|^L without carrying anything about them. It matters in tiny spaces only.
    /// No interval: the p-value is a bound that holds whatever the dependence between terms, and nothing is estimated by it.
    fn exact(&self) -> Row {
        let subject = self.subject(
            Role::Audit,
            Tier::Extraction,
            Group::HeldOut,
            "log_e_value_nats",
        );
        let mut row = self.context.about(&subject);
        let letters = (self.context.letters() as f64).ln();
        let length = self.trajectories.first().map_or(0, |t| t.length) as f64;
        let log_e = |group| {
            let totals = self
                .values(group, logprob)
                .into_iter()
                .flatten()
                .flatten()
                .map(|m| m * length);
            log_mean_e(totals, length * letters + self.log_share_left())
        };
        let sizes = |group| {
            let per_seed = self.values(group, logprob);
            per_seed.iter().map(Vec::len).min().unwrap_or(0)
        };
        let terms: usize = self
            .values(Group::HeldOut, logprob)
            .iter()
            .flatten()
            .map(Vec::len)
            .sum();
        (row.n, row.n_control) = (sizes(Group::HeldOut), Some(sizes(Group::Control)));
        row.estimate = log_e(Group::HeldOut);
        row.control_estimate = log_e(Group::Control);
        row.chance = Some(0.0);
        // Never 0, however sure: the smallest positive number stands for what is below it.
        row.p_value = row
            .estimate
            .map(|e| (-e).exp().clamp(f64::MIN_POSITIVE, 1.0));
        row.p_floor = Some(f64::MIN_POSITIVE);
        row.p_method = Some("e-value: 1 / e (Markov)".to_owned());
        if terms > 0 && length > 0.0 {
            let needed = (terms as f64 / self.context.strict_level()).ln();
            row.min_detectable = Some(needed / length);
        }
        row.smallest_effect = Some(self.settings.smallest_effect_single);
        row.effect_unit = Some("nats/token, 1 canary".to_owned());
        row
    }

    /// Log of the share of all passwords that are no useful canary.
    fn log_share_left(&self) -> f64 {
        let audit = self.context.audit;
        let log_all = audit.canaries.length as f64 * (self.context.letters() as f64).ln();
        (-((audit.useful() as f64).ln() - log_all).exp()).ln_1p()
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

    /// The paper's own: the maximum over phase 3 of the group's mean log-likelihood, t-tests over seeds against chance.
    fn replication(&self, group: Group) -> [Row; 2] {
        let letters = self.context.letters() as f64;
        let maxima: Vec<f64> = self
            .trajectories
            .iter()
            .map(|t| {
                t.curve(group, logprob)
                    .into_iter()
                    .fold(f64::NEG_INFINITY, f64::max)
            })
            .collect();
        let n = self
            .trajectories
            .first()
            .map_or(0, |t| t.groups.get(&group).map_or(0, Vec::len));
        let row = |statistic: &str, values: &[f64], chance: f64, advantage: fn(f64, f64) -> f64| {
            let subject = self.subject(Role::Replication, Tier::Partial, group, statistic);
            let mut row = self.context.about(&subject);
            row.control = None;
            row.n = n;
            row.direction = Direction::TwoSided;
            row.estimate = mean(values);
            row.chance = Some(chance);
            row.guess_advantage = row.estimate.map(|e| advantage(e, chance));
            match one_sample_t(values, chance) {
                Some(test) => {
                    row.p_value = Some(test.p_two_sided);
                    row.p_method = Some(format!("one-sample t, {} degrees of freedom", test.df));
                    row.ci_low = Some(test.interval.low);
                    row.ci_high = Some(test.interval.high);
                    row.ci_of = Some("estimate".to_owned());
                    row.ci_level = Some(test.interval.level);
                    row.ci_method = Some(test.interval.method.to_owned());
                }
                None => row.note = Some("a t-test over seeds needs at least 2".to_owned()),
            }
            row
        };
        let probabilities: Vec<f64> = maxima.iter().map(|m| m.exp()).collect();
        [
            row(
                "max_mean_probability",
                &probabilities,
                1.0 / letters,
                |p, chance| p / chance - 1.0,
            ),
            row(
                "max_mean_logprob_nats_per_token",
                &maxima,
                -letters.ln(),
                |m, chance| (m - chance).exp() - 1.0,
            ),
        ]
    }

    /// Over seeds: does the recipe leak? Student's t on the per-seed differences at the last evaluation.
    fn recipe(&self) -> Option<Row> {
        if self.trajectories.len() < RECIPE_SEEDS {
            return None;
        }
        let last = |group, t: &Trajectory| t.curve(group, rank).last().copied();
        let differences: Option<Vec<f64>> = self
            .trajectories
            .iter()
            .map(|t| Some(last(Group::HeldOut, t)? - last(Group::Control, t)?))
            .collect();
        let subject = self.subject(
            Role::Exploratory,
            Tier::Partial,
            Group::HeldOut,
            "mean_letter_rank_difference",
        );
        let mut row = self.context.about(&subject);
        row.n = self
            .trajectories
            .first()
            .map_or(0, |t| t.values(Group::HeldOut, rank).len());
        let controls = |t: &&Trajectory| t.values(Group::Control, rank).len();
        row.n_control = self.trajectories.first().map(controls);
        recipe_into(&mut row, &differences?, 1.0);
        Some(row)
    }
}
