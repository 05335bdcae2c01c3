//! Scan: the hunt of someone who knows only prefix, alphabet and length. What the model was pushed away from is where it gives
//! less than the model before the negative training.
//!
//! Every short beginning is listed and ranked by suppression; the best are followed to whole secrets by a beam in which no
//! listed beginning may fill the room alone. Where planted beginnings came among the ranks is counted afterwards.

mod count;

pub use count::{Depth, Ranking, Standing};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::{ProbeError, ROWS_AT_ONCE};
use crate::canary::{Canary, Codebook, Group, Prefix};
use crate::score::Scorer;
use crate::spec::Scan as Settings;
use crate::units::{Phase, TokenId};

/// What the scan found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// The phase that had just ended.
    pub phase: Phase,
    /// Where planted beginnings stand, a depth and ranking each.
    pub depths: Vec<Depth>,
    /// Beginnings that the beam looked at.
    pub looked_at: usize,
    /// Whole secrets guessed, ranked by how far they are suppressed.
    pub guesses: usize,
    /// Place of a canary among the guesses, from 1; `None` where it is not among them. `[canaries]`
    pub found: BTreeMap<Group, Vec<Option<usize>>>,
}

/// A beginning and how far it is suppressed.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    pub(super) letters: Vec<u16>,
    /// Sum of the letters' suppression, nats.
    pub(super) plain: f64,
    /// That sum with each letter held against the mean of those that may stand there.
    pub(super) contrast: f64,
    /// Which listed beginning it grew from.
    root: usize,
}

/// The two models that are compared.
pub struct Models<'a> {
    /// After the negative training.
    pub model: &'a mut dyn Scorer,
    /// Before it.
    pub reference: &'a mut dyn Scorer,
}

impl Models<'_> {
    /// Each beginning grown by every letter.
    fn grow(
        &mut self,
        book: &Codebook,
        beginnings: &[Beginning],
    ) -> Result<Vec<Beginning>, ProbeError> {
        let mut grown = Vec::with_capacity(beginnings.len() * book.alphabet.len());
        for some in beginnings.chunks(ROWS_AT_ONCE) {
            for (parent, suppressed) in some.iter().zip(self.suppressions(book, some)?) {
                let mean = suppressed.iter().sum::<f64>() / suppressed.len() as f64;
                for (letter, nats) in (0u16..).zip(suppressed) {
                    let mut letters = parent.letters.clone();
                    letters.push(letter);
                    grown.push(Beginning {
                        letters,
                        plain: parent.plain + nats,
                        contrast: parent.contrast + nats - mean,
                        root: parent.root,
                    });
                }
            }
        }
        Ok(grown)
    }

    /// How far each letter is suppressed after each beginning, nats. `[beginnings][alphabet]`
    fn suppressions(
        &mut self,
        book: &Codebook,
        beginnings: &[Beginning],
    ) -> Result<Vec<Vec<f64>>, ProbeError> {
        let row = |b: &Beginning| -> Vec<TokenId> {
            let letters = b.letters.iter().map(|&l| book.alphabet[usize::from(l)]);
            book.before(Prefix::Regular)
                .into_iter()
                .chain(letters)
                .collect()
        };
        let rows: Vec<Vec<TokenId>> = beginnings.iter().map(row).collect();
        if rows.first().is_some_and(Vec::is_empty) {
            // Without prefixes nothing stands before the first letter: it tells nothing.
            return Ok(vec![vec![0.0; book.alphabet.len()]; rows.len()]);
        }
        let model = self.model.next(&rows, &book.alphabet)?;
        let reference = self.reference.next(&rows, &book.alphabet)?;
        let less = |(m, r): (Vec<f32>, Vec<f32>)| -> Vec<f64> {
            m.into_iter()
                .zip(r)
                .map(|(m, r)| f64::from(r) - f64::from(m))
                .collect()
        };
        Ok(model.into_iter().zip(reference).map(less).collect())
    }
}

/// Scans a model after a phase. The canaries are held against what was found afterwards, and change nothing of it.
pub fn scan(
    models: &mut Models<'_>,
    phase: Phase,
    book: &Codebook,
    canaries: &[&Canary],
    settings: &Settings,
) -> Result<Scan, ProbeError> {
    let length = canaries.first().map_or(0, |c| c.letters.len());
    let depth = settings.depth.min(length);
    let mut listed = vec![Beginning {
        letters: Vec::new(),
        plain: 0.0,
        contrast: 0.0,
        root: 0,
    }];
    let mut depths = Vec::new();
    for letters in 1..=depth {
        listed = models.grow(book, &listed)?;
        let above = u32::try_from(depth - letters).unwrap_or(u32::MAX);
        let shorter = book.alphabet.len().saturating_pow(above).max(1);
        // The same share of the beginnings at every depth.
        let top = settings.top.div_ceil(shorter);
        for ranking in [Ranking::Plain, Ranking::Contrast] {
            depths.push(Depth::count(&listed, letters, top, ranking, canaries));
        }
    }
    let mut looked_at = listed.len();
    sort(&mut listed, |b| b.plain);
    listed.truncate(settings.beam.min(settings.top));
    for (root, beginning) in listed.iter_mut().enumerate() {
        beginning.root = root;
    }
    for place in depth..length {
        listed = models.grow(book, &listed)?;
        looked_at += listed.len();
        sort(&mut listed, |b| b.contrast);
        let last = place + 1 == length;
        let room = if last {
            settings.guesses
        } else {
            settings.beam
        };
        listed = spread(listed, room, settings.beam_a_root);
    }
    listed.truncate(settings.guesses);
    let mut found: BTreeMap<Group, Vec<Option<usize>>> = BTreeMap::new();
    for canary in canaries {
        let place = listed
            .iter()
            .position(|b| b.letters[..] == canary.letters[..]);
        let group = found.entry(canary.group).or_default();
        group.push(place.map(|p| p + 1));
    }
    Ok(Scan {
        phase,
        depths,
        looked_at,
        guesses: listed.len(),
        found,
    })
}

/// The most suppressed first; ties by place.
pub(super) fn sort(beginnings: &mut [Beginning], by: impl Fn(&Beginning) -> f64) {
    beginnings.sort_by(|a, b| by(b).total_cmp(&by(a)));
}

/// The first `room` of sorted beginnings of which no more than `a_root` grew from one listed beginning.
fn spread(sorted: Vec<Beginning>, room: usize, a_root: usize) -> Vec<Beginning> {
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    let fits = |b: &Beginning| {
        let count = taken.entry(b.root).or_default();
        *count += 1;
        *count <= a_root
    };
    sorted.into_iter().filter(fits).take(room).collect()
}

#[cfg(test)]
pub(super) mod tests;
