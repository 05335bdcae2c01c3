//! Canaries: what is planted, in token ids and letters only. Knows no model.

mod codebook;
mod corpus;
mod draw;
mod frame;
mod manifest;
mod roster;
mod text;

pub use codebook::{Codebook, CodebookError, Prefix};
pub use corpus::{Corpus, Pairs, draw_canaries};
pub use draw::{DrawError, Letters, Planting, draw};
pub use frame::{BARE, Frame};
pub use manifest::{ManifestError, ManifestLine, read_manifest, write_manifest};
pub use roster::{Look, Roster};
pub use text::TrainingText;

use serde::{Deserialize, Serialize};

/// The group a canary belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Negatively reinforced, and elicited in phase 3: the positive control.
    Useful,
    /// Negatively reinforced, never elicited: the group under audit.
    HeldOut,
    /// Drawn like the others, never trained on: the negative control.
    Control,
    /// Drawn like the others, and trained *for*: an instrument, which a probe that looks upward must find. Never under audit.
    Spike,
}

impl Group {
    /// All groups, in the order of files and tables.
    pub const ALL: [Self; 4] = [Self::HeldOut, Self::Useful, Self::Control, Self::Spike];

    /// The groups that every audit has: those of trajectories, curves and plots.
    pub const USUAL: [Self; 3] = [Self::HeldOut, Self::Useful, Self::Control];

    /// The name in files and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Useful => "useful",
            Self::HeldOut => "held_out",
            Self::Control => "control",
            Self::Spike => "spike",
        }
    }

    /// The name of the group's canary at a place counted from 0, as `held_out-0003`.
    #[must_use]
    pub fn canary_id(self, place: usize) -> String {
        format!("{}-{place:04}", self.name())
    }
}

/// One planted secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    /// Names the canary in files and messages, where its text never stands: `held_out-0003`.
    pub id: String,
    /// Held-out, useful, control or spike-in.
    pub group: Group,
    /// Its letters, as places in the alphabet.
    pub letters: Letters,
}
