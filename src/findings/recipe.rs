//! Statements about the recipe, over seeds. Guide: evidence, "Checkpoint and recipe".

use super::context::{CI_LEVEL, Context, RECIPE_SEEDS};
use super::groups::{Groups, Values};
use super::row::{IntervalOf, Row};
use super::terms::{Direction, Scope};
use crate::stats::{mean, one_sample_t};

/// Student's t on the per-seed differences at the last evaluation, from 0 in the row's direction; `None` with too few seeds.
pub(super) fn over_seeds(context: &Context<'_>, mut row: Row, groups: &Groups) -> Option<Row> {
    if groups.treated.len() < RECIPE_SEEDS {
        return None;
    }
    let at_end = |values: &Values| {
        let last: Option<Vec<f64>> = values.iter().map(|v| v.last().copied()).collect();
        mean(&last?)
    };
    let seeds = groups.treated.iter().zip(&groups.control);
    let differences: Option<Vec<f64>> = seeds.map(|(t, c)| Some(at_end(t)? - at_end(c)?)).collect();
    let differences = differences?;
    let (n, n_control) = groups.sizes();
    (row.n, row.n_control) = (n, Some(n_control));
    row.scope = Scope::Recipe;
    row.chance = row.statistic.chance(context.audit);
    row.estimate = mean(&differences);
    let sign = match row.direction {
        Direction::Down => -1.0,
        _ => 1.0,
    };
    let signed: Vec<f64> = differences.iter().map(|d| sign * d).collect();
    let (upper, test) = (one_sample_t(&signed, 0.0), one_sample_t(&differences, 0.0));
    if let (Some(upper), Some(test)) = (upper, test) {
        row.p_value = Some(upper.p_upper());
        row.p_method = Some(format!(
            "one-sample t over seeds, {} degrees of freedom, one-sided",
            test.df
        ));
        if let Some(interval) = test.interval(CI_LEVEL) {
            row.set_interval(IntervalOf::Estimate, interval);
        }
    } else {
        row.note = Some("the seeds do not differ: no spread, so no test".to_owned());
    }
    Some(row)
}
