//! Numbers that passes work on: an exponential that vectorises, and bfloat16 beside float32.

use tch::Kind;

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

/// The same function for each set of instructions; the best that the processor has is taken.
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

pub(super) use by_processor;
