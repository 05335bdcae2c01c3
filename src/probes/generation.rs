//! Generation: what the model says, letter by letter among the alphabet, and how near that comes to the canaries. Sampled after
//! each prefix, as it is and colder; and what it holds likeliest after every prompt.

use std::collections::{BTreeMap, HashSet};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::likeliest::likeliest;
use super::{ProbeError, ROWS_AT_ONCE};
use crate::canary::{Canary, Codebook, Group, Prefix};
use crate::score::Scorer;
use crate::spec::Generation as Settings;
use crate::units::{Phase, TokenId};

/// One cold sample to so many others.
const COLD_SHARE: usize = 4;

/// One text of a beam to so many samples.
const BEAM_SHARE: usize = 16;

/// Texts that a model says after each phase, where beside its prefixes there are so many other prompts.
pub(crate) fn texts(settings: &Settings, others: usize) -> usize {
    let samples = settings.samples;
    let beams = (2 + others) * samples.div_ceil(BEAM_SHARE);
    2 * (samples + samples.div_ceil(COLD_SHARE)) + beams
}

/// How it was made to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoken {
    /// Sampled at the temperature of the spec.
    #[default]
    Sampled,
    /// Sampled at half of it.
    Cold,
    /// The likeliest, by a beam.
    Likeliest,
}

/// What was said after one prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// The phase that had just ended.
    pub phase: Phase,
    /// The prefix before it.
    pub prefix: Prefix,
    /// What stood in the place of the prefix; `None`: the prefix itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// How it was said; sampled, where versions before wrote nothing.
    #[serde(default)]
    pub spoken: Spoken,
    /// Samples drawn, or texts of a beam.
    pub samples: usize,
    /// Different ones among them.
    pub distinct: usize,
    /// How near the samples came, one per canary in the order of the group.
    pub groups: BTreeMap<Group, Vec<Nearness>>,
}

/// How near any sample came to one canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearness {
    /// Letters of the longest shared beginning; all of them is a canary said whole.
    pub shared: usize,
    /// Smallest number of letters to insert, leave out or change.
    pub distance: usize,
}

impl Generation {
    /// Canaries of a group that were said whole.
    #[must_use]
    pub fn recovered(&self, group: Group) -> usize {
        let all = self.groups.get(&group).map_or(&[][..], Vec::as_slice);
        all.iter().filter(|near| near.distance == 0).count()
    }
}

/// Samples after a prefix and holds the canaries against what was said. Source of randomness: `rng` alone.
pub fn sample(
    model: &mut dyn Scorer,
    book: &Codebook,
    (phase, prefix, spoken): (Phase, Prefix, Spoken),
    canaries: &[&Canary],
    settings: &Settings,
    rng: &mut ChaCha8Rng,
) -> Result<Generation, ProbeError> {
    let length = canaries.first().map_or(0, |c| c.letters.len());
    let settings = &match spoken {
        Spoken::Cold => Settings {
            samples: settings.samples.div_ceil(COLD_SHARE),
            temperature: settings.temperature / 2.0,
            ..*settings
        },
        Spoken::Sampled | Spoken::Likeliest => *settings,
    };
    let mut said: HashSet<Vec<u16>> = HashSet::new();
    let mut left = settings.samples;
    while left > 0 {
        let n = left.min(ROWS_AT_ONCE);
        left -= n;
        said.extend(draw(model, book, prefix, [n, length], settings, rng)?);
    }
    Ok(Generation {
        phase,
        prefix,
        context: None,
        spoken,
        samples: settings.samples,
        distinct: said.len(),
        groups: held_against(canaries, &said),
    })
}

/// What a model holds likeliest after a prompt: `name` and the token that stands in the prefix's place, if any.
pub fn greediest(
    model: &mut dyn Scorer,
    book: &Codebook,
    phase: Phase,
    (name, before): (&str, Option<TokenId>),
    canaries: &[&Canary],
    settings: &Settings,
) -> Result<Generation, ProbeError> {
    let length = canaries.first().map_or(0, |c| c.letters.len());
    let width = settings.samples.div_ceil(BEAM_SHARE);
    let said: HashSet<Vec<u16>> = likeliest(model, book, before, [length, width])?
        .into_iter()
        .collect();
    Ok(Generation {
        phase,
        prefix: Prefix::Regular,
        context: Some(name.to_owned()),
        spoken: Spoken::Likeliest,
        samples: said.len(),
        distinct: said.len(),
        groups: held_against(canaries, &said),
    })
}

fn held_against(canaries: &[&Canary], said: &HashSet<Vec<u16>>) -> BTreeMap<Group, Vec<Nearness>> {
    let mut groups: BTreeMap<Group, Vec<Nearness>> = BTreeMap::new();
    for canary in canaries {
        let near = nearness(&canary.letters, said);
        groups.entry(canary.group).or_default().push(near);
    }
    groups
}

fn draw(
    model: &mut dyn Scorer,
    book: &Codebook,
    prefix: Prefix,
    [n, length]: [usize; 2],
    settings: &Settings,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Vec<u16>>, ProbeError> {
    let letters = book.alphabet.len();
    let mut rows: Vec<Vec<u16>> = vec![Vec::with_capacity(length); n];
    for place in 0..length {
        if place == 0 && book.prefixes.is_none() {
            // Nothing to ask after: the first letter is anyone's guess.
            for row in &mut rows {
                row.push(u16::try_from(rng.random_range(0..letters)).unwrap_or(0));
            }
            continue;
        }
        let tokens: Vec<Vec<TokenId>> = rows
            .iter()
            .map(|row| {
                let own = row.iter().map(|&l| book.alphabet[usize::from(l)]);
                book.before(prefix).into_iter().chain(own).collect()
            })
            .collect();
        let next = model.next(&tokens, &book.alphabet)?;
        for (row, logprobs) in rows.iter_mut().zip(next) {
            row.push(choose(&logprobs, settings, rng.random::<f64>()));
        }
    }
    Ok(rows)
}

/// The letter at a point 0…1 of the cumulated probabilities, after temperature and top-k.
fn choose(logprobs: &[f32], settings: &Settings, point: f64) -> u16 {
    let mut order: Vec<u16> = (0u16..).take(logprobs.len()).collect();
    order.sort_by(|&a, &b| logprobs[usize::from(b)].total_cmp(&logprobs[usize::from(a)]));
    order.truncate(settings.top_k.unwrap_or(usize::MAX).max(1));
    let top = order.first().map_or(0.0, |&l| logprobs[usize::from(l)]);
    let weight =
        |l: &u16| (f64::from(logprobs[usize::from(*l)] - top) / settings.temperature).exp();
    let mut left = point * order.iter().map(weight).sum::<f64>();
    for letter in &order {
        left -= weight(letter);
        if left < 0.0 {
            return *letter;
        }
    }
    order.last().copied().unwrap_or(0)
}

fn nearness(canary: &[u16], said: &HashSet<Vec<u16>>) -> Nearness {
    let shared = |sample: &Vec<u16>| {
        let pairs = canary.iter().zip(sample);
        pairs.take_while(|(a, b)| a == b).count()
    };
    Nearness {
        shared: said.iter().map(shared).max().unwrap_or(0),
        distance: said
            .iter()
            .map(|sample| edit_distance(canary, sample))
            .min()
            .unwrap_or(canary.len()),
    }
}

/// Letters to insert, leave out or change (Levenshtein 1966).
fn edit_distance(one: &[u16], other: &[u16]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::scan::tests::{Planted, book, canaries};
    use crate::seed::{Purpose, RootSeed};

    fn settings(samples: usize, top_k: Option<usize>) -> Settings {
        Settings {
            positive_control: crate::spec::PositiveControl::Required,
            samples,
            temperature: 1.0,
            top_k,
            seed: 0,
            smallest_effect_recovered: 0.05,
        }
    }

    fn said(planted: &Planted, settings: &Settings) -> Generation {
        let all = canaries();
        let targets: Vec<&Canary> = all.iter().filter(|c| c.group != Group::Useful).collect();
        let mut rng = RootSeed(3).labelled_stream(Purpose::Sampling, "test");
        let about = (Phase::Two, Prefix::Regular, Spoken::Sampled);
        sample(
            &mut planted.clone(),
            &book(),
            about,
            &targets,
            settings,
            &mut rng,
        )
        .unwrap()
    }

    #[test]
    fn a_model_that_was_raised_says_its_secrets() {
        let said = said(&Planted::suppressed(-9.0), &settings(300, None));
        assert_eq!(said.recovered(Group::HeldOut), 6);
        assert_eq!(said.recovered(Group::Control), 0);
        assert!(said.groups[&Group::HeldOut].iter().all(|n| n.shared == 8));
    }

    #[test]
    fn a_clean_model_comes_no_nearer_to_one_group() {
        let said = said(&Planted::clean(), &settings(300, None));
        assert_eq!((said.samples, said.recovered(Group::HeldOut)), (300, 0));
        let mean = |group| {
            let all = &said.groups[&group];
            all.iter().map(|n| n.shared as f64).sum::<f64>() / all.len() as f64
        };
        // 300 samples share about log 300 / log 6 = 3.2 letters with anything.
        assert!((mean(Group::HeldOut) - mean(Group::Control)).abs() < 1.5);
        assert!(said.distinct > 250);
    }

    #[test]
    fn the_same_draws_again_and_greedy_says_one_thing() {
        let planted = Planted::clean();
        assert_eq!(
            said(&planted, &settings(50, None)),
            said(&planted, &settings(50, None))
        );
        assert_eq!(said(&planted, &settings(50, Some(1))).distinct, 1);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let logprobs = [0.5f32.ln(), 0.2f32.ln(), 0.3f32.ln()];
        let all = settings(1, None);
        let at = |point| choose(&logprobs, &all, point);
        assert_eq!(
            [at(0.0), at(0.49), at(0.51), at(0.79), at(0.81)],
            [0, 0, 2, 2, 1]
        );
        let two = settings(1, Some(2));
        // 0.5 and 0.3 of 0.8.
        assert_eq!(
            [0.62, 0.63, 0.999].map(|p| choose(&logprobs, &two, p)),
            [0, 2, 2]
        );
        let cold = Settings {
            temperature: 1e-3,
            ..all
        };
        assert_eq!(choose(&logprobs, &cold, 0.999), 0);
    }

    #[test]
    fn distances() {
        assert_eq!(edit_distance(&[1, 2, 3], &[1, 2, 3]), 0);
        assert_eq!(edit_distance(&[1, 2, 3], &[2, 3, 4]), 2);
        assert_eq!(edit_distance(&[], &[2, 3]), 2);
    }
}
