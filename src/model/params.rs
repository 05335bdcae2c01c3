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
#[derive(Debug)]
pub(super) struct TensorSpec {
    /// As checkpoints name it.
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) part: Part,
    /// It enters no product, and stays in float32 in every arithmetic: norms, learned positions.
    pub(super) is_exact: bool,
}

/// A tensor's place in the flat buffer.
#[derive(Debug)]
struct Slot {
    spec: TensorSpec,
    /// Where it begins, in floats.
    offset: usize,
}

impl Slot {
    fn numel(&self) -> usize {
        self.spec.shape.iter().product()
    }

    /// Its view of a flat tensor that begins `start` floats into the buffer.
    fn view(&self, flat: &Tensor, start: usize) -> Result<Tensor, tch::TchError> {
        let size: Vec<i64> = self.spec.shape.iter().map(|&n| to_i64(n)).collect();
        flat.f_narrow(0, to_i64(self.offset - start), to_i64(self.numel()))?
            .f_view(size.as_slice())
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

/// The parameters rounded to bfloat16: in that type, or as such numbers in float32.
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
        tensors: Vec<TensorSpec>,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, tch::TchError> {
        let mut slots: Vec<Slot> = Vec::new();
        let mut end = 0;
        for spec in tensors {
            let slot = Slot { spec, offset: end };
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

    /// How many tensors there are.
    pub(super) fn tensors(&self) -> usize {
        self.slots.len()
    }

    /// Whether the tensor of a slot enters no product.
    pub(super) fn is_exact(&self, slot: usize) -> bool {
        self.slots[slot].spec.is_exact
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
            Some(rounded) if !self.slots[slot].spec.is_exact => &rounded.views[slot],
            _ => &self.views[slot],
        }
    }

    /// A gradient by a [`Self::leaf`] as hardware gives it: of the leaf's type.
    pub fn gradient(&self, slot: usize, grad: &Tensor) -> Result<Tensor, tch::TchError> {
        match &self.rounded {
            // Emulated: bfloat16 numbers in float32.
            Some(_) if !self.slots[slot].spec.is_exact && grad.kind() == Kind::Float => {
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
    /// Returns the range of slots, and the range of floats, that train. Errors: parts that are no neighbours in the order of [`Part`].
    pub fn train(&mut self, parts: &[Part]) -> Result<Trainable, tch::TchError> {
        for (i, slot) in self.slots.iter().enumerate() {
            // In place: the leaf keeps its identity.
            let trains = parts.contains(&slot.spec.part);
            let _ = self.leaf(i).f_set_requires_grad(trains)?;
            if slot.spec.part == Part::Tied {
                // It is read at the input in float32 in every arithmetic.
                let _ = self.views[i].f_set_requires_grad(trains)?;
            }
        }
        let trains = |slot: &Slot| parts.contains(&slot.spec.part);
        let first = self.slots.iter().position(trains);
        let last = self.slots.iter().rposition(trains);
        let (slots, floats) = match (first, last) {
            (Some(first), Some(last)) => {
                let end = self.slots[last].offset + self.slots[last].numel();
                (first..last + 1, self.slots[first].offset..end)
            }
            _ => (0..0, 0..0),
        };
        if !self.slots[slots.clone()].iter().all(trains) {
            let message = "what trains must be neighbours in the flat buffer";
            return Err(tch::TchError::Shape(message.into()));
        }
        Ok(Trainable { slots, floats })
    }

    /// Views of a flat tensor that covers `range` (a gradient, say), one for each trainable slot.
    pub fn views_of(&self, flat: &Tensor, range: &Trainable) -> Result<Vec<Tensor>, tch::TchError> {
        let slots = self.slots[range.slots.clone()].iter();
        slots
            .map(|slot| slot.view(flat, range.floats.start))
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
    slots.iter().map(|s| s.view(flat, 0)?.f_detach()).collect()
}

/// Writes `from`, rounded to bfloat16, into `to` of either type.
fn round(to: &mut Tensor, from: &Tensor) -> Result<(), tch::TchError> {
    if to.kind() == Kind::BFloat16 {
        to.f_copy_(from)
    } else {
        to.f_copy_(&from.f_to_kind(Kind::BFloat16)?)
    }
}
