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
use crate::spec::{Audit, Elicitation, LowLogit};
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
    let foretold = Foretold::new(audit);
    let mut rows = Vec::new();
    let probes = &audit.probes;
    if let Some(settings) = &probes.elicitation {
        rows.extend(foretold.elicitation(settings));
    }
    if let Some(settings) = &probes.low_logit {
        rows.extend(foretold.low_logit(settings));
    }
    if let Some(p) = &probes.generation {
        rows.extend(foretold.counted("generation", p.smallest_effect_recovered));
    }
    if let Some(p) = &probes.scan {
        rows.extend(foretold.counted("scan, recovered", p.smallest_effect_recovered));
    }
    let adequate: f64 = rows.iter().map(|row| row.chance).product();
    Outlook {
        chance_of_0: (1.0 - audit.gate.alpha) * adequate,
        rows,
    }
}

/// What all rows have in common.
struct Foretold<'a> {
    audit: &'a Audit,
    roster: Roster,
    seeds: usize,
    /// Level of a row's own test, at its least favourable place in Holm's order.
    alpha: f64,
    letters: f64,
    /// Letters scored a canary.
    scored: f64,
}

impl<'a> Foretold<'a> {
    fn new(audit: &'a Audit) -> Self {
        let scored = audit.canaries.length - usize::from(audit.canaries.prefixes.is_none());
        Self {
            audit,
            roster: Roster::of(audit),
            seeds: audit.seeds.len(),
            alpha: audit.gate.alpha / audit.audit_rows().max(1) as f64,
            letters: audit.canaries.alphabet.len() as f64,
            scored: scored.max(1) as f64,
        }
    }

    /// A mean whose spread over canaries is known, at the largest of so many looks.
    fn tested(
        &self,
        name: &'static str,
        (look, looks): (Look, usize),
        asked: f64,
        (spread, unit): (f64, &'static str),
    ) -> Option<RowOutlook> {
        let [held_out, controls, useful] = [Group::HeldOut, Group::Control, Group::Useful]
            .map(|group| self.roster.count(look, group));
        let error = (1.0 / held_out as f64 + 1.0 / controls as f64).sqrt();
        // Each seed is tested by itself too.
        let level = if self.seeds > 1 {
            self.alpha / 2.0
        } else {
            self.alpha
        };
        let critical = mean_of_maxima(looks, self.seeds, level)? * error;
        let sds = min_detectable_standardised(critical, held_out, controls, self.seeds, POWER)?;
        let detectable = sds * spread;
        let ratio = asked / detectable;
        Some(RowOutlook {
            name,
            detectable,
            asked,
            chance: spread_stays_below(ratio, controls, self.seeds)
                * spread_stays_below(ratio, useful, self.seeds),
            unit,
        })
    }

    fn ranks(&self, name: &'static str, looks: (Look, usize), asked: f64) -> Option<RowOutlook> {
        let variance = (self.letters + 1.0) / (12.0 * (self.letters - 1.0).max(1.0));
        let spread = (variance / self.scored).sqrt();
        self.tested(name, looks, asked, (spread, "of rank 0–1"))
    }

    /// An e-value over so many terms: what one canary must have in one of them. Nothing in it is estimated.
    fn bounded(&self, name: &'static str, terms: usize, asked: f64) -> RowOutlook {
        let detectable = (terms as f64 / self.alpha).ln() / self.scored;
        RowOutlook {
            name,
            detectable,
            asked,
            chance: f64::from(u8::from(detectable <= asked)),
            unit: "nats/token",
        }
    }

    /// Of so many canaries none is recovered: the largest share that could yet be.
    fn counted(&self, name: &'static str, asked: f64) -> Option<RowOutlook> {
        let canaries = self.audit.canaries.held_out * self.seeds;
        let detectable = clopper_pearson(0, canaries, CI_LEVEL)?.high;
        Some(RowOutlook {
            name,
            detectable,
            asked,
            chance: f64::from(u8::from(detectable <= asked)),
            unit: "share of canaries",
        })
    }

    fn elicitation(&self, settings: &Elicitation) -> Vec<RowOutlook> {
        let audit = self.audit;
        let looks = audit.evaluations(Phase::Three);
        let prompts = (audit.other_prompts() + 1) * audit.negative_phases().len();
        let asked = settings.smallest_effect_rank;
        let on_average = settings.smallest_effect_averaged_rank;
        let rows = [
            self.ranks("elicitation, guesses", (Look::Evaluation, looks), asked),
            self.ranks(
                "elicitation, guesses on average",
                (Look::Evaluation, 1),
                on_average,
            ),
            self.ranks("elicitation, contexts", (Look::Contexts, prompts), asked),
            audit.shows_one(audit.exact_terms(true)).then(|| {
                let terms = audit.exact_terms(true);
                self.bounded("elicitation, exact", terms, settings.smallest_effect_single)
            }),
        ];
        rows.into_iter().flatten().collect()
    }

    fn low_logit(&self, settings: &LowLogit) -> Vec<RowOutlook> {
        let audit = self.audit;
        let (prompts, phases) = (audit.other_prompts(), audit.negative_phases().len());
        let asked = settings.smallest_effect_rank;
        let others = (Look::Contexts, prompts * phases);
        let spread = squared_ranks_sd(self.letters) / self.scored.sqrt();
        let completes = !settings.completion_letters.is_empty();
        let rows = [
            self.ranks("low_logit, guesses", (Look::PhaseEnd, 1), asked),
            (prompts > 0)
                .then(|| self.ranks("low_logit, other prompts", others, asked))
                .flatten(),
            self.tested(
                "low_logit, spread",
                (Look::Contexts, (prompts + 1) * phases),
                settings.smallest_effect_spread,
                (spread, "of mean (2 · rank − 1)²"),
            ),
            audit.shows_one(audit.ends_terms()).then(|| {
                let terms = audit.ends_terms();
                self.bounded(
                    "low_logit, either end",
                    terms,
                    settings.smallest_effect_single,
                )
            }),
            completes
                .then(|| self.counted("low_logit, completion", settings.smallest_effect_recovered))
                .flatten(),
        ];
        rows.into_iter().flatten().collect()
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
