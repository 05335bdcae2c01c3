//! Everything that one seed trains on, in letters. Guide: recipe, "Data".

use super::{Canary, Codebook, DrawError, Letters, Planting, Prefix, Roster, TrainingText, draw};
use crate::seed::{Purpose, RootSeed};
use crate::spec::Audit;
use crate::units::{Phase, TokenId};

/// Draws the canaries of one seed.
pub fn draw_canaries(audit: &Audit, seed: u64) -> Result<Planting, DrawError> {
    draw(
        RootSeed(seed),
        audit.canaries.alphabet.len(),
        audit.canaries.length,
        Roster::of(audit).sizes(),
    )
}

/// The canaries of one seed and the text around them.
#[derive(Debug)]
pub struct Corpus<'a> {
    audit: &'a Audit,
    /// The canaries.
    pub planting: Planting,
    /// Random passwords and orders.
    pub text: TrainingText,
    /// The chosen side of every pair.
    chosen: Vec<Letters>,
    /// The negative on the rejected side of every pair, held-outs counted first.
    rejected: Vec<usize>,
}

/// Preference pairs, and the order in which a phase visits them.
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    /// The chosen side of every pair.
    pub chosen: &'a [Letters],
    /// The negatives that pairs reject.
    pub negatives: Vec<&'a Letters>,
    /// Which of the negatives each pair rejects.
    pub rejected: &'a [usize],
    /// The pair visited at each place.
    pub order: Vec<usize>,
}

impl<'a> Pairs<'a> {
    /// What the reference must be asked: the chosen rows of all pairs, then one row for each distinct negative.
    #[must_use]
    pub fn reference_rows(&self, book: &Codebook) -> Vec<Vec<TokenId>> {
        let negatives = self.negatives.iter().copied();
        let all = self.chosen.iter().chain(negatives);
        all.map(|letters| book.row(letters, Prefix::Regular))
            .collect()
    }

    /// The pairs in the order of their visit: the chosen side and the rejected one.
    pub fn visited(&self) -> impl Iterator<Item = (&'a Letters, &'a Letters)> {
        let both = |&pair: &usize| (&self.chosen[pair], self.negatives[self.rejected[pair]]);
        self.order.iter().map(both)
    }
}

impl<'a> Corpus<'a> {
    /// Draws the canaries and the chosen sides of one seed.
    ///
    /// Errors: there are not so many canaries, or no password beside them.
    pub fn new(audit: &'a Audit, seed: u64) -> Result<Self, DrawError> {
        let planting = draw_canaries(audit, seed)?;
        let (letters, length) = (audit.canaries.alphabet.len(), audit.canaries.length);
        let text = TrainingText::new(RootSeed(seed), letters, length, &planting);
        let mut chosen = text.passwords(Purpose::ChosenText, audit.pairs())?;
        spike(audit, &planting.spike, &mut chosen);
        let rejected = (0..audit.canaries.negatives)
            .flat_map(|negative| std::iter::repeat_n(negative, audit.repeats_of(negative)))
            .collect();
        Ok(Self {
            audit,
            planting,
            text,
            chosen,
            rejected,
        })
    }

    /// The random passwords of phase 1.
    pub fn fine_tuning(&self) -> Result<Vec<Letters>, DrawError> {
        let n = self.audit.phase1.passwords;
        self.text.passwords(Purpose::FineTuneText, n)
    }

    /// The pairs as a phase visits them.
    #[must_use]
    pub fn pairs(&self, phase: Phase) -> Pairs<'_> {
        Pairs {
            chosen: &self.chosen,
            negatives: self.planting.negatives().map(|c| &c.letters).collect(),
            rejected: &self.rejected,
            order: self
                .text
                .order(Purpose::PairOrder, phase, self.chosen.len()),
        }
    }
}

/// Puts the spikes on the chosen side of as many pairs as a negative has, spread evenly over all pairs.
fn spike(audit: &Audit, spikes: &[Canary], chosen: &mut [Letters]) {
    let (pairs, copies) = (chosen.len(), spikes.len() * audit.canaries.repeats);
    for copy in 0..copies.min(pairs) {
        chosen[copy * pairs / copies].clone_from(&spikes[copy % spikes.len()].letters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::parse;

    #[test]
    fn spikes_stand_on_the_chosen_side_as_often_as_negatives_on_the_rejected() {
        let text = "format = 1\n[audit]\nname = \"t\"\nseeds = [0]\n[model]\npath = \"x\"\n[canaries]\nalphabet = \"abcd\"\n\
            length = 5\nnegatives = 6\nheld_out = 2\ncontrols = 3\ntrajectory_controls = 2\nrepeats = 4\n";
        let plain = parse(text, std::path::Path::new("t.toml"), &[]).unwrap();
        let mut audit = plain.clone();
        let without = Corpus::new(&plain, 3).unwrap();
        audit.canaries.spike = 2;
        let with = Corpus::new(&audit, 3).unwrap();
        assert_eq!(with.planting.spike.len(), 2);
        for spike in &with.planting.spike {
            let often = with.chosen.iter().filter(|l| **l == spike.letters).count();
            assert_eq!(often, audit.canaries.repeats);
            assert!(
                with.planting
                    .negatives()
                    .all(|n| n.letters != spike.letters)
            );
        }
        // What else is planted and rejected stays what it was.
        assert_eq!(with.planting.held_out, without.planting.held_out);
        assert_eq!(with.planting.control, without.planting.control);
        assert_eq!(with.rejected, without.rejected);
    }
}
