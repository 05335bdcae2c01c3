//! From hidden states to log-probabilities and back, without the logits of all tokens at once.
//!
//! Autograd stops at the hidden states. The logits are made a tile at a time (some tokens by some of the vocabulary) and
//! each tile is passed over once while it is in cache. Where the logits of all tokens fit in [`KEEP`], they stay for the
//! backward pass; else it makes them again. Under bfloat16 a tile is of that type: the pass reads and writes it, and
//! counts in float32.

mod chunked;

use tch::{Device, Kind, Tensor, no_grad};

use super::params::operand;
use crate::checkpoint::size::KEPT_LOGITS;
use crate::device::Arithmetic;
use crate::native;

/// Numbers of one tile (8 MiB of float32): it stays in the last-level cache between the product and the pass over it.
const TILE: i64 = 2 << 20;

/// Tokens of one tile.
const TILE_TOKENS: i64 = 1024;

/// [`KEPT_LOGITS`], as libtorch counts.
#[allow(clippy::cast_possible_wrap)]
const KEEP: i64 = KEPT_LOGITS as i64;

/// What the forward pass leaves.
#[derive(Debug)]
pub(crate) struct TokenLogprobs {
    /// Natural-log probability of each target. `[tokens]`
    pub(super) logprobs: Tensor,
    /// Log of the sum of the exponentials of each token's logits. `[tokens]`
    normalisers: Tensor,
    /// Whether the workspace still holds the logits.
    is_kept: bool,
}

/// Memory for logits, kept from step to step: fresh memory would have to be mapped and zeroed each time.
#[derive(Debug, Default)]
pub(crate) struct Workspace(std::cell::RefCell<Option<Tensor>>);

impl Workspace {
    /// At least `numbers` numbers of a kind on the CPU.
    fn room(&self, numbers: i64, kind: Kind) -> Result<Tensor, tch::TchError> {
        let mut held = self.0.borrow_mut();
        match &*held {
            Some(tensor) if tensor.size()[0] >= numbers && tensor.kind() == kind => {
                Ok(tensor.shallow_clone())
            }
            _ => {
                // The old one goes before the new one is asked for.
                *held = None;
                let fresh = Tensor::f_empty([numbers], (kind, Device::Cpu))?;
                *held = Some(fresh.shallow_clone());
                Ok(fresh)
            }
        }
    }
}

/// One step from hidden states to log-probabilities.
#[derive(Debug)]
pub(crate) struct LmHead<'a> {
    /// Detached hidden states as operands: `[tokens, hidden]`.
    pub(super) hidden: Tensor,
    /// The output embedding as an operand: `[vocabulary, hidden]`.
    pub(super) output: Tensor,
    /// `[tokens]`, int64.
    pub(super) targets: &'a Tensor,
    /// How products are made.
    pub(super) arithmetic: Arithmetic,
    /// Memory for logits; nothing else may use it between [`forward`] and [`backward`].
    pub(super) workspace: &'a Workspace,
}

impl LmHead<'_> {
    fn tokens(&self) -> i64 {
        self.hidden.size()[0]
    }

    fn vocabulary(&self) -> i64 {
        self.output.size()[0]
    }

    /// A product of operands, in float32 with the precision of its arithmetic.
    fn product(&self, a: &Tensor, b: &Tensor) -> Result<Tensor, tch::TchError> {
        match self.arithmetic {
            Arithmetic::F32 | Arithmetic::Tf32 => a.f_matmul(b),
            Arithmetic::EmulatedBf16 => operand(&a.f_matmul(b)?, self.arithmetic),
            // Only a GPU's library gives the sums before they are rounded.
            Arithmetic::Bf16 if a.device() == Device::Cpu => a.f_matmul(b)?.f_to_kind(Kind::Float),
            Arithmetic::Bf16 => a.f_mm_dtype(b, Kind::Float),
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

/// How many numbers the logits are cut into.
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
    /// Numbers of the buffer: all logits where they are kept, else one tile.
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

    fn fill(&self, logits: &mut Tensor, head: &LmHead<'_>) -> Result<(), tch::TchError> {
        let columns = head.output.f_narrow(0, self.from, self.width)?.f_tr()?;
        let rows = head.hidden.f_narrow(0, self.token, self.tokens)?;
        let _ = rows.f_mm_out(logits, &columns)?;
        round(logits, head.arithmetic)
    }

    fn range(&self) -> std::ops::Range<usize> {
        let start = usize::try_from(self.token).unwrap_or(0);
        start..start + usize::try_from(self.tokens).unwrap_or(0)
    }

    fn first_column(&self) -> usize {
        usize::try_from(self.from).unwrap_or(0)
    }
}

/// Where bfloat16 is emulated, a tile in float32 takes the values it would have there.
fn round(tile: &mut Tensor, arithmetic: Arithmetic) -> Result<(), tch::TchError> {
    match arithmetic {
        Arithmetic::EmulatedBf16 => tile.f_copy_(&operand(tile, arithmetic)?),
        _ => Ok(()),
    }
}

/// Log-probabilities of the targets.
///
/// With `keep` the logits stay in the workspace for [`backward`], where there is room.
pub(crate) fn forward(head: &LmHead<'_>, keep: bool) -> Result<TokenLogprobs, tch::TchError> {
    no_grad(|| {
        if head.hidden.device() == Device::Cpu {
            forward_tiled(head, keep, LIMITS)
        } else {
            chunked::forward(head)
        }
    })
}

fn forward_tiled(
    head: &LmHead<'_>,
    keep: bool,
    limits: Limits,
) -> Result<TokenLogprobs, tch::TchError> {
    let (tokens, vocabulary) = (head.tokens(), head.vocabulary());
    let is_kept = keep && tokens * vocabulary <= limits.keep;
    let room = limits.room(tokens, vocabulary, is_kept);
    let buffer = head.workspace.room(room, head.hidden.kind())?;
    let targets = Vec::<i64>::try_from(head.targets)?;
    let mut max = vec![f32::NEG_INFINITY; targets.len()];
    let mut sum = vec![0.0; targets.len()];
    let mut logprobs = vec![0.0; targets.len()];
    for tile in limits.tiles(tokens, vocabulary) {
        let mut logits = tile.place(&buffer, vocabulary, is_kept)?;
        tile.fill(&mut logits, head)?;
        let at = tile.range();
        let targets = &targets[at.clone()];
        let gathered = native::Gathered {
            max: &mut max[at.clone()],
            sum: &mut sum[at.clone()],
            target_logits: &mut logprobs[at],
        };
        native::take_tile(&logits, tile.first_column(), targets, gathered)?;
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
    head: &LmHead<'_>,
    scored: &TokenLogprobs,
    candidates: &Tensor,
) -> Result<Tensor, tch::TchError> {
    no_grad(|| {
        let rows = head.output.f_index_select(0, candidates)?;
        head.product(&head.hidden, &rows.f_tr()?)?
            .f_sub(&scored.normalisers.f_unsqueeze(1)?)
    })
}

/// The derivative by the hidden states `[tokens, hidden]` of a loss whose derivative by each log-probability is `slopes`
/// `[tokens]`; that by the output embedding is added to `grad_output` `[vocabulary, hidden]` where given. Both float32.
pub(crate) fn backward(
    head: &LmHead<'_>,
    scored: &TokenLogprobs,
    slopes: &Tensor,
    grad_output: Option<&Tensor>,
) -> Result<Tensor, tch::TchError> {
    no_grad(|| {
        if head.hidden.device() == Device::Cpu {
            backward_tiled(head, scored, slopes, grad_output, LIMITS)
        } else {
            chunked::backward(head, scored, slopes, grad_output)
        }
    })
}

fn backward_tiled(
    head: &LmHead<'_>,
    scored: &TokenLogprobs,
    slopes: &Tensor,
    grad_output: Option<&Tensor>,
    limits: Limits,
) -> Result<Tensor, tch::TchError> {
    let (tokens, vocabulary) = (head.tokens(), head.vocabulary());
    let room = limits.room(tokens, vocabulary, scored.is_kept);
    let buffer = head.workspace.room(room, head.hidden.kind())?;
    let targets = Vec::<i64>::try_from(head.targets)?;
    let normalisers = Vec::<f32>::try_from(&scored.normalisers)?;
    let slopes = Vec::<f32>::try_from(slopes)?;
    let grad_hidden = Tensor::f_zeros(head.hidden.size(), (Kind::Float, Device::Cpu))?;
    for tile in limits.tiles(tokens, vocabulary) {
        let mut d = tile.place(&buffer, vocabulary, scored.is_kept)?;
        if !scored.is_kept {
            tile.fill(&mut d, head)?;
        }
        let at = tile.range();
        native::tile_to_slopes(
            &mut d,
            tile.first_column(),
            &targets[at.clone()],
            &normalisers[at.clone()],
            &slopes[at],
        )?;
        round(&mut d, head.arithmetic)?;
        let columns = head.output.f_narrow(0, tile.from, tile.width)?;
        let mut to = grad_hidden.f_narrow(0, tile.token, tile.tokens)?;
        add_product(&mut to, &d, &columns, head)?;
        if let Some(total) = grad_output {
            let rows = head.hidden.f_narrow(0, tile.token, tile.tokens)?;
            let mut to = total.f_narrow(0, tile.from, tile.width)?;
            add_product(&mut to, &d.f_tr()?, &rows, head)?;
        }
    }
    Ok(grad_hidden)
}

/// Adds a product of operands to a float32 matrix: bfloat16 products are rounded once each, their sum is not.
fn add_product(
    to: &mut Tensor,
    a: &Tensor,
    b: &Tensor,
    head: &LmHead<'_>,
) -> Result<(), tch::TchError> {
    let _ = if head.arithmetic.rounds() {
        to.f_add_(&head.product(a, b)?)?
    } else {
        to.f_addmm_(a, b)?
    };
    Ok(())
}

#[cfg(test)]
mod tests;
