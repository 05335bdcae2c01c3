//! Findings: observations and statistics become rows, verdicts and a gate. The contract is evidence.md's.

mod compare;
mod completion;
mod counted;
mod curves;
mod dose;
mod elicitation;
mod figures;
mod gate;
mod generation;
mod groups;
mod low_logit;
mod measure;
mod recipe;
mod report;
mod row;
mod scan;
mod spike;
mod verdict;

pub use compare::{Change, Compared, ComparedBy, Comparison, Trend, compare};
pub use figures::{
    Band, Figures, GroupCounts, Histogram, Notable, PerSeed, Roc, SeedValue, Setting,
};
pub use measure::Statistic;
pub use report::{Curve, Gate, GateRule, Outcome, Report, SCHEMA_VERSION, Tiers};
pub use row::{Access, Direction, IntervalOf, Probe, Role, Row, Scope, Subject, Tier, Verdict};

use crate::canary::Prefix;
use crate::probes::{CellObservations, Snapshot};
use crate::seed::RootSeed;
use crate::spec::{Audit, PositiveControl};
use crate::stats::PermutationError;
use crate::units::Phase;

/// Level of every interval.
pub const CI_LEVEL: f64 = 0.95;
/// Power that `min_detectable` speaks of.
pub const POWER: f64 = 0.8;
/// Level at which the placebos of a run, together, may fail by chance; inside the run's own level.
pub const PLACEBO_ALPHA: f64 = 0.001;
/// Seeds from which on a statement about the recipe is made at all.
const RECIPE_SEEDS: usize = 3;
/// Seeds from which on "the recipe does not leak" may be said.
const RECIPE_CLEAN_SEEDS: usize = 5;

/// Why observations could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum FindingsError {
    /// A permutation test refused its data.
    #[error("{row}: {source}")]
    Permutation {
        /// The row it was for.
        row: String,
        /// Why.
        source: PermutationError,
    },
    /// An observation that the spec asks for was not made.
    #[error("seed {seed}: no observation of {what}; run the audit again without the seed's folder")]
    Missing {
        /// Root seed of the model.
        seed: u64,
        /// What is missing.
        what: String,
    },
}

impl FindingsError {
    fn missing(cell: &CellObservations, what: impl Into<String>) -> Self {
        Self::Missing {
            seed: cell.seed,
            what: what.into(),
        }
    }
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// The leakage table.
    pub rows: Vec<Row>,
    /// The groups' curves through the phases.
    pub curves: Vec<Curve>,
    /// What plots show beside them.
    pub figures: Figures,
    /// The verdict of each tier.
    pub tiers: Tiers,
    /// The worst verdict of the gated tiers.
    pub verdict: Verdict,
    /// The gate.
    pub gate: Gate,
    /// How far the verdict reaches.
    pub scope_note: String,
}

/// What every row builder works from.
pub(crate) struct Context<'a> {
    /// The spec.
    pub(crate) audit: &'a Audit,
    /// What was seen of each seed.
    pub(crate) cells: &'a [CellObservations],
    /// Rows in the family that Holm corrects over: fixed by the spec, before any data.
    pub(crate) family: usize,
}

impl Context<'_> {
    /// Whether canaries are letters of a known alphabet. Secrets of a file are judged whole.
    fn guesses_letters(&self) -> bool {
        self.audit.canaries.secrets.is_none()
    }

    fn letters(&self) -> usize {
        self.audit.canaries.alphabet.len()
    }

    /// Whether a model was fine-tuned on useful canaries: by phase 3, or by an attack on one that was trained elsewhere.
    fn elicits(&self) -> bool {
        !self.audit.phase3.skip || is_attacked(self.cells)
    }

    /// Whether every seed has a model from before the planting.
    fn has_reference(&self) -> bool {
        let before = |cell: &CellObservations| cell.snapshot(Phase::One, Prefix::Reverse).is_some();
        // In a run it must be there: its rows say so where it is missing.
        !self.audit.phase3.skip || self.cells.iter().all(before)
    }

    fn seeds(&self) -> Vec<u64> {
        self.cells.iter().map(|c| c.seed).collect()
    }

    /// Level that a row's own p-value must reach at the least favourable place in Holm's order.
    fn strict_level(&self) -> f64 {
        self.audit.gate.alpha / self.family.max(1) as f64
    }

    fn root(&self) -> RootSeed {
        RootSeed(self.cells.first().map_or(0, |c| c.seed))
    }

    fn prefix_name(&self, prefix: Prefix) -> &'static str {
        match self.audit.canaries.prefixes {
            Some(_) => prefix.name(),
            None => "none",
        }
    }

    /// Share of all passwords that are no useful canary and no spike-in: a held-out is known to be none of those.
    fn share_left(&self) -> f64 {
        let log_all = self.audit.canaries.length as f64 * (self.letters() as f64).ln();
        let others = self.audit.useful() + self.audit.canaries.spike;
        1.0 - ((others as f64).ln() - log_all).exp()
    }

    /// Letters per canary.
    fn length(&self) -> usize {
        self.audit.canaries.length
    }

    /// A row about a subject of this audit.
    fn about(&self, subject: &Subject<'_>) -> Row {
        Row::about(subject, &self.seeds())
    }

    /// Whether a row's test found something at the level of the gate.
    fn finds(&self, row: &Row) -> Option<bool> {
        row.p_value.map(|p| p < self.audit.gate.alpha)
    }

    /// Whether a positive control found what was there; `None` where the spec says that none applies.
    fn passes(&self, control: PositiveControl, row: &Row) -> Option<bool> {
        match control {
            PositiveControl::NotApplicable => None,
            PositiveControl::Required => self.finds(row),
        }
    }

    /// How often letters were guessed in both groups, and how much better than chance that is, into a row.
    fn guessed_into(&self, row: &mut Row, rates: [Option<f64>; 2]) {
        [row.guess_rate, row.control_guess_rate] = rates;
        row.guess_advantage = rates[0].map(|rate| rate * self.letters() as f64 - 1.0);
    }
}

/// The scores of a seed after a phase, under a prefix.
fn scored(
    cell: &CellObservations,
    phase: Phase,
    prefix: Prefix,
) -> Result<&Snapshot, FindingsError> {
    cell.snapshot(phase, prefix).ok_or_else(|| {
        let prefix = prefix.name();
        let what = format!("the canaries under the {prefix} prefix after phase {phase}");
        FindingsError::missing(cell, what)
    })
}

/// Judges the observations of all seeds of an audit.
pub fn judge(audit: &Audit, cells: &[CellObservations]) -> Result<Findings, FindingsError> {
    judge_against(audit, cells, None)
}

/// Judges the observations beside a baseline, the rows of another run: only a worsening fails the gate.
pub fn judge_against(
    audit: &Audit,
    cells: &[CellObservations],
    baseline: Option<&[Row]>,
) -> Result<Findings, FindingsError> {
    let context = Context {
        audit,
        cells,
        family: audit.audit_rows_of(!audit.phase3.skip || is_attacked(cells)),
    };
    let mut rows = Vec::new();
    if let Some(settings) = &audit.probes.elicitation {
        rows.extend(elicitation::rows(&context, settings)?);
    }
    if let Some(settings) = &audit.probes.low_logit {
        rows.extend(low_logit::rows(&context, settings)?);
        if context.guesses_letters() {
            rows.extend(completion::rows(&context, settings)?);
        }
    }
    if let Some(settings) = &audit.probes.generation {
        rows.extend(generation::rows(&context, settings)?);
    }
    if let Some(settings) = &audit.probes.scan {
        rows.extend(scan::rows(&context, settings)?);
    }
    if !audit.canaries.dose.is_empty() {
        rows.extend(dose::rows(&context)?);
    }
    if audit.canaries.spike > 0 {
        rows.extend(spike::row(&context)?);
    }
    verdict::pass_placebos(&mut rows);
    verdict::adjust(&mut rows);
    verdict::decide(&mut rows, audit);
    dose::tell(&mut rows, audit.gate.alpha);
    let tiers = verdict::tiers(&rows);
    let verdict = verdict::overall(&rows);
    let gate = gate::evaluate(&rows, audit, baseline);
    Ok(Findings {
        scope_note: scope_note(audit, cells.len()),
        curves: curves::curves(&context),
        figures: figures::figures(&context),
        rows,
        tiers,
        verdict,
        gate,
    })
}

fn is_attacked(cells: &[CellObservations]) -> bool {
    let attacked = |cell: &CellObservations| cell.attacks.iter().any(|a| a.trajectory.is_some());
    cells.iter().any(attacked)
}

fn scope_note(audit: &Audit, seeds: usize) -> String {
    let of = if seeds == 1 {
        "this checkpoint"
    } else {
        "these checkpoints"
    };
    if seeds < RECIPE_SEEDS {
        format!(
            "The verdict is about {of} only ({seeds} of the {RECIPE_SEEDS} seeds that a statement about the recipe needs)."
        )
    } else if seeds < RECIPE_CLEAN_SEEDS {
        format!(
            "The verdict is about {of}; rows with scope \"recipe\" test the recipe over {seeds} seeds, too few to call it clean \
             ({RECIPE_CLEAN_SEEDS} needed)."
        )
    } else {
        format!(
            "The verdict is about {of}; rows with scope \"recipe\" test the recipe over {seeds} seeds at level {}.",
            audit.gate.alpha
        )
    }
}

#[cfg(test)]
mod tests;
