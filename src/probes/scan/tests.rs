//! A model that was pushed away from some secrets, made up.

use super::*;
use crate::score::{RowScore, ScoreError};
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
        beam_a_root: 8,
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
    scan(&mut models, Phase::Two, &book(), &refs, &settings).unwrap()
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
    let whole = |group| scan.found[&group].iter().flatten().count();
    assert!(whole(Group::HeldOut) >= 5, "{:?}", scan.found);
    assert_eq!((whole(Group::Control), scan.guesses), (0, 40));
    // 216 listed, then 24 and at most 64 beginnings by six letters, five times.
    assert!(scan.looked_at <= 216 + 5 * 64 * 6);
}

#[test]
fn nothing_planted_is_nothing_found() {
    let scan = scanned(0.0, |_| ());
    for depth in &scan.depths {
        let of = |group| depth.groups[&group].hits;
        // All are suppressed by nothing: ties by place, in which the groups have no part.
        assert!(of(Group::HeldOut) <= 3, "{depth:?}");
    }
    assert!(scan.found.values().flatten().all(Option::is_none));
}

#[test]
fn no_listed_beginning_fills_the_room() {
    let beginning = |root, contrast| Beginning {
        letters: Vec::new(),
        plain: 0.0,
        contrast,
        root,
    };
    let sorted = vec![
        beginning(0, 9.0),
        beginning(0, 8.0),
        beginning(0, 7.0),
        beginning(1, 6.0),
        beginning(2, 5.0),
    ];
    let kept: Vec<usize> = spread(sorted, 3, 2).iter().map(|b| b.root).collect();
    assert_eq!(kept, [0, 0, 1]);
}
