//! Causal attention over short sequences on the CPU, rotary embedding included, as one step of autograd: a head at a time, in
//! float32, straight from the rows of queries, keys and values and back into such rows.
//!
//! A head is one thread's from beginning to end, so results do not depend on the number of threads.

mod kernel;

use std::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::{Kind, Tensor};
use torch_sys::C_tensor;

use super::numbers::{Bf16, Number, by_processor};
use super::rows::Matrix;
use super::torch::{ROOM, checked, parallel_for};
use kernel::{Room, Shape};

/// The longest sequence, in places: what a head needs stays within a core's own cache.
pub(crate) const LONGEST: i64 = 64;

/// Heads that a thread takes at once at least.
const GRAIN: usize = 8;

type Forward =
    unsafe extern "C" fn(*mut C_tensor, *mut C_tensor, *mut C_tensor, *mut C_tensor) -> c_int;
type Backward = unsafe extern "C" fn(
    *mut C_tensor,
    *mut C_tensor,
    *mut C_tensor,
    *mut C_tensor,
    *mut C_tensor,
) -> c_int;

unsafe extern "C" {
    fn unsaid_attention(
        qkv: *const C_tensor,
        cos: *const C_tensor,
        sin: *const C_tensor,
        forward: Forward,
        backward: Backward,
        out: *mut *mut C_tensor,
        error: *mut c_char,
        room: usize,
    ) -> c_int;
}

/// What causal attention gives: `[batch, time, heads, dims]`, of the type of `qkv`.
///
/// `qkv` is `[batch, time, heads, 3 · dims]`, float32 or bfloat16, each head's query, key and value side by side; `cos` and
/// `sin` are the rotary embedding's float32 tables `[time, turning dims]`. Gradients flow to `qkv`.
///
/// Errors: other shapes or types, or more than [`LONGEST`] places.
pub(crate) fn attend(qkv: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Tensor, tch::TchError> {
    let (qkv, cos, sin) = (
        qkv.f_contiguous()?,
        cos.f_contiguous()?,
        sin.f_contiguous()?,
    );
    Sizes::of(&qkv, &cos, &sin)?;
    let mut out = std::ptr::null_mut();
    // SAFETY: the tensors are live and borrowed for the call; both passes have the signatures that the shim calls them by.
    checked(|error| unsafe {
        unsaid_attention(
            qkv.as_ptr(),
            cos.as_ptr(),
            sin.as_ptr(),
            forward,
            backward,
            &raw mut out,
            error,
            ROOM,
        )
    })?;
    // SAFETY: the shim succeeded, so `out` is a new tensor that is ours.
    Ok(unsafe { Tensor::from_ptr(out) })
}

/// Sizes of a call.
struct Sizes {
    batch: usize,
    heads: usize,
    head: Shape,
}

impl Sizes {
    fn of(qkv: &Tensor, cos: &Tensor, sin: &Tensor) -> Result<Self, tch::TchError> {
        let refusal = || {
            let sizes = [qkv, cos, sin].map(Tensor::size);
            tch::TchError::Shape(format!(
                "no queries, keys and values with tables: {sizes:?}"
            ))
        };
        let (&[batch, time, heads, three], &[places, turning]) =
            (qkv.size().as_slice(), cos.size().as_slice())
        else {
            return Err(refusal());
        };
        let fits = three % 3 == 0
            && places == time
            && time <= LONGEST
            && turning % 2 == 0
            && turning <= three / 3
            && cos.size() == sin.size();
        let n = |n: i64| usize::try_from(n).map_err(|_| refusal());
        if !fits {
            return Err(refusal());
        }
        Ok(Self {
            batch: n(batch)?,
            heads: n(heads)?,
            head: Shape {
                time: n(time)?,
                dims: n(three / 3)?,
            },
        })
    }
}

/// A pass, called from C++: 0, or 1 where it refuses. No panic crosses.
fn code(pass: impl FnOnce() -> Result<(), tch::TchError>) -> c_int {
    match catch_unwind(AssertUnwindSafe(pass)) {
        Ok(Ok(())) => 0,
        _ => 1,
    }
}

unsafe extern "C" fn forward(
    qkv: *mut C_tensor,
    cos: *mut C_tensor,
    sin: *mut C_tensor,
    out: *mut C_tensor,
) -> c_int {
    code(|| {
        // SAFETY: the shim gives pointers to live tensors; these are new references to them.
        let [qkv, cos, sin, out] =
            [qkv, cos, sin, out].map(|t| unsafe { Tensor::clone_from_ptr(t) });
        match qkv.kind() {
            Kind::BFloat16 => pass::<Bf16>(&qkv, &cos, &sin, None, &out),
            _ => pass::<f32>(&qkv, &cos, &sin, None, &out),
        }
    })
}

unsafe extern "C" fn backward(
    qkv: *mut C_tensor,
    cos: *mut C_tensor,
    sin: *mut C_tensor,
    slopes: *mut C_tensor,
    out: *mut C_tensor,
) -> c_int {
    code(|| {
        // SAFETY: as in `forward`.
        let [qkv, cos, sin, slopes, out] =
            [qkv, cos, sin, slopes, out].map(|t| unsafe { Tensor::clone_from_ptr(t) });
        match qkv.kind() {
            Kind::BFloat16 => pass::<Bf16>(&qkv, &cos, &sin, Some(&slopes), &out),
            _ => pass::<f32>(&qkv, &cos, &sin, Some(&slopes), &out),
        }
    })
}

/// All heads of a batch, forward, or backward where `slopes` are given.
fn pass<T: Number>(
    qkv: &Tensor,
    cos: &Tensor,
    sin: &Tensor,
    slopes: Option<&Tensor>,
    out: &Tensor,
) -> Result<(), tch::TchError> {
    let sizes = Sizes::of(qkv, cos, sin)?;
    // A row is one head at one place.
    let rows = |t: &Tensor| {
        let last = t.size().last().copied().unwrap_or(0);
        Matrix::<T>::of(&t.f_view([-1, last])?)
    };
    let heads = Heads {
        cos: Matrix::of(cos)?,
        sin: Matrix::of(sin)?,
        qkv: rows(qkv)?,
        slopes: slopes.map(rows).transpose()?,
        out: rows(out)?,
        sizes,
    };
    let count = heads.sizes.batch * heads.sizes.heads;
    parallel_for(count, GRAIN, &|from, to| some_best(&heads, from, to))
}

/// The rows that heads are read from and written to.
struct Heads<T> {
    sizes: Sizes,
    cos: Matrix<f32>,
    sin: Matrix<f32>,
    qkv: Matrix<T>,
    slopes: Option<Matrix<T>>,
    out: Matrix<T>,
}

/// Heads `from..to`. They write to rows of their own alone.
#[inline(always)]
#[allow(clippy::inline_always)]
fn some<T: Number>(heads: &Heads<T>, from: usize, to: usize) {
    let Sizes { heads: n, head, .. } = heads.sizes;
    let mut room = Room::new(head);
    for h in from..to {
        let row = |place: usize| (h / n * head.time + place) * n + h % n;
        let qkv = |place| heads.qkv.read(row(place));
        let angles = |place| (heads.cos.read(place), heads.sin.read(place));
        let out = |place| heads.out.row(row(place));
        match &heads.slopes {
            None => kernel::forward(&mut room, qkv, angles, out),
            Some(slopes) => {
                let slopes = |place| slopes.read(row(place));
                kernel::backward(&mut room, qkv, angles, slopes, out);
            }
        }
    }
}

by_processor!(some_best(heads: &Heads<T>, from: usize, to: usize) = some);

#[cfg(test)]
mod tests;
