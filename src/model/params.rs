//! A model's parameters in one flat buffer: the optimiser then works on a single slice, whatever is frozen.
//!
//! Tensors lie in the order learned positions, lower layers, final norm, upper layers, output embedding, so that every trainable
//! set of the recipe is one contiguous range. An input embedding of its own, of which a run uses few rows, lies apart (`embedding`).
//!
//! Where products are made in bfloat16, a second flat buffer holds the same numbers rounded: products read that one,
//! gradients are taken by it, and it is made again from the float32 one after each update.

use std::ops::Range;

use tch::{Kind, Tensor, no_grad};

use crate::device::{Arithmetic, Device};
use crate::units::to_i64;

/// Tensors begin at multiples of this many floats (64 bytes): vector loads stay aligned, and equal on every run.
const ALIGN: usize = 16;

/// The part of the model a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The input embedding, where it has one of its own.
    Input,
    /// Learned positions: a part of the input.
    Positions,
    /// A layer of the lower half.
    Lower,
    /// The final layer norm.
    FinalNorm,
    /// A layer of the upper half.
    Upper,
    /// The output embedding.
    Output,
    /// One embedding for both ends.
    Tied,
}

/// A tensor to make room for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name in the checkpoint.
    pub(super) name: String,
    /// Its shape.
    pub(super) shape: Vec<usize>,
    /// The part of the model it belongs to.
    pub(super) part: Part,
    /// It enters no product, and stays in float32 in every arithmetic: norms, learned positions.
    pub(super) is_exact: bool,
}

/// One tensor's place in the flat buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name in the checkpoint.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The part of the model it belongs to.
    pub part: Part,
    /// It stays in float32 in every arithmetic.
    is_exact: bool,
    /// Where it begins, in floats.
    offset: usize,
}

impl Slot {
    fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    fn size(&self) -> Vec<i64> {
        self.shape.iter().map(|&n| to_i64(n)).collect()
    }
}

/// All parameters of a model but the input embedding, in float32, and rounded where products want that.
#[derive(Debug)]
pub struct Params {
    slots: Vec<Slot>,
    flat: Tensor,
    views: Vec<Tensor>,
    rounded: Option<Rounded>,
}

/// The same parameters rounded to bfloat16: in that type, or as such numbers in float32.
#[derive(Debug)]
struct Rounded {
    flat: Tensor,
    views: Vec<Tensor>,
}

/// `x` as an operand of a product. In bfloat16 that is another type, emulated it is another value; else it is `x`.
pub fn operand(x: &Tensor, arithmetic: Arithmetic) -> Result<Tensor, tch::TchError> {
    match arithmetic {
        Arithmetic::F32 | Arithmetic::Tf32 => Ok(x.shallow_clone()),
        Arithmetic::Bf16 => x.f_to_kind(Kind::BFloat16),
        Arithmetic::EmulatedBf16 => x.f_to_kind(Kind::BFloat16)?.f_to_kind(Kind::Float),
    }
}

/// A copy of `tensor` in float32 on a device, with memory of its own.
pub fn copied(tensor: &Tensor, device: tch::Device) -> Result<Tensor, tch::TchError> {
    let mut own = Tensor::f_zeros(tensor.size(), (Kind::Float, device))?;
    no_grad(|| own.f_copy_(tensor))?;
    Ok(own)
}

impl Params {
    /// Zeros for these tensors, which must come in the order of [`Part`].
    pub(super) fn zeros(
        tensors: impl IntoIterator<Item = Entry>,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, tch::TchError> {
        let mut slots: Vec<Slot> = Vec::new();
        let mut end = 0;
        for entry in tensors {
            let slot = Slot {
                name: entry.name,
                shape: entry.shape,
                part: entry.part,
                is_exact: entry.is_exact,
                offset: end,
            };
            end += slot.numel().next_multiple_of(ALIGN);
            slots.push(slot);
        }
        let flat = Tensor::f_zeros([to_i64(end)], (Kind::Float, device.tch()))?;
        let views = all_views(&flat, &slots)?;
        let rounded = if arithmetic.rounds() {
            let flat = match arithmetic {
                Arithmetic::Bf16 => flat.f_to_kind(Kind::BFloat16)?,
                _ => flat.f_zeros_like()?,
            };
            let views = all_views(&flat, &slots)?;
            Some(Rounded { flat, views })
        } else {
            None
        };
        Ok(Self {
            slots,
            flat,
            views,
            rounded,
        })
    }

    /// Places, names and shapes of the tensors.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The tensor of a slot, in float32.
    pub fn tensor(&self, slot: usize) -> &Tensor {
        &self.views[slot]
    }

    /// The tensor of a slot as products of `arithmetic` read it.
    pub(super) fn operand(&self, slot: usize, arithmetic: Arithmetic) -> &Tensor {
        match &self.rounded {
            Some(rounded) if arithmetic.rounds() => &rounded.views[slot],
            _ => &self.views[slot],
        }
    }

    /// The tensor of a slot that gradients are taken by: matrices and their biases enter products, norms and positions do
    /// not.
    pub fn leaf(&self, slot: usize) -> &Tensor {
        match &self.rounded {
            Some(rounded) if !self.slots[slot].is_exact => &rounded.views[slot],
            _ => &self.views[slot],
        }
    }

    /// A gradient by a [`Self::leaf`] as hardware gives it: of the leaf's type.
    pub fn gradient(&self, slot: usize, grad: &Tensor) -> Result<Tensor, tch::TchError> {
        match &self.rounded {
            // Emulated: bfloat16 numbers in float32.
            Some(_) if !self.slots[slot].is_exact && grad.kind() == Kind::Float => {
                operand(grad, Arithmetic::EmulatedBf16)
            }
            _ => Ok(grad.shallow_clone()),
        }
    }

    /// Overwrites the rows of a slot's tensor from `from` on: `rows` is `[rows, …]`.
    pub fn set_rows(&mut self, slot: usize, from: i64, rows: &Tensor) -> Result<(), tch::TchError> {
        let n = rows.size().first().copied().unwrap_or(1);
        no_grad(|| {
            self.views[slot].f_narrow(0, from, n)?.f_copy_(rows)?;
            match &mut self.rounded {
                Some(rounded) => round(&mut rounded.views[slot].f_narrow(0, from, n)?, rows),
                None => Ok(()),
            }
        })
    }

    /// Makes the rounded copies of what trains again, after an update.
    pub fn updated(&mut self, range: &Trainable) -> Result<(), tch::TchError> {
        let Some(rounded) = &mut self.rounded else {
            return Ok(());
        };
        let (start, len) = (to_i64(range.floats.start), to_i64(range.floats.len()));
        no_grad(|| {
            round(
                &mut rounded.flat.f_narrow(0, start, len)?,
                &self.flat.f_narrow(0, start, len)?,
            )
        })
    }

    /// The flat buffer: `[floats]`.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Lets exactly the tensors of these parts train.
    ///
    /// Returns the range of slots, and the range of floats, that train. Parts must be neighbours in the order of [`Part`].
    pub fn train(&mut self, parts: &[Part]) -> Result<Trainable, tch::TchError> {
        for (i, slot) in self.slots.iter().enumerate() {
            // In place: the leaf keeps its identity.
            let trains = parts.contains(&slot.part);
            let _ = self.leaf(i).f_set_requires_grad(trains)?;
            if slot.part == Part::Tied {
                // It is read at the input in float32 in every arithmetic.
                let _ = self.views[i].f_set_requires_grad(trains)?;
            }
        }
        let first = self.slots.iter().position(|s| parts.contains(&s.part));
        let last = self.slots.iter().rposition(|s| parts.contains(&s.part));
        let (slots, floats) = match (first, last) {
            (Some(first), Some(last)) => {
                let end = self.slots[last].offset + self.slots[last].numel();
                (first..last + 1, self.slots[first].offset..end)
            }
            _ => (0..0, 0..0),
        };
        debug_assert!(
            self.slots[slots.clone()]
                .iter()
                .all(|s| parts.contains(&s.part)),
            "trainable parts must be neighbours"
        );
        Ok(Trainable { slots, floats })
    }

    /// Views of a flat tensor that covers `range` (a gradient, say), one for each trainable slot.
    pub fn views_of(&self, flat: &Tensor, range: &Trainable) -> Result<Vec<Tensor>, tch::TchError> {
        self.slots[range.slots.clone()]
            .iter()
            .map(|s| {
                let moved = Slot {
                    offset: s.offset - range.floats.start,
                    ..s.clone()
                };
                view(flat, &moved)
            })
            .collect()
    }

    /// Parameters in all.
    #[must_use]
    pub fn count(&self) -> usize {
        self.slots.iter().map(Slot::numel).sum()
    }
}

/// What trains: neighbours in the flat buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trainable {
    /// Slots.
    pub slots: Range<usize>,
    /// Floats of the flat buffer.
    pub floats: Range<usize>,
}

fn all_views(flat: &Tensor, slots: &[Slot]) -> Result<Vec<Tensor>, tch::TchError> {
    slots.iter().map(|s| view(flat, s)?.f_detach()).collect()
}

/// Writes `from`, rounded to bfloat16, into `to` of either type.
fn round(to: &mut Tensor, from: &Tensor) -> Result<(), tch::TchError> {
    if to.kind() == Kind::BFloat16 {
        to.f_copy_(from)
    } else {
        to.f_copy_(&from.f_to_kind(Kind::BFloat16)?)
    }
}

fn view(flat: &Tensor, slot: &Slot) -> Result<Tensor, tch::TchError> {
    flat.f_narrow(0, to_i64(slot.offset), to_i64(slot.numel()))?
        .f_view(slot.size().as_slice())
}
