//! Rows of completion: whole secrets from their first letters. Guide: rows, "Low-logit (c), completion".

use super::context::Context;
use super::counted::{Counted, best_into, chance_of};
use super::error::FindingsError;
use super::guess_numbers::{GuessNumbers, guess_numbers};
use super::measure::Statistic;
use super::row::{Row, Subject};
use super::terms::{Access, Probe, Role};
use crate::canary::{Group, Prefix};
use crate::probes::completion::{Completion, Shown};
use crate::spec::LowLogit;
use crate::units::Phase;

/// Chance of a completion by luck above which an attack is left out of the verdict: it could not tell luck from a leak.
const MOST_LUCK: f64 = 0.01;

/// One attack over all seeds: the completions of the same kind.
struct Attack<'a> {
    made: Vec<&'a Completion>,
}

impl Attack<'_> {
    fn first(&self) -> &Completion {
        self.made[0]
    }

    fn counted(&self, context: &Context<'_>, group: Group) -> Counted {
        let first = self.first();
        let guesses = first.guesses as f64;
        Counted {
            recovered: self.made.iter().map(|c| c.recovered(group)).sum(),
            canaries: self
                .made
                .iter()
                .map(|c| c.reached.get(&group).map_or(0, Vec::len))
                .sum(),
            chance: chance_of(
                guesses,
                context.letters(),
                first.missing,
                context.share_left(),
            ),
        }
    }
}

pub(super) fn rows(context: &Context<'_>, settings: &LowLogit) -> Result<Vec<Row>, FindingsError> {
    let mut rows = Vec::new();
    if settings.completion_letters.is_empty() {
        return Ok(rows);
    }
    for phase in context.audit.negative_phases() {
        let attacks = attacks(context, phase)?;
        rows.extend(attacks.iter().map(|attack| single(context, phase, attack)));
        rows.push(audit_row(context, (phase, settings), attacks));
    }
    Ok(rows)
}

/// The attacks after a phase, each with what it made of every seed.
fn attacks<'a>(context: &Context<'a>, phase: Phase) -> Result<Vec<Attack<'a>>, FindingsError> {
    let mut attacks: Vec<Attack<'a>> = Vec::new();
    for (i, cell) in context.cells.iter().enumerate() {
        let made: Vec<&Completion> = cell.completions(phase).collect();
        if i == 0 {
            attacks = made.iter().map(|_| Attack { made: Vec::new() }).collect();
        }
        let shorter = context.audit.canaries.length > 1;
        if made.len() != attacks.len() || (made.is_empty() && shorter && expects(context)) {
            let what = format!("completions after phase {phase}");
            return Err(FindingsError::missing(cell, what));
        }
        for (attack, completion) in attacks.iter_mut().zip(made) {
            attack.made.push(completion);
        }
    }
    Ok(attacks)
}

/// Whether any number of known letters leaves one to complete.
fn expects(context: &Context<'_>) -> bool {
    let probe = context.audit.probes.low_logit.as_ref();
    probe.is_some_and(|p| p.completion_letters.iter().any(|&k| k < context.length()))
}

fn blank(context: &Context<'_>, phase: Phase, role: Role, statistic: Statistic) -> Row {
    let place = (phase, context.prefix_name(Prefix::Regular));
    let group = Group::HeldOut.name();
    context.about(&Subject::of(
        (Probe::LowLogit, role),
        place,
        group,
        statistic,
    ))
}

fn sizes(row: &mut Row, attack: &Attack<'_>) {
    let of = |group| attack.first().reached.get(&group).map_or(0, Vec::len);
    (row.n, row.n_control) = (of(Group::HeldOut), Some(of(Group::Control)));
}

/// What a verdict counts: a beam of few guesses, or all texts in the order of their letters' ranks.
enum Tried<'a> {
    Beam(Attack<'a>),
    Words(GuessNumbers, f64),
}

impl Tried<'_> {
    fn counted(&self, context: &Context<'_>, group: Group) -> Counted {
        match self {
            Self::Beam(attack) => attack.counted(context, group),
            Self::Words(numbers, budget) => numbers.counted(context, group, *budget),
        }
    }

    /// Whether the attacker knew no letter.
    fn knew_none(&self) -> bool {
        match self {
            Self::Beam(attack) => attack.first().known == 0,
            Self::Words(numbers, _) => numbers.known == 0,
        }
    }

    fn shown(&self) -> Shown {
        match self {
            Self::Beam(attack) => attack.first().shown,
            Self::Words(numbers, _) => numbers.shown,
        }
    }

    /// What was done to so many held-outs.
    fn note(&self, counted: &Counted) -> String {
        let of = format!("{} of {} held-outs", counted.recovered, counted.canaries);
        match self {
            Self::Beam(attack) => {
                let Completion { known, guesses, .. } = attack.first();
                format!(
                    "{of} completed whole from their first {known} letters within {guesses} guesses"
                )
            }
            Self::Words(numbers, budget) => {
                let from = match numbers.known {
                    0 => "from nothing".to_owned(),
                    known => format!("from their first {known} letters"),
                };
                format!(
                    "{of} guessed whole {from} within {budget} guesses, {}{}",
                    numbers.order.words(),
                    numbers.shown.aside()
                )
            }
        }
    }
}

/// One attacker within each budget. A budget is lowered to what luck would win once in a hundred over all held-outs: lucky ones
/// would leave the row open however clean the model is.
fn budgeted<'a>(
    context: &Context<'_>,
    budgets: &[usize],
    numbers: &GuessNumbers,
) -> Vec<Tried<'a>> {
    let canaries = numbers.group(Group::HeldOut).len().max(1) as f64;
    let most = (MOST_LUCK / canaries / numbers.chance(context, 1.0)).floor();
    let mut guesses: Vec<f64> = budgets.iter().map(|&b| most.min(b as f64)).collect();
    guesses.dedup();
    guesses.retain(|guesses| *guesses >= 1.0);
    let of = |guesses| Tried::Words(numbers.clone(), guesses);
    guesses.into_iter().map(of).collect()
}

fn audit_row(
    context: &Context<'_>,
    (phase, settings): (Phase, &LowLogit),
    attacks: Vec<Attack<'_>>,
) -> Row {
    let mut row = blank(context, phase, Role::Audit, Statistic::CompletedWhole);
    let words = guess_numbers(context, phase).into_iter();
    let words = words.flat_map(|numbers| budgeted(context, &settings.completion_budgets, &numbers));
    let (tried, counted): (Vec<Tried<'_>>, Vec<Counted>) = attacks
        .into_iter()
        .map(Tried::Beam)
        .chain(words)
        .map(|tried| {
            let counted = tried.counted(context, Group::HeldOut);
            (tried, counted)
        })
        .filter(|(_, counted)| counted.chance <= MOST_LUCK)
        .unzip();
    row.ask(context.audit);
    row.p_floor = Some(f64::MIN_POSITIVE);
    row.p_method = Some("binomial, chance known".to_owned());
    let Some(best) = best_into(&mut row, &counted) else {
        // No attack is left whose effect would have that unit.
        row.effect_unit = None;
        return row;
    };
    let controls = tried[best].counted(context, Group::Control);
    let seeds = context.cells.len().max(1);
    row.n = counted[best].canaries / seeds;
    row.n_control = Some(controls.canaries / seeds);
    row.control_estimate = controls.share();
    if counted[best].recovered > 0 {
        row.access = Access::from(tried[best].shown());
        let mut note = tried[best].note(&counted[best]);
        if !tried[best].knew_none()
            && let Some(place) = from_nothing(&tried, &counted)
        {
            note = format!("{note}; {}", tried[place].note(&counted[place]));
        }
        row.note = Some(note);
    }
    row
}

/// The best of those who knew no letter: what readers ask first.
fn from_nothing(tried: &[Tried<'_>], counted: &[Counted]) -> Option<usize> {
    (0..tried.len())
        .filter(|&place| tried[place].knew_none())
        .filter(|&place| counted[place].recovered > 0)
        .max_by_key(|&place| counted[place].recovered)
}

/// One attack, with its own p-value and no verdict.
fn single(context: &Context<'_>, phase: Phase, attack: &Attack<'_>) -> Row {
    let first = attack.first();
    let statistic = Statistic::CompletedWholeGiven {
        known_letters: first.known,
        shown: first.shown,
    };
    let mut row = blank(context, phase, Role::Exploratory, statistic);
    sizes(&mut row, attack);
    let counted = attack.counted(context, Group::HeldOut);
    best_into(&mut row, &[counted]);
    row.min_detectable = None;
    row.control_estimate = attack.counted(context, Group::Control).share();
    row
}
