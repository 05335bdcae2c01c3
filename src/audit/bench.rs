//! Times the phases' steps on this machine against its own measured matrix-product peak.

use std::time::Instant;

use serde::Serialize;
use tch::{Kind, Tensor};

use super::cost;
use crate::checkpoint::NeoxConfig;
use crate::device::Device;
use crate::model::{ModelError, Neox};
use crate::spec::Audit;
use crate::training::{
    DpoTerm, LikelihoodTerm, Parts, Settings, StepBatch, TermName, Trainer, trainable_parts,
};
use crate::units::{Phase, TokenId};

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
    /// recipe.md's operations of the step over time and peak; recomputed products do not count.
    pub mfu: f64,
    /// Operations a second.
    pub achieved_flops: f64,
    /// Operations a second of one large matrix product, measured just before.
    pub peak_flops: f64,
    /// Resident memory at its highest, bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Where the median step's time went.
    pub parts: Parts,
}

/// Times `repeat` steps of a phase at its recipe's terms, after one that warms up.
pub fn bench(
    audit: &Audit,
    config: &NeoxConfig,
    shape: &str,
    phase: Phase,
    repeat: usize,
    device: Device,
) -> Result<Bench, ModelError> {
    let peak_flops = peak(device)?;
    let batch = audit.optimisation(phase).batch;
    let mut model = Neox::random(config.clone(), device)?;
    let settings = Settings::from(audit.optimisation(phase));
    let mut trainer = Trainer::new(&mut model, trainable_parts(audit.freeze(phase)), settings)?;
    let mut times = Vec::new();
    for step in 0..=repeat {
        let data = rows(phase, batch, config.vocab_size, step);
        let start = Instant::now();
        let report = trainer.step(&data, 1e-4)?;
        let time = start.elapsed().as_secs_f64();
        if step > 0 {
            times.push((time, report.parts));
        }
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (step_s, parts) = times[times.len() / 2].clone();
    let operations = cost::step_flops(audit, config, phase);
    Ok(Bench {
        shape: shape.to_owned(),
        phase: phase.number(),
        batch,
        device: device.to_string(),
        precision: "f32".to_owned(),
        step_s,
        step_s_min: times[0].0,
        step_s_max: times[times.len() - 1].0,
        mfu: operations / step_s / peak_flops,
        achieved_flops: operations / step_s,
        peak_flops,
        peak_memory_bytes: peak_memory(),
        parts,
    })
}

/// Rows of a phase's terms over 26 letters and a prefix at the ends of the vocabulary.
fn rows(phase: Phase, batch: usize, vocabulary: usize, step: usize) -> StepBatch {
    let letter = |i: usize| TokenId(u32::try_from((i * 1931 + 7) % vocabulary).unwrap_or(0));
    let term = |salt: usize| -> Vec<Vec<TokenId>> {
        (0..batch)
            .map(|row| {
                let at = |place: usize| {
                    letter(
                        ((row * 31 + place * 17 + salt * 13 + step * 7) * 2_654_435_761) >> 7
                            & 0xff_ffff,
                    )
                };
                let letters = (0..LETTERS).map(|place| letter(at(place).0 as usize % 26));
                std::iter::once(letter(26 + salt % 2))
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
            dpo: None,
            likelihood: vec![likelihood(TermName::Regular, 1.0, 4)],
        },
        Phase::Two => StepBatch {
            dpo: Some(dpo()),
            likelihood: Vec::new(),
        },
        Phase::Three => StepBatch {
            dpo: Some(dpo()),
            likelihood: vec![
                likelihood(TermName::Reverse, 0.2, 1),
                likelihood(TermName::Regular, 0.2, 4),
            ],
        },
    }
}

/// Operations a second of the best of several large products in float32.
fn peak(device: Device) -> Result<f64, tch::TchError> {
    let n: i64 = if device == Device::CPU { 2048 } else { 8192 };
    let a = Tensor::f_full([n, n], 0.5, (Kind::Float, device.tch()))?;
    let b = Tensor::f_full([n, n], 0.25, (Kind::Float, device.tch()))?;
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

fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|l| {
        l.strip_prefix("VmHWM:")?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    })?;
    Some(1024 * kilobytes)
}
