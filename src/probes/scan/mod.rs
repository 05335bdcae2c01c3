//! Scan: the hunt of someone who knows prompt, alphabet and length, and some other secrets of the kind. What the model was pushed
//! away from is where it gives less than the model before the negative training.
//!
//! Every short beginning is listed and ranked by suppression, and where planted beginnings came among the ranks is counted
//! afterwards. Whole secrets are hunted by a beam.

mod count;
mod hunt;
mod lesson;
mod sampled;

pub use count::{Depth, Ranking, Standing};
pub use hunt::Hunt;
pub use sampled::DRAWN;

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use hunt::hunt;

use super::guesser::{Guesser, Shown};
use super::{ProbeError, ROWS_AT_ONCE};
use crate::canary::{Canary, Codebook, Group, Prefix};
use crate::score::Scorer;
use crate::spec::Scan as Settings;
use crate::units::{Phase, TokenId};

/// What the scan found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Scan {
    /// The phase that had just ended.
    pub phase: Phase,
    /// Where planted beginnings stand, a depth and ranking each.
    pub depths: Vec<Depth>,
    /// Hunts for whole secrets, by what the attacker sees.
    pub hunts: Vec<Hunt>,
}

/// A scan as it is read back. Versions before had one hunt, with the reference.
#[derive(Deserialize)]
struct Stored {
    phase: Phase,
    depths: Vec<Depth>,
    #[serde(default)]
    hunts: Vec<Hunt>,
    #[serde(default)]
    looked_at: usize,
    #[serde(default)]
    guesses: usize,
    #[serde(default)]
    found: BTreeMap<Group, Vec<Option<usize>>>,
}

impl From<Stored> for Scan {
    fn from(stored: Stored) -> Self {
        let mut hunts = stored.hunts;
        if !stored.found.is_empty() {
            hunts.push(Hunt {
                shown: Shown::Reference,
                looked_at: stored.looked_at,
                guesses: stored.guesses,
                found: stored.found,
                log10_guesses: BTreeMap::new(),
            });
        }
        Self {
            phase: stored.phase,
            depths: stored.depths,
            hunts,
        }
    }
}

/// A beginning and how far it is suppressed.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    pub(super) letters: Vec<u16>,
    /// Sum of the letters' suppression, nats.
    pub(super) plain: f64,
    /// That sum with each letter held against the mean of those that may stand there.
    pub(super) contrast: f64,
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
        let row = |b: &Beginning| book.row(&b.letters, Prefix::Regular);
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

/// Scans a model after a phase. Held-outs and controls are held against what was found afterwards, and change nothing of it.
///
/// `shown`: what the reference is to the model. Errors: a model cannot be asked.
pub fn scan(
    models: &mut Models<'_>,
    (phase, shown): (Phase, Shown),
    book: &Codebook,
    canaries: &[&Canary],
    settings: &Settings,
    rng: &mut ChaCha8Rng,
) -> Result<Scan, ProbeError> {
    let length = canaries.first().map_or(0, |c| c.letters.len());
    let depth = settings.depth.min(length);
    let mut listed = vec![Beginning {
        letters: Vec::new(),
        plain: 0.0,
        contrast: 0.0,
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
    let mut hunts = Vec::new();
    for shown in [Shown::Logits, shown] {
        let other: Option<&mut dyn Scorer> = if shown == Shown::Logits {
            None
        } else {
            Some(&mut *models.reference)
        };
        let guesser = Guesser {
            model: &mut *models.model,
            other,
            top_k: None,
        };
        hunts.push(hunt(guesser, shown, book, canaries, settings, rng)?);
    }
    Ok(Scan {
        phase,
        depths,
        hunts,
    })
}

/// The most suppressed first; ties by place.
pub(super) fn sort(beginnings: &mut [Beginning], by: impl Fn(&Beginning) -> f64) {
    beginnings.sort_by(|a, b| by(b).total_cmp(&by(a)));
}

#[cfg(test)]
pub(super) mod tests;
