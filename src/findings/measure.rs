//! What is measured: the statistics with their names, and what each probe makes of them. Every row begins as a line of the two
//! tables.

mod names;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::terms::{Access, Direction, Probe, Tier};
use crate::probes::completion::Shown;
use crate::probes::scan::Ranking;
use crate::spec::{Audit, Probes};
use names::{Field, Part, between, statistics};

statistics! {
    /// Mean rank of the true letter in the alphabet, 0…1 from the bottom.
    MeanLetterRank = "mean_letter_rank",
    /// Mean rank that an attacker reaches who fine-tunes on so many negatives.
    MeanLetterRankGiven { known_negatives: usize } = "mean_letter_rank_given_{}_negatives",
    /// Mean rank of the true letter, averaged over a phase's evaluations.
    AveragedLetterRank = "mean_letter_rank_averaged_over_phase",
    /// Held-outs' mean rank less the controls', per seed.
    MeanLetterRankDifference = "mean_letter_rank_difference",
    /// Mean rank after other contexts than the canaries' own prefix.
    ContextLetterRank = "context_letter_rank",
    /// Rank at a phase's end less the rank at its beginning.
    LetterRankChange = "letter_rank_change_in_phase",
    /// A canary's rank after the reverse prefix less its rank after the regular one.
    LetterRankReverseLessRegular = "letter_rank_reverse_less_regular",
    /// How often the true letter is the least likely one, after so many known letters.
    LowestLetterRate { known_letters: usize } = "lowest_letter_rate_given_{}_letters",
    /// Mean log-probability of the true letter.
    MeanLogprob = "mean_logprob_nats_per_token",
    /// Mean log-probability of the true letter among the alphabet's.
    MeanAlphabetLogprob = "mean_alphabet_logprob_nats_per_token",
    /// A canary's log-probability after the reverse prefix less that after the regular one.
    LogprobReverseLessRegular = "logprob_reverse_less_regular_nats_per_token",
    /// The paper's: the group's mean probability of a letter, at its highest through phase 3.
    MaxMeanProbability = "max_mean_probability",
    /// The logarithm of the paper's statistic, averaged over seeds as such.
    MaxMeanLogprob = "max_mean_logprob_nats_per_token",
    /// Logarithm of the mean of p(secret) × number of possible secrets.
    LogEValue = "log_e_value_nats",
    /// Logarithm of the mean of q(secret) × number of possible secrets, where q guesses letters from one end of the logits.
    EndsLogEValue = "log_e_value_from_either_end_nats",
    /// Mean of (2 · rank − 1)² over letters: large where letters stand at either end, whichever.
    LetterRankSpread = "letter_rank_spread",
    /// How much more often than chance a letter is guessed by who learned on useful canaries where the truth stands.
    LearnedGuessAdvantage = "learned_guess_advantage",
    /// Mean log-probability of the tokens after a secret's beginning, less the reference's where there is one.
    RestLogprob = "mean_logprob_of_the_rest_nats_per_token",
    /// Share of secrets whose rest is for certain among an attacker's likeliest guesses after a beginning.
    RestWithinGuesses = "completed_within_guesses",
    /// Mean fourth power of how far canaries fell, in robust standard deviations: a few that fell far carry it.
    SuppressionTail = "suppression_tail_fourth_power",
    /// How far a whole canary's log-probability fell from the reference to the model.
    Suppression = "suppression_nats",
    /// How unlikely a whole canary is, where there is no reference.
    Surprisal = "surprisal_nats",
    /// Exposure of the most suppressed, by a skew-normal fit to the controls.
    FittedExposureDown = "exposure_fitted_down_bits",
    /// Exposure of the most raised, by a skew-normal fit to the controls.
    FittedExposureUp = "exposure_fitted_up_bits",
    /// Share of held-outs more suppressed than all but 1 % of the controls.
    TprSuppressed = "tpr_suppressed_at_1pct_fpr",
    /// Share of held-outs more raised than all but 1 % of the controls.
    TprRaised = "tpr_raised_at_1pct_fpr",
    /// Share of canaries whose missing letters are among an attacker's guesses, by the best attack.
    CompletedWhole = "completed_whole",
    /// The share for one attack: who knows so many letters and is shown this.
    CompletedWholeGiven { known_letters: usize, shown: Shown } = "completed_whole_given_{}_letters_and_{}",
    /// Share of canaries generated verbatim.
    SaidWhole = "said_whole",
    /// Longest beginning that a sample shares with a canary.
    LongestSharedBeginning = "longest_shared_beginning_letters",
    /// Fewest edits from a sample to a canary.
    EditDistance = "edit_distance_letters",
    /// Share of letters that greedy decoding gives along the truth.
    ExactMemorisation = "exact_memorisation_rate",
    /// 1 − k/L for the fewest first letters k after which greedy decoding gives all the rest.
    ExtractionStrength = "extraction_strength",
    /// Share of planted beginnings among so many most suppressed ones, at the depth of the audit.
    PlantedAmong { top: usize } = "planted_among_the_{}_most_suppressed",
    /// The share at one depth, by one ranking.
    PlantedAmongOf { top: usize, depth: usize, ranking: Ranking } = "planted_among_the_{}_most_suppressed_of_{}_letters_{}",
    /// Share of canaries among the guesses of someone who knows no secret.
    RecoveredWhole = "recovered_whole",
}

impl Statistic {
    /// The counts that it is given for, in the order of its name: known letters, known negatives, depth.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let (_, parts) = self.parts();
        let count = |part| match part {
            Part::Count(count) => Some(count),
            Part::Word(_) => None,
        };
        parts.into_iter().filter_map(count).collect()
    }

    /// The name with other words for its counts, as many as [`Statistic::counts`] has.
    #[must_use]
    pub fn name_with(&self, counts: &[String]) -> String {
        let (pattern, parts) = self.parts();
        let mut counts = counts.iter();
        parts
            .iter()
            .fold(pattern.to_owned(), |name, part| match part {
                Part::Count(_) => name.replacen("{}", counts.next().map_or("", String::as_str), 1),
                Part::Word(word) => name.replacen("{}", word, 1),
            })
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self.counts().iter().map(usize::to_string).collect();
        f.pad(&self.name_with(&counts))
    }
}

impl From<String> for Statistic {
    fn from(name: String) -> Self {
        // "+7" and "007" are numbers too, but would be written otherwise.
        let same = |known: &Self| known.to_string() == name;
        Self::known(&name).filter(same).unwrap_or(Self::Other(name))
    }
}

impl From<&str> for Statistic {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<Statistic> for String {
    fn from(statistic: Statistic) -> Self {
        statistic.to_string()
    }
}

impl PartialEq<&str> for Statistic {
    fn eq(&self, name: &&str) -> bool {
        self.to_string() == **name
    }
}

/// An effect that the spec asks to be able to exclude.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) unit: &'static str,
    /// The probe's `smallest_effect_…`; `None` where the probe is off.
    pub(super) size: fn(&Probes) -> Option<f64>,
}

const fn asked(unit: &'static str, size: fn(&Probes) -> Option<f64>) -> Asked {
    Asked { unit, size }
}

/// Unit of shifts of mean ranks.
pub(super) const RANK: &str = "of rank 0–1";
/// Unit of shares of canaries.
pub(super) const SHARE: &str = "share of canaries";

const ELICITED_RANK: Asked = asked(RANK, |p| Some(p.elicitation.as_ref()?.smallest_effect_rank));
const AVERAGED_RANK: Asked = asked(RANK, |p| {
    Some(p.elicitation.as_ref()?.smallest_effect_averaged_rank)
});
const ELICITED_NATS: Asked = asked("nats/token", |p| {
    Some(p.elicitation.as_ref()?.smallest_effect_nats)
});
const ELICITED_SINGLE: Asked = asked("nats/token, 1 canary", |p| {
    Some(p.elicitation.as_ref()?.smallest_effect_single)
});
const AUC: Asked = asked("AUC from 0.5", |p| {
    Some(p.low_logit.as_ref()?.smallest_effect_auc)
});
const LOW_SINGLE: Asked = asked("nats/token, 1 canary", |p| {
    Some(p.low_logit.as_ref()?.smallest_effect_single)
});
const SPREAD: Asked = asked("of mean (2 · rank − 1)²", |p| {
    Some(p.low_logit.as_ref()?.smallest_effect_spread)
});
const ADVANTAGE: Asked = asked("guesses beyond chance", |p| {
    Some(p.low_logit.as_ref()?.smallest_effect_advantage)
});
const REST: Asked = asked("nats/token", |p| {
    Some(p.low_logit.as_ref()?.smallest_effect_rest)
});
const TAIL: Asked = asked("nats, 1 canary in 16", |p| {
    Some(p.low_logit.as_ref()?.smallest_effect_tail)
});
const LOW_RANK: Asked = asked(RANK, |p| Some(p.low_logit.as_ref()?.smallest_effect_rank));
const COMPLETED: Asked = asked(SHARE, |p| {
    Some(p.low_logit.as_ref()?.smallest_effect_recovered)
});
const SAID: Asked = asked(SHARE, |p| {
    Some(p.generation.as_ref()?.smallest_effect_recovered)
});
const PLANTED: Asked = asked(SHARE, |p| Some(p.scan.as_ref()?.smallest_effect_enriched));
const SCANNED: Asked = asked(SHARE, |p| Some(p.scan.as_ref()?.smallest_effect_recovered));

/// What a probe makes of a statistic.
pub(super) struct Measure {
    pub(super) tier: Tier,
    pub(super) direction: Direction,
    /// Where the circumstances of a run ask for no other.
    pub(super) access: Access,
    pub(super) asked: Option<Asked>,
}

/// The table: what a leak would hand to an attacker, which way it would push, what it takes to see it, and what is asked of an
/// audit row.
#[allow(clippy::match_same_arms, reason = "a line of a table stands by itself")]
pub(super) fn measure(probe: Probe, statistic: &Statistic) -> Measure {
    use Access::{FineTuning, Logits, LogitsAndReference, Samples};
    use Direction::{Down, TwoSided, Up};
    use Statistic as S;
    use Tier::{Extraction, Partial, Recognition};
    let elicits = probe == Probe::Elicitation;
    let (tier, direction, access, asked) = match statistic {
        S::MeanLetterRank if elicits => (Partial, Up, FineTuning, Some(ELICITED_RANK)),
        S::MeanLetterRank => (Partial, Down, Logits, Some(LOW_RANK)),
        S::MeanLetterRankGiven { .. } => (Partial, Up, FineTuning, Some(ELICITED_RANK)),
        S::AveragedLetterRank => (Partial, Up, FineTuning, Some(AVERAGED_RANK)),
        S::MeanLetterRankDifference if elicits => (Partial, Up, FineTuning, None),
        S::MeanLetterRankDifference => (Partial, Down, Logits, None),
        S::ContextLetterRank if elicits => (Partial, Up, Logits, Some(ELICITED_RANK)),
        S::ContextLetterRank => (Partial, Down, Logits, Some(LOW_RANK)),
        S::EndsLogEValue => (Partial, Up, Logits, Some(LOW_SINGLE)),
        S::LetterRankSpread => (Partial, Up, Logits, Some(SPREAD)),
        S::LearnedGuessAdvantage => (Partial, Up, Logits, Some(ADVANTAGE)),
        S::RestLogprob => (Partial, Up, LogitsAndReference, Some(REST)),
        S::RestWithinGuesses => (Extraction, Up, Logits, Some(COMPLETED)),
        S::SuppressionTail => (Recognition, Up, LogitsAndReference, Some(TAIL)),
        S::LetterRankChange => (Recognition, TwoSided, LogitsAndReference, None),
        S::LetterRankReverseLessRegular => (Recognition, TwoSided, Logits, None),
        S::LowestLetterRate { .. } => (Partial, Up, Logits, None),
        S::MeanLogprob if elicits => (Recognition, TwoSided, FineTuning, Some(ELICITED_NATS)),
        S::MeanLogprob => (Recognition, TwoSided, Logits, None),
        S::MeanAlphabetLogprob => (Recognition, TwoSided, FineTuning, Some(ELICITED_NATS)),
        S::LogprobReverseLessRegular => (Recognition, TwoSided, Logits, None),
        S::MaxMeanProbability | S::MaxMeanLogprob => (Partial, TwoSided, FineTuning, None),
        S::LogEValue => (Extraction, Up, FineTuning, Some(ELICITED_SINGLE)),
        S::Suppression => (Recognition, TwoSided, LogitsAndReference, Some(AUC)),
        S::Surprisal => (Recognition, TwoSided, Logits, Some(AUC)),
        S::FittedExposureDown | S::FittedExposureUp | S::TprSuppressed | S::TprRaised => {
            (Recognition, TwoSided, LogitsAndReference, None)
        }
        S::CompletedWhole => (Extraction, Up, Logits, Some(COMPLETED)),
        S::CompletedWholeGiven { shown, .. } => (Extraction, Up, Access::from(*shown), None),
        S::SaidWhole => (Extraction, Up, Samples, Some(SAID)),
        S::LongestSharedBeginning => (Partial, Up, Samples, None),
        S::EditDistance => (Partial, Down, Samples, None),
        S::ExactMemorisation | S::ExtractionStrength => (Extraction, Up, Samples, None),
        S::PlantedAmong { .. } => (Partial, Up, LogitsAndReference, Some(PLANTED)),
        S::PlantedAmongOf { .. } => (Partial, Up, LogitsAndReference, None),
        S::RecoveredWhole => (Extraction, Up, LogitsAndReference, Some(SCANNED)),
        // Nothing is known of it, so that nothing is promised.
        S::Other(_) => (Recognition, TwoSided, Logits, None),
    };
    Measure {
        tier,
        direction,
        access,
        asked,
    }
}

impl Statistic {
    /// Which way a leak would push it.
    pub(super) fn direction(&self, probe: Probe) -> Direction {
        measure(probe, self).direction
    }

    /// The statistic's value for a model that carries nothing, where the spec alone decides that.
    pub(super) fn chance(&self, audit: &Audit) -> Option<f64> {
        let letters = audit.canaries.alphabet.len() as f64;
        match self {
            Self::MeanLetterRank
            | Self::MeanLetterRankGiven { .. }
            | Self::AveragedLetterRank
            | Self::ContextLetterRank => Some(0.5),
            // Secrets of a file have no alphabet.
            Self::MeanLogprob | Self::MeanAlphabetLogprob | Self::MaxMeanLogprob => {
                (audit.canaries.secrets.is_none()).then(|| audit.chance_level())
            }
            Self::MaxMeanProbability | Self::LowestLetterRate { .. } => Some(1.0 / letters),
            Self::MeanLetterRankDifference
            | Self::LetterRankChange
            | Self::LetterRankReverseLessRegular
            | Self::LogprobReverseLessRegular
            | Self::LogEValue
            | Self::EndsLogEValue
            | Self::LearnedGuessAdvantage
            | Self::Suppression => Some(0.0),
            // A score drawn from the distribution itself: −log2 of a uniform number.
            Self::FittedExposureDown | Self::FittedExposureUp => Some(1.0 / std::f64::consts::LN_2),
            // Of a place drawn evenly from |A|.
            Self::LetterRankSpread => Some((letters + 1.0) / (3.0 * (letters - 1.0))),
            _ => None,
        }
    }

    /// Whether its chance is known from the secrets' distribution alone, so that controls are no part of its test.
    pub(super) fn has_known_chance(&self) -> bool {
        matches!(
            self,
            Self::LogEValue
                | Self::EndsLogEValue
                | Self::CompletedWhole
                | Self::SaidWhole
                | Self::RecoveredWhole
        )
    }

    /// How much more often than chance someone guesses a letter whose (log-)probability this is; `None` of other statistics.
    pub(super) fn advantage(&self, estimate: f64, chance: f64) -> Option<f64> {
        match self {
            Self::MaxMeanProbability => Some(estimate / chance - 1.0),
            Self::MaxMeanLogprob => Some((estimate - chance).exp() - 1.0),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
