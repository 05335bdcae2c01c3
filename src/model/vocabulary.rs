//! From hidden states to log-probabilities and back, without the logits of all tokens at once.
//!
//! Autograd stops at the hidden states. The logits are made a tile at a time (some tokens by some of the vocabulary) and
//! each tile is passed over once while it is in cache. Where the logits of all tokens fit in [`KEEP`], they stay for the
//! backward pass; else it makes them again.

use tch::{Device, Kind, Tensor, no_grad};

use crate::native;

/// Floats of one tile (8 MiB): it stays in the last-level cache between the product and the pass over it.
const TILE: i64 = 2 << 20;

/// Tokens of one tile.
const TILE_TOKENS: i64 = 1024;

/// Most floats of logits that are kept for the backward pass (512 MiB).
const KEEP: i64 = 128 << 20;

/// [`KEEP`], for whoever cuts a batch into pieces.
pub(super) const KEPT: usize = 128 << 20;

/// What the forward pass leaves.
#[derive(Debug)]
pub struct TokenLogprobs {
    /// Natural-log probability of each target. `[tokens]`
    pub logprobs: Tensor,
    /// Log of the sum of the exponentials of each token's logits. `[tokens]`
    normalisers: Tensor,
    /// Whether the workspace still holds the logits.
    is_kept: bool,
}

/// Memory for logits, kept from step to step: fresh memory would have to be mapped and zeroed each time.
#[derive(Debug, Default)]
pub(crate) struct Workspace(std::cell::RefCell<Option<Tensor>>);

impl Workspace {
    /// At least `floats` floats on the CPU.
    fn floats(&self, floats: i64) -> Result<Tensor, tch::TchError> {
        let mut held = self.0.borrow_mut();
        match &*held {
            Some(tensor) if tensor.size()[0] >= floats => Ok(tensor.shallow_clone()),
            _ => {
                // The old one goes before the new one is asked for.
                *held = None;
                let fresh = Tensor::f_empty([floats], (Kind::Float, Device::Cpu))?;
                *held = Some(fresh.shallow_clone());
                Ok(fresh)
            }
        }
    }
}

/// A block of logits: tokens `token..token + tokens` by vocabulary `from..from + width`.
struct Tile {
    token: i64,
    tokens: i64,
    from: i64,
    width: i64,
}

/// How many floats the logits are cut into.
#[derive(Debug, Clone, Copy)]
struct Limits {
    tile: i64,
    keep: i64,
}

const LIMITS: Limits = Limits {
    tile: TILE,
    keep: KEEP,
};

impl Limits {
    fn tiles(self, tokens: i64, vocabulary: i64) -> impl Iterator<Item = Tile> {
        let rows = TILE_TOKENS.min(self.tile).min(tokens).max(1);
        let columns = (self.tile / rows).clamp(1, vocabulary.max(1));
        steps(tokens, rows).flat_map(move |(token, tokens)| {
            steps(vocabulary, columns).map(move |(from, width)| Tile {
                token,
                tokens,
                from,
                width,
            })
        })
    }
}

/// First place and length of each piece of `0..n`.
fn steps(n: i64, piece: i64) -> impl Iterator<Item = (i64, i64)> {
    let count = if n == 0 { 0 } else { (n - 1) / piece + 1 };
    (0..count).map(move |i| (i * piece, piece.min(n - i * piece)))
}

impl Tile {
    /// Where its logits lie: behind those of the tiles before it where all are kept, else at the beginning.
    fn place(&self, buffer: &Tensor, vocabulary: i64, keep: bool) -> Result<Tensor, tch::TchError> {
        let offset = if keep {
            self.token * vocabulary + self.tokens * self.from
        } else {
            0
        };
        buffer
            .f_narrow(0, offset, self.tokens * self.width)?
            .f_view([self.tokens, self.width])
    }

    fn fill(&self, logits: &Tensor, hidden: &Tensor, output: &Tensor) -> Result<(), tch::TchError> {
        let columns = output.f_narrow(0, self.from, self.width)?.f_tr()?;
        let rows = hidden.f_narrow(0, self.token, self.tokens)?;
        rows.f_mm_out(logits, &columns).map(|_| ())
    }

    fn range(&self) -> std::ops::Range<usize> {
        let start = usize::try_from(self.token).unwrap_or(0);
        start..start + usize::try_from(self.tokens).unwrap_or(0)
    }

    fn first_column(&self) -> usize {
        usize::try_from(self.from).unwrap_or(0)
    }
}

/// Log-probabilities of `targets` `[tokens]` (int64) from `hidden` `[tokens, hidden]` and `output` `[vocabulary, hidden]`.
///
/// With `keep` the logits stay in the workspace for [`backward`], where there is room; nothing else may use it meanwhile.
pub(crate) fn forward(
    hidden: &Tensor,
    output: &Tensor,
    targets: &Tensor,
    keep: bool,
    workspace: &Workspace,
) -> Result<TokenLogprobs, tch::TchError> {
    no_grad(|| {
        if hidden.device() == Device::Cpu {
            forward_tiled(hidden, output, targets, keep, workspace, LIMITS)
        } else {
            forward_chunked(hidden, output, targets)
        }
    })
}

fn forward_tiled(
    hidden: &Tensor,
    output: &Tensor,
    targets: &Tensor,
    keep: bool,
    workspace: &Workspace,
    limits: Limits,
) -> Result<TokenLogprobs, tch::TchError> {
    let (tokens, vocabulary) = (hidden.size()[0], output.size()[0]);
    let is_kept = keep && tokens * vocabulary <= limits.keep;
    let buffer = workspace.floats(if is_kept {
        tokens * vocabulary
    } else {
        limits.tile
    })?;
    let hidden = hidden.f_contiguous()?;
    let targets = Vec::<i64>::try_from(targets)?;
    let mut max = vec![f32::NEG_INFINITY; targets.len()];
    let mut sum = vec![0.0; targets.len()];
    let mut logprobs = vec![0.0; targets.len()];
    for tile in limits.tiles(tokens, vocabulary) {
        let logits = tile.place(&buffer, vocabulary, is_kept)?;
        tile.fill(&logits, &hidden, output)?;
        let at = tile.range();
        native::take_tile(
            &logits,
            tile.first_column(),
            &targets[at.clone()],
            &mut max[at.clone()],
            &mut sum[at.clone()],
            &mut logprobs[at],
        )?;
    }
    for ((logprob, top), total) in logprobs.iter_mut().zip(&mut max).zip(sum) {
        *top += total.ln();
        *logprob -= *top;
    }
    Ok(TokenLogprobs {
        logprobs: Tensor::f_from_slice(&logprobs)?,
        normalisers: Tensor::f_from_slice(&max)?,
        is_kept,
    })
}

/// On a GPU: whole rows of the vocabulary, some tokens at a time.
fn forward_chunked(
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

/// Log-probabilities of `candidates` `[letters]` at every token: `[tokens, letters]`.
pub(crate) fn candidates(
    hidden: &Tensor,
    output: &Tensor,
    scored: &TokenLogprobs,
    candidates: &Tensor,
) -> Result<Tensor, tch::TchError> {
    no_grad(|| {
        let rows = output.f_index_select(0, candidates)?;
        hidden
            .f_matmul(&rows.f_tr()?)?
            .f_sub(&scored.normalisers.f_unsqueeze(1)?)
    })
}

/// The derivative by the hidden states `[tokens, hidden]` of a loss whose derivative by each log-probability is `slopes`
/// `[tokens]`; that by the output embedding is added to `grad_output` `[vocabulary, hidden]` where given.
pub(crate) fn backward(
    hidden: &Tensor,
    output: &Tensor,
    targets: &Tensor,
    scored: &TokenLogprobs,
    slopes: &Tensor,
    grad_output: Option<&Tensor>,
    workspace: &Workspace,
) -> Result<Tensor, tch::TchError> {
    no_grad(|| {
        if hidden.device() == Device::Cpu {
            backward_tiled(
                hidden,
                output,
                targets,
                scored,
                slopes,
                grad_output,
                workspace,
                LIMITS,
            )
        } else {
            backward_chunked(hidden, output, targets, scored, slopes, grad_output)
        }
    })
}

#[expect(
    clippy::too_many_arguments,
    reason = "backward's, and the limits that tests make small"
)]
fn backward_tiled(
    hidden: &Tensor,
    output: &Tensor,
    targets: &Tensor,
    scored: &TokenLogprobs,
    slopes: &Tensor,
    grad_output: Option<&Tensor>,
    workspace: &Workspace,
    limits: Limits,
) -> Result<Tensor, tch::TchError> {
    let (tokens, vocabulary) = (hidden.size()[0], output.size()[0]);
    let buffer = workspace.floats(if scored.is_kept {
        tokens * vocabulary
    } else {
        limits.tile
    })?;
    let hidden = hidden.f_contiguous()?;
    let targets = Vec::<i64>::try_from(targets)?;
    let normalisers = Vec::<f32>::try_from(&scored.normalisers)?;
    let slopes = Vec::<f32>::try_from(slopes)?;
    let grad_hidden = hidden.f_zeros_like()?;
    for tile in limits.tiles(tokens, vocabulary) {
        let mut d = tile.place(&buffer, vocabulary, scored.is_kept)?;
        if !scored.is_kept {
            tile.fill(&d, &hidden, output)?;
        }
        let at = tile.range();
        native::tile_to_slopes(
            &mut d,
            tile.first_column(),
            &targets[at.clone()],
            &normalisers[at.clone()],
            &slopes[at],
        )?;
        let columns = output.f_narrow(0, tile.from, tile.width)?;
        let _ = grad_hidden
            .f_narrow(0, tile.token, tile.tokens)?
            .f_addmm_(&d, &columns)?;
        if let Some(total) = grad_output {
            let rows = hidden.f_narrow(0, tile.token, tile.tokens)?;
            let _ = total
                .f_narrow(0, tile.from, tile.width)?
                .f_addmm_(&d.f_tr()?, &rows)?;
        }
    }
    Ok(grad_hidden)
}

fn backward_chunked(
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

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(shape: [i64; 2], step: f64) -> Tensor {
        let n = shape[0] * shape[1];
        (Tensor::arange(n, (Kind::Float, Device::Cpu)) * step)
            .sin()
            .view(shape)
    }

    fn difference(a: &Tensor, b: &Tensor) -> f64 {
        f64::try_from((a - b).abs().max()).unwrap()
    }

    /// Logits kept and made again, in tiles of every awkward size, and a GPU's chunks, against libtorch's own log-softmax
    /// and its derivative.
    #[test]
    fn tiles_change_nothing_and_derivatives_are_autograds() {
        let (tokens, width, vocabulary) = (7, 5, 11);
        let hidden = filled([tokens, width], 0.7).set_requires_grad(true);
        let output = filled([vocabulary, width], 1.3).set_requires_grad(true);
        let targets = Tensor::from_slice(&[0i64, 10, 3, 3, 7, 1, 9]);
        let slopes = filled([1, tokens], 0.9).view([tokens]);
        let letters = Tensor::from_slice(&[2i64, 9]);
        let all = hidden.matmul(&output.tr()).log_softmax(-1, Kind::Float);
        let theirs = all.gather(1, &targets.unsqueeze(1), false).squeeze_dim(1);
        let loss = (&theirs * &slopes).sum(Kind::Float);
        let grads = Tensor::run_backward(&[loss], &[&hidden, &output], false, false);
        let (h, u) = (hidden.detach(), output.detach());
        let check = |scored: &TokenLogprobs, backward: &dyn Fn(&Tensor) -> Tensor| {
            assert!(difference(&scored.logprobs, &theirs.detach()) < 1e-6);
            let some = candidates(&h, &u, scored, &letters).unwrap();
            assert!(difference(&some, &all.detach().index_select(1, &letters)) < 1e-6);
            // What was there stays: derivatives are added.
            let total = u.ones_like();
            assert!(difference(&backward(&total), &grads[0]) < 1e-6);
            assert!(difference(&total, &(&grads[1] + 1.0)) < 1e-6);
        };
        let workspace = Workspace::default();
        for tile in [TILE, 30, 8, 1] {
            for keep in [KEEP, 0] {
                let limits = Limits { tile, keep };
                let scored =
                    no_grad(|| forward_tiled(&h, &u, &targets, true, &workspace, limits)).unwrap();
                assert_eq!(scored.is_kept, keep > 0);
                check(&scored, &|total| {
                    no_grad(|| {
                        backward_tiled(
                            &h,
                            &u,
                            &targets,
                            &scored,
                            &slopes,
                            Some(total),
                            &workspace,
                            limits,
                        )
                    })
                    .unwrap()
                });
            }
        }
        let scored = no_grad(|| forward_chunked(&h, &u, &targets)).unwrap();
        check(&scored, &|total| {
            no_grad(|| backward_chunked(&h, &u, &targets, &scored, &slopes, Some(total))).unwrap()
        });
    }
}
