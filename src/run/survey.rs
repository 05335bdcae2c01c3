//! The survey of one seed's model at the end of a phase: who is asked what, in float32 whatever the model trains in, since ranks
//! among suppressed letters need every bit.

use std::path::Path;

use crate::audit::{AuditError, Base, altered};
use crate::canary::{BARE, Planting};
use crate::checkpoint::Folder;
use crate::device::{Arithmetic, Device};
use crate::model::Model;
use crate::probes::{ProbeResult, References, Snapshot, Survey};
use crate::score::Scorer;
use crate::spec::Audit;
use crate::units::Phase;

/// What is looked for in the models of one seed of a run.
pub(crate) fn survey<'a>(
    audit: &'a Audit,
    base: &'a Base,
    planting: &'a Planting,
    seed: u64,
) -> Survey<'a> {
    Survey {
        audit,
        book: &base.book,
        planting,
        seed,
        vocabulary: base.vocabulary,
        frame: &BARE,
    }
}

/// All canaries under both prefixes.
pub(crate) fn snapshots(
    survey: &Survey<'_>,
    model: &mut Model,
    phase: Phase,
) -> Result<[Snapshot; 2], AuditError> {
    Ok(model.strictly(|model| survey.snapshots(model, phase))?)
}

/// What the other probes see. `reference`: the checkpoint of phase 1, where that was not skipped.
pub(crate) fn results(
    survey: &Survey<'_>,
    model: &mut Model,
    phase: Phase,
    (base, device): (&Base, Device),
    reference: &Path,
) -> Result<Vec<ProbeResult>, AuditError> {
    let boxed = |model: Model| Box::new(model) as Box<dyn Scorer>;
    // What the model was trained from: the public model, where there was no phase 1.
    let before = || -> Result<Option<Model>, AuditError> {
        if survey.audit.phase1.skip {
            return Ok(None);
        }
        let folder = Folder::open(reference)?;
        Ok(Some(Model::load(&folder, device, Arithmetic::F32)?))
    };
    let public = || base.model(survey.seed, device, Arithmetic::F32);
    let references = || -> Result<References<'_>, AuditError> {
        Ok(References {
            reference: before()?.map(boxed),
            base: Some(boxed(public()?)),
        })
    };
    let mut results = model.strictly(|model| survey.results(model, phase, references))?;
    let trained_from = || Ok(Some(before()?.map_or_else(public, Ok)?));
    results.extend(altered(survey, model, phase, trained_from)?);
    Ok(results)
}
