//! When memory is too short for a step.

use super::TrainingError;
use super::batch::StepBatch;
use crate::checkpoint::size::activations_per_token;
use crate::model::Model;

/// The last is oneDNN's, whose products make their code and buffers in memory of their own.
const WORDS: [&str; 3] = [
    "out of memory",
    "can't allocate memory",
    "could not create a primitive",
];

/// Whether libtorch could not get memory, in its own words on a CPU and on a GPU.
pub(super) fn ran_out(error: &tch::TchError) -> bool {
    let text = error.to_string();
    WORDS.iter().any(|words| text.contains(words))
}

/// Says what was asked for, what there is, and how many rows at once would fit.
pub(super) fn error(
    model: &Model,
    batch: &StepBatch,
    pieces: usize,
    error: &tch::TchError,
) -> TrainingError {
    let rows = batch.longest().div_ceil(pieces);
    let terms = batch.len().div_ceil(batch.longest().max(1));
    // Activations of the body and, beside them, logits, both in float32.
    let of_token = activations_per_token(model.config()) + model.config().vocab_size;
    let of_row = 4 * of_token * batch.tokens_per_row() * terms;
    let free = model.device().free_memory();
    let would_fit = free.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX) / of_row.max(1));
    let fits = would_fit.unwrap_or(rows / 2).min(rows / 2);
    TrainingError::OutOfMemory {
        rows,
        asked: first_line(&error.to_string()),
        free,
        fix: match fits {
            0 => "not even one row of each term fits: use a smaller model or a machine with more memory".to_owned(),
            rows => format!("set run.micro_batch = {rows}, or \"auto\""),
        },
    }
}

/// libtorch's message without its stack.
fn first_line(text: &str) -> String {
    let says = |line: &&str| WORDS.iter().any(|words| line.contains(words));
    let line = text.lines().find(says).unwrap_or(text);
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorchs_own_words_are_known() {
        let out = |text: &str| ran_out(&tch::TchError::Torch(text.to_owned()));
        assert!(out(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."
        ));
        assert!(out(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB"
        ));
        assert!(out("could not create a primitive"));
        assert!(!out("mat1 and mat2 shapes cannot be multiplied"));
        assert_eq!(first_line("x\nout of memory: y\nz"), "out of memory: y");
    }
}
