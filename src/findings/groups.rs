//! Two groups of canaries over seeds: their tests, and the numbers of a row that follow from their scores.

use super::context::{CI_LEVEL, Context, POWER};
use super::error::FindingsError;
use super::row::{IntervalOf, Row};
use super::terms::Direction;
use crate::canary::Group;
use crate::seed::Purpose;
use crate::stats::{
    self, Cell, PermutationError, PermutationTest, Tail, auc, auc_interval, auc_two_sided,
    exposure_bits, max_standardised_difference, mean, tpr_at_fpr, variance,
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
    /// A group against the controls, from what gives each its values.
    pub(super) fn against_controls(group: Group, values: impl Fn(Group) -> Vec<Values>) -> Self {
        Self {
            treated: values(group),
            control: values(Group::Control),
        }
    }

    /// A group against the controls, where a seed may lack what is asked of it.
    pub(super) fn gathered(
        group: Group,
        values: impl Fn(Group) -> Result<Vec<Values>, FindingsError>,
    ) -> Result<Self, FindingsError> {
        Ok(Self {
            treated: values(group)?,
            control: values(Group::Control)?,
        })
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        self.treated
            .iter()
            .zip(&self.control)
            .map(|(treated, control)| Cell { treated, control })
            .collect()
    }

    /// The test of mean differences on one side, maximal over evaluations, with the critical value of a level.
    pub(super) fn one_sided(
        &self,
        context: &Context<'_>,
        side: Tail,
        label: &str,
        level: f64,
    ) -> Result<PermutationTest, FindingsError> {
        let permutations = context.audit.gate.permutations;
        let test = |cells: &[Cell<'_>], label: &str, level| {
            let mut rng = context.root().labelled_stream(Purpose::Permutation, label);
            max_standardised_difference(cells, side, permutations, level, &mut rng)
                .map_err(|source| refused(label, source))
        };
        self.pooled_and_each(label, level, test)
    }

    /// A test of all seeds together and of each by itself: one leaking model among many that do not leak drowns in the first, a leak
    /// in all shows there first. Twice the smaller of the two p-values, where that of the seeds is the smallest of theirs, as the
    /// smallest of so many independent ones (Šidák 1967).
    fn pooled_and_each(
        &self,
        label: &str,
        level: f64,
        test: impl Fn(&[Cell<'_>], &str, f64) -> Result<PermutationTest, FindingsError>,
    ) -> Result<PermutationTest, FindingsError> {
        let cells = self.cells();
        if cells.len() < 2 {
            return test(&cells, label, level);
        }
        let pooled = test(&cells, label, level / 2.0)?;
        let of_all = |p: f64| 1.0 - (1.0 - p).powf(cells.len() as f64);
        let (mut least, mut floor) = (1.0_f64, 1.0_f64);
        for (seed, cell) in cells.iter().enumerate() {
            let alone = test(&[*cell], &format!("{label} seed {seed}"), level)?;
            (least, floor) = (least.min(alone.p_value), floor.min(alone.p_floor));
        }
        Ok(PermutationTest {
            p_value: (2.0 * pooled.p_value.min(of_all(least))).min(1.0),
            p_floor: 2.0 * pooled.p_floor.min(of_all(floor)),
            ..pooled
        })
    }

    /// On both sides: twice the smaller p-value (Bonferroni over the two).
    fn either_sided(
        &self,
        context: &Context<'_>,
        label: &str,
    ) -> Result<PermutationTest, FindingsError> {
        let half = context.strict_level() / 2.0;
        let up = self.one_sided(context, Tail::Upper, &format!("{label} up"), half)?;
        let down = self.one_sided(context, Tail::Lower, &format!("{label} down"), half)?;
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

    /// The two-sided test of separation, with the critical value of a level.
    pub(super) fn separation(
        &self,
        context: &Context<'_>,
        label: &str,
        level: f64,
    ) -> Result<PermutationTest, FindingsError> {
        let permutations = context.audit.gate.permutations;
        let test = |cells: &[Cell<'_>], label: &str, level| {
            let mut rng = context.root().labelled_stream(Purpose::Permutation, label);
            auc_two_sided(cells, permutations, level, &mut rng)
                .map_err(|source| refused(label, source))
        };
        self.pooled_and_each(label, level, test)
    }

    /// Tests mean differences in a row's direction; fills in all that the row says of the groups where they differ most.
    pub(super) fn tested_into(
        &self,
        row: &mut Row,
        context: &Context<'_>,
        label: &str,
    ) -> Result<PermutationTest, FindingsError> {
        let strict = context.strict_level();
        let test = match row.direction {
            Direction::Up => self.one_sided(context, Tail::Upper, label, strict)?,
            Direction::Down => self.one_sided(context, Tail::Lower, label, strict)?,
            Direction::TwoSided => self.either_sided(context, label)?,
        };
        self.found_into(row, context, &test);
        Ok(test)
    }

    /// Tests whether the groups are told apart, at the only evaluation; fills in all that the row says of them.
    pub(super) fn separated_into(
        &self,
        row: &mut Row,
        context: &Context<'_>,
        label: &str,
    ) -> Result<PermutationTest, FindingsError> {
        let test = self.separation(context, label, context.strict_level())?;
        self.found_into(row, context, &test);
        Ok(test)
    }

    fn found_into(&self, row: &mut Row, context: &Context<'_>, test: &PermutationTest) {
        self.means_into(row, &test.argmax);
        self.separate_into(row);
        take_p(row, test);
        row.chance = row.statistic.chance(context.audit);
    }

    /// Canaries per seed, of the group under test and of the controls; the fewest of any seed.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let size = |groups: &[Values]| groups.iter().map(Vec::len).min().unwrap_or(0);
        (size(&self.treated), size(&self.control))
    }

    /// Sizes of the groups, and their means at one evaluation per seed, into a row.
    pub(super) fn means_into(&self, row: &mut Row, at: &[usize]) {
        let (n, n_control) = self.sizes();
        (row.n, row.n_control) = (n, Some(n_control));
        [row.estimate, row.control_estimate] = self.means(at);
        row.standard_error = self.standard_error(at);
    }

    /// Sizes and means at the first evaluation of every seed, which may be the only one, into a row.
    pub(super) fn first_into(&self, row: &mut Row) {
        self.means_into(row, &vec![0; self.treated.len()]);
    }

    /// Means of both groups at one evaluation per seed.
    pub(super) fn means(&self, at: &[usize]) -> [Option<f64>; 2] {
        [&self.treated, &self.control].map(|values| mean_at(values, at))
    }

    /// Standard error of the mean over seeds of the groups' difference, at one evaluation per seed.
    fn standard_error(&self, at: &[usize]) -> Option<f64> {
        let of = |values: &Values, t: usize| -> Option<f64> {
            let column: Option<Vec<f64>> = values.iter().map(|v| v.get(t).copied()).collect();
            Some(variance(&column?)? / values.len() as f64)
        };
        let both = self.treated.iter().zip(&self.control).zip(at);
        let each: Option<Vec<f64>> = both
            .map(|((t, c), &at)| Some(of(t, at)? + of(c, at)?))
            .collect();
        let each = each?;
        Some(each.iter().sum::<f64>().sqrt() / each.len() as f64).filter(|error| error.is_finite())
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
            row.set_interval(IntervalOf::Auc, interval);
            row.ci_method = Some("Newcombe 2006, method 5".to_owned());
        }
    }

    /// Smallest detectable shift in the values' own unit, into a row: the test's critical value times the spread of the useful
    /// canaries or of the controls, whichever is larger. The sparse one is for the alternative that one canary in sixteen
    /// carries the whole shift.
    pub(super) fn detectable_into(&self, row: &mut Row, test: &PermutationTest, useful: &[Values]) {
        let (n, n_control) = self.sizes();
        let seeds = self.treated.len();
        let spread = spread(useful, &self.control);
        let in_units = |f: fn(f64, usize, usize, usize, f64) -> Option<f64>| {
            f(test.critical_value?, n, n_control, seeds, POWER)
                .zip(spread)
                .map(|(d, s)| d * s)
        };
        row.min_detectable = in_units(stats::min_detectable_standardised);
        row.min_detectable_sparse = in_units(stats::min_detectable_sparse);
    }

    /// Smallest detectable distance of the AUC from 0.5.
    #[allow(clippy::float_cmp, reason = "scores tie when they are the same number")]
    pub(super) fn detectable_auc(&self, test: &PermutationTest) -> Option<f64> {
        let varies = |[treated, control]: &[Vec<f64>; 2]| {
            let mut both = treated.iter().chain(control);
            both.next().is_some_and(|first| both.any(|x| x != first))
        };
        // Scores that are all the same say nothing of what would have been found.
        if !self.flat().iter().all(varies) {
            return None;
        }
        let (n, n_control) = self.sizes();
        stats::min_detectable_auc(
            test.critical_value?,
            n,
            n_control,
            self.treated.len(),
            POWER,
        )
    }

    /// Mean exposure of the treated canaries among their seed's controls, bits.
    pub(super) fn exposure(&self, tail: Tail) -> Option<f64> {
        let bits: Option<Vec<f64>> = self
            .flat()
            .into_iter()
            .flat_map(|[treated, control]| {
                let bits = move |score| exposure_bits(score, &control, tail);
                treated.into_iter().map(bits)
            })
            .collect();
        mean(&bits?)
    }

    /// All scores of both groups, seed by seed.
    pub(super) fn flat(&self) -> Vec<[Vec<f64>; 2]> {
        let flat = |values: &Values| values.iter().flatten().copied().collect();
        let both = self.treated.iter().zip(&self.control);
        both.map(|(t, c)| [flat(t), flat(c)]).collect()
    }
}

fn refused(label: &str, source: PermutationError) -> FindingsError {
    FindingsError::Permutation {
        row: label.to_owned(),
        source,
    }
}

/// Mean over seeds of the larger of two groups' standard deviations, at the evaluation where it is largest: a leak may come at any.
///
/// Where it is largest one half of the canaries says, how large it is there the other half, and the reverse: the largest of many
/// estimates is one that chance made large.
fn spread(first: &[Values], second: &[Values]) -> Option<f64> {
    let of_seed = |(a, b): (&Values, &Values)| {
        let evaluations = b.first().map_or(0, Vec::len);
        let looks: Vec<[f64; 2]> = [a, b]
            .into_iter()
            .flat_map(|values| (0..evaluations).filter_map(|t| halves(values, t)))
            .collect();
        let elsewhere = |half: usize| {
            let widest = looks.iter().max_by(|x, y| x[half].total_cmp(&y[half]));
            widest.map(|look| look[1 - half])
        };
        Some(f64::midpoint(elsewhere(0)?, elsewhere(1)?))
    };
    let each: Option<Vec<f64>> = first.iter().zip(second).map(of_seed).collect();
    // What does not vary says nothing of what would have been found.
    mean(&each?).filter(|spread| *spread > 0.0)
}

/// Standard deviation at an evaluation of every other canary, and of those between; of all, twice, where they are too few.
fn halves(values: &Values, evaluation: usize) -> Option<[f64; 2]> {
    let column: Option<Vec<f64>> = values.iter().map(|v| v.get(evaluation).copied()).collect();
    let column = column?;
    let whole = variance(&column)?.sqrt();
    let half = |first| {
        let some: Vec<f64> = column.iter().skip(first).step_by(2).copied().collect();
        variance(&some).map_or(whole, f64::sqrt)
    };
    Some([half(0), half(1)])
}

/// Mean over seeds of a group's mean at one evaluation per seed.
fn mean_at(values: &[Values], at: &[usize]) -> Option<f64> {
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
