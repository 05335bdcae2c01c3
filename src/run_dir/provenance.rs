//! `provenance.json`: what ran where, so that a number can be made again.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::spec::RandomShape;

/// What a run was made with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Layout of the run directory.
    pub format: u32,
    /// Version of this program.
    pub unsaid: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// Device the models ran on. Where cells were made by other processes: the one that made the report; see `cells`.
    pub device: String,
    /// Arithmetic of training and scoring.
    pub precision: String,
    /// CPU threads of libtorch, of each cell.
    #[serde(default)]
    pub threads: usize,
    /// Cells that ran at once.
    #[serde(default = "one")]
    pub jobs: usize,
    /// The processor's name.
    pub processor: String,
    /// Operating system and architecture.
    pub platform: String,
    /// sha256 of the resolved spec.
    pub spec_sha256: String,
    /// sha256 of the checkpoint's files; none of random weights.
    pub checkpoint_sha256: BTreeMap<String, String>,
    /// Commit of the checkpoint, where it came from the hub's cache.
    pub checkpoint_commit: Option<String>,
    /// The shape of a model that began with random weights, in place of a checkpoint.
    #[serde(default)]
    pub random: Option<RandomShape>,
    /// sha256 of each seed's canary manifest.
    pub manifest_sha256: BTreeMap<String, String>,
    /// sha256 of the baseline's `report.json`, where the gate has a baseline.
    #[serde(default)]
    pub baseline_sha256: Option<String>,
    /// What was probed, where the model was trained elsewhere; `None` of a run.
    #[serde(flatten)]
    pub probe: Option<ProbeProvenance>,
    /// The command line.
    pub command: Vec<String>,
    /// When the run began, UTC.
    pub started: String,
    /// When its report was made, UTC; `None` before that.
    pub finished: Option<String>,
    /// Wall-clock seconds spent in this invocation; on a cell, in all of them.
    pub seconds: Option<f64>,
    /// What each cell of a run was made with, by its folder, as far as it says.
    #[serde(default)]
    pub cells: BTreeMap<String, CellProvenance>,
    /// What was no longer as at the start when the run, or the cell, was continued.
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// What a probe of a model that was trained elsewhere was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeProvenance {
    /// sha256 of the spec beside the minted manifest.
    pub minted_spec_sha256: String,
    /// The model's name; `None` in folders of unsaid 0.1 before probes could be verified.
    #[serde(default)]
    pub model: Option<String>,
    /// The reference's name, where there was one.
    pub reference: Option<String>,
    /// sha256 of the reference's files.
    pub reference_sha256: Option<BTreeMap<String, String>>,
    /// Commit of the reference, where it came from the hub's cache.
    pub reference_commit: Option<String>,
    /// Shares of the useful canaries that attackers fine-tuned copies of the model on; `None` without such an attack.
    pub attacker_knows: Option<Vec<f64>>,
}

/// What one cell was made with; its own `provenance.json` says more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellProvenance {
    /// Device its model ran on.
    pub device: String,
    /// CPU threads of libtorch.
    pub threads: usize,
    /// The processor's name.
    pub processor: String,
    /// Wall-clock seconds spent on it.
    pub seconds: Option<f64>,
}

fn one() -> usize {
    1
}

/// Something that changed between two invocations of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When the run was continued, UTC.
    pub at: String,
    /// What changed, as "device".
    pub what: String,
    /// What it was.
    pub from: String,
    /// What it is since.
    pub to: String,
}

/// The processor's name, "unknown" where the system does not say.
#[must_use]
pub fn processor() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            text.lines()
                .find_map(|l| l.strip_prefix("model name")?.split_once(':'))
                .map(|(_, name)| name.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

/// A moment as RFC 3339 in UTC, to the second.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
