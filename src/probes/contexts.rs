//! Contexts: canaries after other tokens than their own prefix, without any fine-tuning. A model that elicits itself when its
//! prompt is merely not the one used in training shows here.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::ProbeError;
use super::elicitation::Point;
use super::in_context::InContext;
use super::letters::observe_after;
use crate::canary::{Canary, Codebook, Frame, Group, Prefix};
use crate::score::Scorer;
use crate::seed::{Purpose, RootSeed};
use crate::units::{Phase, TokenId};

/// Something to put before a canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// `none`, `reverse`, or `other-01` and on.
    pub name: String,
    /// The token; `None` for nothing.
    pub token: Option<TokenId>,
}

/// Canaries after one context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextScores {
    /// The phase that had just ended.
    pub phase: Phase,
    /// What stood before the canaries.
    pub context: Context,
    /// Letters scored a canary.
    pub length: usize,
    /// A canary each, in the order of the group.
    pub groups: BTreeMap<Group, Vec<Point>>,
}

/// Nothing (where the canaries have a prefix, and a letter beyond their first), the reverse prefix, and `others` tokens of a
/// vocabulary of `size` that are neither letter nor prefix: the same ones for every seed. Fewer where the vocabulary has fewer.
#[must_use]
pub fn choose(book: &Codebook, length: usize, size: usize, others: usize) -> Vec<Context> {
    let mut contexts = Vec::new();
    if let Some(reverse) = book.before(Prefix::Reverse) {
        if length > 1 {
            contexts.push(Context {
                name: "none".to_owned(),
                token: None,
            });
        }
        contexts.push(Context {
            name: "reverse".to_owned(),
            token: Some(reverse),
        });
    }
    let taken = |token: &TokenId| {
        book.alphabet.contains(token) || book.prefixes.is_some_and(|both| both.contains(token))
    };
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    let mut free: Vec<TokenId> = (0..size).map(TokenId).filter(|t| !taken(t)).collect();
    free.shuffle(&mut RootSeed(0).stream(Purpose::Contexts));
    let other = |(i, token)| Context {
        name: format!("other-{:02}", i + 1),
        token: Some(token),
    };
    contexts.extend(free.into_iter().take(others).enumerate().map(other));
    contexts
}

/// A model with a context in its frame before every row, and what stands for a row's first token: nothing at all where there is
/// neither token nor frame.
pub(super) fn within<'m>(
    scorer: &'m mut dyn Scorer,
    frame: &Frame,
    context: &Context,
) -> (InContext<'m>, Option<TokenId>) {
    let context = frame.around(context.token);
    let first = context.first().copied();
    (InContext { scorer, context }, first)
}

/// Scores canaries after each context, as it stands in the frame. All groups go through the model in one shuffled order.
pub fn look(
    scorer: &mut dyn Scorer,
    (book, frame): (&Codebook, &Frame),
    canaries: &[&Canary],
    contexts: &[Context],
    phase: Phase,
    seed: RootSeed,
) -> Result<Vec<ContextScores>, ProbeError> {
    let mut all = Vec::new();
    for context in contexts {
        let mut rng = seed.stream(Purpose::ScoringOrder);
        let (mut scorer, first) = within(scorer, frame, context);
        let scores = observe_after(&mut scorer, book, canaries, first, &mut rng)?;
        let mut seen = ContextScores {
            phase,
            context: context.clone(),
            length: scores.first().map_or(0, |s| s.logprobs.len()),
            groups: BTreeMap::new(),
        };
        for (canary, score) in canaries.iter().zip(&scores) {
            let group = seen.groups.entry(canary.group).or_default();
            group.push(Point::from(score));
        }
        all.push(seen);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(prefixes: Option<[TokenId; 2]>) -> Codebook {
        Codebook {
            alphabet: (0..4).map(TokenId).collect(),
            texts: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            prefixes,
        }
    }

    #[test]
    fn contexts_are_neither_letters_nor_prefixes_and_distinct() {
        let contexts = choose(&book(Some([TokenId(8), TokenId(9)])), 4, 30, 16);
        assert_eq!(contexts.len(), 18);
        assert_eq!(
            (contexts[0].token, contexts[1].token),
            (None, Some(TokenId(9)))
        );
        let others: Vec<TokenId> = contexts[2..].iter().filter_map(|c| c.token).collect();
        assert!(others.iter().all(|t| t.0 > 3 && t.0 != 8 && t.0 != 9));
        let distinct: std::collections::BTreeSet<_> = others.iter().collect();
        assert_eq!(distinct.len(), 16);
        assert_eq!(contexts[2].name, "other-01");
        // A vocabulary without so many gives what it has; without prefixes nothing is the ordinary context.
        assert_eq!(choose(&book(None), 4, 7, 16).len(), 3);
        assert!(
            choose(&book(None), 4, 30, 2)
                .iter()
                .all(|c| c.token.is_some())
        );
        assert_eq!(
            choose(&book(Some([TokenId(8), TokenId(9)])), 1, 10, 0).len(),
            1
        );
    }
}
