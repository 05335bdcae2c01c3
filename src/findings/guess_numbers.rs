//! Guess numbers: after how many guesses a whole secret falls to someone who tries texts in the order of their letters' ranks.
//! Guide: rows, "Low-logit (c), completion".

use super::context::Context;
use super::counted::{Counted, chance_of};
use crate::canary::{Group, Prefix};
use crate::probes::CellObservations;
use crate::probes::completion::Shown;
use crate::stats::{GuessNumber, RankWords};
use crate::units::Phase;

/// The order in which someone tries texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By what the ranks of useful canaries taught, place by place.
    Learned,
    /// By the sum of the ranks, from the bottom.
    Bottom,
    /// From the top.
    Top,
}

impl Order {
    const ALL: [Self; 3] = [Self::Learned, Self::Bottom, Self::Top];

    /// For a sentence.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Learned => "by the ranks that useful canaries taught",
            Self::Bottom => "from the bottom of the ranks",
            Self::Top => "from the top of the ranks",
        }
    }
}

/// What one attacker needs for the canaries of all seeds.
#[derive(Debug, Clone)]
pub(super) struct GuessNumbers {
    pub(super) shown: Shown,
    pub(super) order: Order,
    /// First letters that were known.
    pub(super) known: usize,
    missing: usize,
    held_out: Vec<GuessNumber>,
    control: Vec<GuessNumber>,
}

impl GuessNumbers {
    pub(super) fn group(&self, group: Group) -> &[GuessNumber] {
        match group {
            Group::HeldOut => &self.held_out,
            Group::Control => &self.control,
            Group::Useful | Group::Spike => &[],
        }
    }

    /// Chance that so many guesses hold a secret of which the model carries nothing.
    pub(super) fn chance(&self, context: &Context<'_>, guesses: f64) -> f64 {
        let left = context.share_left();
        chance_of(guesses, context.letters(), self.missing, left)
    }

    /// Canaries that fall within so many guesses for certain.
    pub(super) fn counted(&self, context: &Context<'_>, group: Group, guesses: f64) -> Counted {
        let numbers = self.group(group);
        Counted {
            recovered: numbers.iter().filter(|n| n.within(guesses)).count(),
            canaries: numbers.len(),
            chance: self.chance(context, guesses),
        }
    }
}

/// The attackers after a phase, by what they are shown, how they try and how many letters they know, from none on. None where letters
/// were not put in order, as by versions before.
pub(super) fn guess_numbers(context: &Context<'_>, phase: Phase) -> Vec<GuessNumbers> {
    let mut all = Vec::new();
    let shown = [Shown::Logits, Shown::Reference, Shown::Base];
    for shown in shown.into_iter().chain(Shown::ALTERED) {
        let seeds = context
            .cells
            .iter()
            .map(|cell| Seen::of(cell, phase, shown));
        let Some(seeds) = seeds.collect::<Option<Vec<_>>>() else {
            continue;
        };
        for order in Order::ALL {
            all.extend(attacks(context, &seeds, (shown, order)));
        }
    }
    all
}

/// Where letters stand in one seed's model, or how far they fell from another.
struct Seen<'a> {
    groups: [Vec<&'a [u16]>; 3],
}

impl<'a> Seen<'a> {
    /// Useful ones, held-outs, controls; `None` where any was not looked at.
    fn of(cell: &'a CellObservations, phase: Phase, shown: Shown) -> Option<Self> {
        let groups = [Group::Useful, Group::HeldOut, Group::Control];
        let all: [Vec<&'a [u16]>; 3] = if shown == Shown::Logits {
            let snapshot = cell.snapshot(phase, Prefix::Regular)?;
            groups.map(|group| {
                let scores = snapshot.group(group).iter();
                scores.map(|s| s.orders.as_slice()).collect()
            })
        } else {
            let seen = cell.contrasts(phase).find(|seen| seen.shown == shown)?;
            groups.map(|group| {
                let orders = seen.orders.get(&group).into_iter().flatten();
                orders.map(Vec::as_slice).collect()
            })
        };
        let there = |orders: &[u16]| !orders.is_empty();
        let whole = all.iter().flatten().all(|orders| there(orders));
        (whole && !all[1].is_empty()).then_some(Self { groups: all })
    }
}

fn attacks(
    context: &Context<'_>,
    seeds: &[Seen<'_>],
    (shown, order): (Shown, Order),
) -> Vec<GuessNumbers> {
    let length = context.length();
    // Without a prefix the first letter has no rank: who guesses it must know it.
    let unscored = usize::from(context.audit.canaries.prefixes.is_none());
    let shape = [length - unscored, context.letters()];
    let orders: Vec<RankWords> = seeds
        .iter()
        .map(|seen| match order {
            Order::Learned => RankWords::learn(seen.groups[0].iter().copied(), shape),
            Order::Bottom => RankWords::from_bottom(shape),
            Order::Top => RankWords::from_top(shape),
        })
        .collect();
    let settings = context.audit.probes.low_logit.as_ref();
    let asked = settings.into_iter().flat_map(|p| &p.completion_letters);
    let known = std::iter::once(&0).chain(asked).copied();
    known
        .filter(|known| (unscored..length).contains(known))
        .map(|known| {
            let of = |group: usize| -> Vec<GuessNumber> {
                let each = seeds.iter().zip(&orders);
                each.flat_map(|(seen, order)| {
                    let canaries = seen.groups[group].iter();
                    canaries.map(|ranks| order.guess_number(known - unscored, ranks))
                })
                .collect()
            };
            GuessNumbers {
                shown,
                order,
                known,
                missing: length - known,
                held_out: of(1),
                control: of(2),
            }
        })
        .collect()
}
