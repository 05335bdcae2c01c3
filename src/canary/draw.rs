//! Drawing canaries: distinct, uniform, and split so that held-out and control are exchangeable.

use std::collections::HashSet;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Canary, Group};
use crate::seed::{Purpose, RootSeed};

/// A password as places in the alphabet.
pub type Letters = Box<[u16]>;

/// Below this many possible passwords they are listed rather than drawn with rejection, which would crawl near exhaustion.
const LISTED: u128 = 1 << 20;

/// The canaries of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planting {
    /// Held-out negatives.
    pub held_out: Vec<Canary>,
    /// Useful negatives.
    pub useful: Vec<Canary>,
    /// Controls.
    pub control: Vec<Canary>,
    /// Positive spike-ins; none unless the spec asks for some.
    pub spike: Vec<Canary>,
}

impl Planting {
    /// The canaries of one group.
    #[must_use]
    pub fn group(&self, group: Group) -> &[Canary] {
        match group {
            Group::HeldOut => &self.held_out,
            Group::Useful => &self.useful,
            Group::Control => &self.control,
            Group::Spike => &self.spike,
        }
    }

    /// Every canary: held-out first, then useful, control and spike.
    pub fn all(&self) -> impl Iterator<Item = &Canary> {
        Group::ALL.into_iter().flat_map(|g| self.group(g))
    }

    /// The negatively-reinforced canaries: held-out and useful.
    pub fn negatives(&self) -> impl Iterator<Item = &Canary> {
        self.held_out.iter().chain(&self.useful)
    }
}

/// Why canaries could not be drawn.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DrawError {
    /// More were asked than exist.
    #[error(
        "{asked} distinct canaries of {length} letters asked, but {letters} letters make only {exist}: \
         raise canaries.length or the alphabet, or ask for fewer"
    )]
    TooMany {
        /// Canaries asked for.
        asked: usize,
        /// Letters of the alphabet.
        letters: usize,
        /// Letters per canary.
        length: usize,
        /// Passwords there are.
        exist: u128,
    },
    /// The canaries leave no password to train on.
    #[error(
        "the {asked} canaries use up all passwords of {length} letters: none is left for the random training text; \
         raise canaries.length"
    )]
    NoneLeft {
        /// Canaries drawn.
        asked: usize,
        /// Letters per canary.
        length: usize,
    },
}

/// Draws distinct canaries, i.i.d. uniform over the passwords not yet drawn, and deals them to the groups in order of drawing.
pub fn draw<const GROUPS: usize>(
    seed: RootSeed,
    letters: usize,
    length: usize,
    sizes: [(Group, usize); GROUPS],
) -> Result<Planting, DrawError> {
    let asked = sizes.iter().map(|(_, n)| n).sum();
    let space = Space::new(letters, length);
    if (asked as u128) > space.size {
        return Err(DrawError::TooMany {
            asked,
            letters,
            length,
            exist: space.size,
        });
    }
    let mut rng = seed.stream(Purpose::Canaries);
    let mut drawn = space.distinct(&mut rng, asked).into_iter();
    let mut planting = Planting {
        held_out: Vec::new(),
        useful: Vec::new(),
        control: Vec::new(),
        spike: Vec::new(),
    };
    for (group, n) in sizes {
        let canaries = drawn
            .by_ref()
            .take(n)
            .enumerate()
            .map(|(i, letters)| Canary {
                id: group.canary_id(i),
                group,
                letters,
            })
            .collect();
        match group {
            Group::HeldOut => planting.held_out = canaries,
            Group::Useful => planting.useful = canaries,
            Group::Control => planting.control = canaries,
            Group::Spike => planting.spike = canaries,
        }
    }
    Ok(planting)
}

/// All passwords of a length over an alphabet.
pub(super) struct Space {
    letters: usize,
    length: usize,
    /// How many there are; saturates.
    pub(super) size: u128,
}

impl Space {
    pub(super) fn new(letters: usize, length: usize) -> Self {
        let exponent = u32::try_from(length).unwrap_or(u32::MAX);
        Self {
            letters,
            length,
            size: (letters as u128).saturating_pow(exponent),
        }
    }

    pub(super) fn one(&self, rng: &mut ChaCha8Rng) -> Letters {
        (0..self.length)
            .map(|_| u16::try_from(rng.random_range(0..self.letters)).unwrap_or(u16::MAX))
            .collect()
    }

    fn distinct(&self, rng: &mut ChaCha8Rng, n: usize) -> Vec<Letters> {
        if self.size <= LISTED {
            let mut all = self.list();
            all.shuffle(rng);
            all.truncate(n);
            return all;
        }
        let mut seen = HashSet::with_capacity(n);
        let mut drawn = Vec::with_capacity(n);
        while drawn.len() < n {
            let password = self.one(rng);
            if seen.insert(password.clone()) {
                drawn.push(password);
            }
        }
        drawn
    }

    /// `n` passwords outside `forbidden`, repeats allowed. `None` where no password is left.
    pub(super) fn outside(
        &self,
        rng: &mut ChaCha8Rng,
        n: usize,
        forbidden: &HashSet<Letters>,
    ) -> Option<Vec<Letters>> {
        if self.size > LISTED {
            return Some(
                (0..n)
                    .map(|_| {
                        loop {
                            let password = self.one(rng);
                            if !forbidden.contains(&password) {
                                break password;
                            }
                        }
                    })
                    .collect(),
            );
        }
        let allowed: Vec<_> = self
            .list()
            .into_iter()
            .filter(|p| !forbidden.contains(p))
            .collect();
        if allowed.is_empty() {
            return None;
        }
        Some(
            (0..n)
                .map(|_| allowed[rng.random_range(0..allowed.len())].clone())
                .collect(),
        )
    }

    fn list(&self) -> Vec<Letters> {
        let mut all: Vec<Letters> = vec![Box::default()];
        for _ in 0..self.length {
            all = all
                .iter()
                .flat_map(|start| {
                    (0..self.letters).map(move |c| {
                        start
                            .iter()
                            .copied()
                            .chain([u16::try_from(c).unwrap_or(u16::MAX)])
                            .collect()
                    })
                })
                .collect();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizes(held_out: usize, useful: usize, control: usize) -> [(Group, usize); 3] {
        [
            (Group::HeldOut, held_out),
            (Group::Useful, useful),
            (Group::Control, control),
        ]
    }

    proptest! {
        #[test]
        fn groups_are_disjoint_and_of_the_asked_sizes(
            seed: u64, letters in 2usize..8, length in 4usize..9, h in 1usize..6, u in 1usize..6, c in 1usize..4,
        ) {
            let planting = draw(RootSeed(seed), letters, length, sizes(h, u, c)).unwrap();
            prop_assert_eq!(planting.held_out.len(), h);
            prop_assert_eq!(planting.useful.len(), u);
            prop_assert_eq!(planting.control.len(), c);
            let distinct: HashSet<_> = planting.all().map(|c| &c.letters).collect();
            prop_assert_eq!(distinct.len(), h + u + c);
            prop_assert!(planting.all().all(|c| c.letters.len() == length && c.letters.iter().all(|&l| usize::from(l) < letters)));
        }
    }

    #[test]
    fn spikes_are_drawn_last_and_change_no_other_group() {
        for (letters, length) in [(26, 16), (3, 4)] {
            let without = draw(RootSeed(2), letters, length, sizes(3, 4, 5)).unwrap();
            let [h, u, c] = sizes(3, 4, 5);
            let four = [h, u, c, (Group::Spike, 6)];
            let with = draw(RootSeed(2), letters, length, four).unwrap();
            assert_eq!(with.spike.len(), 6);
            assert_eq!(with.spike[5].id, "spike-0005");
            assert_eq!(
                Planting {
                    spike: Vec::new(),
                    ..with
                },
                without
            );
        }
    }

    #[test]
    fn a_whole_space_can_be_drawn_but_no_more() {
        let planting = draw(RootSeed(1), 2, 3, sizes(3, 3, 2)).unwrap();
        assert_eq!(planting.all().count(), 8);
        assert!(matches!(
            draw(RootSeed(1), 2, 3, sizes(3, 3, 3)),
            Err(DrawError::TooMany { exist: 8, .. })
        ));
    }

    #[test]
    fn the_first_canaries_of_seed_0_are_what_they_were() {
        let planting = draw(RootSeed(0), 26, 16, sizes(2, 1, 1)).unwrap();
        let text = |c: &Canary| -> String {
            c.letters
                .iter()
                .map(|&l| char::from(b'a' + u8::try_from(l).unwrap()))
                .collect()
        };
        let drawn: Vec<_> = planting.all().map(text).collect();
        assert_eq!(
            drawn,
            [
                "lzwqncnhcgklfzrl",
                "omtoiacyrttrifbw",
                "cbxcdglktvlgmwmf",
                "xkomeujtcyxouidp"
            ]
        );
    }
}
