//! The report of a run: `report.json`, with its gate and curves. Plain data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Findings;
use super::figures::{Figures, Setting};
use super::row::Row;
use super::terms::{Probe, Verdict};
use crate::spec::Audit;

/// Version of the layout of `report.json`. Additions keep it, renames raise it.
pub const SCHEMA_VERSION: &str = "1";

/// The verdict of each tier; `None` where no audit row belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tiers {
    /// Someone with a candidate recognises it.
    pub recognition: Option<Verdict>,
    /// Someone guesses parts.
    pub partial: Option<Verdict>,
    /// Someone gets whole secrets.
    pub extraction: Option<Verdict>,
}

/// How a gate rule ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Wholly within the limit.
    Pass,
    /// Wholly beyond the limit.
    Fail,
    /// The interval holds the limit.
    Undecided,
}

/// One rule of the gate and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateRule {
    /// The rule in words.
    pub rule: String,
    /// The number that the rule's interval is held against, where it has one.
    pub limit: Option<f64>,
    /// The probe it looks at; `None` for all.
    pub probe: Option<Probe>,
    /// The canary group it looks at.
    pub group: Option<String>,
    /// The interval it was judged by, low and high.
    pub interval: Option<[f64; 2]>,
    /// How it ended.
    pub outcome: Outcome,
    /// What decided it, and by how much; `None` where there is nothing to add.
    #[serde(default)]
    pub detail: Option<String>,
}

/// The gate of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// Whether every rule passed, no gated row was inconclusive and no required instrument failed.
    pub passed: bool,
    /// Exit code of `unsaid run`: 0, 1 or 3.
    pub exit_code: u8,
    /// The rules.
    pub rules: Vec<GateRule>,
    /// Why the exit code is what it is, in one sentence each.
    pub reasons: Vec<String>,
}

/// A group's means over the evaluations of a phase, averaged over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Curve {
    /// The phase.
    pub phase: u8,
    /// The prefix before the canaries.
    pub prefix: String,
    /// The group.
    pub group: String,
    /// Canaries of the group, per seed.
    pub n: usize,
    /// Steps after whose update the evaluations were made.
    pub steps: Vec<usize>,
    /// Mean log-probability, nats per token.
    pub mean_logprob: Vec<f64>,
    /// Mean log-probability within the alphabet, nats per token.
    pub mean_alphabet_logprob: Vec<f64>,
    /// Mean rank of the true letter, 0…1 from the bottom.
    pub mean_letter_rank: Vec<f64>,
    /// Share of letters guessed first.
    pub guess_rate: Vec<f64>,
}

/// Everything `report.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: String,
    /// Name of the audit.
    pub name: String,
    /// The model that was audited, as the spec names it.
    pub model: String,
    /// Seeds of the run.
    pub seeds: Vec<u64>,
    /// The worst verdict of the gated tiers.
    pub verdict: Verdict,
    /// How far the verdict reaches, in words: "these checkpoints only" below three seeds.
    pub scope_note: String,
    /// The verdict of each tier.
    pub tiers: Tiers,
    /// The gate.
    pub gate: Gate,
    /// The leakage table.
    pub rows: Vec<Row>,
    /// The groups' curves through the phases.
    #[serde(default)]
    pub curves: Vec<Curve>,
    /// What plots show and the rows do not hold.
    #[serde(default)]
    pub figures: Figures,
    /// What was asked of the audit; `None` in reports from before it was recorded.
    #[serde(default)]
    pub setting: Option<Setting>,
    /// What ran where: versions, device, precision, digests, times.
    pub provenance: serde_json::Value,
}

impl Report {
    /// Whether it is of a model that was trained elsewhere: only that has a manifest of canaries that were minted before.
    #[must_use]
    pub fn is_of_a_probe(&self) -> bool {
        let manifest = self.provenance.get("manifest_sha256");
        manifest.is_some_and(|digest| !digest.is_null())
    }

    /// The report of what an audit found in a model, without a record of what ran where.
    #[must_use]
    pub fn of(audit: &Audit, model: &str, findings: Findings) -> Self {
        Self {
            schema_version: SCHEMA_VERSION.to_owned(),
            name: audit.name.clone(),
            model: model.to_owned(),
            seeds: audit.seeds.clone(),
            verdict: findings.verdict,
            scope_note: findings.scope_note,
            tiers: findings.tiers,
            gate: findings.gate,
            rows: findings.rows,
            curves: findings.curves,
            figures: findings.figures,
            setting: (audit.canaries.secrets.is_none()).then(|| Setting::of(audit)),
            provenance: serde_json::Value::Null,
        }
    }
}
