//! A model's parameters in one flat buffer: the optimiser then works on a single slice, whatever is frozen.
//!
//! Tensors lie in the order input embedding, lower layers, final norm, upper layers, output embedding, so that every
//! trainable set of the recipe is one contiguous range.

use std::ops::Range;

use tch::{Kind, Tensor, no_grad};

use crate::device::Device;
use crate::units::to_i64;

/// Tensors begin at multiples of this many floats (64 bytes): vector loads stay aligned, and equal on every run.
const ALIGN: usize = 16;

/// The part of the model a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The input embedding.
    Input,
    /// A layer of the lower half.
    Lower,
    /// The final layer norm.
    FinalNorm,
    /// A layer of the upper half.
    Upper,
    /// The output embedding.
    Output,
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

/// All parameters of a model, in float32.
#[derive(Debug)]
pub struct Params {
    slots: Vec<Slot>,
    flat: Tensor,
    views: Vec<Tensor>,
}

impl Params {
    /// Zeros for tensors of these names, shapes and parts, which must come in the order of [`Part`].
    pub fn zeros(
        tensors: impl IntoIterator<Item = (String, Vec<usize>, Part)>,
        device: Device,
    ) -> Result<Self, tch::TchError> {
        let mut slots: Vec<Slot> = Vec::new();
        let mut end = 0;
        for (name, shape, part) in tensors {
            let slot = Slot {
                name,
                shape,
                part,
                offset: end,
            };
            end += slot.numel().next_multiple_of(ALIGN);
            slots.push(slot);
        }
        let flat = Tensor::f_zeros([to_i64(end)], (Kind::Float, device.tch()))?;
        let views = slots
            .iter()
            .map(|s| view(&flat, s)?.f_detach())
            .collect::<Result<_, _>>()?;
        Ok(Self { slots, flat, views })
    }

    /// Places, names and shapes of the tensors.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The tensor of a slot.
    pub fn tensor(&self, slot: usize) -> &Tensor {
        &self.views[slot]
    }

    /// Overwrites the tensor of a slot.
    pub fn set(&mut self, slot: usize, value: &Tensor) -> Result<(), tch::TchError> {
        no_grad(|| self.views[slot].f_copy_(value))
    }

    /// The flat buffer: `[floats]`.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Lets exactly the tensors of these parts train.
    ///
    /// Returns the range of slots, and the range of floats, that train. Parts must be neighbours in the order of [`Part`].
    pub fn train(&mut self, parts: &[Part]) -> Result<Trainable, tch::TchError> {
        for (slot, tensor) in self.slots.iter().zip(&self.views) {
            // In place: the leaf keeps its identity.
            let _ = tensor.f_set_requires_grad(parts.contains(&slot.part))?;
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

fn view(flat: &Tensor, slot: &Slot) -> Result<Tensor, tch::TchError> {
    flat.f_narrow(0, to_i64(slot.offset), to_i64(slot.numel()))?
        .f_view(slot.size().as_slice())
}
