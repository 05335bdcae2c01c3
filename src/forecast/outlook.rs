//! What a clean model would get from a spec: the effects it could exclude, and the chance that the run ends 0.
//!
//! For rows whose spread under "carries nothing" is known before any data. A uniform rank among |A| letters has variance
//! (|A| + 1) / (12 (|A| − 1)); a canary's mean has that over L.
//!
//! The maximum over phase 3 is taken as one over independent evaluations. They are alike in truth (on two trained models of the
//! quick audit 24 behaved as 10 to 15), so the test is sharper than foretold here: of all normal statistics that do not
//! oppose each other, independent ones have the largest maxima (Slepian 1962). What can be worse than foretold is the
//! spread: the rows use the larger of useful and control canaries', and useful ones half learned may spread more than chance.

use crate::canary::{Group, Look, Roster};
use crate::findings::{CI_LEVEL, POWER};
use crate::spec::Audit;
use crate::stats::{
    clopper_pearson, mean, min_detectable_standardised, normal_quantile, population_sd,
};
use crate::units::Phase;

/// Points at which the distribution of a maximum is taken for its moments.
const POINTS: usize = 4096;

/// What one row could exclude.
#[derive(Debug, Clone, PartialEq)]
pub struct RowOutlook {
    /// The row.
    pub name: &'static str,
    /// The smallest effect it would find with 80 % power.
    pub detectable: f64,
    /// The effect the spec asks to exclude.
    pub asked: f64,
    /// Chance that the run's own estimate of `detectable` does not exceed `asked`.
    pub chance: f64,
    /// Unit of both.
    pub unit: &'static str,
}

/// What a clean model would get.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// The gated rows whose power is known beforehand.
    pub rows: Vec<RowOutlook>,
    /// Chance of exit code 0, instruments taken to work.
    pub chance_of_0: f64,
}

/// The outlook of a spec for a model that carries nothing.
#[must_use]
pub fn clean_run(audit: &Audit) -> Outlook {
    let mut rows = Vec::new();
    let alpha = audit.gate.alpha / audit.audit_rows().max(1) as f64;
    // Each seed is tested by itself too.
    let permuted = if audit.seeds.len() > 1 {
        alpha / 2.0
    } else {
        alpha
    };
    let letters = audit.canaries.alphabet.len() as f64;
    let scored = audit.canaries.length - usize::from(audit.canaries.prefixes.is_none());
    let spread =
        ((letters + 1.0) / (12.0 * (letters - 1.0).max(1.0)) / scored.max(1) as f64).sqrt();
    let seeds = audit.seeds.len();
    let roster = Roster::of(audit);
    let tested = |name, look: Look, looks, asked, (spread, unit): (f64, &'static str)| {
        let [held_out, controls, useful] =
            [Group::HeldOut, Group::Control, Group::Useful].map(|g| roster.count(look, g));
        let error = (1.0 / held_out as f64 + 1.0 / controls as f64).sqrt();
        let critical = mean_of_maxima(looks, seeds, permuted)? * error;
        let sds = min_detectable_standardised(critical, held_out, controls, seeds, POWER)?;
        let detectable = sds * spread;
        Some(RowOutlook {
            name,
            detectable,
            asked,
            chance: spread_stays_below(asked / detectable, controls, seeds)
                * spread_stays_below(asked / detectable, useful, seeds),
            unit,
        })
    };
    let ranks =
        |name, look, looks, asked| tested(name, look, looks, asked, (spread, "of rank 0–1"));
    let phases = audit.negative_phases().len();
    let prompts = audit.other_prompts();
    let canaries = &audit.canaries;
    if let Some(settings) = &audit.probes.elicitation {
        let looks = audit.evaluations(Phase::Three);
        let held_out = roster.count(Look::Evaluation, Group::HeldOut);
        rows.extend(ranks(
            "elicitation, guesses",
            Look::Evaluation,
            looks,
            settings.smallest_effect_rank,
        ));
        rows.extend(ranks(
            "elicitation, guesses on average",
            Look::Evaluation,
            1,
            settings.smallest_effect_averaged_rank,
        ));
        let contexts = (prompts + 1) * phases;
        let terms = (looks * held_out + contexts * canaries.held_out) * seeds;
        let detectable = (terms as f64 / alpha).ln() / scored.max(1) as f64;
        rows.extend(ranks(
            "elicitation, contexts",
            Look::Contexts,
            contexts,
            settings.smallest_effect_rank,
        ));
        rows.push(RowOutlook {
            name: "elicitation, exact",
            detectable,
            asked: settings.smallest_effect_single,
            // Nothing in it is estimated.
            chance: f64::from(u8::from(detectable <= settings.smallest_effect_single)),
            unit: "nats/token",
        });
    }
    if let Some(settings) = &audit.probes.low_logit {
        rows.extend(ranks(
            "low_logit, guesses",
            Look::PhaseEnd,
            1,
            settings.smallest_effect_rank,
        ));
        if prompts > 0 {
            rows.extend(ranks(
                "low_logit, other prompts",
                Look::Contexts,
                prompts * phases,
                settings.smallest_effect_rank,
            ));
        }
        let squares = squared_ranks_sd(letters) / (scored.max(1) as f64).sqrt();
        rows.extend(tested(
            "low_logit, spread",
            Look::Contexts,
            (prompts + 1) * phases,
            settings.smallest_effect_spread,
            (squares, "of mean (2 · rank − 1)²"),
        ));
        // Both ends: of the model, of its fall from a reference and from the base; half of the weight on the own prompt.
        let terms = 2 * 2 * phases * prompts.max(3) * canaries.held_out * seeds;
        let detectable = (terms as f64 / alpha).ln() / scored.max(1) as f64;
        rows.push(RowOutlook {
            name: "low_logit, either end",
            detectable,
            asked: settings.smallest_effect_single,
            chance: f64::from(u8::from(detectable <= settings.smallest_effect_single)),
            unit: "nats/token",
        });
    }
    // Of so many canaries none is recovered: the largest share that could yet be.
    let counted = |name, asked: f64| {
        let detectable = clopper_pearson(0, canaries.held_out * seeds, CI_LEVEL)?.high;
        Some(RowOutlook {
            name,
            detectable,
            asked,
            chance: f64::from(u8::from(detectable <= asked)),
            unit: "share of canaries",
        })
    };
    let probes = &audit.probes;
    if let Some(p) = probes
        .low_logit
        .as_ref()
        .filter(|p| !p.completion_letters.is_empty())
    {
        rows.extend(counted(
            "low_logit, completion",
            p.smallest_effect_recovered,
        ));
    }
    if let Some(p) = &probes.generation {
        rows.extend(counted("generation", p.smallest_effect_recovered));
    }
    if let Some(p) = &probes.scan {
        rows.extend(counted("scan, recovered", p.smallest_effect_recovered));
    }
    let adequate: f64 = rows.iter().map(|row| row.chance).product();
    Outlook {
        chance_of_0: (1.0 - audit.gate.alpha) * adequate,
        rows,
    }
}

/// Standard deviation of (2 · rank − 1)² of one letter whose place among so many is drawn evenly.
fn squared_ranks_sd(letters: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let places = 0..letters as usize;
    let squares: Vec<f64> = places
        .map(|place| (2.0 * place as f64 / (letters - 1.0).max(1.0) - 1.0).powi(2))
        .collect();
    population_sd(&squares).unwrap_or(0.0)
}

/// What the mean over `seeds` of the largest of `looks` independent standard normals exceeds with a chance of `level`.
///
/// From the maximum's mean, spread and skewness (Cornish and Fisher 1938); within 3 % for one seed, closer for several.
fn mean_of_maxima(looks: usize, seeds: usize, level: f64) -> Option<f64> {
    let power = 1.0 / looks.max(1) as f64;
    let maxima: Vec<f64> = (0..POINTS)
        .map(|i| normal_quantile(((i as f64 + 0.5) / POINTS as f64).powf(power)))
        .collect::<Option<_>>()?;
    let (centre, sd) = (mean(&maxima)?, population_sd(&maxima)?);
    let cubes: Vec<f64> = maxima.iter().map(|m| ((m - centre) / sd).powi(3)).collect();
    let (z, root) = (normal_quantile(1.0 - level)?, (seeds.max(1) as f64).sqrt());
    let skewed = (z * z - 1.0) * mean(&cubes)? / (6.0 * root);
    Some(centre + (z + skewed) * sd / root)
}

/// Chance that a standard deviation estimated from `n` canaries of each seed is at most `ratio` times the true one.
/// Normal approximation: its relative error is 1 / √(2 (n − 1)).
fn spread_stays_below(ratio: f64, n: usize, seeds: usize) -> f64 {
    let z = (ratio - 1.0) * (2.0 * (n.saturating_sub(1) * seeds) as f64).sqrt();
    // The share of the normal distribution's quantiles below: its distribution function, to 1 in 4096.
    (0..POINTS)
        .filter(|&i| normal_quantile((i as f64 + 0.5) / POINTS as f64).is_some_and(|q| q <= z))
        .count() as f64
        / POINTS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(more: &str) -> Audit {
        let text = format!("format = 1\n[audit]\nname = 'x'\n[model]\nid = 'a/b'\n{more}");
        crate::spec::parse(&text, std::path::Path::new("x.toml"), &[]).unwrap()
    }

    #[test]
    fn the_recipe_is_adequate_and_a_handful_of_canaries_is_not() {
        let recipe = clean_run(&audit(""));
        assert_eq!(recipe.rows.len(), 10);
        assert!((recipe.chance_of_0 - 0.95).abs() < 1e-12, "{recipe:?}");
        for few in [
            "[canaries]\nheld_out = 4\n",
            "[canaries]\nnegatives = 8\nheld_out = 2\ncontrols = 8\ntrajectory_controls = 8\nlength = 4\n",
        ] {
            assert!(clean_run(&audit(few)).chance_of_0 < 0.5, "{few}");
        }
    }

    #[test]
    fn maxima_are_as_large_as_they_are() {
        // One look: a plain quantile, of a mean over seeds.
        let close = |got: Option<f64>, expected: f64, slack: f64| {
            let got = got.unwrap();
            assert!(
                (got / expected - 1.0).abs() < slack,
                "{got} instead of {expected}"
            );
        };
        close(mean_of_maxima(1, 1, 0.01), 2.3263, 0.003);
        close(mean_of_maxima(1, 4, 0.01), 2.3263 / 2.0, 0.003);
        // The quantile of a maximum is known for one seed.
        for (looks, level) in [(24_u16, 0.00625_f64), (240, 0.00625), (240, 0.0125)] {
            let exact = normal_quantile((1.0 - level).powf(1.0 / f64::from(looks))).unwrap();
            close(mean_of_maxima(usize::from(looks), 1, level), exact, 0.03);
        }
        // Many seeds: the mean of the largest of 240, which no average lowers. Harter 1961: 2.508 for 100.
        close(mean_of_maxima(100, 1_000_000, 0.05), 2.508, 0.003);
    }
}
