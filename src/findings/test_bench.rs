//! What row builders share: groups gathered over seeds, the permutation tests, and the numbers of a row that follow from scores.

use super::row::Row;
use super::{CI_LEVEL, Context, FindingsError, POWER};
use crate::seed::Purpose;
use crate::stats::{
    self, Cell, PermutationTest, Tail, auc, auc_interval, auc_two_sided, exposure_bits,
    max_standardised_difference, mean, tpr_at_fpr, variance,
};

/// A number of two groups of scores.
type Compare = fn(&[f64], &[f64]) -> Option<f64>;

/// `[canaries][evaluations]`
pub(super) type Values = Vec<Vec<f64>>;

/// Two groups in every seed.
pub(super) struct Groups {
    pub(super) treated: Vec<Values>,
    pub(super) control: Vec<Values>,
}

impl Groups {
    fn cells(&self) -> Vec<Cell<'_>> {
        self.treated
            .iter()
            .zip(&self.control)
            .map(|(treated, control)| Cell { treated, control })
            .collect()
    }

    /// The test of mean differences, maximal over evaluations.
    pub(super) fn standardised(
        &self,
        context: &Context<'_>,
        direction: stats::permutation::Direction,
        label: &str,
    ) -> Result<PermutationTest, FindingsError> {
        self.standardised_at(context, direction, label, context.strict_level())
    }

    pub(super) fn standardised_at(
        &self,
        context: &Context<'_>,
        direction: stats::permutation::Direction,
        label: &str,
        level: f64,
    ) -> Result<PermutationTest, FindingsError> {
        let mut rng = context.root().labelled_stream(Purpose::Permutation, label);
        max_standardised_difference(
            &self.cells(),
            direction,
            context.audit.gate.permutations,
            level,
            &mut rng,
        )
        .map_err(|source| FindingsError::Permutation {
            row: label.to_owned(),
            source,
        })
    }

    /// The same on both sides: twice the smaller p-value (Bonferroni over the two).
    pub(super) fn standardised_two_sided(
        &self,
        context: &Context<'_>,
        label: &str,
    ) -> Result<PermutationTest, FindingsError> {
        use stats::permutation::Direction::{Down, Up};
        let half = context.strict_level() / 2.0;
        let up = self.standardised_at(context, Up, &format!("{label} up"), half)?;
        let down = self.standardised_at(context, Down, &format!("{label} down"), half)?;
        // What is promised to be found must be found on either side, whichever the data lean to.
        let critical_value = up
            .critical_value
            .zip(down.critical_value)
            .map(|(up, down)| up.max(down));
        let nearer = if down.p_value < up.p_value { down } else { up };
        Ok(PermutationTest {
            p_value: (2.0 * nearer.p_value).min(1.0),
            p_floor: (2.0 * nearer.p_floor).min(1.0),
            critical_value,
            ..nearer
        })
    }

    /// The two-sided test of separation.
    pub(super) fn separation(
        &self,
        context: &Context<'_>,
        label: &str,
    ) -> Result<PermutationTest, FindingsError> {
        self.separation_at(context, label, context.strict_level())
    }

    /// The same with the critical value of another level.
    pub(super) fn separation_at(
        &self,
        context: &Context<'_>,
        label: &str,
        level: f64,
    ) -> Result<PermutationTest, FindingsError> {
        let mut rng = context.root().labelled_stream(Purpose::Permutation, label);
        auc_two_sided(
            &self.cells(),
            context.audit.gate.permutations,
            level,
            &mut rng,
        )
        .map_err(|source| FindingsError::Permutation {
            row: label.to_owned(),
            source,
        })
    }

    pub(super) fn sizes(&self) -> (usize, usize) {
        let size = |groups: &[Values]| groups.iter().map(Vec::len).min().unwrap_or(0);
        (size(&self.treated), size(&self.control))
    }

    /// AUC, its interval and true-positive rates of both tails, at the last evaluation, into a row.
    pub(super) fn separate_into(&self, row: &mut Row) {
        let last = |values: &Values| -> Vec<f64> {
            values.iter().filter_map(|v| v.last().copied()).collect()
        };
        let seeds: Vec<_> = self
            .treated
            .iter()
            .zip(&self.control)
            .map(|(t, c)| (last(t), last(c)))
            .collect();
        let over_seeds = |f: Compare| {
            let all: Option<Vec<f64>> = seeds.iter().map(|(t, c)| f(t, c)).collect();
            all.and_then(|all| mean(&all))
        };
        row.auc = over_seeds(auc);
        row.tpr_at_1pct_fpr = over_seeds(|t, c| tpr_at_fpr(t, c, 0.01, Tail::Upper));
        row.tpr_low_at_1pct_fpr = over_seeds(|t, c| tpr_at_fpr(t, c, 0.01, Tail::Lower));
        let (n, n_control) = self.sizes();
        let interval = row
            .auc
            .and_then(|a| auc_interval(a, n, n_control, seeds.len(), CI_LEVEL));
        if let Some(interval) = interval {
            row.set_interval("auc", interval);
            row.ci_method = Some("Newcombe 2006, method 5".to_owned());
        }
    }

    /// Smallest detectable shift in the values' own unit: the test's critical value times `spread`. The second number
    /// is for the alternative that one canary in sixteen carries the whole shift.
    pub(super) fn detectable(&self, test: &PermutationTest, spread: Option<f64>) -> Detectable {
        let (n, n_control) = self.sizes();
        let seeds = self.treated.len();
        let in_units = |f: fn(f64, usize, usize, usize, f64) -> Option<f64>| {
            f(test.critical_value?, n, n_control, seeds, POWER)
                .zip(spread)
                .map(|(d, s)| d * s)
        };
        Detectable {
            all: in_units(stats::min_detectable_standardised),
            sparse: in_units(stats::min_detectable_sparse),
        }
    }
}

/// See [`Groups::detectable`].
pub(super) struct Detectable {
    pub(super) all: Option<f64>,
    pub(super) sparse: Option<f64>,
}

/// Mean over seeds of the larger of two groups' standard deviations at one evaluation a seed.
pub(super) fn spread(first: &[Values], second: &[Values], at: &[usize]) -> Option<f64> {
    let sd = |values: &Values, t: usize| -> Option<f64> {
        let column: Option<Vec<f64>> = values.iter().map(|v| v.get(t).copied()).collect();
        variance(&column?).map(f64::sqrt)
    };
    let each: Option<Vec<f64>> = first
        .iter()
        .zip(second)
        .zip(at)
        .map(|((a, b), &t)| match (sd(a, t), sd(b, t)) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        })
        .collect();
    mean(&each?)
}

/// Mean over seeds of a group's mean at one evaluation a seed.
pub(super) fn mean_at(values: &[Values], at: &[usize]) -> Option<f64> {
    let each: Option<Vec<f64>> = values
        .iter()
        .zip(at)
        .map(|(canaries, &t)| {
            let column: Option<Vec<f64>> = canaries.iter().map(|v| v.get(t).copied()).collect();
            mean(&column?)
        })
        .collect();
    mean(&each?)
}

/// The p-value of a permutation test, into a row.
pub(super) fn take_p(row: &mut Row, test: &PermutationTest) {
    row.p_value = Some(test.p_value);
    row.p_floor = Some(test.p_floor);
    let kind = if test.exhaustive { "all" } else { "random" };
    row.p_method = Some(format!(
        "permutation of canaries within seeds, {kind} {}",
        test.resamples
    ));
}

/// Mean exposure of the treated canaries among their seed's controls, bits.
pub(super) fn exposure(groups: &Groups, tail: Tail) -> Option<f64> {
    let flat = |values: &Values| -> Vec<f64> { values.iter().flatten().copied().collect() };
    let bits: Option<Vec<f64>> = groups
        .treated
        .iter()
        .zip(&groups.control)
        .flat_map(|(treated, control)| {
            let control = flat(control);
            flat(treated)
                .into_iter()
                .map(move |score| exposure_bits(score, &control, tail))
        })
        .collect();
    mean(&bits?)
}
