//! From hidden states to log-probabilities and back, without the logits of all tokens at once.
//!
//! Autograd stops at the hidden states. The logits are made a tile at a time (some tokens by some of the vocabulary) and
//! each tile is passed over once while it is in cache. Where the logits of all tokens fit in [`KEEP`], they stay for the
//! backward pass; else it makes them again.

mod chunked;

use tch::{Device, Kind, Tensor, no_grad};

use crate::native;

/// Floats of one tile (8 MiB): it stays in the last-level cache between the product and the pass over it.
const TILE: i64 = 2 << 20;

/// Tokens of one tile.
const TILE_TOKENS: i64 = 1024;

/// Most floats of logits that are kept for the backward pass (512 MiB).
pub const KEPT_LOGITS: usize = 128 << 20;

/// [`KEPT_LOGITS`], as libtorch counts.
#[allow(clippy::cast_possible_wrap)]
const KEEP: i64 = KEPT_LOGITS as i64;

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
    /// Floats of the buffer: all logits where they are kept, else one tile.
    fn room(self, tokens: i64, vocabulary: i64, is_kept: bool) -> i64 {
        if is_kept {
            tokens * vocabulary
        } else {
            self.tile
        }
    }

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
            chunked::forward(hidden, output, targets)
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
    let buffer = workspace.floats(limits.room(tokens, vocabulary, is_kept))?;
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
            chunked::backward(hidden, output, targets, scored, slopes, grad_output)
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
    let buffer = workspace.floats(limits.room(tokens, vocabulary, scored.is_kept))?;
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

#[cfg(test)]
mod tests;
