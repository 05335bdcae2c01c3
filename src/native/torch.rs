//! What tch lacks, through the C++ shim.

use std::ffi::{CStr, c_char, c_void};

use tch::Tensor;

use crate::units::to_i64;

/// Room for a message from C++.
const ROOM: usize = 1024;

unsafe extern "C" {
    fn unsaid_fused_adamw(
        slices: *const SlicePointers,
        count: usize,
        step: f64,
        learning_rate: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        epsilon: f64,
        error: *mut c_char,
        room: usize,
    ) -> i32;

    fn unsaid_allow_tf32(allow: bool, error: *mut c_char, room: usize) -> i32;

    fn unsaid_peak_memory(device: i32, bytes: *mut u64, error: *mut c_char, room: usize) -> i32;

    fn unsaid_parallel_for(
        n: i64,
        grain: i64,
        body: unsafe extern "C" fn(*mut c_void, i64, i64),
        context: *mut c_void,
        error: *mut c_char,
        room: usize,
    ) -> i32;
}

/// Settings of one fused `AdamW` step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamWStep {
    /// Steps taken, this one included.
    pub(crate) step: f64,
    pub(crate) learning_rate: f64,
    pub(crate) betas: [f64; 2],
    pub(crate) weight_decay: f64,
    pub(crate) epsilon: f64,
}

fn checked(call: impl FnOnce(*mut c_char) -> i32) -> Result<(), tch::TchError> {
    let mut message = [0 as c_char; ROOM];
    if call(message.as_mut_ptr()) == 0 {
        return Ok(());
    }
    // SAFETY: the shim ends what it writes with a zero within the room it is given.
    let text = unsafe { CStr::from_ptr(message.as_ptr()) };
    Err(tch::TchError::Torch(text.to_string_lossy().into_owned()))
}

/// Parameters that one `AdamW` step updates, with their gradient and moments, all of one shape.
pub(crate) struct AdamWSlice<'a> {
    pub(crate) parameters: &'a mut Tensor,
    pub(crate) grad: &'a mut Tensor,
    pub(crate) mean: &'a mut Tensor,
    pub(crate) square: &'a mut Tensor,
}

/// The shim's `UnsaidSlice`.
#[repr(C)]
struct SlicePointers {
    parameters: *mut c_void,
    grad: *mut c_void,
    mean: *mut c_void,
    square: *mut c_void,
}

/// `AdamW` on all slices, in place, in one pass.
pub(crate) fn fused_adamw(
    slices: &mut [AdamWSlice<'_>],
    how: AdamWStep,
) -> Result<(), tch::TchError> {
    let pointers: Vec<SlicePointers> = slices
        .iter_mut()
        .map(|s| SlicePointers {
            parameters: s.parameters.as_mut_ptr().cast(),
            grad: s.grad.as_ptr().cast_mut().cast(),
            mean: s.mean.as_mut_ptr().cast(),
            square: s.square.as_mut_ptr().cast(),
        })
        .collect();
    // SAFETY: all pointers are live `at::Tensor`s that tch owns, borrowed for the call; the shim changes only the
    // tensors that are borrowed mutably here, and libtorch checks shapes and types itself.
    checked(|error| unsafe {
        unsaid_fused_adamw(
            pointers.as_ptr(),
            pointers.len(),
            how.step,
            how.learning_rate,
            how.betas[0],
            how.betas[1],
            how.weight_decay,
            how.epsilon,
            error,
            ROOM,
        )
    })
}

/// Whether float32 products on CUDA may round their operands to TF32.
pub(crate) fn allow_tf32(allow: bool) -> Result<(), tch::TchError> {
    // SAFETY: sets a flag of libtorch's context.
    checked(|error| unsafe { unsaid_allow_tf32(allow, error, ROOM) })
}

/// The most bytes that tensors on a CUDA device have held at once.
///
/// Errors: there is no such device.
pub(crate) fn peak_cuda_memory(device: usize) -> Result<u64, tch::TchError> {
    let mut bytes = 0;
    let device = i32::try_from(device).unwrap_or(i32::MAX);
    // SAFETY: `bytes` outlives the call.
    checked(|error| unsafe { unsaid_peak_memory(device, &raw mut bytes, error, ROOM) })?;
    Ok(bytes)
}

/// Whether the processor multiplies bfloat16 in hardware (AVX-512 or AMX): else libtorch does it a hundred times slower.
#[must_use]
pub(crate) fn has_bf16_products() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Calls `body` with disjoint ranges that cover `0..n`, on libtorch's own threads.
pub(super) fn parallel_for(
    n: usize,
    grain: usize,
    body: &(dyn Fn(usize, usize) + Sync),
) -> Result<(), tch::TchError> {
    unsafe extern "C" fn call(context: *mut c_void, from: i64, to: i64) {
        // SAFETY: `context` is the pointer to `body` made below, which outlives the parallel loop.
        let body = unsafe { *context.cast::<&(dyn Fn(usize, usize) + Sync)>() };
        body(
            usize::try_from(from).unwrap_or(0),
            usize::try_from(to).unwrap_or(0),
        );
    }
    let mut body = body;
    let context = (&raw mut body).cast::<c_void>();
    // SAFETY: `call` matches the shim's signature, and `context` stays valid until the shim returns. The bodies here do
    // not panic: an unwind across C++ would abort the process, not corrupt it.
    checked(|error| unsafe {
        unsaid_parallel_for(to_i64(n), to_i64(grain), call, context, error, ROOM)
    })
}
