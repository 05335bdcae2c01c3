//! Times the scan: how many contexts a second someone who knows no secret can look at.

use std::time::Instant;

use serde::Serialize;

use super::{BenchError, LETTERS, letter};
use crate::canary::{Canary, Codebook, Group, draw};
use crate::checkpoint::ModelConfig;
use crate::device::{Arithmetic, Device};
use crate::model::{Cached, Model};
use crate::probes::completion::Shown;
use crate::probes::scan::{Models, scan};
use crate::score::{RowScore, ScoreError, Scorer};
use crate::seed::{Purpose, RootSeed};
use crate::spec::Scan as Settings;
use crate::units::{Phase, TokenId};

/// Letters of the alphabet.
const ALPHABET: usize = 26;

/// Canaries that are looked up among what was found, which costs little.
const CANARIES: usize = 128;

/// What a scan cost. Times in seconds a scan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScanBench {
    /// `scan`.
    pub probe: String,
    /// The shape, as `160m`.
    pub shape: String,
    /// The device.
    pub device: String,
    /// Arithmetic.
    pub precision: String,
    /// Letters whose beginnings were all listed.
    pub depth: usize,
    /// Beginnings kept at each further letter.
    pub beam: usize,
    /// Contexts that were looked at, each under the model and under its reference.
    pub contexts: usize,
    /// Next-token distributions that were made: two a context.
    pub distributions: usize,
    /// Median.
    pub scan_s: f64,
    /// Fastest.
    pub scan_s_min: f64,
    /// Slowest.
    pub scan_s_max: f64,
    /// Contexts a second.
    pub contexts_per_s: f64,
    /// Next-token distributions a second.
    pub distributions_per_s: f64,
    /// On a CPU resident memory at its highest, on a GPU that of tensors, bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// A model that counts what it is asked.
struct Counted<'a> {
    scorer: Cached<'a>,
    asked: usize,
}

impl<'a> Counted<'a> {
    fn new(model: &'a mut Model) -> Self {
        Self {
            scorer: Cached::new(model),
            asked: 0,
        }
    }
}

impl Scorer for Counted<'_> {
    fn score(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<RowScore>, ScoreError> {
        self.scorer.score(rows, alphabet)
    }

    fn next(
        &mut self,
        rows: &[Vec<TokenId>],
        alphabet: &[TokenId],
    ) -> Result<Vec<Vec<f32>>, ScoreError> {
        self.asked += rows.len();
        self.scorer.next(rows, alphabet)
    }
}

/// Times `repeat` scans of two models with random weights, after one that warms up: canaries of 16 of 26 letters after a prefix.
pub fn bench_scan(
    shape: &str,
    config: &ModelConfig,
    settings: &Settings,
    device: Device,
    arithmetic: Arithmetic,
    repeat: usize,
) -> Result<ScanBench, BenchError> {
    let book = book(config.vocab_size);
    let drawn = draw(RootSeed(0), ALPHABET, LETTERS, [(Group::HeldOut, CANARIES)])?;
    let canaries: Vec<&Canary> = drawn.held_out.iter().collect();
    let mut model = Model::random(config.clone(), device, arithmetic)?;
    let mut reference = Model::random(config.clone(), device, arithmetic)?;
    let mut times = Vec::new();
    let (mut contexts, mut distributions) = (0, 0);
    for turn in 0..=repeat.max(1) {
        let mut counted = [Counted::new(&mut model), Counted::new(&mut reference)];
        let start = Instant::now();
        let [model, reference] = &mut counted;
        let mut models = Models { model, reference };
        let mut rng = RootSeed(0).stream(Purpose::Sampling);
        let about = (Phase::Two, Shown::Reference);
        scan(&mut models, about, &book, &canaries, settings, &mut rng)?;
        if turn > 0 {
            times.push(start.elapsed().as_secs_f64());
        }
        contexts = counted[0].asked;
        distributions = counted.iter().map(|c| c.asked).sum();
    }
    times.sort_by(f64::total_cmp);
    let scan_s = times[times.len() / 2];
    Ok(ScanBench {
        probe: "scan".to_owned(),
        shape: shape.to_owned(),
        device: device.to_string(),
        precision: arithmetic.to_string(),
        depth: settings.depth,
        beam: settings.beam,
        contexts,
        distributions,
        scan_s,
        scan_s_min: times[0],
        scan_s_max: times[times.len() - 1],
        contexts_per_s: contexts as f64 / scan_s,
        distributions_per_s: distributions as f64 / scan_s,
        peak_memory_bytes: device.peak_memory(),
    })
}

fn book(vocabulary: usize) -> Codebook {
    let prefixes = [ALPHABET, ALPHABET + 1].map(|i| letter(i, vocabulary));
    Codebook {
        alphabet: (0..ALPHABET).map(|i| letter(i, vocabulary)).collect(),
        texts: ('a'..='z').map(|c| format!(" {c}")).collect(),
        prefixes: Some(prefixes),
    }
}
