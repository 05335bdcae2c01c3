//! Secrets of unknown distribution: each is scored whole, after its context, on its own tokens alone.

use rand::seq::SliceRandom;

use super::survey::by_group;
use super::{LetterScores, ProbeError, Snapshot};
use crate::canary::{Canary, Group, Letters, Prefix};
use crate::score::Scorer;
use crate::seed::{Purpose, RootSeed};
use crate::units::{Phase, TokenId};

/// A secret that has tokens and no letters.
#[derive(Debug, Clone, Copy)]
pub struct Secret<'a> {
    /// Its name, as `held_out-0003`.
    pub id: &'a str,
    /// Held-out, useful or control.
    pub group: Group,
    /// Its own tokens, without the context's.
    pub tokens: &'a [TokenId],
}

/// Scores secrets whole with a model as `phase` left it. All groups go through the model in one shuffled order.
///
/// Errors: the model cannot score them, or gives what is no number.
pub fn snapshot(
    scorer: &mut dyn Scorer,
    context: &[TokenId],
    secrets: &[Secret<'_>],
    phase: Phase,
    seed: u64,
) -> Result<Snapshot, ProbeError> {
    let scores = score(scorer, context, secrets, seed)?;
    Ok(Snapshot {
        phase,
        prefix: Prefix::Regular,
        groups: by_group(secrets.iter().map(|s| s.group).zip(scores)),
    })
}

/// The scores in the order of the secrets.
fn score(
    scorer: &mut dyn Scorer,
    context: &[TokenId],
    secrets: &[Secret<'_>],
    seed: u64,
) -> Result<Vec<LetterScores>, ProbeError> {
    let mut order: Vec<usize> = (0..secrets.len()).collect();
    order.shuffle(&mut RootSeed(seed).stream(Purpose::ScoringOrder));
    let row = |&place: &usize| {
        context
            .iter()
            .chain(secrets[place].tokens)
            .copied()
            .collect()
    };
    let rows: Vec<Vec<TokenId>> = order.iter().map(row).collect();
    let scored = scorer.score(&rows, &[])?;
    let mut scores = vec![LetterScores::default(); secrets.len()];
    for (&place, score) in order.iter().zip(&scored) {
        let Secret { id, tokens, .. } = secrets[place];
        let (expected, got) = (tokens.len(), score.logprobs.len());
        let from = got.checked_sub(expected).ok_or_else(|| ProbeError::Shape {
            id: id.to_owned(),
            expected,
            got,
        })?;
        let own = score.logprobs[from..].iter().map(|&p| f64::from(p));
        scores[place].logprobs = own.collect();
        if let Some(&value) = scores[place].logprobs.iter().find(|p| !p.is_finite()) {
            return Err(ProbeError::NotFinite {
                id: id.to_owned(),
                value,
            });
        }
    }
    Ok(scores)
}

impl Secret<'_> {
    /// The secret as a canary without letters: its name and group.
    #[must_use]
    pub fn named(&self) -> Canary {
        Canary {
            id: self.id.to_owned(),
            group: self.group,
            letters: Letters::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::in_context::tests::Echo;

    #[test]
    fn secrets_of_all_lengths_are_scored_on_their_own_tokens_in_the_manifest_s_order() {
        let tokens = [&[1_u32][..], &[2, 3], &[4, 5, 6], &[7]]
            .map(|own| own.iter().copied().map(TokenId).collect::<Vec<_>>());
        let secrets: Vec<Secret<'_>> = tokens
            .iter()
            .map(|tokens| Secret {
                id: "control-0000",
                group: Group::Control,
                tokens,
            })
            .collect();
        let context = [TokenId(50), TokenId(60)];
        let scores = score(&mut Echo, &context, &secrets, 3).unwrap();
        let found: Vec<&[f64]> = scores.iter().map(|s| s.logprobs.as_slice()).collect();
        assert_eq!(
            found,
            [&[-1.0][..], &[-2.0, -3.0], &[-4.0, -5.0, -6.0], &[-7.0]]
        );
    }
}
