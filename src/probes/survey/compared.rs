//! What a survey asks of a model beside others: that it was trained from, and that are made of it.

use super::{References, Survey};
use crate::canary::{Canary, Group, Look, Prefix};
use crate::probes::completion::{Shown, complete};
use crate::probes::ends::contrast;
use crate::probes::scan::{Models, scan};
use crate::probes::{ProbeError, ProbeResult};
use crate::score::Scorer;
use crate::seed::{Purpose, RootSeed};
use crate::units::Phase;

impl Survey<'_> {
    /// Canaries in a model that was made of the audited one.
    pub fn altered(
        &self,
        made: &mut dyn Scorer,
        shown: Shown,
        phase: Phase,
    ) -> Result<ProbeResult, ProbeError> {
        self.contrasted((made, None), shown, phase)
    }

    /// Canaries in one model, or in how far it is from another.
    fn contrasted(
        &self,
        (model, other): (&mut dyn Scorer, Option<&mut dyn Scorer>),
        shown: Shown,
        phase: Phase,
    ) -> Result<ProbeResult, ProbeError> {
        let canaries = self.canaries(Look::Contrast);
        let mut rng = RootSeed(self.seed).stream(Purpose::ScoringOrder);
        let mut model = self.after(Prefix::Regular, model);
        let mut other = other.map(|other| self.after(Prefix::Regular, other));
        let both = (
            &mut model as &mut dyn Scorer,
            other.as_mut().map(|other| other as &mut dyn Scorer),
        );
        let seen = contrast(both, shown, phase, self.book, &canaries, &mut rng)?;
        Ok(ProbeResult::Contrast(seen))
    }

    pub(super) fn completions(
        &self,
        model: &mut dyn Scorer,
        phase: Phase,
        references: &mut References<'_>,
    ) -> Result<Vec<ProbeResult>, ProbeError> {
        let Some(settings) = &self.audit.probes.low_logit else {
            return Ok(Vec::new());
        };
        let (useful, targets): (Vec<&Canary>, Vec<&Canary>) = self
            .canaries(Look::Completion)
            .into_iter()
            .partition(|c| c.group == Group::Useful);
        let mut results = Vec::new();
        for shown in Shown::ALL {
            let other = match shown {
                Shown::Base => references.base.as_mut(),
                // Without phase 1 the base is the reference: one attack, not two.
                Shown::Reference => references.reference.as_mut(),
                _ => None,
            };
            if other.is_none() && matches!(shown, Shown::Base | Shown::Reference) {
                continue;
            }
            let mut other = other.map(|other| other.growing());
            let mut other = other
                .as_mut()
                .map(|other| self.after(Prefix::Regular, &mut **other));
            let made = complete(
                &mut self.after(Prefix::Regular, &mut *model.growing()),
                other.as_mut().map(|other| other as &mut dyn Scorer),
                shown,
                phase,
                self.book,
                [&useful, &targets],
                settings,
            )?;
            results.extend(made.into_iter().map(ProbeResult::Completion));
        }
        Ok(results)
    }

    /// Canaries against each model that there is to compare with.
    pub(super) fn contrasts(
        &self,
        model: &mut dyn Scorer,
        phase: Phase,
        references: &mut References<'_>,
    ) -> Result<Vec<ProbeResult>, ProbeError> {
        let others = [
            (Shown::Reference, references.reference.as_mut()),
            (Shown::Base, references.base.as_mut()),
        ];
        let mut results = Vec::new();
        for (shown, other) in others {
            let Some(other) = other else { continue };
            results.push(self.contrasted((&mut *model, Some(&mut **other)), shown, phase)?);
        }
        Ok(results)
    }

    pub(super) fn scan(
        &self,
        model: &mut dyn Scorer,
        phase: Phase,
        references: &mut References<'_>,
    ) -> Result<Option<ProbeResult>, ProbeError> {
        let settings = self.audit.probes.scan.as_ref();
        // Without phase 1 the public model is the reference.
        let known = references.reference.as_mut().map(|r| (Shown::Reference, r));
        let known = known.or(references.base.as_mut().map(|b| (Shown::Base, b)));
        let (Some(settings), Some((shown, reference))) = (settings, known) else {
            return Ok(None);
        };
        let label = format!("scan {phase}");
        let mut rng = RootSeed(self.seed).labelled_stream(Purpose::Sampling, &label);
        let canaries = self.canaries(Look::Scan);
        let (mut model, mut reference) = (model.growing(), reference.growing());
        let mut models = Models {
            model: &mut self.after(Prefix::Regular, &mut *model),
            reference: &mut self.after(Prefix::Regular, &mut *reference),
        };
        let about = (phase, shown);
        let found = scan(&mut models, about, self.book, &canaries, settings, &mut rng)?;
        Ok(Some(ProbeResult::Scan(found)))
    }
}
