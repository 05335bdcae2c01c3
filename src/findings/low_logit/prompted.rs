//! Guesses from the bottom, or from either end, after any prompt. Guide: rows, "Guesses from either end", and
//! guide: rows, "Low-logit, other prompts".

use crate::canary::{Group, Prefix};
use crate::findings::context::{Context, TOO_SHORT, scored};
use crate::findings::error::FindingsError;
use crate::findings::groups::{Groups, Values};
use crate::findings::measure::Statistic;
use crate::findings::prompts::{Prompt, Prompts};
use crate::findings::row::{Row, Subject};
use crate::findings::terms::{Access, Probe, Role};
use crate::probes::CellObservations;
use crate::probes::completion::Shown;
use crate::probes::elicitation::{Point, log_mean_e};
use crate::probes::ends::Ends;
use crate::probes::low_logit::RankGuesser;
use crate::units::Phase;

/// A guesser's gain on one canary, in one look.
struct Term {
    /// Log of q(secret) · |A|^L, nats.
    gain: f64,
    /// Log of its weight in the mean; all weights of a group sum to 1.
    weight: f64,
    letters: f64,
    shown: Shown,
    /// `bottom` or `top`.
    end: &'static str,
}

impl Term {
    /// Log of what it adds to the mean.
    fn share(&self) -> f64 {
        self.gain + self.weight
    }
}

/// The e-value of guesses from either end: half of its weight on the training's own prompt, half on the others.
pub(super) fn ends(context: &Context<'_>, prompts: &Prompts) -> Row {
    let shows = context.audit.shows_one(context.audit.ends_terms());
    let role = if shows {
        Role::Audit
    } else {
        Role::Exploratory
    };
    let mut row = blank(context, role, Statistic::EndsLogEValue, "any");
    row.p_floor = Some(f64::MIN_POSITIVE);
    row.p_method = Some("e-value: 1 / e (Markov)".to_owned());
    row.chance = row.statistic.chance(context.audit);
    if shows {
        row.ask(context.audit);
    }
    let sizes = |group| prompts.all().map(|p| p.group(group).len()).min();
    row.n = sizes(Group::HeldOut).unwrap_or(0);
    row.n_control = sizes(Group::Control);
    let Some(terms) = terms(context, prompts, Group::HeldOut) else {
        row.note = Some("not looked at: the run was made by a version before".to_owned());
        return row;
    };
    let left = context.share_left().ln();
    let log_e = |terms: &[Term]| {
        let all = terms.len() as f64;
        log_mean_e(terms.iter().map(|t| t.gain + t.weight + all.ln()), left)
    };
    let controls = self::terms(context, prompts, Group::Control);
    [row.estimate, row.control_estimate] =
        [Some(&terms), controls.as_ref()].map(|terms| terms.and_then(|terms| log_e(terms)));
    row.p_value = row
        .estimate
        .map(|e| (-e).exp().clamp(f64::MIN_POSITIVE, 1.0));
    if !shows {
        row.note = Some(TOO_SHORT.to_owned());
        return row;
    }
    // What the least favourable term would need to be found by itself.
    let strict = context.strict_level().ln();
    let needed = |t: &Term| (-t.weight - strict) / t.letters.max(1.0);
    row.min_detectable = terms.iter().map(needed).reduce(f64::max);
    // Of those that are as good but for a factor of e, the one that takes the least.
    let top = terms.iter().map(Term::share).reduce(f64::max);
    let good = terms
        .iter()
        .filter(|t| top.is_some_and(|top| t.share() > top - 1.0));
    let best = good.min_by_key(|t| Access::from(t.shown));
    if let Some(best) = best {
        row.access = best.shown.into();
        let (end, aside) = (best.end, best.shown.aside());
        row.note = Some(format!(
            "the likeliest guess: from the {end} of the logits{aside}"
        ));
    }
    row
}

/// What each end gained on every canary of a group; `None` where it was not looked at.
fn terms(context: &Context<'_>, prompts: &Prompts, group: Group) -> Option<Vec<Term>> {
    // Gains with letters and access, of the training's own prompt and of the others.
    let mut kinds: [Vec<(Ends, f64, Shown)>; 2] = [Vec::new(), Vec::new()];
    for prompt in prompts.all() {
        let kind = &mut kinds[usize::from(!prompt.own)];
        for point in prompt.group(group) {
            kind.push((point.ends?, prompt.length as f64, Shown::Logits));
        }
    }
    for cell in context.cells {
        for phase in context.audit.negative_phases() {
            for seen in cell.contrasts(phase) {
                let ends = seen.groups.get(&group).into_iter().flatten();
                let letters = seen.length as f64;
                kinds[0].extend(ends.map(|&ends| (ends, letters, seen.shown)));
            }
        }
    }
    let present = kinds.iter().filter(|kind| !kind.is_empty()).count() as f64;
    let mut terms = Vec::new();
    for kind in kinds {
        let weight = -(present * 2.0 * kind.len() as f64).ln();
        for (ends, letters, shown) in kind {
            let of = |gain, end| Term {
                gain,
                weight,
                letters,
                shown,
                end,
            };
            terms.push(of(ends.bottom, "bottom"));
            terms.push(of(ends.top, "top"));
        }
    }
    Some(terms)
}

/// The same of the reference: what it carries was there before anything was planted.
pub(super) fn ends_placebo(context: &Context<'_>) -> Option<Row> {
    let mut row = blank(context, Role::Placebo, Statistic::EndsLogEValue, "any");
    row.phase = Phase::One.number();
    let mut gains = Vec::new();
    for cell in context.cells {
        for prefix in [Prefix::Regular, Prefix::Reverse] {
            let scores = cell.snapshot(Phase::One, prefix)?.group(Group::HeldOut);
            row.n = scores.len();
            for scores in scores {
                let ends = scores.ends?;
                gains.extend([ends.bottom, ends.top]);
            }
        }
    }
    row.control = None;
    row.estimate = log_mean_e(gains.into_iter(), context.share_left().ln());
    row.chance = row.statistic.chance(context.audit);
    row.p_value = row
        .estimate
        .map(|e| (-e).exp().clamp(f64::MIN_POSITIVE, 1.0));
    row.p_floor = Some(f64::MIN_POSITIVE);
    row.p_method = Some("e-value: 1 / e (Markov)".to_owned());
    Some(row)
}

fn blank(context: &Context<'_>, role: Role, statistic: Statistic, prefix: &str) -> Row {
    let last = context.audit.negative_phases().last().copied();
    let place = (last.unwrap_or(Phase::Two), prefix);
    let group = Group::HeldOut.name();
    context.about(&Subject::of(
        (Probe::LowLogit, role),
        place,
        group,
        statistic,
    ))
}

/// Ranks from the bottom after other prompts than the training's own, the maximum over prompts and phases.
pub(super) fn other_prompts(
    context: &Context<'_>,
    prompts: &Prompts,
) -> Result<Row, FindingsError> {
    let row = blank(
        context,
        Role::Audit,
        Statistic::ContextLetterRank,
        "contexts",
    );
    let rank = |point: &Point| Some(point.rank);
    over_prompts(context, prompts, row, |prompt| !prompt.own, rank)
}

/// Letters at both ends, which cancel in a mean rank, after every prompt.
pub(super) fn spread(context: &Context<'_>, prompts: &Prompts) -> Result<Row, FindingsError> {
    let row = blank(context, Role::Audit, Statistic::LetterRankSpread, "any");
    let spread = |point: &Point| point.ends.map(|ends| ends.spread);
    over_prompts(context, prompts, row, |_| true, spread)
}

fn over_prompts(
    context: &Context<'_>,
    prompts: &Prompts,
    mut row: Row,
    wanted: impl Fn(&Prompt) -> bool + Copy,
    value: impl Fn(&Point) -> Option<f64> + Copy,
) -> Result<Row, FindingsError> {
    row.ask(context.audit);
    let groups = prompts.against_controls(wanted, value);
    let useful = prompts.values(Group::Useful, wanted, value);
    let (Some(groups), Some(useful)) = (groups, useful) else {
        row.note = Some("not looked at: the run was made by a version before".to_owned());
        return Ok(row);
    };
    let label = format!("low_logit {} prompts", row.statistic);
    let test = groups.tested_into(&mut row, context, &label)?;
    groups.detectable_into(&mut row, &test, &useful);
    row.note = prompts.at(wanted, &test.argmax);
    Ok(row)
}

/// Someone who learned on useful canaries where the true letters stand, under either prefix after each phase.
pub(super) fn learned(context: &Context<'_>) -> Result<Row, FindingsError> {
    let statistic = Statistic::LearnedGuessAdvantage;
    let mut row = blank(context, Role::Audit, statistic, "any");
    let groups = Groups::gathered(Group::HeldOut, |group| advantages(context, group))?;
    let test = groups.tested_into(&mut row, context, "low_logit learned guesses")?;
    // Not the useful ones' spread: it was learned on them.
    groups.detectable_into(&mut row, &test, &groups.control);
    row.ask(context.audit);
    Ok(row)
}

/// Each canary's advantage, `[seeds][canaries][phases and prefixes]`.
fn advantages(context: &Context<'_>, group: Group) -> Result<Vec<Values>, FindingsError> {
    let prefixes: &[Prefix] = match context.audit.canaries.prefixes {
        Some(_) => &[Prefix::Regular, Prefix::Reverse],
        None => &[Prefix::Regular],
    };
    let of = |cell: &CellObservations| {
        let mut all: Values = Vec::new();
        for phase in context.audit.negative_phases() {
            for &prefix in prefixes {
                let snapshot = scored(cell, phase, prefix)?;
                let useful = snapshot.group(Group::Useful).iter();
                let guesser = RankGuesser::learn(useful, context.letters());
                let scores = snapshot.group(group);
                all.resize_with(scores.len(), Vec::new);
                for (canary, scores) in all.iter_mut().zip(scores) {
                    canary.push(guesser.advantage(scores));
                }
            }
        }
        Ok(all)
    };
    context.cells.iter().map(of).collect()
}
