//! From the precision that was asked for to the arithmetic that a device really does.

use super::{Device, DeviceError};
use crate::native;
use crate::spec::Precision;

/// How matrix products are made. Master weights, moments, norms, softmax, losses and log-probabilities are float32 in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Arithmetic {
    /// Float32 operands and results.
    #[default]
    F32,
    /// On CUDA: float32 operands rounded to 10 bits of mantissa (TF32), float32 results.
    Tf32,
    /// bfloat16 operands and results, summed in float32.
    Bf16,
    /// The numbers of [`Self::Bf16`] where the processor has no such instructions: rounded operands and results, float32 products.
    EmulatedBf16,
}

impl Arithmetic {
    /// What `precision` means on `device`. Decided by the processor's flags, never by timing, so that two runs do not differ.
    ///
    /// Must come after the device was resolved. Errors: TF32 on a CPU.
    pub fn resolve(precision: Precision, device: Device) -> Result<Self, DeviceError> {
        let on_cpu = device == Device::CPU;
        let arithmetic = match precision {
            // f32 until the equivalence test of bf16 has been passed and recorded.
            Precision::Auto | Precision::F32 => Self::F32,
            Precision::Tf32 if on_cpu => return Err(DeviceError::NoTf32),
            Precision::Tf32 => Self::Tf32,
            Precision::Bf16 if on_cpu && !native::has_bf16_products() => Self::EmulatedBf16,
            Precision::Bf16 => Self::Bf16,
        };
        if !on_cpu {
            let unusable = |e: tch::TchError| DeviceError::CudaUnusable {
                asked: device.to_string(),
                message: e.to_string(),
            };
            native::allow_tf32(arithmetic == Self::Tf32).map_err(unusable)?;
        }
        Ok(arithmetic)
    }

    /// Whether weights are kept a second time, rounded to bfloat16.
    #[must_use]
    pub fn rounds(self) -> bool {
        matches!(self, Self::Bf16 | Self::EmulatedBf16)
    }
}

impl std::fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::EmulatedBf16 => "bf16 (emulated)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_float32_and_tf32_needs_a_gpu() {
        let on_cpu = |p| Arithmetic::resolve(p, Device::CPU);
        assert_eq!(on_cpu(Precision::Auto), Ok(Arithmetic::F32));
        assert_eq!(on_cpu(Precision::F32), Ok(Arithmetic::F32));
        assert_eq!(on_cpu(Precision::Tf32), Err(DeviceError::NoTf32));
        let bf16 = on_cpu(Precision::Bf16).unwrap();
        assert!(bf16.rounds() && (bf16 == Arithmetic::Bf16) == native::has_bf16_products());
    }
}
