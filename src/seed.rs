//! One root seed, many named random streams: nothing stateful needs saving, and evaluation never draws from training's stream.
//!
//! A stream is `ChaCha` with 8 rounds, keyed by SHA-256 of the root seed and what the stream is for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

use crate::units::Phase;

/// What a stream is drawn for. The names are part of every result: renaming one changes every draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The canaries of all groups.
    Canaries,
    /// Random passwords of phase 1.
    FineTuneText,
    /// The chosen side of the DPO pairs.
    ChosenText,
    /// Random passwords of phase 3's regular term.
    RegularText,
    /// Order of the training rows of a phase.
    PairOrder,
    /// Order of phase 3's elicitation rows.
    ElicitationOrder,
    /// Order in which canaries are scored.
    ScoringOrder,
    /// Weights of a model that is only timed.
    RandomWeights,
    /// Resamples of permutation tests.
    Permutation,
    /// Other tokens before a canary.
    Contexts,
    /// What a model is made to say.
    Sampling,
    /// The chosen side of the pairs of an attack on a model that was trained elsewhere.
    AttackText,
    /// What someone fine-tunes on who knows no negative.
    BenignText,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Canaries => "canaries",
            Self::FineTuneText => "fine-tune-text",
            Self::ChosenText => "chosen-text",
            Self::RegularText => "regular-text",
            Self::PairOrder => "pair-order",
            Self::ElicitationOrder => "elicitation-order",
            Self::ScoringOrder => "scoring-order",
            Self::RandomWeights => "random-weights",
            Self::Permutation => "permutation",
            Self::Contexts => "contexts",
            Self::Sampling => "sampling",
            Self::AttackText => "attack-text",
            Self::BenignText => "benign-text",
        }
    }
}

/// The root seed of one trained model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootSeed(pub u64);

impl RootSeed {
    /// The stream for one purpose, independent of every other.
    #[must_use]
    pub fn stream(self, purpose: Purpose) -> ChaCha8Rng {
        self.keyed(purpose.name(), 0)
    }

    /// The stream for one purpose within a phase.
    #[must_use]
    pub fn phase_stream(self, purpose: Purpose, phase: Phase) -> ChaCha8Rng {
        self.keyed(purpose.name(), phase.number())
    }

    /// The stream for one purpose and a label made of data, such as the name of a row.
    #[must_use]
    pub fn labelled_stream(self, purpose: Purpose, label: &str) -> ChaCha8Rng {
        self.keyed(&format!("{}/{label}", purpose.name()), 0)
    }

    fn keyed(self, name: &str, phase: u8) -> ChaCha8Rng {
        let mut hash = Sha256::new();
        hash.update(b"unsaid stream 1\0");
        hash.update(self.0.to_le_bytes());
        hash.update([phase]);
        hash.update(name.as_bytes());
        ChaCha8Rng::from_seed(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_differ_by_seed_purpose_and_phase() {
        let first = |mut rng: ChaCha8Rng| rng.next_u64();
        let draws = [
            first(RootSeed(0).stream(Purpose::Canaries)),
            first(RootSeed(1).stream(Purpose::Canaries)),
            first(RootSeed(0).stream(Purpose::ChosenText)),
            first(RootSeed(0).phase_stream(Purpose::PairOrder, Phase::Two)),
            first(RootSeed(0).phase_stream(Purpose::PairOrder, Phase::Three)),
            first(RootSeed(0).labelled_stream(Purpose::Permutation, "a")),
            first(RootSeed(0).labelled_stream(Purpose::Permutation, "b")),
        ];
        let distinct: std::collections::HashSet<_> = draws.iter().collect();
        assert_eq!(distinct.len(), draws.len());
    }

    #[test]
    fn a_stream_is_what_it_was() {
        // Golden value: a change of generator or key changes every canary ever drawn.
        assert_eq!(
            RootSeed(0).stream(Purpose::Canaries).next_u64(),
            GOLDEN_FIRST_CANARY_WORD
        );
    }

    const GOLDEN_FIRST_CANARY_WORD: u64 = 17_809_502_848_840_386_131;
}
