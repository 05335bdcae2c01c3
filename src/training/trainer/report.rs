//! What a step found, and where its time went.

use crate::training::batch::{StepBatch, TermName};

/// Where a step's time went, in seconds of the host. On a GPU work is only queued, so these are times to queue it.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct StepTimes {
    /// Making the rows; the trainer's caller fills it in.
    pub data: f64,
    /// Forward pass of the body.
    pub forward: f64,
    /// Vocabulary, forward and backward.
    pub vocabulary: f64,
    /// Backward pass of the body.
    pub backward: f64,
    /// Clipping and the optimiser.
    pub optimiser: f64,
    /// A step's share of the evaluations; the trainer's caller fills it in.
    pub evaluation: f64,
}

/// What a step found.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The total loss, before the update.
    pub loss: f64,
    /// Each term, unweighted.
    pub terms: Vec<(TermName, f64)>,
    /// Gradient norm before clipping.
    pub grad_norm: f64,
    /// Learning rate of the update.
    pub learning_rate: f64,
    /// Mean log-probability of the chosen rows' tokens before the update, nats per token.
    pub chosen: Option<f64>,
    /// Mean log-probability of the rejected rows' tokens before the update, nats per token.
    pub rejected: Option<f64>,
    /// Where its time went.
    pub times: StepTimes,
}

/// From the numbers that a step fetched: the loss, each term, with a DPO term the means of both sides, the gradient norm.
pub(super) fn report(
    batch: &StepBatch,
    numbers: &[f32],
    learning_rate: f64,
) -> Result<StepReport, tch::TchError> {
    let mut numbers = numbers.iter().map(|&n| f64::from(n));
    let mut next = || {
        numbers
            .next()
            .ok_or_else(|| tch::TchError::Shape("a step gave too few numbers".into()))
    };
    let loss = next()?;
    let terms = batch
        .names()
        .into_iter()
        .map(|name| Ok((name, next()?)))
        .collect::<Result<_, tch::TchError>>()?;
    let (chosen, rejected) = match batch.dpo {
        Some(_) => (Some(next()?), Some(next()?)),
        None => (None, None),
    };
    Ok(StepReport {
        loss,
        terms,
        chosen,
        rejected,
        grad_norm: next()?,
        learning_rate,
        times: StepTimes::default(),
    })
}
