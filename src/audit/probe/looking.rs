//! What is seen of a model that was trained elsewhere, and of what it was trained from.

use super::super::in_context::InContext;
use super::super::looks::{Before, Looking};
use super::super::plant::Corpus;
use super::super::{AuditError, store};
use super::{ProbeOptions, Subject};
use crate::canary::{Codebook, Prefix};
use crate::device::Arithmetic;
use crate::event::{Event, Observer};
use crate::model::Model;
use crate::probes::{Look, Snapshot};
use crate::score::Scorer;
use crate::spec::Audit;
use crate::units::{Phase, TokenId};

/// Looks at models for the canaries of a manifest.
pub(super) struct Looker<'a> {
    pub(super) audit: &'a Audit,
    pub(super) book: &'a Codebook,
    pub(super) corpus: &'a Corpus<'a>,
    pub(super) seed: u64,
    /// In the place of the regular prefix; empty: the prefix itself.
    pub(super) context: Vec<TokenId>,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) looks: Vec<Look>,
    /// The snapshots as lines of `observations.jsonl`.
    pub(super) lines: String,
}

impl Looker<'_> {
    /// The reference, where there is one, then the model with all probes that need no training.
    pub(super) fn look(
        &self,
        options: &ProbeOptions,
        observer: &mut dyn Observer,
    ) -> Result<Seen, AuditError> {
        let load =
            |subject: &Subject| Model::load(&subject.folder, options.device, Arithmetic::F32);
        let mut seen = Seen::default();
        if let Some(reference) = &options.reference {
            let mut model = load(reference)?;
            self.snapshots(&mut model, (reference, Phase::One), &mut seen, observer)?;
        }
        let mut model = load(&options.model)?;
        self.snapshots(
            &mut model,
            (&options.model, Phase::Two),
            &mut seen,
            observer,
        )?;
        if observer.interrupted() {
            return Err(AuditError::Interrupted);
        }
        let looking = Looking {
            audit: self.audit,
            book: self.book,
            corpus: self.corpus,
            seed: self.seed,
            phase: Phase::Two,
            context: &self.context,
        };
        observer.event(&Event::Started {
            label: "other probes",
            total: 1,
            unit: "model",
        });
        seen.looks = looking.all(&mut model, || {
            Ok(Before {
                reference: options.reference.as_ref().map(load).transpose()?,
                base: None,
            })
        })?;
        observer.event(&Event::Finished);
        Ok(seen)
    }

    /// All canaries under both prefixes. A chat template stands around the regular prompt alone: nobody trained with the other.
    fn snapshots(
        &self,
        model: &mut Model,
        (subject, phase): (&Subject, Phase),
        seen: &mut Seen,
        observer: &mut dyn Observer,
    ) -> Result<(), AuditError> {
        if observer.interrupted() {
            return Err(AuditError::Interrupted);
        }
        let canaries = self.corpus.observed();
        observer.event(&Event::Started {
            label: &format!("scoring {}", subject.name),
            total: canaries.len() as u64,
            unit: "canaries",
        });
        for prefix in [Prefix::Regular, Prefix::Reverse] {
            let mut in_context = InContext {
                scorer: model,
                context: &self.context,
            };
            let scorer: &mut dyn Scorer = match prefix {
                Prefix::Regular => &mut in_context,
                Prefix::Reverse => in_context.scorer,
            };
            let snapshot = Snapshot {
                phase,
                prefix,
                groups: self.corpus.score(scorer, &canaries, prefix)?,
            };
            seen.lines
                .push_str(&store::observation_lines(&snapshot, &canaries));
            seen.snapshots.push(snapshot);
        }
        observer.event(&Event::Finished);
        Ok(())
    }
}
