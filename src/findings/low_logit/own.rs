//! Secrets of a file: what follows their first tokens. Guide: rows, "Secrets of a file".
//!
//! Nothing is known of their distribution, but controls come from the same file by a random split: held-outs and controls are
//! exchangeable where the model carries nothing, and a permutation tests any number of them.

use super::Scanned;
use crate::canary::Group;
use crate::findings::context::Context;
use crate::findings::error::FindingsError;
use crate::findings::groups::{Groups, Values};
use crate::findings::measure::{SHARE, Statistic};
use crate::findings::row::Row;
use crate::findings::terms::Role;
use crate::probes::LetterScores;
use crate::spec::LowLogit;

/// Two who know a beginning: of one token, and of half of them. Never all of them.
fn known(tokens: usize) -> [usize; 2] {
    let most = tokens.saturating_sub(1);
    [most.min(1), most.min(tokens / 2)]
}

/// What the model gives the tokens after a beginning, nats: in all, and so many.
fn rest(scores: &LetterScores, known: usize) -> (f64, usize) {
    let rest = scores.logprobs.get(known..).unwrap_or_default();
    (rest.iter().sum(), rest.len())
}

/// The rows of what follows: guessed better, and completed whole.
pub(super) fn rows(
    context: &Context<'_>,
    phases: &[Scanned<'_>],
    settings: &LowLogit,
) -> Result<Vec<Row>, FindingsError> {
    let Some(last) = phases.last() else {
        return Ok(Vec::new());
    };
    let with = last.has_reference();
    let gains = gathered(phases, |reference, model, known| {
        let (now, tokens) = rest(model, known);
        let before = reference.filter(|_| with).map_or(0.0, |r| rest(r, known).0);
        (now - before) / tokens.max(1) as f64
    });
    let mut likelier = last.blank(Role::Audit, Group::HeldOut, Statistic::RestLogprob);
    let test = gains.tested_into(&mut likelier, context, "low_logit own rest")?;
    gains.detectable_into(&mut likelier, &test, &gains.control);
    likelier.ask(context.audit);

    // No more than so many completions have a probability of one in so many: the likeliest ones hold it for certain.
    let guesses = settings.completion_guesses as f64;
    let within = gathered(phases, |_, model, known| {
        f64::from(u8::from(rest(model, known).0 >= -guesses.ln()))
    });
    let mut whole = last.blank(Role::Audit, Group::HeldOut, Statistic::RestWithinGuesses);
    let test = within.tested_into(&mut whole, context, "low_logit own whole")?;
    whole.ask(context.audit);
    whole.effect_unit = Some(SHARE.to_owned());
    let (n, n_control) = within.sizes();
    let level = context.strict_level() / if context.cells.len() > 1 { 2.0 } else { 1.0 };
    whole.min_detectable = fewest(n, n_control, context.cells.len(), level)
        .filter(|_| test.p_floor <= level)
        .map(|few| few as f64 / n as f64);
    Ok(vec![likelier, whole])
}

/// A number of every secret, `[seeds][secrets][phases and beginnings]`.
fn gathered(
    phases: &[Scanned<'_>],
    value: impl Fn(Option<&LetterScores>, &LetterScores, usize) -> f64,
) -> Groups {
    let seeds = phases.first().map_or(0, |scanned| scanned.pairs.len());
    let of = |group: Group| -> Vec<Values> {
        let of_seed = |seed: usize| {
            let first = phases
                .first()
                .map_or(0, |p| p.pairs[seed].model.group(group).len());
            let secret = |i: usize| {
                let mut all = Vec::new();
                for scanned in phases {
                    let pair = &scanned.pairs[seed];
                    let model = &pair.model.group(group)[i];
                    let reference = pair.reference.and_then(|r| r.group(group).get(i));
                    let beginnings = known(model.logprobs.len());
                    all.extend(beginnings.map(|known| value(reference, model, known)));
                }
                all
            };
            (0..first).map(secret).collect()
        };
        (0..seeds).map(of_seed).collect()
    };
    Groups::against_controls(Group::HeldOut, of)
}

/// The fewest of `n` held-outs in each seed that, completed where none of `n_control` controls is, make a p-value of `level`: all of
/// those that are completed must be held-outs by chance.
fn fewest(n: usize, n_control: usize, seeds: usize, level: f64) -> Option<usize> {
    let mut chance = 1.0_f64;
    for few in 0..n {
        chance *= (n - few) as f64 / (n + n_control - few) as f64;
        if chance.powf(seeds as f64) <= level {
            return Some(few + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_never_the_whole_secret() {
        assert_eq!(known(1), [0, 0]);
        assert_eq!(known(2), [1, 1]);
        assert_eq!(known(9), [1, 4]);
    }

    #[test]
    fn few_are_enough_where_controls_are_many() {
        // 64 of 192: 1/3, 0.1099, 0.0359, 0.0116, 0.0037.
        assert_eq!(fewest(64, 128, 1, 0.01), Some(5));
        assert_eq!(fewest(64, 128, 2, 0.01), Some(3));
        assert_eq!(fewest(2, 2, 1, 0.01), None);
    }
}
