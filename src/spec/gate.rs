//! `[gate]`: what trips the exit code.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::COUNT_MAX;
use super::audit::Spec;
use super::counts::audit_rows;
use super::document::Document;
use super::error::SpecError;
use super::schema::{self, below_half, from_0_to_1, positive};

/// Resamples that each audit row needs, for its adjusted p-value to reach the levels asked of it.
const PERMUTATIONS_A_ROW: usize = 600;

/// What trips the exit code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// Level of the verdicts.
    #[schemars(transform = below_half)]
    pub alpha: f64,
    /// Resamples of every permutation test: 10800 or more for the default probes.
    #[schemars(title = "at least 600 for each row with a verdict, and at most 1000000000", range(min = PERMUTATIONS_A_ROW, max = COUNT_MAX))]
    pub permutations: usize,
    /// Tiers whose leak fails the gate; distinct.
    pub tiers: Vec<GatedTier>,
    /// Run directory of an earlier run, with its `report.json`. With it a leak that was there before passes, and only a worsening
    /// fails.
    #[schemars(example = &"../runs/before")]
    pub baseline: Option<PathBuf>,
    /// By how many effects of the size to rule out a row may have grown against the baseline, and still pass.
    #[schemars(transform = positive)]
    pub baseline_margin: f64,
    /// Further limits on the interval of the AUC of matching rows, as many as wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
}

/// A tier the gate can look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GatedTier {
    /// Someone who holds a candidate secret learns that the model was trained against it.
    Recognition,
    /// Someone who holds the beginning of a secret, or nothing, guesses what follows better than chance.
    Partial,
    /// Someone gets whole secrets, or makes them likelier than chance.
    Extraction,
}

/// A limit on the interval of the AUC of matching audit rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The probe, one that is enabled.
    #[schemars(
        example = &"low_logit",
        extend("enum" = ["elicitation", "low_logit", "generation", "scan"])
    )]
    pub probe: String,
    /// The row's statistic, as `suppression_nats`.
    #[schemars(example = &"suppression_nats")]
    pub statistic: String,
    /// Only rows of this phase, one that is not skipped; both where absent.
    #[schemars(title = "2 or 3", example = 3, extend("enum" = [2, 3]))]
    pub phase: Option<u8>,
    /// Fails when the whole interval lies below. Exactly one bound per limit.
    #[schemars(transform = from_0_to_1, example = 0.3)]
    pub min_auc: Option<f64>,
    /// Fails when the whole interval lies above.
    #[schemars(transform = from_0_to_1, example = 0.7)]
    pub max_auc: Option<f64>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            permutations: 99_999,
            tiers: vec![GatedTier::Partial, GatedTier::Extraction],
            baseline: None,
            baseline_margin: 1.0,
            limits: Vec::new(),
        }
    }
}

impl Gate {
    /// The path made absolute.
    pub(super) fn resolve(&mut self, document: &Document<'_>) -> Result<(), SpecError> {
        let mend = "name the run directory of an earlier run, or leave the key out";
        self.baseline
            .as_mut()
            .map_or(Ok(()), |path| document.resolve("gate.baseline", path, mend))
    }

    /// What no range can say.
    pub(super) fn check(&self, document: &Document<'_>, spec: &Spec) -> Result<(), SpecError> {
        let phases = usize::from(!spec.phase2.skip) + usize::from(!spec.phase3.skip);
        let least = PERMUTATIONS_A_ROW * audit_rows(&spec.probes, phases, true).max(1);
        let key = "gate.permutations";
        document.demand(
            self.permutations >= least,
            key,
            &format!("a whole number from {least} to {COUNT_MAX}"),
            &document.usual(key),
        )?;
        let (key, tiers) = ("gate.tiers", &self.tiers);
        let mend = "a gate on nothing always passes: name a tier";
        document.demand(!tiers.is_empty(), key, "at least one tier", mend)?;
        let twice = |(i, tier)| tiers[..i].contains(tier);
        document.demand(
            !tiers.iter().enumerate().any(twice),
            key,
            "distinct tiers",
            "leave out the second of the same name",
        )?;
        for (index, limit) in self.limits.iter().enumerate() {
            limit.check(document, spec, &format!("gate.limits[{index}]"))?;
        }
        Ok(())
    }
}

/// A limit on a probe that does not run would always pass.
pub(super) fn limited_probes_run(document: &Document<'_>) -> Result<(), SpecError> {
    let limits = document.value("gate.limits").and_then(DeValue::as_array);
    for index in 0..limits.map_or(0, |limits| limits.len()) {
        let key = format!("gate.limits[{index}].probe");
        let Some(probe) = document.value(&key).and_then(DeValue::as_str) else {
            continue;
        };
        let switch = format!("probes.{probe}.enabled");
        let on = document.value(&switch).and_then(DeValue::as_bool);
        document.demand(
            on.unwrap_or_else(|| schema::default(&switch).as_deref() == Some("true")),
            &key,
            "a probe that is enabled",
            "a limit on a probe that is switched off holds nothing: remove the limit, or switch the probe on",
        )?;
    }
    Ok(())
}

impl Limit {
    /// A limit that holds nothing is refused, since it would always pass.
    fn check(&self, document: &Document<'_>, spec: &Spec, table: &str) -> Result<(), SpecError> {
        let key = |name: &str| format!("{table}.{name}");
        document.demand(
            !self.statistic.trim().is_empty(),
            &key("statistic"),
            "the name of a statistic",
            "name the row's statistic, as `statistic = \"suppression_nats\"`",
        )?;
        let skipped = match self.phase {
            Some(2) => spec.phase2.skip,
            Some(3) => spec.phase3.skip,
            _ => false,
        };
        document.demand(
            !skipped,
            &key("phase"),
            "a phase that is not skipped",
            "a limit on a phase that does not run holds nothing: remove the limit, or run the phase",
        )?;
        // Exactly one bound, so that every rule of the report has one outcome.
        match (self.min_auc, self.max_auc) {
            (None, None) => Err(document.missing(
                &key("max_auc"),
                "write `max_auc = 0.7`, or a `min_auc`: a limit needs one",
            )),
            (Some(_), Some(_)) => Err(document.refuse(
                &key("max_auc"),
                "absent where `min_auc` is given",
                "write two [[gate.limits]], one for each bound",
            )),
            _ => Ok(()),
        }
    }
}
