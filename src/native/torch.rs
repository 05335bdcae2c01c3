//! What tch lacks, through the C++ shim.

use std::ffi::{CStr, c_char, c_void};

use tch::Tensor;

use crate::units::to_i64;

/// Room for a message from C++.
const ROOM: usize = 1024;

unsafe extern "C" {
    fn unsaid_fused_adamw(
        parameter: *mut c_void,
        gradient: *mut c_void,
        mean: *mut c_void,
        square: *mut c_void,
        step: f64,
        learning_rate: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        epsilon: f64,
        error: *mut c_char,
        room: usize,
    ) -> i32;

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

/// `AdamW` on flat tensors of one shape, in place, in one pass.
pub(crate) fn fused_adamw(
    parameter: &mut Tensor,
    gradient: &Tensor,
    mean: &mut Tensor,
    square: &mut Tensor,
    how: AdamWStep,
) -> Result<(), tch::TchError> {
    // SAFETY: the four pointers are live `at::Tensor`s that tch owns, borrowed for the call; the shim changes only the
    // tensors that are borrowed mutably here, and checks shapes and types itself.
    checked(|error| unsafe {
        unsaid_fused_adamw(
            parameter.as_mut_ptr().cast(),
            gradient.as_ptr().cast_mut().cast(),
            mean.as_mut_ptr().cast(),
            square.as_mut_ptr().cast(),
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
