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

/// A number of a tile; counting is in float32 whatever its type.
trait Number: Copy + Send + 'static {
    const KIND: Kind;
    fn get(self) -> f32;
    fn of(x: f32) -> Self;
}

#[allow(clippy::inline_always)]
impl Number for f32 {
    const KIND: Kind = Kind::Float;
    #[inline(always)]
    fn get(self) -> f32 {
        self
    }
    #[inline(always)]
    fn of(x: f32) -> Self {
        x
    }
}

/// bfloat16: the upper half of a float32.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Bf16(u16);

#[allow(clippy::inline_always)]
impl Number for Bf16 {
    const KIND: Kind = Kind::BFloat16;
    #[inline(always)]
    fn get(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
    /// To the nearest, ties to even. What is no number stays none: its mantissa keeps a bit.
    #[inline(always)]
    fn of(x: f32) -> Self {
        let bits = x.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        let kept = if x.is_nan() {
            (bits >> 16) | 0x40
        } else {
            rounded
        };
        #[allow(clippy::cast_possible_truncation)]
        Self(kept as u16)
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn maximum<T: Number>(row: &[T]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = lane.max(x.get());
        }
    }
    let rest = rest.iter().map(|x| x.get());
    lanes
        .into_iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, f32::max)
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn sum_of_exp<T: Number>(row: &[T], shift: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += exp(x.get() - shift);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|x| exp(x.get() - shift)).sum::<f32>()
}

/// One row of one tile: the running maximum and sum of exponentials take it in.
#[inline(always)]
#[allow(clippy::inline_always)]
fn take_in<T: Number>(row: &[T], max: &mut f32, sum: &mut f32) {
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
fn to_slopes<T: Number>(row: &mut [T], normaliser: f32, slope: f32) {
    for x in row {
        *x = T::of(-slope * exp(x.get() - normaliser));
    }
}

/// A function compiled for each set of instructions; the best that the processor has is taken.
macro_rules! by_processor {
    ($name:ident($($arg:ident: $type:ty),*) = $body:ident) => {
        #[inline]
        fn $name<T: Number>($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,fma")]
                fn wide<T: Number>($($arg: $type),*) { $body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn narrow<T: Number>($($arg: $type),*) { $body($($arg),*) }
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

by_processor!(take_in_best(row: &[T], max: &mut f32, sum: &mut f32) = take_in);
by_processor!(to_slopes_best(row: &mut [T], normaliser: f32, slope: f32) = to_slopes);

/// A contiguous matrix on the CPU, as raw rows that threads share.
struct Matrix<T> {
    data: *mut T,
    rows: usize,
    columns: usize,
}

// SAFETY: each row is handed to one thread only: `parallel_for` gives disjoint ranges.
unsafe impl<T: Send> Sync for Matrix<T> {}

impl<T: Number> Matrix<T> {
    fn of(tensor: &Tensor) -> Result<Self, tch::TchError> {
        let fits =
            tensor.device() == Device::Cpu && tensor.kind() == T::KIND && tensor.is_contiguous();
        if !fits {
            return Err(tch::TchError::Kind(
                "contiguous rows on the CPU are needed".into(),
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
}

impl<T> Matrix<T> {
    /// One number per row.
    fn column(slice: &mut [T]) -> Self {
        Self {
            data: slice.as_mut_ptr(),
            rows: slice.len(),
            columns: 1,
        }
    }

    /// One row. Callers take each row once at a time.
    #[allow(clippy::mut_from_ref)]
    fn row(&self, row: usize) -> &mut [T] {
        assert!(row < self.rows);
        // SAFETY: the tensor is contiguous and holds `rows · columns` numbers of this type (`of` asked for its kind),
        // `row < rows` was just asked, and it outlives this view.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(row * self.columns), self.columns) }
    }
}

/// What a pass over tiles gathers of each row. `[rows]` each.
pub(crate) struct Gathered<'a> {
    /// The largest logit so far.
    pub(crate) max: &'a mut [f32],
    /// The sum of exponentials so far, below `max`.
    pub(crate) sum: &'a mut [f32],
    /// The logit of the row's target, once its tile has come.
    pub(crate) target_logits: &'a mut [f32],
}

/// Takes in a tile of logits `[rows, columns]` (float32 or bfloat16), which begins at token `from` of the vocabulary.
pub(crate) fn take_tile(
    tile: &Tensor,
    from: usize,
    targets: &[i64],
    gathered: Gathered<'_>,
) -> Result<(), tch::TchError> {
    match tile.kind() {
        Kind::BFloat16 => take::<Bf16>(tile, from, targets, gathered),
        _ => take::<f32>(tile, from, targets, gathered),
    }
}

fn take<T: Number>(
    tile: &Tensor,
    from: usize,
    targets: &[i64],
    gathered: Gathered<'_>,
) -> Result<(), tch::TchError> {
    let tile = Matrix::<T>::of(tile)?;
    let [max, sum, target_logits] =
        [gathered.max, gathered.sum, gathered.target_logits].map(Matrix::column);
    let lengths = [targets.len(), max.rows, sum.rows, target_logits.rows];
    refuse_other_lengths(&lengths, tile.rows)?;
    parallel_for(tile.rows, 8, &|start, end| {
        for (row, &target) in (start..end).zip(&targets[start..end]) {
            let logits = tile.row(row);
            take_in_best(logits, &mut max.row(row)[0], &mut sum.row(row)[0]);
            if let Some(logit) = within(target, from, logits.len()) {
                target_logits.row(row)[0] = logits[logit].get();
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
    match tile.kind() {
        Kind::BFloat16 => turn::<Bf16>(tile, from, targets, normalisers, slopes),
        _ => turn::<f32>(tile, from, targets, normalisers, slopes),
    }
}

fn turn<T: Number>(
    tile: &Tensor,
    from: usize,
    targets: &[i64],
    normalisers: &[f32],
    slopes: &[f32],
) -> Result<(), tch::TchError> {
    let tile = Matrix::<T>::of(tile)?;
    refuse_other_lengths(&[targets.len(), normalisers.len(), slopes.len()], tile.rows)?;
    parallel_for(tile.rows, 8, &|start, end| {
        for (row, &target) in (start..end).zip(&targets[start..end]) {
            let logits = tile.row(row);
            let place = within(target, from, logits.len());
            // From the logit itself: slope · (1 − p) is not slope and a p that was rounded.
            let (normaliser, slope) = (normalisers[row], slopes[row]);
            let of_target = place.map(|p| slope - slope * exp(logits[p].get() - normaliser));
            to_slopes_best(logits, normaliser, slope);
            if let (Some(place), Some(d)) = (place, of_target) {
                logits[place] = T::of(d);
            }
        }
    })
}

fn refuse_other_lengths(lengths: &[usize], rows: usize) -> Result<(), tch::TchError> {
    if lengths.iter().any(|&n| n != rows) {
        return Err(tch::TchError::Shape("one number per row is needed".into()));
    }
    Ok(())
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
