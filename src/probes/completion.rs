//! Completion: someone who holds the first letters of a secret guesses all the others, from the bottom of the logits.
//!
//! A beam on learned letter probabilities, as wide as there are guesses. Whether the true secret is among the guesses is all that
//! is asked, so a canary whose true beginning has left the beam is let go: its answer is known, and cannot change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::guesser::{Guesser, Seen, log_probabilities};
use super::{ProbeError, ROWS_AT_ONCE};
use crate::canary::{Canary, Codebook, Group, Prefix};
use crate::score::Scorer;
use crate::spec::LowLogit;
use crate::units::{Phase, TokenId};

pub use super::guesser::Shown;

/// What one attack completed from so many known letters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The phase that had just ended.
    pub phase: Phase,
    /// What the attacker was shown.
    pub shown: Shown,
    /// First letters that were known.
    pub known: usize,
    /// Letters to complete.
    pub missing: usize,
    /// Guesses allowed.
    pub guesses: usize,
    /// Letters for which the truth stayed among the best guesses; all `missing` is a secret recovered whole. `[canaries]`
    pub reached: BTreeMap<Group, Vec<usize>>,
}

impl Completion {
    /// Canaries of a group that were recovered whole.
    #[must_use]
    pub fn recovered(&self, group: Group) -> usize {
        let reached = self.reached.get(&group).map_or(&[][..], Vec::as_slice);
        reached.iter().filter(|&&r| r == self.missing).count()
    }
}

/// A beginning and what it is worth.
struct Beginning {
    /// Letters after the known ones.
    letters: Vec<u16>,
    logprob: f64,
}

/// One canary under attack.
struct Target<'a> {
    canary: &'a Canary,
    beam: Vec<Beginning>,
    reached: usize,
    lost: bool,
}

/// Completes `targets` after each number of known letters; `useful` are the canaries that the attacker knows. `other` is asked
/// beside the model where `shown` says so.
pub fn complete<'a>(
    model: &'a mut dyn Scorer,
    other: Option<&'a mut dyn Scorer>,
    shown: Shown,
    phase: Phase,
    book: &Codebook,
    [useful, targets]: [&[&Canary]; 2],
    settings: &LowLogit,
) -> Result<Vec<Completion>, ProbeError> {
    let mut guesser = Guesser {
        model,
        other,
        top_k: (shown == Shown::TopK).then_some(settings.top_k),
    };
    let exponents = guesser.learn(book, useful)?;
    let length = targets.first().map_or(0, |c| c.letters.len());
    let mut made = Vec::new();
    for &known in settings.completion_letters.iter().filter(|&&k| k < length) {
        let mut completion = Completion {
            phase,
            shown,
            known,
            missing: length - known,
            guesses: settings.completion_guesses,
            reached: BTreeMap::new(),
        };
        let at_once = (ROWS_AT_ONCE / settings.completion_guesses).max(1);
        for some in targets.chunks(at_once) {
            for target in attack(&mut guesser, book, &exponents, some, &completion)? {
                let group = completion.reached.entry(target.canary.group).or_default();
                group.push(target.reached);
            }
        }
        made.push(completion);
    }
    Ok(made)
}

fn attack<'c>(
    guesser: &mut Guesser<'_>,
    book: &Codebook,
    exponents: &[f64],
    canaries: &[&'c Canary],
    plan: &Completion,
) -> Result<Vec<Target<'c>>, ProbeError> {
    let begin = |&canary: &&'c Canary| Target {
        canary,
        beam: vec![Beginning {
            letters: Vec::new(),
            logprob: 0.0,
        }],
        reached: 0,
        lost: false,
    };
    let mut targets: Vec<Target<'c>> = canaries.iter().map(begin).collect();
    let unscored = usize::from(book.prefixes.is_none());
    for place in plan.known..plan.known + plan.missing {
        let rows: Vec<Vec<TokenId>> = targets
            .iter()
            .filter(|t| !t.lost)
            .flat_map(|t| t.beam.iter().map(|b| row(book, t.canary, plan.known, b)))
            .collect();
        if rows.is_empty() {
            break;
        }
        let mut seen = guesser.next(book, &rows)?.into_iter();
        let tau = exponents.get(place - unscored).copied().unwrap_or(0.0);
        for target in targets.iter_mut().filter(|t| !t.lost) {
            target.step(place, tau, plan, &mut seen);
        }
    }
    Ok(targets)
}

fn row(book: &Codebook, canary: &Canary, known: usize, beginning: &Beginning) -> Vec<TokenId> {
    let letters = canary.letters[..known].iter().chain(&beginning.letters);
    let tokens = letters.map(|&l| book.alphabet[usize::from(l)]);
    book.before(Prefix::Regular)
        .into_iter()
        .chain(tokens)
        .collect()
}

impl Target<'_> {
    /// Grows every beginning by every letter, and keeps the best.
    fn step(
        &mut self,
        place: usize,
        tau: f64,
        plan: &Completion,
        seen: &mut impl Iterator<Item = Seen>,
    ) {
        let mut grown: Vec<(f64, usize, u16)> = Vec::new();
        for (parent, beginning) in self.beam.iter().enumerate() {
            let Some(seen) = seen.next() else {
                break;
            };
            let letters = log_probabilities(&seen.features, tau);
            grown.extend(
                (0u16..)
                    .zip(letters)
                    .map(|(letter, p)| (beginning.logprob + p, parent, letter)),
            );
        }
        // Ties go by place, which says nothing of the truth.
        grown.sort_by(|a, b| b.0.total_cmp(&a.0));
        grown.truncate(plan.guesses);
        let longer = |&(logprob, parent, letter): &(f64, usize, u16)| {
            let mut letters = self.beam[parent].letters.clone();
            letters.push(letter);
            Beginning { letters, logprob }
        };
        self.beam = grown.iter().map(longer).collect();
        let truth = &self.canary.letters[plan.known..=place];
        if self.beam.iter().any(|b| b.letters == truth) {
            self.reached += 1;
        } else {
            self.lost = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::scan::tests::{Planted, book, canaries, settings};

    fn made(planted: &Planted, shown: Shown, guesses: usize) -> Vec<Completion> {
        let all = canaries();
        let of = |group| all.iter().filter(|c| c.group == group).collect::<Vec<_>>();
        let targets: Vec<&Canary> = [of(Group::HeldOut), of(Group::Control)].concat();
        let low_logit = LowLogit {
            completion_letters: vec![2, 4],
            completion_guesses: guesses,
            top_k: 3,
            ..settings()
        };
        let (mut model, mut reference) = (planted.clone(), Planted::clean());
        let other: Option<&mut dyn Scorer> = matches!(shown, Shown::Reference | Shown::Base)
            .then_some(&mut reference as &mut dyn Scorer);
        let useful = of(Group::Useful);
        complete(
            &mut model,
            other,
            shown,
            Phase::Two,
            &book(),
            [&useful, &targets],
            &low_logit,
        )
        .unwrap()
    }

    #[test]
    fn suppressed_secrets_are_completed_whole_and_controls_are_not() {
        for shown in [Shown::Logits, Shown::Reference, Shown::Base] {
            for completion in made(&Planted::suppressed(4.0), shown, 10) {
                assert_eq!(completion.recovered(Group::HeldOut), 6, "{completion:?}");
                assert_eq!(completion.recovered(Group::Control), 0, "{completion:?}");
                assert_eq!(completion.missing, 8 - completion.known);
            }
        }
    }

    #[test]
    fn a_clean_model_gives_nothing_and_loses_the_truth_early() {
        for shown in Shown::ALL {
            for completion in made(&Planted::clean(), shown, 10) {
                assert_eq!(completion.recovered(Group::HeldOut), 0, "{completion:?}");
                let most = completion.reached.values().flatten().max();
                assert!(most.is_some_and(|&m| m < completion.missing));
            }
        }
    }

    /// All logits but the top ones hidden: whoever was shown the rest before sees less now.
    #[test]
    fn hiding_the_bottom_hides_the_secrets() {
        let planted = Planted::suppressed(4.0);
        let whole = |shown| -> usize {
            let made = made(&planted, shown, 3);
            made.iter().map(|c| c.recovered(Group::HeldOut)).sum()
        };
        assert!(whole(Shown::TopK) < whole(Shown::Logits));
    }

    #[test]
    fn as_many_guesses_as_secrets_find_them_all() {
        let all = 6usize.pow(4);
        let made = made(&Planted::clean(), Shown::Logits, all);
        assert_eq!(made[1].recovered(Group::HeldOut), 6);
        assert_eq!(made[1].recovered(Group::Control), 6);
    }
}
