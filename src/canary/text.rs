//! The random passwords that a model is trained on, and the order in which rows are visited.

use std::collections::HashSet;

use rand::seq::SliceRandom;

use super::draw::Space;
use super::{DrawError, Letters, Planting};
use crate::seed::{Purpose, RootSeed};
use crate::units::Phase;

/// Draws training text for one seed. No password it gives equals a canary of any group.
#[derive(Debug, Clone)]
pub struct TrainingText {
    seed: RootSeed,
    letters: usize,
    length: usize,
    forbidden: HashSet<Letters>,
}

impl TrainingText {
    /// Text beside the canaries of `planting`.
    #[must_use]
    pub fn new(seed: RootSeed, letters: usize, length: usize, planting: &Planting) -> Self {
        Self {
            seed,
            letters,
            length,
            forbidden: planting.all().map(|c| c.letters.clone()).collect(),
        }
    }

    /// `n` random passwords for one purpose, uniform over all that are no canary; repeats are possible.
    pub fn passwords(&self, purpose: Purpose, n: usize) -> Result<Vec<Letters>, DrawError> {
        let mut rng = self.seed.stream(purpose);
        Space::new(self.letters, self.length)
            .outside(&mut rng, n, &self.forbidden)
            .ok_or(DrawError::NoneLeft {
                asked: self.forbidden.len(),
                length: self.length,
            })
    }

    /// A random order of `n` rows for one purpose within a phase.
    #[must_use]
    pub fn order(&self, purpose: Purpose, phase: Phase, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut self.seed.phase_stream(purpose, phase));
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::{Group, draw};
    use proptest::prelude::*;

    fn planting(seed: u64, letters: usize, length: usize) -> Planting {
        let sizes = [(Group::HeldOut, 2), (Group::Useful, 2), (Group::Control, 2)];
        draw(RootSeed(seed), letters, length, sizes).unwrap()
    }

    proptest! {
        #[test]
        fn orders_are_permutations(seed: u64, n in 0usize..200) {
            let text = TrainingText::new(RootSeed(seed), 3, 4, &planting(seed, 3, 4));
            let mut order = text.order(Purpose::PairOrder, Phase::Two, n);
            order.sort_unstable();
            prop_assert!(order.into_iter().eq(0..n));
        }

        #[test]
        fn no_training_password_is_a_canary(seed: u64) {
            // 3^2 = 9 passwords, 6 of them canaries: rejection is exercised on nearly every draw.
            let planting = planting(seed, 3, 2);
            let text = TrainingText::new(RootSeed(seed), 3, 2, &planting);
            let drawn = text.passwords(Purpose::ChosenText, 100).unwrap();
            prop_assert!(drawn.iter().all(|p| planting.all().all(|c| c.letters != *p)));
        }
    }

    #[test]
    fn the_first_shuffle_of_seed_0_is_what_it_was() {
        let text = TrainingText::new(RootSeed(0), 26, 16, &planting(0, 26, 16));
        let order = text.order(Purpose::PairOrder, Phase::Two, 10);
        assert_eq!(order, [8, 7, 2, 0, 1, 9, 5, 6, 4, 3]);
    }

    #[test]
    fn canaries_that_use_up_every_password_are_refused() {
        let sizes = [(Group::HeldOut, 1), (Group::Useful, 1), (Group::Control, 2)];
        let planting = draw(RootSeed(0), 2, 2, sizes).unwrap();
        let text = TrainingText::new(RootSeed(0), 2, 2, &planting);
        assert!(matches!(
            text.passwords(Purpose::ChosenText, 1),
            Err(DrawError::NoneLeft { .. })
        ));
    }
}
