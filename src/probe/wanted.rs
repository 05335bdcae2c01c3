//! What is looked for in a model that was trained elsewhere, and what is seen of it and of what it was trained from.

use super::{NamedFolder, ProbeOptions, format};
use crate::audit::{
    AuditError, Content, SealError, altered, codebook, observation_lines, planting,
};
use crate::canary::{Canary, Codebook, Frame, Look, Planting};
use crate::checkpoint::Tokenizer;
use crate::device::Arithmetic;
use crate::event::{Event, Observer};
use crate::model::Model;
use crate::probes::whole::{self, Secret};
use crate::probes::{ProbeResult, References, Snapshot, Survey};
use crate::score::Scorer;
use crate::spec::Audit;
use crate::units::{Phase, TokenId};

/// The canaries of a manifest under the model's own tokenizer.
pub(super) enum Wanted<'a> {
    /// Letters of a known alphabet.
    Letters {
        book: Codebook,
        planting: Planting,
        vocabulary: usize,
        /// What stands around prompts.
        frame: Frame,
    },
    /// Secrets of a file, each scored whole.
    Whole {
        contents: &'a [Content],
        context: Vec<TokenId>,
    },
}

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) results: Vec<ProbeResult>,
    /// The snapshots as lines of `observations.jsonl`.
    pub(super) lines: String,
}

impl<'a> Wanted<'a> {
    /// Errors: the model's tokenizer makes other tokens of the texts than were minted.
    pub(super) fn new(
        audit: &Audit,
        contents: &'a [Content],
        options: &ProbeOptions,
        tokenizer: &Tokenizer,
    ) -> Result<Self, AuditError> {
        let folder = &options.model.folder;
        let text = contents.first().map_or("", |c| c.context.as_str());
        if audit.canaries.secrets.is_none() {
            let book = codebook(&audit.canaries, &folder.config, tokenizer)?;
            return Ok(Self::Letters {
                planting: planting(contents, &book, &options.canaries, folder.path())?,
                vocabulary: folder.config.vocab_size,
                frame: format::frame(audit, text, &book, tokenizer)?,
                book,
            });
        }
        let before = tokenizer.encode(text)?;
        for content in contents {
            let joined = tokenizer.encode(&format!("{text}{}", content.text))?;
            if joined.strip_prefix(before.as_slice()) != Some(content.tokens.as_slice()) {
                return Err(SealError::OtherTokens {
                    path: options.canaries.clone(),
                    id: content.id.clone(),
                    model: folder.path().display().to_string(),
                }
                .into());
            }
        }
        let context = format::context(audit, text, tokenizer)?;
        Ok(Self::Whole { contents, context })
    }

    /// The reference, where there is one, then the model with all probes that need no training.
    pub(super) fn look(
        &self,
        audit: &Audit,
        seed: u64,
        options: &ProbeOptions,
        observer: &mut dyn Observer,
    ) -> Result<Seen, AuditError> {
        let load = |named: &NamedFolder| {
            Model::load(&named.folder, options.device, Arithmetic::F32).map_err(AuditError::from)
        };
        let mut seen = Seen::default();
        if let Some(reference) = &options.reference {
            let mut model = load(reference)?;
            let about = (reference, Phase::One);
            self.snapshots(audit, seed, &mut model, about, &mut seen, observer)?;
        }
        let mut model = load(&options.model)?;
        let about = (&options.model, Phase::Two);
        self.snapshots(audit, seed, &mut model, about, &mut seen, observer)?;
        if observer.interrupted() {
            return Err(AuditError::Interrupted);
        }
        if let Some(survey) = self.survey(audit, seed) {
            observer.event(&Event::Started {
                label: "other probes",
                total: 1,
                unit: "model",
            });
            let references = || -> Result<References<'_>, AuditError> {
                let reference = options.reference.as_ref().map(load).transpose()?;
                Ok(References {
                    reference: reference.map(|model| Box::new(model) as Box<dyn Scorer>),
                    base: None,
                })
            };
            seen.results = survey.results(&mut model, Phase::Two, references)?;
            let reference = || options.reference.as_ref().map(load).transpose();
            let made = altered(&survey, &mut model, Phase::Two, reference)?;
            seen.results.extend(made);
            observer.event(&Event::Finished);
        }
        Ok(seen)
    }

    /// The survey of canaries that have letters.
    pub(super) fn survey<'s>(&'s self, audit: &'s Audit, seed: u64) -> Option<Survey<'s>> {
        match self {
            Self::Letters {
                book,
                planting,
                vocabulary,
                frame,
            } => Some(Survey {
                audit,
                book,
                planting,
                seed,
                vocabulary: *vocabulary,
                frame,
            }),
            Self::Whole { .. } => None,
        }
    }

    fn snapshots(
        &self,
        audit: &Audit,
        seed: u64,
        model: &mut Model,
        (named, phase): (&NamedFolder, Phase),
        seen: &mut Seen,
        observer: &mut dyn Observer,
    ) -> Result<(), AuditError> {
        if observer.interrupted() {
            return Err(AuditError::Interrupted);
        }
        let survey = self.survey(audit, seed);
        let secrets = self.secrets();
        let canaries: Vec<Canary> = match &survey {
            Some(survey) => survey
                .canaries(Look::PhaseEnd)
                .into_iter()
                .cloned()
                .collect(),
            None => secrets.iter().map(Secret::named).collect(),
        };
        observer.event(&Event::Started {
            label: &format!("scoring {}", named.name),
            total: canaries.len() as u64,
            unit: "canaries",
        });
        let mut snapshots = Vec::new();
        if let Some(survey) = survey {
            snapshots.extend(survey.snapshots(model, phase)?);
        }
        if let Self::Whole { context, .. } = self {
            snapshots.push(whole::snapshot(model, context, &secrets, phase, seed)?);
        }
        let canaries: Vec<&Canary> = canaries.iter().collect();
        for snapshot in snapshots {
            seen.lines
                .push_str(&observation_lines(&snapshot, &canaries));
            seen.snapshots.push(snapshot);
        }
        observer.event(&Event::Finished);
        Ok(())
    }

    fn secrets(&self) -> Vec<Secret<'_>> {
        let Self::Whole { contents, .. } = self else {
            return Vec::new();
        };
        let secret = |content: &'a Content| Secret {
            id: &content.id,
            group: content.group,
            tokens: &content.tokens,
        };
        contents.iter().map(secret).collect()
    }
}
