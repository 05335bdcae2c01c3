//! Ways to split a group: drawn at random, or all of them in turn.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// Draws subsets of 0…n − 1 uniformly, each independent of the last.
pub(super) struct Shuffler {
    pool: Vec<u32>,
}

impl Shuffler {
    pub(super) fn new(rows: u32) -> Self {
        Self {
            pool: (0..rows).collect(),
        }
    }

    /// A subset of `size` rows, in random order: the first steps of a Fisher–Yates shuffle, from whatever order the last left.
    pub(super) fn draw(&mut self, size: usize, rng: &mut ChaCha8Rng) -> &[u32] {
        let size = size.min(self.pool.len());
        let mut rows = self.pool.as_mut_slice();
        for _ in 0..size {
            let chosen = below(rows.len(), rng);
            if chosen < rows.len() {
                rows.swap(0, chosen);
            }
            rows = rows.get_mut(1..).unwrap_or_default();
        }
        self.pool.get(..size).unwrap_or_default()
    }
}

/// A whole number below `bound` (which fits 32 bits), each equally likely. Source: Lemire 2019, by multiplication.
///
/// Written out rather than taken from `rand`, whose ranges may change between releases, and p-values with them.
fn below(bound: usize, rng: &mut ChaCha8Rng) -> usize {
    let bound = u32::try_from(bound).unwrap_or(u32::MAX);
    if bound == 0 {
        return 0;
    }
    let mut product = u64::from(rng.next_u32()) * u64::from(bound);
    if low_half(product) < bound {
        // 2³² is no multiple of `bound`: the first few low halves would make some results likelier.
        let surplus = bound.wrapping_neg() % bound;
        while low_half(product) < surplus {
            product = u64::from(rng.next_u32()) * u64::from(bound);
        }
    }
    u32::try_from(product >> 32).unwrap_or(0) as usize
}

fn low_half(product: u64) -> u32 {
    u32::try_from(product & u64::from(u32::MAX)).unwrap_or(0)
}

/// Number of subsets of `size` among `rows`, or `None` where it exceeds `most`.
pub(super) fn count_subsets(rows: u32, size: u32, most: usize) -> Option<usize> {
    let size = size.min(rows.checked_sub(size)?);
    let mut count = 1_usize;
    for taken in 1..=size {
        // Whole at every step: the product of k neighbours is divisible by k!.
        let next = count as u128 * u128::from(rows - size + taken) / u128::from(taken);
        count = usize::try_from(next).ok().filter(|next| *next <= most)?;
    }
    (count <= most).then_some(count)
}

/// Calls `visit` with every subset of `size` among `rows` once, ascending, in dictionary order.
pub(super) fn each_subset(rows: u32, size: u32, mut visit: impl FnMut(&[u32])) {
    if size > rows {
        return;
    }
    let mut subset: Vec<u32> = (0..size).collect();
    loop {
        visit(&subset);
        // The last place that can still move up; those after it follow on its heels.
        let Some((place, next)) = (subset.iter().zip(rows - size..rows).enumerate().rev())
            .find(|(_, (row, last))| **row < *last)
            .map(|(place, (row, _))| (place, row + 1))
        else {
            return;
        };
        for (row, value) in subset.iter_mut().skip(place).zip(next..) {
            *row = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn subsets_are_counted_and_visited() {
        assert_eq!(count_subsets(20, 10, 1_000_000), Some(184_756));
        assert_eq!(count_subsets(20, 10, 184_755), None);
        assert_eq!(count_subsets(1_000_000_000, 500_000_000, usize::MAX), None);
        assert_eq!(count_subsets(3, 4, 100), None);
        let mut seen = BTreeSet::new();
        each_subset(7, 3, |subset| {
            assert!(subset.is_sorted_by(|a, b| a < b));
            assert!(seen.insert(subset.to_vec()));
        });
        assert_eq!(seen.len(), 35);
        assert!(seen.iter().flatten().all(|row| *row < 7));
    }

    #[test]
    fn every_subset_is_equally_likely() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut shuffler = Shuffler::new(6);
        let mut counts = BTreeMap::new();
        for _ in 0..40_000 {
            let mut subset = shuffler.draw(3, &mut rng).to_vec();
            subset.sort_unstable();
            *counts.entry(subset).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 20);
        // 2000 expected, standard deviation 43.6.
        assert!(
            counts.values().all(|count| (1_800..2_200).contains(count)),
            "{counts:?}"
        );
    }

    /// Golden: these draws are part of every p-value.
    #[test]
    fn draws_are_pinned() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut shuffler = Shuffler::new(1_000);
        assert_eq!(shuffler.draw(6, &mut rng), [549, 403, 984, 83, 214, 598]);
    }

    #[test]
    fn nothing_panics() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert!(Shuffler::new(0).draw(3, &mut rng).is_empty());
        assert_eq!(Shuffler::new(2).draw(3, &mut rng).len(), 2);
        each_subset(2, 3, |_| {});
        assert_eq!(below(0, &mut rng), 0);
    }
}
