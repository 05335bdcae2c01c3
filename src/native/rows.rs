//! Passes over rows of logits while they are in cache: vectorised exponentials, on libtorch's own threads.

use tch::{Device, Kind, Tensor};

use super::torch::parallel_for;

/// Lanes that sums and maxima are kept in: two vectors of AVX-512, four of AVX2.
const LANES: usize = 32;

/// e^x for x ≤ 0 to about two units in the last place; 0 below the normal numbers. Branchless, so that it vectorises.
#[inline(always)]
#[allow(clippy::inline_always)]
#[expect(clippy::many_single_char_names, reason = "the letters of the formula")]
fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, the first exact in few bits, so that the reduction loses nothing (Cody and Waite).
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and taking away 1.5 · 2^23 rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    // Not `max`, which would drop a NaN: what is no number must come out as none.
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x.mul_add(LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    // Minimax on |r| ≤ ½ ln 2 (Cephes expf).
    let mut p = 1.987_569_1e-4_f32;
    p = p.mul_add(r, 1.398_2e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_5e-1);
    p = p.mul_add(r, 0.5);
    let e = (p * r).mul_add(r, r) + 1.0;
    // The low bits of `rounded` are n; shifted into the exponent they make 2^n, and all other bits fall out.
    let scale = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    e * scale
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn maximum(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = lane.max(x);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max)
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn sum_of_exp(row: &[f32], shift: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += exp(x - shift);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|&x| exp(x - shift)).sum::<f32>()
}

/// One row of one tile: the running maximum and sum of exponentials take it in.
#[inline(always)]
#[allow(clippy::inline_always)]
fn take_in(row: &[f32], max: &mut f32, sum: &mut f32) {
    let top = max.max(maximum(row));
    // Before the first tile there is nothing to carry over, and −∞ − top would be no exponent.
    let old = if *max == f32::NEG_INFINITY {
        *sum
    } else {
        *sum * exp(*max - top)
    };
    *sum = old + sum_of_exp(row, top);
    *max = top;
}

/// One row of one tile: logits become −slope · p.
#[inline(always)]
#[allow(clippy::inline_always)]
fn to_slopes(row: &mut [f32], normaliser: f32, slope: f32) {
    for x in row {
        *x = -slope * exp(*x - normaliser);
    }
}

/// The same two functions for each set of instructions; the best that the processor has is taken.
macro_rules! by_processor {
    ($name:ident($($arg:ident: $type:ty),*) = $body:ident) => {
        #[inline]
        fn $name($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,fma")]
                fn wide($($arg: $type),*) { $body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn narrow($($arg: $type),*) { $body($($arg),*) }
                if std::arch::is_x86_feature_detected!("avx512dq") && std::arch::is_x86_feature_detected!("avx512vl") {
                    // SAFETY: the processor has these instructions: avx512dq and avx512vl imply avx512f and fma.
                    return unsafe { wide($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                    // SAFETY: as just asked.
                    return unsafe { narrow($($arg),*) };
                }
            }
            $body($($arg),*)
        }
    };
}

by_processor!(take_in_best(row: &[f32], max: &mut f32, sum: &mut f32) = take_in);
by_processor!(to_slopes_best(row: &mut [f32], normaliser: f32, slope: f32) = to_slopes);

/// A contiguous float32 matrix on the CPU, as raw rows that threads share.
struct Matrix {
    data: *mut f32,
    rows: usize,
    columns: usize,
}

// SAFETY: each row is handed to one thread only: `parallel_for` gives disjoint ranges.
unsafe impl Sync for Matrix {}

impl Matrix {
    fn of(tensor: &Tensor) -> Result<Self, tch::TchError> {
        let fits = tensor.device() == Device::Cpu
            && tensor.kind() == Kind::Float
            && tensor.is_contiguous();
        if !fits {
            return Err(tch::TchError::Kind(
                "rows of float32 on the CPU are needed".into(),
            ));
        }
        let size = tensor.size();
        let n = |i: usize| size.get(i).map_or(1, |&n| usize::try_from(n).unwrap_or(0));
        Ok(Self {
            data: tensor.data_ptr().cast(),
            rows: n(0),
            columns: n(1),
        })
    }

    /// One row. Callers take each row once at a time.
    #[allow(clippy::mut_from_ref)]
    fn row(&self, row: usize) -> &mut [f32] {
        debug_assert!(row < self.rows);
        // SAFETY: the tensor is contiguous and holds `rows · columns` floats, `row < rows`, and it outlives this view.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(row * self.columns), self.columns) }
    }
}

/// Takes a tile of logits `[rows, columns]`, which begins at token `from` of the vocabulary, into the running `max` and
/// `sum` of exponentials `[rows]`, and notes the logit of each row's target `[rows]` where it lies in the tile.
pub(crate) fn take_tile(
    tile: &Tensor,
    from: usize,
    targets: &[i64],
    max: &mut [f32],
    sum: &mut [f32],
    target_logits: &mut [f32],
) -> Result<(), tch::TchError> {
    let tile = Matrix::of(tile)?;
    let lengths = [targets.len(), max.len(), sum.len(), target_logits.len()];
    if lengths.iter().any(|&n| n != tile.rows) {
        return Err(tch::TchError::Shape("a number a row is needed".into()));
    }
    let column = |slice: &mut [f32]| Matrix {
        data: slice.as_mut_ptr(),
        rows: slice.len(),
        columns: 1,
    };
    let (max, sum, target_logits) = (column(max), column(sum), column(target_logits));
    parallel_for(tile.rows, 8, &|start, end| {
        for (row, &target) in (start..end).zip(&targets[start..end]) {
            let logits = tile.row(row);
            take_in_best(logits, &mut max.row(row)[0], &mut sum.row(row)[0]);
            if let Some(logit) = within(target, from, logits.len()) {
                target_logits.row(row)[0] = logits[logit];
            }
        }
    })
}

/// Turns a tile of logits into the loss's derivative by them: slope · (one-hot(target) − p).
pub(crate) fn tile_to_slopes(
    tile: &mut Tensor,
    from: usize,
    targets: &[i64],
    normalisers: &[f32],
    slopes: &[f32],
) -> Result<(), tch::TchError> {
    let tile = Matrix::of(tile)?;
    if [targets.len(), normalisers.len(), slopes.len()]
        .iter()
        .any(|&n| n != tile.rows)
    {
        return Err(tch::TchError::Shape("a number a row is needed".into()));
    }
    parallel_for(tile.rows, 8, &|start, end| {
        for (row, &target) in (start..end).zip(&targets[start..end]) {
            let logits = tile.row(row);
            to_slopes_best(logits, normalisers[row], slopes[row]);
            if let Some(logit) = within(target, from, logits.len()) {
                logits[logit] += slopes[row];
            }
        }
    })
}

fn within(target: i64, from: usize, columns: usize) -> Option<usize> {
    let place = usize::try_from(target).ok()?.checked_sub(from)?;
    (place < columns).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_over_its_range() {
        for i in 0..=870_000u32 {
            let x = -(i as f32) / 10_000.0;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours / exact - 1.0).abs() < 3e-7, "{x}: {ours} {exact}");
        }
        assert!(exp(-1e30) < 2e-38 && exp(f32::NEG_INFINITY) < 2e-38);
        assert!((exp(0.0) - 1.0).abs() < f32::EPSILON);
    }

    /// What is no number must not be summed away: a model that gives it cannot be audited.
    #[test]
    fn a_logit_that_is_no_number_stays_visible() {
        for bad in [f32::NAN, f32::INFINITY] {
            for place in [0, 40, 99] {
                let mut row = vec![-1.0; 100];
                row[place] = bad;
                let (mut max, mut sum) = (f32::NEG_INFINITY, 0.0);
                take_in_best(&row[..50], &mut max, &mut sum);
                take_in_best(&row[50..], &mut max, &mut sum);
                assert!(!(max + sum.ln()).is_finite(), "{bad} at {place}");
                to_slopes_best(&mut row, 0.0, 1.0);
                assert!(!row[place].is_finite(), "{bad} at {place}");
            }
        }
    }

    #[test]
    fn every_instruction_set_sums_alike() {
        let row: Vec<f32> = (0..1000u16)
            .map(|i| (f32::from(i) * 0.37).sin() * 20.0)
            .collect();
        let (mut max, mut sum) = (f32::NEG_INFINITY, 0.0);
        take_in_best(&row[..333], &mut max, &mut sum);
        take_in_best(&row[333..], &mut max, &mut sum);
        let exact: f64 = row.iter().map(|&x| f64::from(x - max).exp()).sum();
        assert!((f64::from(sum) / exact - 1.0).abs() < 1e-6);
        let (mut plain_max, mut plain_sum) = (f32::NEG_INFINITY, 0.0);
        take_in(&row, &mut plain_max, &mut plain_sum);
        assert!((plain_max - max).abs() < f32::EPSILON && (plain_sum / sum - 1.0).abs() < 1e-6);
    }
}
