//! Secrets of a file, probed: each is scored whole, after its context, on its own tokens alone.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use super::super::sealed::{Content, SealError};
use super::super::{AuditError, store};
use super::looking::Seen;
use super::{ProbeOptions, Subject};
use crate::canary::{Canary, Group, Letters, Prefix};
use crate::checkpoint::Tokenizer;
use crate::device::Arithmetic;
use crate::event::{Event, Observer};
use crate::model::Model;
use crate::probes::{LetterScores, ProbeError, Snapshot};
use crate::score::Scorer;
use crate::seed::{Purpose, RootSeed};
use crate::units::{Phase, TokenId};

/// What is said of such a probe.
pub(super) const WHOLE: &str = "The canaries are secrets of a file, whose distribution is unknown. They are judged whole, by how likely the \
    model finds them beside controls that come from the same file by a random split; probes that guess their parts or count candidates do \
    not apply. That is recognition, which a gate passes over unless gate.tiers names it.";

/// Looks for the secrets of a manifest.
pub(super) struct Whole<'a> {
    contents: &'a [Content],
    /// What stands before every secret.
    context: Vec<TokenId>,
    seed: u64,
}

impl<'a> Whole<'a> {
    /// Errors: the model's tokenizer makes other tokens of the texts than were minted.
    pub(super) fn new(
        contents: &'a [Content],
        options: &ProbeOptions,
        tokenizer: &Tokenizer,
        seed: u64,
    ) -> Result<Self, AuditError> {
        let text = contents.first().map_or("", |c| c.context.as_str());
        let context = tokenizer.encode(text)?;
        for content in contents {
            let joined = tokenizer.encode(&format!("{text}{}", content.text))?;
            if joined.strip_prefix(context.as_slice()) != Some(content.tokens.as_slice()) {
                return Err(SealError::OtherTokens {
                    path: options.canaries.clone(),
                    id: content.id.clone(),
                    model: options.model.folder.path().display().to_string(),
                }
                .into());
            }
        }
        Ok(Self {
            contents,
            context,
            seed,
        })
    }

    /// The reference, where there is one, then the model.
    pub(super) fn look(
        &self,
        options: &ProbeOptions,
        observer: &mut dyn Observer,
    ) -> Result<Seen, AuditError> {
        let subjects = options.reference.iter().map(|r| (r, Phase::One));
        let mut seen = Seen::default();
        for (subject, phase) in subjects.chain([(&options.model, Phase::Two)]) {
            if observer.interrupted() {
                return Err(AuditError::Interrupted);
            }
            let snapshot = self.snapshot(subject, phase, options, observer)?;
            let canaries: Vec<Canary> = self.contents.iter().map(named).collect();
            let all: Vec<&Canary> = canaries.iter().collect();
            seen.lines
                .push_str(&store::observation_lines(&snapshot, &all));
            seen.snapshots.push(snapshot);
        }
        Ok(seen)
    }

    fn snapshot(
        &self,
        subject: &Subject,
        phase: Phase,
        options: &ProbeOptions,
        observer: &mut dyn Observer,
    ) -> Result<Snapshot, AuditError> {
        observer.event(&Event::Started {
            label: &format!("scoring {}", subject.name),
            total: self.contents.len() as u64,
            unit: "canaries",
        });
        let mut model = Model::load(&subject.folder, options.device, Arithmetic::F32)?;
        let scores = self.score(&mut model)?;
        let mut groups: BTreeMap<Group, Vec<LetterScores>> = BTreeMap::new();
        for (content, score) in self.contents.iter().zip(scores) {
            groups.entry(content.group).or_default().push(score);
        }
        observer.event(&Event::Finished);
        Ok(Snapshot {
            phase,
            prefix: Prefix::Regular,
            groups,
        })
    }

    /// All groups in one shuffled order, the scores in the order of the manifest.
    fn score(&self, scorer: &mut dyn Scorer) -> Result<Vec<LetterScores>, ProbeError> {
        let mut order: Vec<usize> = (0..self.contents.len()).collect();
        order.shuffle(&mut RootSeed(self.seed).stream(Purpose::ScoringOrder));
        let row = |&place: &usize| {
            let own = &self.contents[place].tokens;
            self.context.iter().chain(own).copied().collect()
        };
        let rows: Vec<Vec<TokenId>> = order.iter().map(row).collect();
        let scored = scorer.score(&rows, &[])?;
        let mut scores = vec![LetterScores::default(); self.contents.len()];
        for (&place, score) in order.iter().zip(&scored) {
            let content = &self.contents[place];
            let (expected, got) = (content.tokens.len(), score.logprobs.len());
            let from = got.checked_sub(expected).ok_or_else(|| ProbeError::Shape {
                id: content.id.clone(),
                expected,
                got,
            })?;
            let own = score.logprobs[from..].iter().map(|&p| f64::from(p));
            scores[place].logprobs = own.collect();
            if let Some(&value) = scores[place].logprobs.iter().find(|p| !p.is_finite()) {
                return Err(ProbeError::NotFinite {
                    id: content.id.clone(),
                    value,
                });
            }
        }
        Ok(scores)
    }
}

/// A secret under its name: it has no letters.
fn named(content: &Content) -> Canary {
    Canary {
        id: content.id.clone(),
        group: content.group,
        letters: Letters::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::in_context::tests::Echo;

    #[test]
    fn secrets_of_all_lengths_are_scored_on_their_own_tokens_in_the_manifest_s_order() {
        let contents: Vec<Content> = [&[1_u32][..], &[2, 3], &[4, 5, 6], &[7]]
            .iter()
            .enumerate()
            .map(|(place, tokens)| Content {
                id: Group::Control.canary_id(place),
                group: Group::Control,
                tokens: tokens.iter().copied().map(TokenId).collect(),
                text: String::new(),
                context: String::new(),
            })
            .collect();
        let whole = Whole {
            contents: &contents,
            context: vec![TokenId(50), TokenId(60)],
            seed: 3,
        };
        let scores = whole.score(&mut Echo).unwrap();
        let found: Vec<&[f64]> = scores.iter().map(|s| s.logprobs.as_slice()).collect();
        assert_eq!(
            found,
            [&[-1.0][..], &[-2.0, -3.0], &[-4.0, -5.0, -6.0], &[-7.0]]
        );
    }
}
