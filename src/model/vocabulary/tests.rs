//! Every way to the same numbers.

use super::*;

fn filled(shape: [i64; 2], step: f64) -> Tensor {
    let n = shape[0] * shape[1];
    (Tensor::arange(n, (Kind::Float, Device::Cpu)) * step)
        .sin()
        .view(shape)
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
    let check = |scored: &TokenLogprobs, backward: &dyn Fn(&Tensor) -> Tensor| {
        assert!(difference(&scored.logprobs, &theirs.detach()) < 1e-6);
        let some = candidates(&h, &u, scored, &letters).unwrap();
        assert!(difference(&some, &all.detach().index_select(1, &letters)) < 1e-6);
        // What was there stays: derivatives are added.
        let total = u.ones_like();
        assert!(difference(&backward(&total), &grads[0]) < 1e-6);
        assert!(difference(&total, &(&grads[1] + 1.0)) < 1e-6);
    };
    let workspace = Workspace::default();
    for tile in [TILE, 30, 8, 1] {
        for keep in [KEEP, 0] {
            let limits = Limits { tile, keep };
            let scored =
                no_grad(|| forward_tiled(&h, &u, &targets, true, &workspace, limits)).unwrap();
            assert_eq!(scored.is_kept, keep > 0);
            check(&scored, &|total| {
                no_grad(|| {
                    backward_tiled(
                        &h,
                        &u,
                        &targets,
                        &scored,
                        &slopes,
                        Some(total),
                        &workspace,
                        limits,
                    )
                })
                .unwrap()
            });
        }
    }
    let scored = no_grad(|| chunked::forward(&h, &u, &targets)).unwrap();
    check(&scored, &|total| {
        no_grad(|| chunked::backward(&h, &u, &targets, &scored, &slopes, Some(total))).unwrap()
    });
}
