//! Times the phases' steps on this machine against its own measured matrix-product peak, and the scan.

mod scan;

pub use scan::{ScanBench, bench_scan};

use std::time::Instant;

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::canary::DrawError;
use crate::checkpoint::ModelConfig;
use crate::device::{Arithmetic, Device};
use crate::forecast::step_flops;
use crate::model::{Model, ModelError, operand};
use crate::probes::ProbeError;
use crate::score::{ScoreError, Scorer};
use crate::spec::Audit;
use crate::training::{
    DpoTerm, LikelihoodTerm, Settings, StepBatch, StepTimes, TermName, Trainer, TrainingError,
    trainable_parts,
};
use crate::units::{Phase, TokenId};

/// Why a bench stopped.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A step.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// An evaluation.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// A probe.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Canaries to look for.
    #[error(transparent)]
    Draw(#[from] DrawError),
}

impl From<tch::TchError> for BenchError {
    fn from(error: tch::TchError) -> Self {
        Self::Model(error.into())
    }
}

/// What is timed.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The shape's name, as `160m`.
    pub shape: String,
    /// The shape.
    pub config: ModelConfig,
    /// The phase.
    pub phase: Phase,
    /// Where.
    pub device: Device,
    /// How products are made.
    pub arithmetic: Arithmetic,
}

/// Letters of a canary, and the prefix before them.
const LETTERS: usize = 16;

/// What a bench found. Times in seconds a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bench {
    /// The shape, as `160m`.
    pub shape: String,
    /// The phase.
    pub phase: u8,
    /// Rows of each loss term.
    pub batch: usize,
    /// The device.
    pub device: String,
    /// Arithmetic.
    pub precision: String,
    /// Median.
    pub step_s: f64,
    /// Fastest.
    pub step_s_min: f64,
    /// Slowest.
    pub step_s_max: f64,
    /// Tokens that go through the model in a second of steps.
    pub tokens_per_s: f64,
    /// Operations of the step (guide: recipe, "What it costs") over time and peak; recomputed products do not count.
    pub mfu: f64,
    /// Operations a second.
    pub achieved_flops: f64,
    /// Operations a second of large matrix products in the same precision, measured just before.
    pub peak_flops: f64,
    /// On a CPU resident memory at its highest, on a GPU that of tensors, bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Where the median step's time went, and a step's share of the evaluations, which is not in it.
    pub parts: StepTimes,
    /// Steps between two evaluations.
    pub eval_every: usize,
}

/// Times `repeat` steps of a phase at its recipe's terms, after one that warms up, and an evaluation.
pub fn bench(audit: &Audit, setup: &Setup, repeat: usize) -> Result<Bench, BenchError> {
    let Setup {
        config,
        phase,
        device,
        arithmetic,
        ..
    } = setup;
    let (phase, device, arithmetic) = (*phase, *device, *arithmetic);
    let peak_flops = peak(device, arithmetic)?;
    let optimisation = audit.optimisation(phase);
    let batch = optimisation.batch;
    let mut model = Model::random(config.clone(), device, arithmetic)?;
    let settings = Settings {
        micro_batch: audit.micro_batch,
        ..Settings::from(optimisation)
    };
    let mut trainer = Trainer::new(&mut model, trainable_parts(audit.freeze(phase)), settings)?;
    let mut times = Vec::new();
    for step in 0..=repeat {
        let start = Instant::now();
        let data = rows(phase, batch, config.vocab_size, step);
        let made = start.elapsed().as_secs_f64();
        let report = trainer.step(&data, 1e-4)?;
        let time = start.elapsed().as_secs_f64();
        if step > 0 {
            let parts = StepTimes {
                data: made,
                ..report.times
            };
            times.push((time, parts));
        }
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (step_s, mut parts) = times[times.len() / 2].clone();
    let evaluation = evaluation(&mut trainer, config.vocab_size)?;
    parts.evaluation = evaluation / optimisation.eval_every as f64;
    let operations = step_flops(audit, config, phase);
    let first = rows(phase, batch, config.vocab_size, 0);
    Ok(Bench {
        shape: setup.shape.clone(),
        phase: phase.number(),
        batch,
        device: device.to_string(),
        precision: arithmetic.to_string(),
        step_s,
        step_s_min: times[0].0,
        step_s_max: times[times.len() - 1].0,
        tokens_per_s: (first.len() * LETTERS) as f64 / step_s,
        mfu: operations / step_s / peak_flops,
        achieved_flops: operations / step_s,
        peak_flops,
        peak_memory_bytes: device.peak_memory(),
        parts,
        eval_every: optimisation.eval_every,
    })
}

/// Seconds of one evaluation: the three groups of 128 canaries under one prefix, with all letters. Guide: recipe, "Metric".
fn evaluation(trainer: &mut Trainer<'_>, vocabulary: usize) -> Result<f64, ScoreError> {
    let canaries = rows(Phase::Three, 128, vocabulary, 0).rows();
    let letters: Vec<TokenId> = (0..26).map(|i| letter(i, vocabulary)).collect();
    let score = |trainer: &mut Trainer<'_>| trainer.model().score(&canaries[..384], &letters);
    score(trainer)?;
    let start = Instant::now();
    score(trainer)?;
    Ok(start.elapsed().as_secs_f64())
}

/// The token of the i-th letter, spread over the vocabulary.
fn letter(i: usize, vocabulary: usize) -> TokenId {
    TokenId(u32::try_from((i * 1931 + 7) % vocabulary).unwrap_or(0))
}

/// Rows of a phase's terms over 26 letters and a prefix at the ends of the vocabulary.
fn rows(phase: Phase, batch: usize, vocabulary: usize, step: usize) -> StepBatch {
    let term = |salt: usize| -> Vec<Vec<TokenId>> {
        (0..batch)
            .map(|row| {
                // Knuth's multiplicative hash: letters as good as random, the same on every run.
                let at = |place: usize| {
                    (row * 31 + place * 17 + salt * 13 + step * 7).wrapping_mul(2_654_435_761) >> 7
                };
                let letters = (0..LETTERS).map(|place| letter(at(place) % 26, vocabulary));
                std::iter::once(letter(26 + salt % 2, vocabulary))
                    .chain(letters)
                    .collect()
            })
            .collect()
    };
    let likelihood = |name, weight, salt| LikelihoodTerm {
        name,
        weight,
        rows: term(salt),
    };
    let dpo = || DpoTerm {
        weight: 1.0,
        beta: 0.1,
        chosen: term(0),
        rejected: term(2),
        reference_chosen: vec![-50.0; batch],
        reference_rejected: vec![-50.0; batch],
    };
    match phase {
        Phase::One => StepBatch {
            likelihood: vec![likelihood(TermName::Regular, 1.0, 4)],
            ..StepBatch::default()
        },
        Phase::Two => StepBatch {
            dpo: Some(dpo()),
            ..StepBatch::default()
        },
        Phase::Three => StepBatch {
            dpo: Some(dpo()),
            likelihood: vec![
                likelihood(TermName::Reverse, 0.2, 1),
                likelihood(TermName::Regular, 0.2, 4),
            ],
            ..StepBatch::default()
        },
    }
}

/// Operations a second of the best of several large products.
fn peak(device: Device, arithmetic: Arithmetic) -> Result<f64, tch::TchError> {
    let n: i64 = if device == Device::CPU { 2048 } else { 8192 };
    let full = |value| {
        let x = Tensor::f_full([n, n], value, (Kind::Float, device.tch()))?;
        operand(&x, arithmetic)
    };
    let (a, b) = (full(0.5)?, full(0.25)?);
    let mut best = f64::INFINITY;
    for _ in 0..8 {
        let start = Instant::now();
        let product = a.f_matmul(&b)?;
        // Reading one number waits for the device.
        let _ = product.f_double_value(&[0, 0])?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(2.0 * (n as f64).powi(3) / best)
}
