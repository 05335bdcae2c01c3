//! Findings: observations and statistics become rows, verdicts and a gate. The contract is [`crate::guide::evidence`].

mod compare;
mod completion;
mod context;
mod counted;
mod curves;
mod dose;
mod elicitation;
mod error;
mod figures;
mod gate;
mod generation;
mod groups;
mod guess_numbers;
mod low_logit;
mod measure;
mod prompts;
mod recipe;
mod report;
mod row;
mod scan;
mod spike;
mod terms;
mod verdict;

pub use compare::{Change, Compared, ComparedBy, Comparison, Trend, compare};
pub use context::{CI_LEVEL, PLACEBO_ALPHA, POWER};
pub use error::FindingsError;
pub use figures::{
    Band, Figures, GroupCounts, GuessCurve, Histogram, Notable, PerSeed, Roc, SeedValue, Setting,
};
pub use measure::Statistic;
pub use report::{Curve, Gate, GateRule, Outcome, Report, SCHEMA_VERSION, Tiers};
pub use row::{IntervalOf, Row, Subject};
pub use terms::{Access, Direction, Probe, Role, Scope, Tier, Verdict};

use crate::probes::CellObservations;
use crate::spec::Audit;
use context::{Context, RECIPE_CLEAN_SEEDS, RECIPE_SEEDS, is_attacked};

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
    verdict::decide(&mut rows, audit, context.is_its_reference());
    dose::tell(&mut rows, audit.gate.alpha);
    for row in &mut rows {
        row.say_as_guesses(context.letters());
    }
    let tiers = verdict::tiers(&rows);
    let verdict = verdict::overall(&rows);
    let gate = gate::evaluate(&rows, audit, baseline);
    Ok(Findings {
        scope_note: scope_note(audit, cells.len()),
        curves: curves::curves(&context),
        figures: figures::build::figures(&context),
        rows,
        tiers,
        verdict,
        gate,
    })
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
