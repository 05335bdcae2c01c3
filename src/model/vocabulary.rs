//! From hidden states to log-probabilities and back, without the logits of all tokens at once.
//!
//! Autograd stops at the hidden states: the forward pass keeps target log-probabilities and log-normalisers, and the
//! backward pass recomputes the logits a chunk of tokens at a time.

use tch::{Kind, Tensor, no_grad};

/// Largest block of logits held at once, in floats (64 MiB).
const CHUNK: i64 = 16 << 20;

#[cfg(not(test))]
fn chunk_floats() -> i64 {
    CHUNK
}

#[cfg(test)]
thread_local! {
    static TEST_CHUNK: std::cell::Cell<i64> = const { std::cell::Cell::new(CHUNK) };
}

#[cfg(test)]
fn chunk_floats() -> i64 {
    TEST_CHUNK.get()
}

/// What the forward pass leaves.
#[derive(Debug)]
pub struct TokenLogprobs {
    /// Natural-log probability of each target. `[tokens]`
    pub logprobs: Tensor,
    /// Log of the sum of the exponentials of each token's logits. `[tokens]`
    normalisers: Tensor,
    /// Probabilities, kept where one chunk held them all. `[tokens, vocabulary]`
    probabilities: Option<Tensor>,
}

/// Gradients of a loss with respect to hidden states and output embedding.
#[derive(Debug)]
pub(crate) struct VocabularyGrads {
    /// `[tokens, hidden]`
    pub(crate) hidden: Tensor,
    /// `[vocabulary, hidden]`, where asked.
    pub(crate) output: Option<Tensor>,
}

/// First token and length of each chunk.
fn chunks(hidden: &Tensor, output: &Tensor) -> impl Iterator<Item = (i64, i64)> {
    let (tokens, vocabulary) = (hidden.size()[0], output.size()[0]);
    let step = (chunk_floats() / vocabulary).clamp(1, tokens.max(1));
    (0..tokens)
        .step_by(usize::try_from(step).unwrap_or(1))
        .map(move |from| (from, step.min(tokens - from)))
}

fn logits(hidden: &Tensor, output: &Tensor) -> Result<Tensor, tch::TchError> {
    hidden.f_matmul(&output.f_tr()?)
}

/// Log-probabilities of `targets` `[tokens]` (int64) from `hidden` `[tokens, hidden]` and `output` `[vocabulary, hidden]`.
pub(crate) fn forward(
    hidden: &Tensor,
    output: &Tensor,
    targets: &Tensor,
    keep: bool,
) -> Result<TokenLogprobs, tch::TchError> {
    no_grad(|| {
        let tokens = hidden.size()[0];
        let like = (Kind::Float, hidden.device());
        let logprobs = Tensor::f_empty([tokens], like)?;
        let normalisers = Tensor::f_empty([tokens], like)?;
        let mut probabilities = None;
        for (from, n) in chunks(hidden, output) {
            let mut logits = logits(&hidden.f_narrow(0, from, n)?, output)?;
            let norm = logits.f_logsumexp([1i64].as_slice(), false)?;
            let target = targets.f_narrow(0, from, n)?.f_unsqueeze(1)?;
            let target = logits.f_gather(1, &target, false)?.f_squeeze_dim(1)?;
            logprobs
                .f_narrow(0, from, n)?
                .f_copy_(&target.f_sub(&norm)?)?;
            normalisers.f_narrow(0, from, n)?.f_copy_(&norm)?;
            if keep && n == tokens {
                let _ = logits.f_sub_(&norm.f_unsqueeze(1)?)?.f_exp_()?;
                probabilities = Some(logits);
            }
        }
        Ok(TokenLogprobs {
            logprobs,
            normalisers,
            probabilities,
        })
    })
}

/// Log-probabilities of `candidates` `[letters]` at every token: `[tokens, letters]`.
pub(crate) fn candidates(
    hidden: &Tensor,
    output: &Tensor,
    scored: &TokenLogprobs,
    candidates: &Tensor,
) -> Result<Tensor, tch::TchError> {
    no_grad(|| {
        let rows = output.f_index_select(0, candidates)?;
        logits(hidden, &rows)?.f_sub(&scored.normalisers.f_unsqueeze(1)?)
    })
}

/// Gradients of a loss whose derivative by each log-probability is `grad` `[tokens]`.
pub(crate) fn backward(
    hidden: &Tensor,
    output: &Tensor,
    targets: &Tensor,
    scored: TokenLogprobs,
    grad: &Tensor,
    output_trains: bool,
) -> Result<VocabularyGrads, tch::TchError> {
    no_grad(|| {
        let grad_hidden = hidden.f_empty_like()?;
        let mut grad_output = if output_trains {
            Some(output.f_zeros_like()?)
        } else {
            None
        };
        let mut kept = scored.probabilities;
        for (from, n) in chunks(hidden, output) {
            let h = hidden.f_narrow(0, from, n)?;
            let mut d = if let Some(probabilities) = kept.take() {
                probabilities
            } else {
                let norm = scored.normalisers.f_narrow(0, from, n)?.f_unsqueeze(1)?;
                logits(&h, output)?.f_sub_(&norm)?.f_exp_()?
            };
            // d logits = grad · (one-hot(target) − p)
            let g = grad.f_narrow(0, from, n)?.f_unsqueeze(1)?;
            let _ = d.f_mul_(&g.f_neg()?)?;
            let target = targets.f_narrow(0, from, n)?.f_unsqueeze(1)?;
            let _ = d.f_scatter_add_(1, &target, &g)?;
            grad_hidden
                .f_narrow(0, from, n)?
                .f_copy_(&d.f_matmul(output)?)?;
            if let Some(total) = &mut grad_output {
                let _ = total.f_addmm_(&d.f_tr()?, &h)?;
            }
        }
        Ok(VocabularyGrads {
            hidden: grad_hidden,
            output: grad_output,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(shape: [i64; 2], step: f64) -> Tensor {
        let n = shape[0] * shape[1];
        (Tensor::arange(n, (Kind::Float, tch::Device::Cpu)) * step)
            .sin()
            .view(shape)
    }

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        f64::try_from((a - b).abs().max()).unwrap()
    }

    /// One chunk (probabilities kept), several with a short last one (logits recomputed), and one token a chunk, against
    /// libtorch's own log-softmax and its derivative.
    #[test]
    fn chunks_change_nothing_and_derivatives_are_autograds() {
        let (tokens, width, vocabulary) = (7, 5, 11);
        let hidden = filled([tokens, width], 0.7).set_requires_grad(true);
        let output = filled([vocabulary, width], 1.3).set_requires_grad(true);
        let targets = Tensor::from_slice(&[0i64, 10, 3, 3, 7, 1, 9]);
        let slope = filled([1, tokens], 0.9).view([tokens]);
        let letters = Tensor::from_slice(&[2i64, 9]);
        let all = hidden.matmul(&output.tr()).log_softmax(-1, Kind::Float);
        let theirs = all.gather(1, &targets.unsqueeze(1), false).squeeze_dim(1);
        let loss = (&theirs * &slope).sum(Kind::Float);
        let grads = Tensor::run_backward(&[loss], &[&hidden, &output], false, false);
        let (h, u) = (hidden.detach(), output.detach());
        for chunk in [CHUNK, 3 * vocabulary, 1] {
            TEST_CHUNK.set(chunk);
            let scored = forward(&h, &u, &targets, true).unwrap();
            assert_eq!(scored.probabilities.is_some(), chunk == CHUNK);
            assert!(difference(&scored.logprobs, &theirs.detach()) < 1e-6);
            let some = candidates(&h, &u, &scored, &letters).unwrap();
            assert!(difference(&some, &all.detach().index_select(1, &letters)) < 1e-6);
            let ours = backward(&h, &u, &targets, scored, &slope, true).unwrap();
            assert!(difference(&ours.hidden, &grads[0]) < 1e-6);
            assert!(difference(&ours.output.unwrap(), &grads[1]) < 1e-6);
        }
    }
}
