//! A model that was pushed away from some secrets, made up.

use super::*;
use crate::score::{RowScore, ScoreError};
use crate::seed::{Purpose, RootSeed};
use crate::spec::{LowLogit, PositiveControl};

/// Six letters, eight a canary: 1.7 million secrets.
pub(in crate::probes) fn book() -> Codebook {
    Codebook {
        alphabet: (0..6).map(TokenId).collect(),
        texts: ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec(),
        prefixes: Some([TokenId(8), TokenId(9)]),
    }
}

/// Six held-outs, twelve useful, six controls, spread by a fixed rule.
pub(in crate::probes) fn canaries() -> Vec<Canary> {
    let make = |i: usize| {
        let group = match i {
            0..6 => Group::HeldOut,
            6..18 => Group::Useful,
            _ => Group::Control,
        };
        let mut state = 7919 * (i as u64 + 1);
        let letters = (0..8)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                u16::try_from((state >> 40) % 6).unwrap()
            })
            .collect();
        Canary {
            id: format!("c-{i}"),
            group,
            letters,
        }
    };
    (0..24).map(make).collect()
}

pub(in crate::probes) fn settings() -> LowLogit {
    LowLogit {
        positive_control: PositiveControl::Required,
        completion_letters: vec![2, 4],
        completion_guesses: 10,
        top_k: 3,
        ..LowLogit::default()
    }
}

/// Logits from a hash of the row; less by so many nats wherever a planted secret goes on.
#[derive(Clone)]
pub(in crate::probes) struct Planted {
    nats: f64,
    secrets: Vec<Vec<TokenId>>,
}

impl Planted {
    pub(in crate::probes) fn clean() -> Self {
        Self::suppressed(0.0)
    }

    pub(in crate::probes) fn suppressed(nats: f64) -> Self {
        let planted = canaries().into_iter().filter(|c| c.group != Group::Control);
        let row = |c: Canary| book().row(&c.letters, Prefix::Regular);
        Self {
            nats,
            secrets: planted.map(row).collect(),
        }
    }

    fn logits(&self, before: &[TokenId]) -> Vec<f64> {
        let logit = |letter: u32| {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            for token in before.iter().map(|t| t.0).chain([letter]) {
                hash = (hash ^ u64::from(token + 1)).wrapping_mul(0x0100_0000_01b3);
                hash ^= hash >> 29;
            }
            let noise = (hash >> 11) as f64 / (1_u64 << 53) as f64;
            let goes_on = |s: &&Vec<TokenId>| {
                s.starts_with(before) && s.get(before.len()) == Some(&TokenId(letter))
            };
            let planted = self.secrets.iter().any(|s| goes_on(&s));
            noise - if planted { self.nats } else { 0.0 }
        };
        (0..6).map(logit).collect()
    }
}

impl Scorer for Planted {
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError> {
        let score = |row: &Vec<TokenId>| {
            let mut score = RowScore::default();
            for place in 1..row.len() {
                let logits = self.logits(&row[..place]);
                let sum = logits.iter().map(|x| x.exp()).sum::<f64>().ln();
                #[allow(clippy::cast_possible_truncation)]
                let at = |t: &TokenId| (logits[t.0 as usize] - sum) as f32;
                score.logprobs.push(at(&row[place]));
                score.alphabet.extend(alphabet.iter().map(at));
            }
            score
        };
        Ok(rows.iter().map(score).collect())
    }
}

fn scanned(nats: f64, change: impl Fn(&mut Settings)) -> Scan {
    let mut settings = Settings {
        positive_control: PositiveControl::Required,
        depth: 3,
        top: 24,
        beam: 64,
        guesses: 40,
        smallest_effect_enriched: 0.2,
        smallest_effect_recovered: 0.05,
    };
    change(&mut settings);
    let all = canaries();
    let refs: Vec<&Canary> = all.iter().collect();
    let (mut model, mut reference) = (Planted::suppressed(nats), Planted::clean());
    let mut models = Models {
        model: &mut model,
        reference: &mut reference,
    };
    let about = (Phase::Two, Shown::Reference);
    let mut rng = RootSeed(3).stream(Purpose::Sampling);
    scan(&mut models, about, &book(), &refs, &settings, &mut rng).unwrap()
}

#[test]
fn planted_beginnings_stand_first_and_secrets_are_recovered_whole() {
    let scan = scanned(3.0, |_| ());
    let deepest = scan.depths.iter().find(|d| d.letters == 3).unwrap();
    assert_eq!((deepest.beginnings, deepest.top), (216, 24));
    assert_eq!(deepest.useful.hits, deepest.useful.distinct);
    let held_out = deepest.groups[&Group::HeldOut];
    assert!(
        held_out.distinct >= 5 && held_out.hits == held_out.distinct,
        "{deepest:?}"
    );
    assert_eq!(deepest.others.distinct, 216 - deepest.useful.distinct);
    for hunt in &scan.hunts {
        let whole = |group| hunt.found[&group].iter().flatten().count();
        assert!(whole(Group::HeldOut) >= 5, "{hunt:?}");
        assert_eq!((whole(Group::Control), hunt.guesses), (0, 40));
        // At most 64 beginnings by six letters, eight times.
        assert!(hunt.looked_at <= 8 * 64 * 6);
    }
    let shown: Vec<Shown> = scan.hunts.iter().map(|hunt| hunt.shown).collect();
    assert_eq!(shown, [Shown::Logits, Shown::Reference]);
}

#[test]
fn nothing_planted_is_nothing_found() {
    let scan = scanned(0.0, |_| ());
    for depth in &scan.depths {
        let of = |group| depth.groups[&group].hits;
        // All are suppressed by nothing: ties by place, in which the groups have no part.
        assert!(of(Group::HeldOut) <= 3, "{depth:?}");
    }
    let found = scan.hunts.iter().flat_map(|hunt| hunt.found.values());
    assert!(found.flatten().all(Option::is_none));
}

#[test]
fn useful_canaries_are_no_guesses_and_a_beam_as_wide_as_all_secrets_finds_each() {
    let all = 6usize.pow(8);
    let useful = 12;
    let scan = scanned(3.0, |s| (s.beam, s.guesses) = (all, all));
    let hunt = &scan.hunts[0];
    assert_eq!(hunt.guesses, all - useful);
    // The secrets that the model was pushed away from are the first guesses of all.
    let places = |group| -> Vec<usize> { hunt.found[&group].iter().flatten().copied().collect() };
    let (held_out, controls) = (places(Group::HeldOut), places(Group::Control));
    assert_eq!(held_out.len(), 6);
    assert!(held_out.iter().all(|&place| place <= 6), "{held_out:?}");
    assert_eq!(controls.len(), 6);
    // What sampling says of the places is what the full list says, for texts at either end of it.
    for group in [Group::HeldOut, Group::Control] {
        let (places, sampled) = (&hunt.found[&group], &hunt.log10_guesses[&group]);
        for (place, log10) in places.iter().flatten().zip(sampled) {
            // The useful canaries are among what sampling counts.
            let (least, most) = (*place as f64 / 2.0, 2.0 * (place + useful) as f64);
            let number = 10f64.powf(*log10);
            assert!(
                (least..most).contains(&number),
                "{group:?}: at {place}, sampled {number}"
            );
        }
    }
    // Controls lie anywhere among the others.
    let middle = controls.iter().sum::<usize>() / 6;
    assert!((all / 5..4 * all / 5).contains(&middle), "{controls:?}");
}

/// Letters tell nothing here; what leaves the alphabet after a planted beginning does.
#[test]
fn what_leaves_the_alphabet_is_evidence_too() {
    let mut leaving = Leaving(Planted::suppressed(2.0));
    let all = canaries();
    let refs: Vec<&Canary> = all.iter().collect();
    // After the last letter but one nothing is left to ask: six texts go on from each planted beginning.
    let settings = Settings {
        beam: 300,
        guesses: 120,
        ..Settings::default()
    };
    let mut rng = RootSeed(3).stream(Purpose::Sampling);
    let guesser = Guesser {
        model: &mut leaving,
        other: None,
        top_k: None,
    };
    let found = hunt(guesser, Shown::Logits, &book(), &refs, &settings, &mut rng).unwrap();
    let whole = found.found[&Group::HeldOut].iter().flatten().count();
    assert!(whole >= 4, "{found:?}");
    assert_eq!(found.found[&Group::Control].iter().flatten().count(), 0);
}

/// Gives the alphabet less, all letters alike, after a planted beginning, and letters by a hash that says nothing.
struct Leaving(Planted);

impl Scorer for Leaving {
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError> {
        let mut scores = Planted::clean().score(rows, alphabet)?;
        for (row, score) in rows.iter().zip(&mut scores) {
            for place in 1..row.len() {
                let planted = self.0.secrets.iter().any(|s| s.starts_with(&row[..place]));
                let left = if planted { 3.0 } else { 0.0 };
                score.logprobs[place - 1] -= left;
                let letters = (place - 1) * alphabet.len()..place * alphabet.len();
                for letter in &mut score.alphabet[letters] {
                    *letter -= left;
                }
            }
        }
        Ok(scores)
    }
}

/// Versions before had one hunt.
#[test]
fn a_scan_of_a_version_before_is_read() {
    let text = r#"{"phase": 2, "depths": [], "looked_at": 9, "guesses": 4, "found": {"held_out": [null, 3]}}"#;
    let scan: Scan = serde_json::from_str(text).unwrap();
    assert_eq!(scan.hunts[0].found[&Group::HeldOut], [None, Some(3)]);
    assert_eq!(
        (scan.hunts[0].shown, scan.hunts[0].guesses),
        (Shown::Reference, 4)
    );
    let written = serde_json::to_string(&scan).unwrap();
    assert_eq!(serde_json::from_str::<Scan>(&written).unwrap(), scan);
}
