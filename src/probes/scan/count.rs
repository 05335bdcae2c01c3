//! Where planted beginnings stand among all beginnings of a length.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Beginning, sort};
use crate::canary::{Canary, Group};

/// What beginnings are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// How far they are suppressed.
    Plain,
    /// How much farther than the letters that could stand in their place.
    Contrast,
}

impl Ranking {
    /// The name in files and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Contrast => "contrast",
        }
    }
}

/// Planted beginnings of one length among the most suppressed ones.
///
/// Held-outs and controls are counted among the beginnings that no useful canary has: whatever the model learned of those, a
/// group that it carries nothing about is spread over the others evenly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Depth {
    /// Letters of a beginning.
    pub letters: usize,
    /// What they are ranked by.
    pub ranking: Ranking,
    /// All beginnings.
    pub beginnings: usize,
    /// Most suppressed ones that were looked into.
    pub top: usize,
    /// Useful canaries among all beginnings.
    pub useful: Standing,
    /// Beginnings that no useful canary has, and how many of them are among the top.
    pub others: Standing,
    /// Held-outs and controls among those.
    pub groups: BTreeMap<Group, Standing>,
}

/// Different beginnings, and those of them among the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Different beginnings.
    pub distinct: usize,
    /// Those among the top.
    pub hits: usize,
}

impl Depth {
    /// Counts. `listed` are all beginnings of one length.
    pub(super) fn count(
        listed: &[Beginning],
        letters: usize,
        top: usize,
        ranking: Ranking,
        canaries: &[&Canary],
    ) -> Self {
        let mut sorted = listed.to_vec();
        sort(&mut sorted, |b| match ranking {
            Ranking::Plain => b.plain,
            Ranking::Contrast => b.contrast,
        });
        let best: BTreeSet<&[u16]> = sorted.iter().take(top).map(|b| &b.letters[..]).collect();
        let of = |group| -> BTreeSet<&[u16]> {
            let own = canaries.iter().filter(|c| c.group == group);
            own.map(|c| &c.letters[..letters]).collect()
        };
        let useful = of(Group::Useful);
        let standing = |all: &BTreeSet<&[u16]>| Standing {
            distinct: all.len(),
            hits: all.intersection(&best).count(),
        };
        let known = standing(&useful);
        let apart = |group| {
            let own: BTreeSet<&[u16]> = of(group).difference(&useful).copied().collect();
            (group, standing(&own))
        };
        Self {
            letters,
            ranking,
            beginnings: listed.len(),
            top: best.len(),
            useful: known,
            others: Standing {
                distinct: listed.len() - known.distinct,
                hits: best.len() - known.hits,
            },
            groups: [Group::HeldOut, Group::Control].map(apart).into(),
        }
    }
}
