//! Models with random weights: true draws to begin an audit from, and quick ones for time and memory alone.

use rand::{Rng, RngExt};
use tch::Tensor;

use super::{Model, ModelError};
use crate::checkpoint::ModelConfig;
use crate::device::{Arithmetic, Device};
use crate::seed::{Purpose, RootSeed};
use crate::units::to_i64;

/// Normal numbers drawn once and laid end to end over a model that is only timed: time does not depend on their values.
const DRAWN: usize = 1 << 16;

impl Model {
    /// A model to audit: every entry of every matrix an independent draw from N(0, `initializer_range`²), weights of norms 1
    /// and biases 0.
    ///
    /// Each tensor has its own stream of the seed, keyed by its name, so that no other tensor's shape changes its draws.
    pub fn initial(
        config: ModelConfig,
        seed: RootSeed,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        let scale = config.initializer_range;
        Self::filled(config, device, arithmetic, |_, name, n| {
            let mut rng = seed.labelled_stream(Purpose::RandomWeights, name);
            normals(&mut rng, n, scale)
        })
    }

    /// A model to time: as [`Self::initial`], but the draws repeat every 65 537 entries. Never for findings.
    pub fn random(
        config: ModelConfig,
        device: Device,
        arithmetic: Arithmetic,
    ) -> Result<Self, ModelError> {
        // The count is odd against every power of two, so that no two rows of a matrix are alike.
        let mut rng = RootSeed(0).stream(Purpose::RandomWeights);
        let drawn = normals(&mut rng, DRAWN + 1, config.initializer_range);
        Self::filled(config, device, arithmetic, |place, _, n| {
            drawn.iter().copied().cycle().skip(place).take(n).collect()
        })
    }

    /// A model whose matrices `draw` fills: place and name of the tensor, and how many numbers it takes.
    fn filled(
        config: ModelConfig,
        device: Device,
        arithmetic: Arithmetic,
        mut draw: impl FnMut(usize, &str, usize) -> Vec<f32>,
    ) -> Result<Self, ModelError> {
        let mut model = Self::zeros(config, device, arithmetic)?;
        for (place, (name, shape)) in model.shapes().into_iter().enumerate() {
            let value = match shape[..] {
                // A vector is a norm's weight, or a bias.
                [n] if name.ends_with(".weight") => vec![1.0; n],
                [n] => vec![0.0; n],
                _ => draw(place, &name, shape.iter().product()),
            };
            let size: Vec<i64> = shape.iter().map(|&n| to_i64(n)).collect();
            let value = Tensor::f_from_slice::<f32>(&value)?.f_view(size.as_slice())?;
            model.set(place, &value)?;
        }
        Ok(model)
    }
}

/// `n` independent draws from N(0, `scale`²). Source: Box and Muller 1958, both numbers of each pair.
fn normals(rng: &mut impl Rng, n: usize, scale: f64) -> Vec<f32> {
    let mut drawn = Vec::with_capacity(n + 1);
    while drawn.len() < n {
        // In (0, 1]: the logarithm is finite.
        let radius = scale * (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
        #[allow(clippy::cast_possible_truncation)]
        drawn.extend([(radius * cos) as f32, (radius * sin) as f32]);
    }
    drawn.truncate(n);
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::shapes::like_pythia;

    fn initial(layers: usize, width: usize, seed: u64) -> Model {
        let config = like_pythia(layers, width, 4, 64);
        Model::initial(config, RootSeed(seed), Device::CPU, Arithmetic::F32).unwrap()
    }

    fn values(model: &Model, name: &str) -> Vec<f64> {
        let (_, tensor) = model
            .named_tensors()
            .into_iter()
            .find(|(n, _)| n == name)
            .unwrap();
        Vec::try_from(tensor.to_kind(tch::Kind::Double).flatten(0, -1)).unwrap()
    }

    #[test]
    fn entries_are_independent_normals() {
        let model = initial(2, 128, 7);
        let mut all = Vec::new();
        for (name, tensor) in model.named_tensors() {
            if tensor.dim() == 2 {
                all.extend(values(&model, &name).iter().map(|v| v / 0.02));
            } else {
                let expected = f64::from(u8::from(name.ends_with("norm.weight")));
                let exact = |v: &f64| v.to_bits() == expected.to_bits();
                assert!(values(&model, &name).iter().all(exact), "{name}");
            }
        }
        // Moments of n standard normals, and the correlation of neighbours, within five of their standard errors.
        let n = all.len() as f64;
        let moment = |k: i32| all.iter().map(|v| v.powi(k)).sum::<f64>() / n;
        for (got, expected, spread) in [
            (moment(1), 0.0, 1.0_f64),
            (moment(2), 1.0, 2.0),
            (moment(3), 0.0, 15.0),
            (moment(4), 3.0, 96.0),
        ] {
            assert!(
                (got - expected).abs() < 5.0 * (spread / n).sqrt(),
                "{got} instead of {expected}"
            );
        }
        let neighbours: f64 = all.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n;
        assert!(neighbours.abs() < 5.0 / n.sqrt(), "{neighbours}");
        // No tile repeats: the numbers of all tensors are distinct but for the ties that 24 bits must have.
        let mut distinct: Vec<u64> = all.iter().map(|v| v.to_bits()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(
            distinct.len() as f64 > 0.97 * n,
            "{} of {n}",
            distinct.len()
        );
    }

    #[test]
    fn a_tensor_depends_on_seed_and_name_alone() {
        let name = "gpt_neox.layers.0.attention.dense.weight";
        let one = values(&initial(1, 64, 3), name);
        assert_eq!(one, values(&initial(1, 64, 3), name));
        assert_eq!(one, values(&initial(3, 64, 3), name));
        assert_ne!(one, values(&initial(1, 64, 4), name));
        let deep = initial(2, 64, 3);
        assert_ne!(
            one,
            values(&deep, "gpt_neox.layers.1.attention.dense.weight")
        );
    }

    #[test]
    fn the_first_weights_of_seed_0_are_what_they_were() {
        // Golden values; the last bits of a logarithm and a sine are the system's.
        let first = &values(&initial(1, 64, 0), "embed_out.weight")[..4];
        for (got, golden) in first.iter().zip(GOLDEN) {
            assert!((got - golden).abs() < 1e-8, "{first:?}");
        }
    }

    const GOLDEN: [f64; 4] = [
        -0.011_115_019_209_682_941,
        0.037_858_899_682_760_24,
        -0.012_861_246_243_119_24,
        0.002_968_793_967_938_747_6,
    ];
}
