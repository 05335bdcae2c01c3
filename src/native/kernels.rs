//! What is done to one row of logits while it is in cache: vectorised exponentials, by the best instructions of the processor.

use tch::Kind;

/// Lanes that sums and maxima are kept in: two vectors of AVX-512, four of AVX2.
const LANES: usize = 32;

/// e^x for x ≤ 0 to about two units in the last place; 0 below the normal numbers. Branchless, so that it vectorises.
#[inline(always)]
#[allow(clippy::inline_always)]
#[expect(clippy::many_single_char_names, reason = "the letters of the formula")]
pub(super) fn exp(x: f32) -> f32 {
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
pub(super) trait Number: Copy + Send + 'static {
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
pub(super) struct Bf16(u16);

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
        pub(super) fn $name<T: Number>($($arg: $type),*) {
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
