//! Statements about the recipe, over seeds. Guide: evidence, "Checkpoint and recipe".

use super::CI_LEVEL;
use super::row::{Row, Scope};
use crate::stats::{mean, one_sample_t};

/// A t-test of per-seed differences from 0, into a row; `sign` −1 where a leak makes them negative.
pub(super) fn recipe_into(row: &mut Row, differences: &[f64], sign: f64) {
    row.scope = Scope::Recipe;
    row.chance = Some(0.0);
    row.estimate = mean(differences);
    let signed: Vec<f64> = differences.iter().map(|d| sign * d).collect();
    if let (Some(upper), Some(test)) = (one_sample_t(&signed, 0.0), one_sample_t(differences, 0.0))
    {
        row.p_value = Some(upper.p_upper());
        row.p_method = Some(format!(
            "one-sample t over seeds, {} degrees of freedom, one-sided",
            test.df
        ));
        if let Some(interval) = test.interval(CI_LEVEL) {
            row.set_interval("estimate", interval);
        }
    } else {
        row.note = Some("the seeds do not differ: no spread, so no test".to_owned());
    }
}
