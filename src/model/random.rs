//! Models with random weights: for time and memory, never for findings.

use rand::RngExt;
use tch::Tensor;

use super::{ModelError, Neox};
use crate::checkpoint::NeoxConfig;
use crate::device::{Arithmetic, Device};
use crate::seed::{Purpose, RootSeed};

/// Normal numbers drawn once and laid end to end over a model: time does not depend on their values.
const DRAWN: usize = 1 << 16;

impl Neox {
    /// A model of a shape with weights N(0, `initializer_range`²), norms 1 and biases 0.
    pub fn random(
        config: NeoxConfig,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let scale = config.initializer_range;
        let mut model = Self::zeros(config, device, arithmetic)?;
        let normals = normals(scale);
        for (place, (name, shape)) in model.shapes().into_iter().enumerate() {
            let value = match shape[..] {
                [n] => vec![
                    if name.ends_with("norm.weight") {
                        1.0
                    } else {
                        0.0
                    };
                    n
                ],
                _ => normals
                    .iter()
                    .copied()
                    .cycle()
                    .skip(place)
                    .take(shape.iter().product())
                    .collect(),
            };
            let size: Vec<i64> = shape.iter().map(|&n| crate::units::to_i64(n)).collect();
            let value = Tensor::f_from_slice::<f32>(&value)?.f_view(size.as_slice())?;
            model.set(place, &value)?;
        }
        Ok(model)
    }
}

/// Box–Muller. The count is odd against every power of two, so that no two rows of a matrix are alike.
fn normals(scale: f64) -> Vec<f32> {
    let mut rng = RootSeed(0).stream(Purpose::RandomWeights);
    (0..=DRAWN)
        .map(|_| {
            let (u, v): (f64, f64) = (rng.random_range(f64::MIN_POSITIVE..1.0), rng.random());
            let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            #[allow(clippy::cast_possible_truncation)]
            let short = (scale * normal) as f32;
            short
        })
        .collect()
}
