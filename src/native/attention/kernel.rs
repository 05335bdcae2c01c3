//! Attention of one head over one short sequence, forward and backward, with all it needs in the processor's nearest caches.
//!
//! Scores lie transposed, keys down and queries along the lanes: a softmax then runs over whole vectors, with no sum across
//! lanes, and every product is one form, Σ a[term][row] · b[term][lane].

use std::ops::Range;

use crate::native::numbers::{Number, exp};

/// Numbers that are worked on at once: a vector of AVX-512, two of AVX2. Lengths and dimensions are padded to it with zeros.
const LANES: usize = 16;
/// Rows of a product whose sums are kept in registers at once: of AVX2's sixteen these take eight. With more, compilers spill.
const ROWS: usize = 4;

type Vector = [f32; LANES];

/// Sizes of a head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Places of the sequence.
    pub(super) time: usize,
    /// Dimensions of a head.
    pub(super) dims: usize,
}

/// A matrix whose rows are whole vectors.
#[derive(Debug, Clone)]
struct Block {
    data: Vec<f32>,
    width: usize,
}

impl Block {
    fn new(rows: usize, columns: usize) -> Self {
        let width = columns.next_multiple_of(LANES);
        Self {
            data: vec![0.0; rows.next_multiple_of(LANES) * width],
            width,
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * self.width..][..self.width]
    }

    /// The first `rows` rows of `from`, as columns.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn transpose(&mut self, from: &Self, rows: usize) {
        let (vectors, _) = from.data.as_chunks::<LANES>();
        for (row, vectors) in vectors
            .chunks_exact(from.width / LANES)
            .enumerate()
            .take(rows)
        {
            for (n, vector) in vectors.iter().enumerate() {
                let to = &mut self.data[n * LANES * self.width + row..];
                for (place, &x) in to.iter_mut().step_by(self.width).zip(vector) {
                    *place = x;
                }
            }
        }
    }

    /// self[row][lane] = Σ a[term][row] · b[term][lane] over the terms that `terms` names for a group of [`ROWS`] rows.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn product(&mut self, a: &Self, b: &Self, rows: usize, terms: impl Fn(usize) -> Range<usize>) {
        let (a_groups, _) = a.data.as_chunks::<ROWS>();
        let (b_vectors, _) = b.data.as_chunks::<LANES>();
        let (out, _) = self.data.as_chunks_mut::<LANES>();
        let (a_step, step) = (a.width / ROWS, b.width / LANES);
        for group in 0..rows.div_ceil(ROWS) {
            let terms = terms(group * ROWS);
            for column in 0..step {
                let mut sums = [[0.0f32; LANES]; ROWS];
                for term in terms.clone() {
                    let factors = a_groups[term * a_step + group];
                    let vector = b_vectors[term * step + column];
                    for (sum, factor) in sums.iter_mut().zip(factors) {
                        *sum = add_product(*sum, factor, vector);
                    }
                }
                for (r, sum) in sums.into_iter().enumerate() {
                    out[(group * ROWS + r) * step + column] = sum;
                }
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn add_product(mut sum: Vector, factor: f32, vector: Vector) -> Vector {
    for (sum, x) in sum.iter_mut().zip(vector) {
        *sum = factor.mul_add(x, *sum);
    }
    sum
}

/// Room for one head, kept from one to the next. Padding is zero and stays so.
#[derive(Debug)]
pub(super) struct Room {
    shape: Shape,
    /// `[time, dims]`: rotated queries and keys, values, and the derivative by what comes out.
    queries: Block,
    keys: Block,
    values: Block,
    slopes: Block,
    /// `[time, dims]`: a result.
    found: Block,
    /// `[dims, time]`
    left: Block,
    right: Block,
    /// Keys down, queries along: probabilities, and derivatives by them, then by the scores.
    probabilities: Block,
    by_score: Block,
    /// The same, queries down and keys along.
    turned: Block,
}

impl Room {
    pub(super) fn new(shape: Shape) -> Self {
        let Shape { time, dims, .. } = shape;
        let places = || Block::new(time, dims);
        let across = || Block::new(dims, time);
        let square = || Block::new(time, time);
        Self {
            shape,
            queries: places(),
            keys: places(),
            values: places(),
            slopes: places(),
            found: places(),
            left: across(),
            right: across(),
            probabilities: square(),
            by_score: square(),
            turned: square(),
        }
    }
}

/// One place's numbers, the first ones turned by its angles: `cos` and `sin` are `[turning]`.
#[inline(always)]
#[allow(clippy::inline_always)]
fn load<T: Number>(to: &mut [f32], from: &[T], cos: &[f32], sin: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.get();
    }
    let (low, high) = to[..cos.len()].split_at_mut(cos.len() / 2);
    let ((cos_low, cos_high), (sin_low, sin_high)) = (halves(cos), halves(sin));
    for i in 0..low.len() {
        let (x, y) = (low[i], high[i]);
        low[i] = x * cos_low[i] - y * sin_low[i];
        high[i] = y * cos_high[i] + x * sin_high[i];
    }
}

/// Derivatives by turned numbers, as derivatives by the numbers.
#[inline(always)]
#[allow(clippy::inline_always)]
fn store<T: Number>(to: &mut [T], from: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (low, high) = from[..cos.len()].split_at_mut(cos.len() / 2);
    let ((cos_low, cos_high), (sin_low, sin_high)) = (halves(cos), halves(sin));
    for i in 0..low.len() {
        let (x, y) = (low[i], high[i]);
        low[i] = x * cos_low[i] + y * sin_high[i];
        high[i] = y * cos_high[i] - x * sin_low[i];
    }
    for (to, from) in to.iter_mut().zip(from) {
        *to = T::of(*from);
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn halves(table: &[f32]) -> (&[f32], &[f32]) {
    table.split_at(table.len() / 2)
}

/// Loads a head's queries, keys and values and makes its probabilities. `qkv(place)` is `[3 · dims]`, `angles(place)` the
/// rotary embedding's cosines and sines.
#[inline(always)]
#[allow(clippy::inline_always)]
fn look<'a, T: Number>(
    room: &mut Room,
    qkv: impl Fn(usize) -> &'a [T],
    angles: impl Fn(usize) -> (&'a [f32], &'a [f32]),
) {
    let Shape { time, dims, .. } = room.shape;
    for place in 0..time {
        let (from, (cos, sin)) = (qkv(place), angles(place));
        load(room.queries.row_mut(place), &from[..dims], cos, sin);
        load(room.keys.row_mut(place), &from[dims..2 * dims], cos, sin);
        load(room.values.row_mut(place), &from[2 * dims..], &[], &[]);
    }
    room.left.transpose(&room.keys, time);
    room.right.transpose(&room.queries, time);
    let scores = &mut room.probabilities;
    scores.product(&room.left, &room.right, time, |_| 0..dims);
    #[allow(clippy::cast_precision_loss)]
    let scale = 1.0 / (dims as f32).sqrt();
    softmax(scores, time, scale);
}

/// Scores to probabilities over the keys that each query may see: its own place's and those before.
#[inline(always)]
#[allow(clippy::inline_always)]
fn softmax(scores: &mut Block, time: usize, scale: f32) {
    let step = scores.width / LANES;
    let (vectors, _) = scores.data.as_chunks_mut::<LANES>();
    for column in 0..step {
        let first = column * LANES;
        let seen = time.min(first + LANES);
        let mut top = [f32::NEG_INFINITY; LANES];
        for key in 0..seen {
            let vector = &mut vectors[key * step + column];
            for (lane, (x, top)) in vector.iter_mut().zip(&mut top).enumerate() {
                *x = if key <= first + lane {
                    *x * scale
                } else {
                    f32::NEG_INFINITY
                };
                *top = top.max(*x);
            }
        }
        let mut sum = [0.0f32; LANES];
        for key in 0..seen {
            let vector = &mut vectors[key * step + column];
            for (lane, x) in vector.iter_mut().enumerate() {
                let e = exp(*x - top[lane]);
                *x = if key <= first + lane { e } else { 0.0 };
                sum[lane] += *x;
            }
        }
        let inverse = sum.map(|sum| 1.0 / sum);
        for key in 0..seen {
            for (x, inverse) in vectors[key * step + column].iter_mut().zip(inverse) {
                *x *= inverse;
            }
        }
        for key in seen..time {
            vectors[key * step + column] = [0.0; LANES];
        }
    }
}

/// What one head gives: `out(place)` is `[dims]`.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn forward<'a, T: Number>(
    room: &mut Room,
    qkv: impl Fn(usize) -> &'a [T],
    angles: impl Fn(usize) -> (&'a [f32], &'a [f32]),
    out: impl Fn(usize) -> &'a mut [T],
) {
    look::<T>(room, qkv, angles);
    let time = room.shape.time;
    let earlier = |place: usize| 0..time.min(place + ROWS);
    let found = &mut room.found;
    found.product(&room.probabilities, &room.values, time, earlier);
    for place in 0..time {
        store(out(place), room.found.row_mut(place), &[], &[]);
    }
}

/// The derivatives of one head: `slopes(place)` by what it gave, `[dims]`; `out(place)` by its queries, keys and values,
/// `[3 · dims]`. Probabilities are made again: that is cheaper than to keep them.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(super) fn backward<'a, T: Number>(
    room: &mut Room,
    qkv: impl Fn(usize) -> &'a [T],
    angles: impl Fn(usize) -> (&'a [f32], &'a [f32]),
    slopes: impl Fn(usize) -> &'a [T],
    out: impl Fn(usize) -> &'a mut [T],
) {
    look::<T>(room, qkv, &angles);
    let Shape { time, dims, .. } = room.shape;
    let earlier = |place: usize| 0..time.min(place + ROWS);
    let later = |place: usize| place..time;
    for place in 0..time {
        load(room.slopes.row_mut(place), slopes(place), &[], &[]);
    }
    // By the probabilities: values times slopes.
    room.left.transpose(&room.values, time);
    room.right.transpose(&room.slopes, time);
    let by_score = &mut room.by_score;
    by_score.product(&room.left, &room.right, time, |_| 0..dims);
    #[allow(clippy::cast_precision_loss)]
    through_softmax(
        by_score,
        &room.probabilities,
        time,
        1.0 / (dims as f32).sqrt(),
    );
    // By the values.
    room.turned.transpose(&room.probabilities, time);
    room.found.product(&room.turned, &room.slopes, time, later);
    for place in 0..time {
        let to = &mut out(place)[2 * dims..];
        store(to, room.found.row_mut(place), &[], &[]);
    }
    // By the keys.
    room.turned.transpose(&room.by_score, time);
    room.found.product(&room.turned, &room.queries, time, later);
    for place in 0..time {
        let (cos, sin) = angles(place);
        let to = &mut out(place)[dims..2 * dims];
        store(to, room.found.row_mut(place), cos, sin);
    }
    // By the queries.
    room.found
        .product(&room.by_score, &room.keys, time, earlier);
    for place in 0..time {
        let (cos, sin) = angles(place);
        let to = &mut out(place)[..dims];
        store(to, room.found.row_mut(place), cos, sin);
    }
}

/// Derivatives by probabilities to derivatives by unscaled scores.
#[inline(always)]
#[allow(clippy::inline_always)]
fn through_softmax(by_score: &mut Block, probabilities: &Block, time: usize, scale: f32) {
    let step = by_score.width / LANES;
    let (vectors, _) = by_score.data.as_chunks_mut::<LANES>();
    let (probabilities, _) = probabilities.data.as_chunks::<LANES>();
    for column in 0..step {
        let mut mean = [0.0f32; LANES];
        for key in 0..time {
            let at = key * step + column;
            for ((mean, p), d) in mean.iter_mut().zip(probabilities[at]).zip(vectors[at]) {
                *mean = p.mul_add(d, *mean);
            }
        }
        for key in 0..time {
            let at = key * step + column;
            for ((d, p), mean) in vectors[at].iter_mut().zip(probabilities[at]).zip(mean) {
                *d = p * (*d - mean) * scale;
            }
        }
    }
}
