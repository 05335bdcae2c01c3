//! On a GPU: whole rows of the vocabulary, some tokens at a time.

use tch::{Kind, Tensor};

use super::{KEEP, LmHead, TokenLogprobs, steps};
use crate::model::params::operand;

/// Tokens of a chunk.
fn tokens(head: &LmHead<'_>) -> i64 {
    (KEEP / head.vocabulary()).max(1)
}

/// Log-probabilities of targets as [`super::forward`] gives them, one chunk of the vocabulary at a time.
pub(super) fn forward(head: &LmHead<'_>) -> Result<TokenLogprobs, tch::TchError> {
    let like = (Kind::Float, head.hidden.device());
    let logprobs = Tensor::f_empty([head.tokens()], like)?;
    let normalisers = Tensor::f_empty([head.tokens()], like)?;
    let columns = head.output.f_tr()?;
    for (from, n) in steps(head.tokens(), tokens(head)) {
        let logits = head.product(&head.hidden.f_narrow(0, from, n)?, &columns)?;
        let norm = logits.f_logsumexp([1i64].as_slice(), false)?;
        let target = head.targets.f_narrow(0, from, n)?.f_unsqueeze(1)?;
        let target = logits.f_gather(1, &target, false)?.f_squeeze_dim(1)?;
        logprobs
            .f_narrow(0, from, n)?
            .f_copy_(&target.f_sub(&norm)?)?;
        normalisers.f_narrow(0, from, n)?.f_copy_(&norm)?;
    }
    Ok(TokenLogprobs {
        logprobs,
        normalisers,
        is_kept: false,
    })
}

/// Derivatives as [`super::backward`] gives them, one chunk of the vocabulary at a time.
pub(super) fn backward(
    head: &LmHead<'_>,
    scored: &TokenLogprobs,
    slopes: &Tensor,
    grad_output: Option<&Tensor>,
) -> Result<Tensor, tch::TchError> {
    let like = (Kind::Float, head.hidden.device());
    let grad_hidden = Tensor::f_empty(head.hidden.size(), like)?;
    let columns = head.output.f_tr()?;
    for (from, n) in steps(head.tokens(), tokens(head)) {
        let h = head.hidden.f_narrow(0, from, n)?;
        let norm = scored.normalisers.f_narrow(0, from, n)?.f_unsqueeze(1)?;
        let mut d = head.product(&h, &columns)?.f_sub_(&norm)?.f_exp_()?;
        // d logits = slope · (one-hot(target) − p)
        let slope = slopes.f_narrow(0, from, n)?.f_unsqueeze(1)?;
        let _ = d.f_mul_(&slope.f_neg()?)?;
        let target = head.targets.f_narrow(0, from, n)?.f_unsqueeze(1)?;
        let _ = d.f_scatter_add_(1, &target, &slope)?;
        let d = operand(&d, head.arithmetic)?;
        grad_hidden
            .f_narrow(0, from, n)?
            .f_copy_(&head.product(&d, &head.output)?)?;
        if let Some(total) = grad_output {
            super::add_product(&mut total.shallow_clone(), &d.f_tr()?, &h, head)?;
        }
    }
    Ok(grad_hidden)
}
