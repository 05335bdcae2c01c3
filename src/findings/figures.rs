//! What plots show and rows do not hold: spreads over seeds, histograms, ROC curves, seeds one by one, the canaries that stand out.
//!
//! Descriptions of scores that the rows tested. No verdict rests on anything here.

pub(super) mod build;
mod guess_curves;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measure::Statistic;
use super::terms::{Access, Probe};
use crate::spec::{Audit, to_toml};

/// What plots show and rows do not hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// How far the seeds' curves lie apart, one for each of the report's `curves`.
    pub bands: Vec<Band>,
    /// Suppression of whole canaries, all seeds together.
    pub histograms: Vec<Histogram>,
    /// True against false positives, for someone who looks at either end of a score.
    pub rocs: Vec<Roc>,
    /// Every seed by itself.
    pub per_seed: Vec<PerSeed>,
    /// Secrets guessed whole against guesses.
    #[serde(default)]
    pub guess_curves: Vec<GuessCurve>,
    /// The canaries under audit that stand out most, by name.
    pub canaries: Vec<Notable>,
}

/// Standard deviations over seeds of a group's means, divisor n as in the paper's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Band {
    /// The phase.
    pub phase: u8,
    /// The group.
    pub group: String,
    /// Seeds that it is over.
    pub seeds: usize,
    /// Of the mean log-probability, nats per token; one for each of the curve's steps.
    pub sd_logprob: Vec<f64>,
    /// Of the mean letter rank.
    pub sd_letter_rank: Vec<f64>,
}

/// How a score is spread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// The probe whose score it is.
    pub probe: Probe,
    /// The score; the name carries the unit.
    pub statistic: Statistic,
    /// Phase after which the model was scored.
    pub phase: u8,
    /// Prefix of the scored sequences.
    pub prefix: String,
    /// Ends of the bins, rising; one more than counts. A value on an inner edge is of the bin above.
    pub edges: Vec<f64>,
    /// Counts by group.
    pub groups: Vec<GroupCounts>,
}

/// Canaries of a group in each bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupCounts {
    /// The group.
    pub group: String,
    /// Canaries in each bin.
    pub counts: Vec<usize>,
}

/// Shares of held-out canaries beyond thresholds that given shares of the controls lie beyond; means over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Roc {
    /// The probe whose score it is.
    pub probe: Probe,
    /// The score.
    pub statistic: Statistic,
    /// Phase after (or during) which the model was scored.
    pub phase: u8,
    /// Prefix of the scored sequences.
    pub prefix: String,
    /// Share of controls beyond the threshold, at most; rising.
    pub fpr: Vec<f64>,
    /// Share of held-outs strictly above it.
    pub tpr_high: Vec<f64>,
    /// Share of held-outs strictly below the threshold that so many controls lie below.
    pub tpr_low: Vec<f64>,
}

/// Shares of canaries that have been guessed whole after so many guesses, by someone who tries texts in the order of where the
/// letters of useful canaries stand; all seeds together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GuessCurve {
    /// Phase after which the model was asked.
    pub phase: u8,
    /// What the attacker needs.
    pub access: Access,
    /// First letters that are known.
    pub known_letters: usize,
    /// Decimal logarithms of the guesses, rising.
    pub log10_guesses: Vec<f64>,
    /// Share of held-outs that have fallen.
    pub held_out: Vec<f64>,
    /// Share of held-outs that the scan's beam found among its first guesses, as far as it guessed; empty without a scan, and where
    /// letters are known.
    #[serde(default)]
    pub hunted: Vec<f64>,
    /// Share of held-outs that the same search would have found were it bounded by nothing, by Monte Carlo; empty likewise.
    #[serde(default)]
    pub sought: Vec<f64>,
    /// Share of controls.
    pub control: Vec<f64>,
    /// Chance of one by a model that carries nothing.
    pub chance: Vec<f64>,
}

/// A score of every seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerSeed {
    /// The probe whose score it is.
    pub probe: Probe,
    /// The score.
    pub statistic: Statistic,
    /// Phase after (or during) which the model was scored.
    pub phase: u8,
    /// Prefix of the scored sequences.
    pub prefix: String,
    /// Level of the intervals.
    pub ci_level: f64,
    /// One value per seed.
    pub values: Vec<SeedValue>,
}

/// One seed's held-outs against its controls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedValue {
    /// Root seed of the model.
    pub seed: u64,
    /// Mean of the held-outs.
    pub estimate: f64,
    /// Mean of the controls.
    pub control_estimate: f64,
    /// Probability that a held-out stands above a control.
    pub auc: f64,
    /// Lower end of the AUC's interval (Newcombe 2006, method 5).
    pub auc_low: f64,
    /// Upper end of the AUC's interval.
    pub auc_high: f64,
}

/// A canary that stands out among the held-outs of its seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notable {
    /// Root seed of the model that it was planted in.
    pub seed: u64,
    /// The canary's name, as in the manifest `seed-N/canaries.jsonl`.
    pub id: String,
    /// The probe whose score it is.
    pub probe: Probe,
    /// The score.
    pub statistic: Statistic,
    /// Phase after (or during) which the model was scored.
    pub phase: u8,
    /// The score of this canary.
    pub value: f64,
    /// Controls of its seed that stand out at least as much.
    pub controls_beyond: usize,
    /// Controls of its seed.
    pub controls: usize,
    /// The canary's text. Always null in files: only `--reveal` shows it.
    pub text: Option<String>,
}

/// What was asked of an audit, for readers who do not have its spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Letters of the alphabet.
    pub letters: usize,
    /// Letters per canary.
    pub length: usize,
    /// Useful canaries per seed.
    pub useful: usize,
    /// Held-out canaries per seed.
    pub held_out: usize,
    /// Controls per seed.
    pub controls: usize,
    /// How often each negative stood on the rejected side.
    pub repeats: usize,
    /// The regular and the reverse prefix; `None` without prefixes.
    pub prefixes: Option<[String; 2]>,
    /// Log-probability of a letter for a model that carries nothing, nats.
    pub chance_logprob: f64,
    /// Level of the verdicts.
    pub alpha: f64,
    /// The resolved spec, TOML.
    pub spec: String,
}

impl Setting {
    /// The setting of an audit.
    #[must_use]
    pub fn of(audit: &Audit) -> Self {
        let canaries = &audit.canaries;
        Self {
            letters: canaries.alphabet.len(),
            length: canaries.length,
            useful: audit.useful(),
            held_out: canaries.held_out,
            controls: canaries.controls,
            repeats: canaries.repeats,
            prefixes: (canaries.prefixes.as_ref()).map(|p| [p.regular.clone(), p.reverse.clone()]),
            chance_logprob: audit.chance_level(),
            alpha: audit.gate.alpha,
            spec: to_toml(audit),
        }
    }
}
