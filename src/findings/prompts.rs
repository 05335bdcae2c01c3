//! All prompts that canaries were scored after without any fine-tuning: the training's own among them.

use std::collections::BTreeMap;

use super::context::{Context, scored};
use super::error::FindingsError;
use super::groups::{Groups, Values};
use crate::canary::{Group, Prefix};
use crate::probes::elicitation::Point;
use crate::probes::{CellObservations, Snapshot};
use crate::units::Phase;

/// Canaries after one prompt.
pub(super) struct Prompt {
    /// `regular`, `reverse`, `none`, or the name of another context.
    pub(super) name: String,
    /// Whether it is what stood before the canaries in training.
    pub(super) own: bool,
    pub(super) phase: Phase,
    /// Letters scored a canary.
    pub(super) length: usize,
    groups: BTreeMap<Group, Vec<Point>>,
}

impl Prompt {
    pub(super) fn group(&self, group: Group) -> &[Point] {
        self.groups.get(&group).map_or(&[], Vec::as_slice)
    }

    fn of(name: &str, snapshot: &Snapshot) -> Self {
        let points =
            |(group, scores): (&Group, &Vec<_>)| (*group, scores.iter().map(Point::from).collect());
        let groups: BTreeMap<Group, Vec<Point>> = snapshot.groups.iter().map(points).collect();
        let scores = snapshot.group(Group::HeldOut).first();
        Self {
            name: name.to_owned(),
            own: snapshot.prefix == Prefix::Regular,
            phase: snapshot.phase,
            length: scores.map_or(0, |s| s.logprobs.len()),
            groups,
        }
    }
}

/// All prompts of all seeds, the same ones in the same order in each.
#[derive(Default)]
pub(super) struct Prompts {
    pub(super) cells: Vec<Vec<Prompt>>,
}

impl Prompts {
    pub(super) fn of(context: &Context<'_>) -> Result<Self, FindingsError> {
        let cells = context.cells.iter().map(|cell| in_cell(context, cell));
        let cells: Vec<Vec<Prompt>> = cells.collect::<Result<_, _>>()?;
        let first = cells.first().map_or(0, Vec::len);
        for (prompts, cell) in cells.iter().zip(context.cells) {
            if prompts.len() != first {
                let what = "the canaries after other contexts";
                return Err(FindingsError::missing(cell, what));
            }
        }
        Ok(Self { cells })
    }

    /// The first seed's.
    pub(super) fn named(&self) -> &[Prompt] {
        self.cells.first().map_or(&[], Vec::as_slice)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Prompt> {
        self.cells.iter().flatten()
    }

    /// A number of every canary after every prompt that is wanted, `[seeds][canaries][prompts]`; `None` where one has no such
    /// number.
    pub(super) fn values(
        &self,
        group: Group,
        wanted: impl Fn(&Prompt) -> bool,
        value: impl Fn(&Point) -> Option<f64>,
    ) -> Option<Vec<Values>> {
        let of = |prompts: &Vec<Prompt>| {
            let wanted: Vec<&Prompt> = prompts.iter().filter(|p| wanted(p)).collect();
            // Some looks take fewer useful canaries than others.
            let sizes = wanted.iter().map(|p| p.group(group).len());
            let canaries = sizes.min().unwrap_or(0);
            let row = |i: usize| wanted.iter().map(|p| value(&p.group(group)[i])).collect();
            (0..canaries).map(row).collect()
        };
        self.cells.iter().map(of).collect()
    }

    /// Held-outs and controls.
    pub(super) fn against_controls(
        &self,
        wanted: impl Fn(&Prompt) -> bool + Copy,
        value: impl Fn(&Point) -> Option<f64> + Copy,
    ) -> Option<Groups> {
        Some(Groups {
            treated: self.values(Group::HeldOut, wanted, value)?,
            control: self.values(Group::Control, wanted, value)?,
        })
    }

    /// Where the largest difference of each seed lies, of the wanted prompts, in words.
    pub(super) fn at(&self, wanted: impl Fn(&Prompt) -> bool, at: &[usize]) -> Option<String> {
        let named: Vec<&Prompt> = self.named().iter().filter(|p| wanted(p)).collect();
        let name = |&i: &usize| {
            let prompt = named.get(i)?;
            Some(format!("{} after phase {}", prompt.name, prompt.phase))
        };
        let names: Option<Vec<String>> = at.iter().map(name).collect();
        let mut counted: Vec<(String, usize)> = Vec::new();
        for name in names? {
            match counted.iter_mut().find(|(known, _)| *known == name) {
                Some((_, seeds)) => *seeds += 1,
                None => counted.push((name, 1)),
            }
        }
        // The most frequent first; of as many, the one of the earlier seed.
        counted.sort_by_key(|(_, seeds)| std::cmp::Reverse(*seeds));
        let said = counted
            .into_iter()
            .map(|(name, seeds)| match (seeds, at.len()) {
                (_, 1) => name,
                (1, _) => format!("{name} (1 seed)"),
                (seeds, _) => format!("{name} ({seeds} seeds)"),
            });
        let said: Vec<String> = said.collect();
        Some(format!("the largest difference: {}", said.join("; ")))
    }
}

/// The regular prompt, and the reverse one where no context stands for it; then the contexts; phase by phase.
fn in_cell(context: &Context<'_>, cell: &CellObservations) -> Result<Vec<Prompt>, FindingsError> {
    let settings = context.audit.probes.elicitation.as_ref();
    let expects = settings.is_some_and(|p| p.contexts > 0);
    let mut prompts = Vec::new();
    for phase in context.audit.negative_phases() {
        let name = context.prefix_name(Prefix::Regular);
        prompts.push(Prompt::of(name, scored(cell, phase, Prefix::Regular)?));
        let before = prompts.len();
        let contexts = cell.contexts().filter(|scores| scores.phase == phase);
        prompts.extend(contexts.map(|scores| Prompt {
            name: scores.context.name.clone(),
            own: false,
            phase,
            length: scores.length,
            groups: scores.groups.clone(),
        }));
        if prompts.len() == before && expects {
            let what = "the canaries after other contexts";
            return Err(FindingsError::missing(cell, what));
        }
        if prompts.len() == before && context.audit.canaries.prefixes.is_some() {
            let reverse = scored(cell, phase, Prefix::Reverse)?;
            prompts.push(Prompt::of(Prefix::Reverse.name(), reverse));
        }
    }
    Ok(prompts)
}
