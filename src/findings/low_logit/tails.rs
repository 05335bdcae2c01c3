//! A closer look at suppression's tails: exposure beyond what so many controls can rank, and what the top percent catches. No
//! verdict rests on them.

use super::Scanned;
use crate::canary::Group;
use crate::findings::context::CI_LEVEL;
use crate::findings::measure::Statistic;
use crate::findings::row::{IntervalOf, Row};
use crate::findings::terms::Role;
use crate::stats::skew_normal::SkewNormal;
use crate::stats::{Tail, chance_beyond, mean, tpr_at_fpr, tpr_interval};

/// Below this the fit to the controls is called bad.
const BAD_FIT: f64 = 0.01;

impl Scanned<'_> {
    pub(super) fn tails(&self) -> Vec<Row> {
        let seeds = self.suppressions(Group::HeldOut).flat();
        let tails = [
            (
                Tail::Upper,
                Statistic::FittedExposureDown,
                Statistic::TprSuppressed,
            ),
            (
                Tail::Lower,
                Statistic::FittedExposureUp,
                Statistic::TprRaised,
            ),
        ];
        let mut rows = Vec::new();
        for (tail, exposed, beyond) in tails {
            rows.push(self.fitted_exposure(&seeds, tail, exposed));
            rows.push(self.caught(&seeds, tail, beyond));
        }
        rows
    }

    fn about_tail(&self, seeds: &[[Vec<f64>; 2]], statistic: Statistic) -> Row {
        let mut row = self.blank(Role::Exploratory, Group::HeldOut, statistic);
        row.n = seeds.iter().map(|[h, _]| h.len()).min().unwrap_or(0);
        row.n_control = seeds.iter().map(|[_, c]| c.len()).min();
        row
    }

    /// Mean exposure by a skew-normal fit to each seed's controls, bits; its p-value is that of the fit.
    fn fitted_exposure(&self, seeds: &[[Vec<f64>; 2]], tail: Tail, statistic: Statistic) -> Row {
        let mut row = self.about_tail(seeds, statistic);
        let fits: Option<Vec<SkewNormal>> = seeds
            .iter()
            .map(|[_, control]| SkewNormal::fit(control))
            .collect();
        let Some(fits) = fits else {
            row.note = Some("too few controls that differ: no fit".to_owned());
            return row;
        };
        let bits = |fit: &SkewNormal, x: f64| {
            let ln = match tail {
                Tail::Upper => fit.ln_above(x),
                Tail::Lower => fit.ln_below(x),
            };
            -ln / std::f64::consts::LN_2
        };
        let of = |group: usize| {
            let all = seeds.iter().zip(&fits);
            let all = all.flat_map(|(seed, fit)| seed[group].iter().map(|&x| bits(fit, x)));
            mean(&all.collect::<Vec<_>>())
        };
        (row.estimate, row.control_estimate) = (of(0), of(1));
        row.chance = row.statistic.chance(self.context.audit);
        let worst = seeds
            .iter()
            .zip(&fits)
            .filter_map(|([_, control], fit)| fit.goodness_of_fit(control))
            .reduce(f64::min);
        row.p_value = worst.map(|p| p.max(f64::MIN_POSITIVE));
        row.p_method = Some("Kolmogorov-Smirnov, of the fit to the controls".to_owned());
        if worst.is_some_and(|p| p < BAD_FIT) {
            row.note = Some("the fit to the controls is bad: go by the ranks".to_owned());
        }
        row
    }

    /// Share of held-outs beyond all but 1 % of their seed's controls. Needs 100 controls.
    fn caught(&self, seeds: &[[Vec<f64>; 2]], tail: Tail, statistic: Statistic) -> Row {
        let mut row = self.about_tail(seeds, statistic);
        let mut caught = 0.0;
        for [held_out, control] in seeds {
            let Some(share) = tpr_at_fpr(held_out, control, 0.01, tail) else {
                row.note = Some("needs 100 controls".to_owned());
                return row;
            };
            caught += share * held_out.len() as f64;
        }
        // More than 1 % without any leak: the threshold is one of so many controls.
        row.chance = row.n_control.and_then(|n| chance_beyond(n, 0.01));
        let n: usize = seeds.iter().map(|[h, _]| h.len()).sum();
        if let Some(interval) = tpr_interval(seeds, 0.01, tail, CI_LEVEL) {
            row.estimate = Some(caught / n as f64);
            row.set_interval(IntervalOf::Estimate, interval);
        }
        row
    }
}
