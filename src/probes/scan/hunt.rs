//! The hunt for whole secrets from nothing: a beam as wide as asked, ordered by what useful canaries taught.

use std::collections::{BTreeMap, HashMap, HashSet};

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::lesson::{Evidence, Lesson};
use super::sampled::Sampled;
use crate::canary::{Canary, Codebook, Group, Letters, Prefix};
use crate::probes::guesser::{Guesser, Shown};
use crate::probes::{ProbeError, ROWS_AT_ONCE, short};
use crate::spec::Scan as Settings;
use crate::units::TokenId;

/// What was found from nothing by someone who sees this or that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hunt {
    /// What the attacker was shown.
    pub shown: Shown,
    /// Beginnings that the beam looked at.
    pub looked_at: usize,
    /// Whole secrets guessed, the likeliest first.
    pub guesses: usize,
    /// Place of a canary among the guesses, from 1; `None` where it is not among them. `[canaries]`
    pub found: BTreeMap<Group, Vec<Option<usize>>>,
    /// Decimal logarithms of the guesses until each canary for a search that no beam bounds, by Monte Carlo; empty by versions before.
    /// `[canaries]`
    #[serde(default)]
    pub log10_guesses: BTreeMap<Group, Vec<f64>>,
}

/// A beginning in the beam.
struct Beginning {
    letters: Vec<u16>,
    evidence: Evidence,
}

/// A beginning of the beam grown by a letter.
struct Grown {
    worth: f64,
    parent: usize,
    letter: u16,
    evidence: Evidence,
}

/// Hunts. `canaries` are those that the attacker learns from, the useful ones, and those that are looked up among the guesses afterwards.
pub(super) fn hunt(
    mut guesser: Guesser<'_>,
    shown: Shown,
    book: &Codebook,
    canaries: &[&Canary],
    settings: &Settings,
    rng: &mut ChaCha8Rng,
) -> Result<Hunt, ProbeError> {
    let of = |group| canaries.iter().copied().filter(move |c| c.group == group);
    let useful: Vec<&Canary> = of(Group::Useful).collect();
    let length = canaries.first().map_or(0, |c| c.letters.len());
    let lesson = Lesson::learn(&mut guesser, book, (length, &useful), rng)?;
    let sampled = Sampled::draw(&mut guesser, book, &lesson, length, rng)?;
    let mut log10_guesses = BTreeMap::new();
    for group in [Group::HeldOut, Group::Control] {
        let texts: Vec<&Letters> = of(group).map(|c| &c.letters).collect();
        let worths = lesson.worths(&mut guesser, book, &texts)?.into_iter();
        // As 32 bits hold it, so that what is read back is what was written.
        let number = |worth| short(sampled.number(worth).log10());
        log10_guesses.insert(group, worths.map(number).collect());
    }
    let known: HashSet<&[u16]> = useful.iter().map(|c| &c.letters[..]).collect();
    let mut beam = vec![Beginning {
        letters: Vec::new(),
        evidence: Evidence::default(),
    }];
    let mut looked_at = 0;
    for place in 0..length {
        let last = place + 1 == length;
        // What the attacker knows already is no guess.
        let room = if last {
            settings.guesses + known.len()
        } else {
            settings.beam
        };
        let grown = grow(&mut guesser, book, &lesson, &beam, room)?;
        looked_at += grown.looked_at;
        beam = grown.into_beam(&beam);
    }
    beam.retain(|b| !known.contains(&b.letters[..]));
    beam.truncate(settings.guesses);
    let places: HashMap<&[u16], usize> = beam.iter().map(|b| &b.letters[..]).zip(1..).collect();
    let mut found: BTreeMap<Group, Vec<Option<usize>>> = BTreeMap::new();
    for canary in canaries.iter().filter(|c| c.group != Group::Useful) {
        let place = places.get(&canary.letters[..]).copied();
        found.entry(canary.group).or_default().push(place);
    }
    Ok(Hunt {
        shown,
        looked_at,
        guesses: beam.len(),
        found,
        log10_guesses,
    })
}

/// The best of what a beam grew to.
struct Best {
    grown: Vec<Grown>,
    room: usize,
    looked_at: usize,
}

impl Best {
    /// The most valuable first; ties by place, which says nothing of any secret.
    fn cut(&mut self) {
        let order = |a: &Grown, b: &Grown| {
            let place = (a.parent, a.letter).cmp(&(b.parent, b.letter));
            b.worth.total_cmp(&a.worth).then(place)
        };
        if self.grown.len() > self.room {
            self.grown.select_nth_unstable_by(self.room, order);
            self.grown.truncate(self.room);
        }
        self.grown.sort_unstable_by(order);
    }

    fn into_beam(self, parents: &[Beginning]) -> Vec<Beginning> {
        let longer = |grown: Grown| {
            let mut letters = parents[grown.parent].letters.clone();
            letters.push(grown.letter);
            Beginning {
                letters,
                evidence: grown.evidence,
            }
        };
        self.grown.into_iter().map(longer).collect()
    }
}

/// Every beginning by every letter. No more than twice the room is held at once.
fn grow(
    guesser: &mut Guesser<'_>,
    book: &Codebook,
    lesson: &Lesson,
    beam: &[Beginning],
    room: usize,
) -> Result<Best, ProbeError> {
    let mut best = Best {
        grown: Vec::new(),
        room,
        looked_at: 0,
    };
    let unscored = usize::from(book.prefixes.is_none());
    for (chunk, some) in beam.chunks(ROWS_AT_ONCE).enumerate() {
        let row = |b: &Beginning| book.row(&b.letters, Prefix::Regular);
        let rows: Vec<Vec<TokenId>> = some.iter().map(row).collect();
        let first = chunk * ROWS_AT_ONCE;
        if rows.first().is_some_and(Vec::is_empty) {
            // Without prefixes nothing stands before the first letter: it tells nothing.
            let letters = 0..u16::try_from(book.alphabet.len()).unwrap_or(u16::MAX);
            best.grown.extend(letters.map(|letter| Grown {
                worth: 0.0,
                parent: first,
                letter,
                evidence: Evidence::default(),
            }));
        } else {
            let seen = guesser.next(book, &rows)?;
            for (i, (beginning, seen)) in some.iter().zip(&seen).enumerate() {
                let place = beginning.letters.len() - unscored;
                let letters = lesson.grow(place, beginning.evidence, seen);
                best.grown.extend(
                    (0u16..)
                        .zip(letters)
                        .map(|(letter, (evidence, worth))| Grown {
                            worth,
                            parent: first + i,
                            letter,
                            evidence,
                        }),
                );
            }
        }
        best.looked_at += some.len() * book.alphabet.len();
        if best.grown.len() >= 2 * room {
            best.cut();
        }
    }
    best.cut();
    Ok(best)
}
