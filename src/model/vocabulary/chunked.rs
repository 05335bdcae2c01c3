//! On a GPU: whole rows of the vocabulary, some tokens at a time.

use tch::{Kind, Tensor};

use super::{KEEP, TokenLogprobs, steps};

/// See [`super::forward`].
pub(super) fn forward(
    hidden: &Tensor,
    output: &Tensor,
    targets: &Tensor,
) -> Result<TokenLogprobs, tch::TchError> {
    let (tokens, vocabulary) = (hidden.size()[0], output.size()[0]);
    let like = (Kind::Float, hidden.device());
    let logprobs = Tensor::f_empty([tokens], like)?;
    let normalisers = Tensor::f_empty([tokens], like)?;
    for (from, n) in steps(tokens, (KEEP / vocabulary).max(1)) {
        let logits = hidden.f_narrow(0, from, n)?.f_matmul(&output.f_tr()?)?;
        let norm = logits.f_logsumexp([1i64].as_slice(), false)?;
        let target = targets.f_narrow(0, from, n)?.f_unsqueeze(1)?;
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

/// See [`super::backward`].
pub(super) fn backward(
    hidden: &Tensor,
    output: &Tensor,
    targets: &Tensor,
    scored: &TokenLogprobs,
    slopes: &Tensor,
    grad_output: Option<&Tensor>,
) -> Result<Tensor, tch::TchError> {
    let (tokens, vocabulary) = (hidden.size()[0], output.size()[0]);
    let grad_hidden = hidden.f_empty_like()?;
    for (from, n) in steps(tokens, (KEEP / vocabulary).max(1)) {
        let h = hidden.f_narrow(0, from, n)?;
        let norm = scored.normalisers.f_narrow(0, from, n)?.f_unsqueeze(1)?;
        let mut d = h.f_matmul(&output.f_tr()?)?.f_sub_(&norm)?.f_exp_()?;
        // d logits = slope · (one-hot(target) − p)
        let slope = slopes.f_narrow(0, from, n)?.f_unsqueeze(1)?;
        let _ = d.f_mul_(&slope.f_neg()?)?;
        let target = targets.f_narrow(0, from, n)?.f_unsqueeze(1)?;
        let _ = d.f_scatter_add_(1, &target, &slope)?;
        grad_hidden
            .f_narrow(0, from, n)?
            .f_copy_(&d.f_matmul(output)?)?;
        if let Some(total) = grad_output {
            let _ = total.shallow_clone().f_addmm_(&d.f_tr()?, &h)?;
        }
    }
    Ok(grad_hidden)
}
