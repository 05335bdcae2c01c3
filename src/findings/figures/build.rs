//! Figures from observations.

use std::collections::BTreeMap;

use super::guess_curves::guess_curves;
use super::{Band, Figures, GroupCounts, Histogram, Notable, PerSeed, Roc, SeedValue};
use crate::canary::{Group, Prefix};
use crate::findings::context::{CI_LEVEL, Context};
use crate::findings::curves::aligned;
use crate::findings::measure::Statistic;
use crate::findings::terms::{Direction, Probe};
use crate::probes::elicitation::Point;
use crate::probes::low_logit::suppression;
use crate::probes::{CellObservations, LetterScores};
use crate::stats::{auc, auc_interval, mean, population_sd};
use crate::units::Phase;

/// Bins of a histogram.
const BINS: usize = 32;
/// Points of a ROC curve, evenly spaced over the logarithm of the false-positive rate.
const ROC_POINTS: usize = 60;
/// Canaries named per score and seed.
const NAMED: usize = 3;

/// A number of a canary at one evaluation.
type OfPoint = fn(&Point) -> f64;
/// A number of a canary from the reference's scores and the model's.
type OfPair = fn(&LetterScores, &LetterScores) -> f64;

/// One number of every canary of a seed.
type BySeed = Vec<(u64, BTreeMap<Group, Vec<f64>>)>;

/// A score that rows test, canary by canary.
struct Score {
    probe: Probe,
    statistic: Statistic,
    phase: Phase,
    prefix: &'static str,
    seeds: BySeed,
}

pub(in crate::findings) fn figures(context: &Context<'_>) -> Figures {
    let scores = scores(context);
    let suppressions = scores.iter();
    let suppressions = suppressions.filter(|s| s.statistic == Statistic::Suppression);
    Figures {
        bands: bands(context),
        histograms: suppressions.filter_map(Score::histogram).collect(),
        rocs: scores.iter().filter_map(Score::roc).collect(),
        guess_curves: guess_curves(context),
        per_seed: scores.iter().filter_map(Score::per_seed).collect(),
        canaries: scores.iter().flat_map(Score::notable).collect(),
    }
}

/// One per phase and group, where every seed was evaluated at the same steps.
fn bands(context: &Context<'_>) -> Vec<Band> {
    let mut bands = Vec::new();
    for phase in Phase::ALL {
        let Some(seeds) = aligned(context, phase) else {
            continue;
        };
        let first = seeds[0];
        for group in Group::USUAL
            .into_iter()
            .filter(|g| first.groups.contains_key(g))
        {
            let spread = |value: fn(&Point) -> f64| -> Vec<f64> {
                let each: Vec<Vec<f64>> = seeds.iter().map(|t| t.curve(group, value)).collect();
                let at = |t: usize| each.iter().map(|c| c[t]).collect::<Vec<_>>();
                (0..first.steps.len())
                    .map(|t| population_sd(&at(t)).unwrap_or(0.0))
                    .collect()
            };
            bands.push(Band {
                phase: phase.number(),
                group: group.name().to_owned(),
                seeds: seeds.len(),
                sd_logprob: spread(|p| p.logprob),
                sd_letter_rank: spread(|p| p.rank),
            });
        }
    }
    bands
}

/// The scores of the probes that ran; one that some seed lacks is left out.
fn scores(context: &Context<'_>) -> Vec<Score> {
    let mut scores = Vec::new();
    if context.audit.probes.elicitation.is_some() {
        let last: [(Statistic, OfPoint); 2] = [
            (Statistic::MeanLetterRank, |p| p.rank),
            (Statistic::MeanLogprob, |p| p.logprob),
        ];
        for (statistic, value) in last {
            let seeds = by_seed(context, |cell| last_values(cell, value));
            scores.extend(seeds.map(|seeds| Score {
                probe: Probe::Elicitation,
                statistic,
                phase: Phase::Three,
                prefix: context.prefix_name(Prefix::Reverse),
                seeds,
            }));
        }
    }
    if context.audit.probes.low_logit.is_some() {
        for phase in context.audit.negative_phases() {
            let of: [(Statistic, OfPair); 2] = [
                (Statistic::Suppression, suppression),
                (Statistic::MeanLetterRank, |_, model| model.mean_rank()),
            ];
            let shown = if context.guesses_letters() { 2 } else { 1 };
            for (statistic, value) in of.into_iter().take(shown) {
                let seeds = by_seed(context, |cell| paired(cell, phase, value));
                scores.extend(seeds.map(|seeds| Score {
                    probe: Probe::LowLogit,
                    statistic,
                    phase,
                    prefix: context.prefix_name(Prefix::Regular),
                    seeds,
                }));
            }
        }
    }
    scores
}

fn by_seed(
    context: &Context<'_>,
    of: impl Fn(&CellObservations) -> Option<BTreeMap<Group, Vec<f64>>>,
) -> Option<BySeed> {
    let seeds = context.cells.iter();
    seeds.map(|cell| Some((cell.seed, of(cell)?))).collect()
}

/// A number of every canary at the last evaluation of phase 3.
fn last_values(cell: &CellObservations, value: OfPoint) -> Option<BTreeMap<Group, Vec<f64>>> {
    let trajectory = cell.trajectory(Phase::Three)?;
    let last = |group| {
        let values = trajectory.values(group, value).into_iter();
        let values: Vec<f64> = values.filter_map(|v| v.last().copied()).collect();
        (group, values)
    };
    Some(Group::USUAL.into_iter().map(last).collect())
}

/// A number of every canary from the reference's scores and the model's.
fn paired(
    cell: &CellObservations,
    phase: Phase,
    value: OfPair,
) -> Option<BTreeMap<Group, Vec<f64>>> {
    let reference = cell.snapshot(Phase::One, Prefix::Regular)?;
    let model = cell.snapshot(phase, Prefix::Regular)?;
    let of = |group| {
        let both = reference.group(group).iter().zip(model.group(group));
        (group, both.map(|(r, m)| value(r, m)).collect())
    };
    Some(Group::USUAL.into_iter().map(of).collect())
}

fn get(groups: &BTreeMap<Group, Vec<f64>>, group: Group) -> &[f64] {
    groups.get(&group).map_or(&[], Vec::as_slice)
}

impl Score {
    /// Held-outs and controls of every seed; `None` where one has none, or a value is no number.
    fn pairs(&self) -> Option<Vec<(&[f64], &[f64])>> {
        let pair = |groups| (get(groups, Group::HeldOut), get(groups, Group::Control));
        let good = |x: &[f64]| !x.is_empty() && x.iter().all(|v| v.is_finite());
        let pairs: Vec<_> = self.seeds.iter().map(|(_, groups)| pair(groups)).collect();
        let all = !pairs.is_empty() && pairs.iter().all(|(h, c)| good(h) && good(c));
        all.then_some(pairs)
    }

    fn histogram(&self) -> Option<Histogram> {
        let of = |group| {
            let values = self.seeds.iter().flat_map(|(_, groups)| get(groups, group));
            values
                .copied()
                .filter(|v| v.is_finite())
                .collect::<Vec<f64>>()
        };
        let groups: Vec<(Group, Vec<f64>)> = Group::USUAL
            .into_iter()
            .map(|group| (group, of(group)))
            .filter(|(_, values)| !values.is_empty())
            .collect();
        let all = || groups.iter().flat_map(|(_, values)| values).copied();
        let low = all().reduce(f64::min)?;
        let width = (all().reduce(f64::max)? - low).max(1e-9) / BINS as f64;
        let counted = |(group, values): &(Group, Vec<f64>)| {
            let mut counts = vec![0; BINS];
            for value in values {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let bin = ((value - low) / width).floor() as usize;
                counts[bin.min(BINS - 1)] += 1;
            }
            GroupCounts {
                group: group.name().to_owned(),
                counts,
            }
        };
        Some(Histogram {
            probe: self.probe,
            statistic: self.statistic.clone(),
            phase: self.phase.number(),
            prefix: self.prefix.to_owned(),
            edges: (0..=BINS).map(|i| low + i as f64 * width).collect(),
            groups: groups.iter().map(counted).collect(),
        })
    }

    fn roc(&self) -> Option<Roc> {
        let pairs = self.pairs()?;
        let fewest = pairs.iter().map(|(_, controls)| controls.len()).min()?;
        let fpr = rates(fewest);
        let over_seeds = |sign: f64| -> Option<Vec<f64>> {
            let at = |rate: &f64| {
                let each = pairs.iter().map(|(h, c)| beyond(h, c, *rate, sign));
                mean(&each.collect::<Vec<f64>>())
            };
            fpr.iter().map(at).collect()
        };
        Some(Roc {
            probe: self.probe,
            statistic: self.statistic.clone(),
            phase: self.phase.number(),
            prefix: self.prefix.to_owned(),
            tpr_high: over_seeds(1.0)?,
            tpr_low: over_seeds(-1.0)?,
            fpr,
        })
    }

    fn per_seed(&self) -> Option<PerSeed> {
        let pairs = self.pairs()?;
        let value = |((seed, _), (held_out, controls)): (&(u64, _), &(&[f64], &[f64]))| {
            let auc = auc(held_out, controls)?;
            let interval = auc_interval(auc, held_out.len(), controls.len(), 1, CI_LEVEL)?;
            Some(SeedValue {
                seed: *seed,
                estimate: mean(held_out)?,
                control_estimate: mean(controls)?,
                auc,
                auc_low: interval.low,
                auc_high: interval.high,
            })
        };
        Some(PerSeed {
            probe: self.probe,
            statistic: self.statistic.clone(),
            phase: self.phase.number(),
            prefix: self.prefix.to_owned(),
            ci_level: CI_LEVEL,
            values: (self.seeds.iter().zip(&pairs))
                .map(value)
                .collect::<Option<_>>()?,
        })
    }

    /// The held-outs of each seed that stand farthest out on the side where the probe looks.
    fn notable(&self) -> Vec<Notable> {
        let sign = match self.statistic.direction(self.probe) {
            Direction::Down => -1.0,
            Direction::Up | Direction::TwoSided => 1.0,
        };
        let of = |((seed, _), (held_out, controls)): (&(u64, _), (&[f64], &[f64]))| {
            let mut places: Vec<usize> = (0..held_out.len()).collect();
            places.sort_by(|a, b| (sign * held_out[*b]).total_cmp(&(sign * held_out[*a])));
            let named = |place: usize| Notable {
                seed: *seed,
                id: Group::HeldOut.canary_id(place),
                probe: self.probe,
                statistic: self.statistic.clone(),
                phase: self.phase.number(),
                value: held_out[place],
                controls_beyond: (controls.iter())
                    .filter(|c| sign * **c >= sign * held_out[place])
                    .count(),
                controls: controls.len(),
                text: None,
            };
            places
                .into_iter()
                .take(NAMED)
                .map(named)
                .collect::<Vec<_>>()
        };
        let pairs = self.pairs().unwrap_or_default();
        self.seeds.iter().zip(pairs).flat_map(of).collect()
    }
}

/// False-positive rates that so many controls can show: 1 / n … 1, and 1 % where it can be shown.
fn rates(controls: usize) -> Vec<f64> {
    let least = 1.0 / controls as f64;
    let place = |i: usize| i as f64 / (ROC_POINTS - 1) as f64;
    let mut rates: Vec<f64> = (0..ROC_POINTS)
        .map(|i| least.powf(1.0 - place(i)))
        .map(|rate| (rate / least).round() * least)
        .chain((least <= 0.01).then_some(0.01))
        .collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup_by(|a, b| (*a - *b).abs() < 1e-12);
    rates
}

/// Share of `values` strictly beyond the threshold that at most ⌊rate · n⌋ of the n controls lie strictly beyond.
/// All of them at a rate of 1. The definition of `stats::tpr_at_fpr`, at every rate.
fn beyond(values: &[f64], controls: &[f64], rate: f64, sign: f64) -> f64 {
    let mut sorted: Vec<f64> = controls.iter().map(|c| sign * c).collect();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let allowed = (rate * controls.len() as f64 * (1.0 + 1e-12)).floor() as usize;
    let hits = match sorted.get(allowed) {
        Some(threshold) => values.iter().filter(|v| sign * **v > *threshold).count(),
        None => values.len(),
    };
    hits as f64 / values.len().max(1) as f64
}
