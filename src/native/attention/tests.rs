#![allow(clippy::unwrap_used, reason = "a test that meets an error should stop")]

use proptest::prelude::*;
use tch::{Device, Kind, Tensor, no_grad};

use super::*;

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Sizes of one call.
#[derive(Debug, Clone, Copy)]
struct Call {
    batch: i64,
    time: i64,
    heads: i64,
    dims: i64,
    turning: i64,
}

/// Numbers between −2 and 2 without a generator of torch's.
fn numbers(size: &[i64], salt: f64) -> Tensor {
    let n: i64 = size.iter().product();
    let places = Tensor::arange(n, (Kind::Double, Device::Cpu));
    let waves = (places * (12.9898 + salt)).sin() * 43_758.545_3;
    let parts = &waves - waves.floor();
    (parts * 4.0 - 2.0).to_kind(Kind::Float).view(size)
}

fn tables(call: Call) -> [Tensor; 2] {
    let angles = numbers(&[call.time, call.turning / 2], 0.5);
    let angles = Tensor::cat(&[&angles, &angles], 1);
    [angles.cos(), angles.sin()]
}

/// The same by torch's own operations, in the type of `qkv`.
fn plain(qkv: &Tensor, cos: &Tensor, sin: &Tensor, call: Call) -> Tensor {
    let Call {
        time,
        dims,
        turning,
        ..
    } = call;
    let turn = |x: Tensor| {
        let (turned, rest) = (
            x.narrow(3, 0, turning),
            x.narrow(3, turning, dims - turning),
        );
        let half = turning / 2;
        let crossed = Tensor::cat(
            &[-turned.narrow(3, half, half), turned.narrow(3, 0, half)],
            3,
        );
        Tensor::cat(&[&turned * cos + crossed * sin, rest], 3)
    };
    let qkv = qkv.transpose(1, 2);
    let part = |n: i64| qkv.narrow(3, n * dims, dims);
    let mask = Tensor::full([time, time], f64::NEG_INFINITY, CPU).triu(1);
    let scores = turn(part(0)).matmul(&turn(part(1)).transpose(2, 3)) / (dims as f64).sqrt();
    let mixed = (scores + mask).softmax(-1, None).matmul(&part(2));
    mixed.transpose(1, 2).contiguous()
}

/// Largest difference over the largest number.
fn difference(ours: &Tensor, theirs: &Tensor) -> f64 {
    let (ours, theirs) = (ours.to_kind(Kind::Double), theirs.to_kind(Kind::Double));
    let largest = theirs.abs().max().double_value(&[]);
    (ours - theirs).abs().max().double_value(&[]) / largest.max(1e-30)
}

fn gradient(out: &Tensor, slopes: &Tensor, by: &Tensor) -> Tensor {
    let scalar = (out * slopes).sum(slopes.kind());
    Tensor::run_backward(&[scalar], &[by], false, false)
        .pop()
        .unwrap()
}

fn input(call: Call) -> Tensor {
    numbers(&[call.batch, call.time, call.heads, 3 * call.dims], 0.1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn it_is_torchs_attention(
        batch in 1..8i64,
        time in 1..=LONGEST,
        heads in 1..4i64,
        half in 4..=64i64,
        quarters in 0..=4i64,
    ) {
        let dims = 2 * half;
        let call = Call { batch, time, heads, dims, turning: half * quarters / 4 * 2 };
        let [cos, sin] = tables(call);
        let qkv = input(call).set_requires_grad(true);
        let slopes = numbers(&[batch, time, heads, dims], 0.3);
        let ours = attend(&qkv, &cos, &sin).unwrap();
        let exact = qkv.detach().to_kind(Kind::Double).set_requires_grad(true);
        let theirs = plain(&exact, &cos.to_kind(Kind::Double), &sin.to_kind(Kind::Double), call);
        prop_assert!(difference(&ours, &theirs) < 1e-5);
        let (ours, theirs) = (
            gradient(&ours, &slopes, &qkv),
            gradient(&theirs, &slopes.to_kind(Kind::Double), &exact),
        );
        for part in 0..3 {
            let of = |t: &Tensor| t.narrow(3, part * dims, dims);
            // A sequence of one place has no derivative by queries and keys.
            if of(&theirs).abs().max().double_value(&[]) > 1e-12 {
                prop_assert!(difference(&of(&ours), &of(&theirs)) < 1e-5, "part {part}");
            } else {
                prop_assert!(of(&ours).abs().max().double_value(&[]) < 1e-5);
            }
        }
    }
}

const USUAL: Call = Call {
    batch: 3,
    time: 17,
    heads: 2,
    dims: 64,
    turning: 16,
};

/// A sequence's numbers are its own, wherever it stands and however many threads there are.
#[test]
fn a_sequence_alone_has_the_same_bits() {
    let [cos, sin] = tables(USUAL);
    let qkv = input(USUAL);
    let all = attend(&qkv, &cos, &sin).unwrap();
    for n in 0..USUAL.batch {
        let alone = attend(&qkv.narrow(0, n, 1), &cos, &sin).unwrap();
        assert_eq!(alone, all.narrow(0, n, 1));
    }
}

/// In bfloat16 it reads and writes such numbers, and counts in float32.
#[test]
fn bfloat16_is_rounded_at_the_ends_alone() {
    let [cos, sin] = tables(USUAL);
    let rounded = input(USUAL).to_kind(Kind::BFloat16);
    let (ours, wide) = (
        rounded.copy().set_requires_grad(true),
        rounded.to_kind(Kind::Float).set_requires_grad(true),
    );
    let slopes = numbers(&[3, 17, 2, 64], 0.3).to_kind(Kind::BFloat16);
    let (a, b) = (
        attend(&ours, &cos, &sin).unwrap(),
        attend(&wide, &cos, &sin).unwrap(),
    );
    assert_eq!(a, b.to_kind(Kind::BFloat16));
    let a = Tensor::run_backward(&[(&a * &slopes).sum(Kind::Float)], &[&ours], false, false);
    let b = gradient(&b, &slopes.to_kind(Kind::Float), &wide);
    assert_eq!(a[0], b.to_kind(Kind::BFloat16));
}

/// What is no number stays visible at its own place and after it, and nowhere before.
#[test]
fn what_is_no_number_stays_visible() {
    let [cos, sin] = tables(USUAL);
    for column in [0, 64, 128] {
        let qkv = input(USUAL);
        let _ = no_grad(|| qkv.narrow(1, 9, 1).narrow(3, column, 1).fill_(f64::NAN));
        let finite = attend(&qkv, &cos, &sin).unwrap().isfinite();
        let at = |place: i64| finite.narrow(1, place, 1).all().int64_value(&[]) == 1;
        assert!(!at(9), "{column}");
        assert!(at(3), "{column}");
    }
}

#[test]
fn other_shapes_are_refused() {
    let [cos, sin] = tables(USUAL);
    let short = input(Call { time: 16, ..USUAL });
    assert!(attend(&short, &cos, &sin).is_err());
    let long = Call {
        time: LONGEST + 1,
        ..USUAL
    };
    let [cos, sin] = tables(long);
    assert!(attend(&input(long), &cos, &sin).is_err());
    let whole = Tensor::zeros([3, 17, 2, 192], (Kind::Int64, Device::Cpu));
    let [cos, sin] = tables(USUAL);
    assert!(attend(&whole, &cos, &sin).is_err());
}
