//! Every way to the same numbers.

use super::*;
use crate::model::params::operand;

fn filled(shape: [i64; 2], step: f64) -> Tensor {
    let n = shape[0] * shape[1];
    (Tensor::arange(n, (Kind::Float, Device::Cpu)) * step)
        .sin()
        .view(shape)
}

fn head<'a>(
    [hidden, output]: [&Tensor; 2],
    targets: &'a Tensor,
    arithmetic: Arithmetic,
    workspace: &'a Workspace,
) -> LmHead<'a> {
    LmHead {
        hidden: operand(hidden, arithmetic).unwrap(),
        output: operand(output, arithmetic).unwrap(),
        targets,
        arithmetic,
        workspace,
    }
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
    let workspace = Workspace::default();
    // bfloat16 keeps 8 bits; sums of rounded products stray by a few times that.
    for (arithmetic, tolerance) in [
        (Arithmetic::F32, 1e-6),
        (Arithmetic::Bf16, 3e-2),
        (Arithmetic::EmulatedBf16, 3e-2),
    ] {
        let head = head([&h, &u], &targets, arithmetic, &workspace);
        let check = |scored: &TokenLogprobs, backward: &dyn Fn(&Tensor) -> Tensor| {
            assert!(difference(&scored.logprobs, &theirs.detach()) < tolerance);
            let some = candidates(&head, scored, &letters).unwrap();
            assert!(difference(&some, &all.detach().index_select(1, &letters)) < tolerance);
            // What was there stays: derivatives are added.
            let total = u.ones_like();
            assert!(difference(&backward(&total), &grads[0]) < tolerance);
            assert!(difference(&total, &(&grads[1] + 1.0)) < tolerance);
        };
        for tile in [TILE, 30, 8, 1] {
            for keep in [KEEP, 0] {
                let limits = Limits { tile, keep };
                let scored = no_grad(|| forward_tiled(&head, true, limits)).unwrap();
                assert_eq!(scored.is_kept, keep > 0);
                check(&scored, &|total| {
                    no_grad(|| backward_tiled(&head, &scored, &slopes, Some(total), limits))
                        .unwrap()
                });
            }
        }
        let scored = no_grad(|| chunked::forward(&head)).unwrap();
        check(&scored, &|total| {
            no_grad(|| chunked::backward(&head, &scored, &slopes, Some(total))).unwrap()
        });
    }
}

/// Emulated bfloat16 gives the numbers of a processor that has it.
#[test]
fn emulated_bfloat16_is_bfloat16() {
    let workspace = Workspace::default();
    let (h, u) = (filled([9, 16], 0.7), filled([40, 16], 1.3));
    let targets = Tensor::from_slice(&[0i64, 10, 3, 3, 7, 1, 9, 39, 20]);
    let logprobs = |arithmetic| {
        let head = head([&h, &u], &targets, arithmetic, &workspace);
        forward(&head, false).unwrap().logprobs
    };
    let apart = difference(
        &logprobs(Arithmetic::Bf16),
        &logprobs(Arithmetic::EmulatedBf16),
    );
    // Sums in another order may round to the neighbouring bfloat16 (2^-8 of a logit below 8).
    assert!(apart < 0.04, "{apart}");
}
