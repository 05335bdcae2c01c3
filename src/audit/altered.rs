//! Canaries in models that someone makes of the audited one without any training.

use super::AuditError;
use crate::model::Model;
use crate::probes::completion::Shown;
use crate::probes::{ProbeResult, Survey};
use crate::units::Phase;

/// How far the training is gone back beyond what it began with, in its own length.
const WEAKLY: f64 = 0.3;
const WHOLLY: f64 = 1.0;

/// What the survey asks of a model with altered weights, one after the other: no more than one copy is held. `reference` is called
/// where it is needed, and gives what the model was trained from, if that is known.
pub fn altered(
    survey: &Survey<'_>,
    model: &mut Model,
    phase: Phase,
    reference: impl FnOnce() -> Result<Option<Model>, AuditError>,
) -> Result<Vec<ProbeResult>, AuditError> {
    if !survey.alters() {
        return Ok(Vec::new());
    }
    let reference = reference()?;
    model.strictly(|model| {
        let mut results = Vec::new();
        for shown in Shown::ALTERED {
            let made = match (shown, &reference) {
                (Shown::EightBits, _) => Some(model.rounded(8)?),
                (Shown::FourBits, _) => Some(model.rounded(4)?),
                (Shown::NegatedWeakly, Some(before)) => Some(model.negated(before, WEAKLY)?),
                (Shown::Negated, Some(before)) => Some(model.negated(before, WHOLLY)?),
                _ => None,
            };
            if let Some(mut made) = made {
                results.push(survey.altered(&mut made, shown, phase)?);
            }
        }
        Ok(results)
    })
}
