//! The loss of a step as data: named, weighted terms over token rows, and its derivative by every log-probability.

use tch::{Device, Kind, Tensor};

use crate::units::{TokenId, to_i64};

/// The name of a loss term in logs and traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TermName {
    /// DPO on pairs.
    Dpo,
    /// Cross-entropy after the reverse prefix.
    Reverse,
    /// Cross-entropy after the regular prefix.
    Regular,
}

impl TermName {
    /// As it stands in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpo => "dpo",
            Self::Reverse => "reverse",
            Self::Regular => "regular",
        }
    }
}

/// −log σ(β[(lp⁺ − ref⁺) − (lp⁻ − ref⁻)]), mean over pairs; lp is the sum of token log-probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct DpoTerm {
    /// Weight in the total loss.
    pub weight: f64,
    /// β.
    pub beta: f64,
    /// Chosen rows.
    pub chosen: Vec<Vec<TokenId>>,
    /// Rejected rows, as many.
    pub rejected: Vec<Vec<TokenId>>,
    /// Summed log-probabilities of the chosen rows under the reference.
    pub reference_chosen: Vec<f32>,
    /// Summed log-probabilities of the rejected rows under the reference.
    pub reference_rejected: Vec<f32>,
}

/// Mean token cross-entropy of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct LikelihoodTerm {
    /// What logs and traces call it.
    pub name: TermName,
    /// Weight in the total loss.
    pub weight: f64,
    /// Rows.
    pub rows: Vec<Vec<TokenId>>,
}

/// The rows of one step, all of one length, and what is asked of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StepBatch {
    /// The DPO term.
    pub dpo: Option<DpoTerm>,
    /// Cross-entropy terms.
    pub likelihood: Vec<LikelihoodTerm>,
    /// Tokens after the first of every row that are context alone: no term counts them.
    pub unscored: usize,
}

/// A loss and its derivative.
#[derive(Debug)]
pub(super) struct Loss {
    /// Total, then each term in the order of [`StepBatch::names`], then (with DPO) the mean log-probability per token of
    /// the chosen and of the rejected rows: read back together, so that a step waits for the device once.
    pub(super) numbers: Tensor,
    /// Derivative of the total by each log-probability. `[rows, time]`
    pub(super) grad: Tensor,
}

impl StepBatch {
    /// All rows in one batch: chosen, rejected, then the other terms'.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<TokenId>> {
        let pairs = self
            .dpo
            .iter()
            .flat_map(|d| d.chosen.iter().chain(&d.rejected));
        let others = self.likelihood.iter().flat_map(|t| &t.rows);
        pairs.chain(others).cloned().collect()
    }

    /// Names of the terms, DPO first.
    pub(super) fn names(&self) -> Vec<TermName> {
        let dpo = self.dpo.iter().map(|_| TermName::Dpo);
        dpo.chain(self.likelihood.iter().map(|t| t.name)).collect()
    }

    /// Rows in all.
    #[must_use]
    pub fn len(&self) -> usize {
        let pairs = self.dpo.as_ref().map_or(0, |d| 2 * d.chosen.len());
        pairs + self.likelihood.iter().map(|t| t.rows.len()).sum::<usize>()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens per row that go through the model.
    pub(super) fn tokens_per_row(&self) -> usize {
        let pairs = self.dpo.iter().flat_map(|d| &d.chosen);
        let mut rows = pairs.chain(self.likelihood.iter().flat_map(|t| &t.rows));
        rows.next().map_or(0, |row| row.len().saturating_sub(1))
    }

    /// Rows of the longest term.
    pub(super) fn longest(&self) -> usize {
        self.of_terms().max().unwrap_or(0)
    }

    /// Rows of the shortest term: a batch has no more pieces than that.
    pub(super) fn shortest(&self) -> usize {
        self.of_terms().min().unwrap_or(0)
    }

    /// Rows of each term; a pair counts once.
    fn of_terms(&self) -> impl Iterator<Item = usize> {
        let pairs = self.dpo.iter().map(|d| d.chosen.len());
        pairs.chain(self.likelihood.iter().map(|t| t.rows.len()))
    }

    /// The `k`-th of `of` pieces: the same share of every term, pairs kept together.
    pub(super) fn piece(&self, k: usize, of: usize) -> Self {
        let range = |n: usize| n * k / of..n * (k + 1) / of;
        Self {
            dpo: self.dpo.as_ref().map(|d| {
                let at = range(d.chosen.len());
                DpoTerm {
                    weight: d.weight,
                    beta: d.beta,
                    chosen: d.chosen[at.clone()].to_vec(),
                    rejected: d.rejected[at.clone()].to_vec(),
                    reference_chosen: d.reference_chosen[at.clone()].to_vec(),
                    reference_rejected: d.reference_rejected[at].to_vec(),
                }
            }),
            likelihood: self
                .likelihood
                .iter()
                .map(|t| LikelihoodTerm {
                    name: t.name,
                    weight: t.weight,
                    rows: t.rows[range(t.rows.len())].to_vec(),
                })
                .collect(),
            unscored: self.unscored,
        }
    }

    /// This piece's part of the loss of `whole`, from log-probabilities `[rows, time]` in the order of [`Self::rows`]:
    /// means are over the rows of `whole`, so that the pieces' numbers and derivatives add up.
    pub(super) fn loss(&self, logprobs: &Tensor, whole: &Self) -> Result<Loss, tch::TchError> {
        let whole_grad = logprobs.f_zeros_like()?;
        let (from, tokens) = (to_i64(self.unscored), *logprobs.size().last().unwrap_or(&1));
        let logprobs = &logprobs.f_narrow(1, from, tokens - from)?;
        let grad = whole_grad.f_narrow(1, from, tokens - from)?;
        let time = (tokens - from) as f64;
        let mut total = Tensor::f_zeros([0i64; 0].as_slice(), (Kind::Float, logprobs.device()))?;
        let mut terms = Vec::new();
        let mut means = Vec::new();
        let mut from = 0;
        if let (Some(dpo), Some(all)) = (&self.dpo, &whole.dpo) {
            let (n, share) = (len(&dpo.chosen), 1.0 / all.chosen.len().max(1) as f64);
            let chosen = logprobs.f_narrow(0, 0, n)?;
            let rejected = logprobs.f_narrow(0, n, n)?;
            let (value, slope) = dpo.sums(&chosen, &rejected)?;
            let value = value.f_mul_scalar(share)?;
            let slope = slope.f_mul_scalar(dpo.weight * share)?.f_unsqueeze(1)?;
            grad.f_narrow(0, 0, n)?
                .f_copy_(&slope.f_expand_as(&chosen)?)?;
            grad.f_narrow(0, n, n)?
                .f_copy_(&slope.f_neg()?.f_expand_as(&rejected)?)?;
            total = total.f_add(&value.f_mul_scalar(dpo.weight)?)?;
            terms.push(value);
            for rows in [chosen, rejected] {
                means.push(rows.f_sum(Kind::Float)?.f_mul_scalar(share / time)?);
            }
            from = 2 * n;
        }
        for (term, all) in self.likelihood.iter().zip(&whole.likelihood) {
            let n = len(&term.rows);
            let slope = -1.0 / (all.rows.len().max(1) as f64 * time);
            let value = logprobs.f_narrow(0, from, n)?.f_sum(Kind::Float)?;
            let value = value.f_mul_scalar(slope)?;
            let _ = grad.f_narrow(0, from, n)?.f_fill_(term.weight * slope)?;
            total = total.f_add(&value.f_mul_scalar(term.weight)?)?;
            terms.push(value);
            from += n;
        }
        let numbers: Vec<Tensor> = std::iter::once(total).chain(terms).chain(means).collect();
        Ok(Loss {
            numbers: Tensor::f_stack(&numbers, 0)?,
            grad: whole_grad,
        })
    }
}

impl DpoTerm {
    /// The term summed over pairs, and its derivative by each chosen row's summed log-probability (the rejected row's is
    /// its negative).
    fn sums(&self, chosen: &Tensor, rejected: &Tensor) -> Result<(Tensor, Tensor), tch::TchError> {
        let sum = |rows: &Tensor| rows.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let device = chosen.device();
        let up = sum(chosen)?.f_sub(&on(&self.reference_chosen, device)?)?;
        let down = sum(rejected)?.f_sub(&on(&self.reference_rejected, device)?)?;
        let margin = up.f_sub(&down)?.f_mul_scalar(self.beta)?;
        let value = margin.f_log_sigmoid()?.f_sum(Kind::Float)?.f_neg()?;
        let slope = margin.f_neg()?.f_sigmoid()?.f_mul_scalar(-self.beta)?;
        Ok((value, slope))
    }
}

fn len(rows: &[Vec<TokenId>]) -> i64 {
    to_i64(rows.len())
}

fn on(numbers: &[f32], device: Device) -> Result<Tensor, tch::TchError> {
    Tensor::f_from_slice(numbers)?.f_to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize) -> Vec<Vec<TokenId>> {
        vec![vec![TokenId(0); 3]; n]
    }

    /// The hand-made derivative against libtorch's own.
    #[test]
    fn the_derivative_is_autograds() {
        let batch = StepBatch {
            dpo: Some(DpoTerm {
                weight: 0.7,
                beta: 0.3,
                chosen: rows(2),
                rejected: rows(2),
                reference_chosen: vec![-3.0, -2.5],
                reference_rejected: vec![-2.0, -4.0],
            }),
            likelihood: vec![LikelihoodTerm {
                name: TermName::Regular,
                weight: 0.2,
                rows: rows(3),
            }],
            ..StepBatch::default()
        };
        let values: Vec<f32> = (0..14u8).map(|i| -0.1 - 0.37 * f32::from(i % 5)).collect();
        let leaf = Tensor::from_slice(&values)
            .view([7, 2])
            .set_requires_grad(true);
        let loss = batch.loss(&leaf, &batch).unwrap();
        let total = loss.numbers.get(0);
        let grads = Tensor::run_backward(&[total], &[&leaf], false, false);
        let difference = f64::try_from((&grads[0] - &loss.grad).abs().max()).unwrap();
        assert!(difference < 1e-7, "{difference}");
        assert_eq!(batch.names(), [TermName::Dpo, TermName::Regular]);
        assert_eq!(loss.numbers.size(), [5]);
    }

    /// What stands before the letters changes nothing, whatever the model makes of it.
    #[test]
    fn context_counts_in_no_term() {
        let batch = StepBatch {
            dpo: Some(DpoTerm {
                weight: 0.7,
                beta: 0.3,
                chosen: rows(2),
                rejected: rows(2),
                reference_chosen: vec![-3.0, -2.5],
                reference_rejected: vec![-2.0, -4.0],
            }),
            likelihood: vec![LikelihoodTerm {
                name: TermName::Regular,
                weight: 0.2,
                rows: rows(3),
            }],
            ..StepBatch::default()
        };
        let framed = StepBatch {
            unscored: 3,
            ..batch.clone()
        };
        let values: Vec<f32> = (0..14u8).map(|i| -0.1 - 0.37 * f32::from(i % 5)).collect();
        let scored = Tensor::from_slice(&values).view([7, 2]);
        let before = Tensor::full([7, 3], -9.0, (Kind::Float, Device::Cpu));
        let longer = Tensor::cat(&[&before, &scored], 1);
        let (own, loss) = (
            batch.loss(&scored, &batch).unwrap(),
            framed.loss(&longer, &framed).unwrap(),
        );
        assert_eq!(own.numbers, loss.numbers);
        assert_eq!(loss.grad.narrow(1, 3, 2), own.grad);
        assert_eq!(loss.grad.narrow(1, 0, 3), before.zeros_like());
    }
}
