//! Models made of others without any training: what someone who holds the weights can do to them.

use tch::{Kind, Tensor, no_grad};

use super::{Model, ModelError};

impl Model {
    /// A copy whose matrices are rounded to so many bits: each row to whole multiples of a step, the largest number of the row being
    /// the largest that the bits hold. Norms, biases, positions and an input embedding of its own stay as they are.
    pub fn rounded(&self, bits: u32) -> Result<Self, ModelError> {
        let largest = f64::from((1_u32 << (bits - 1)) - 1);
        self.made_of(|place, own| {
            let is_input = self.embedding.is_some() && place == 0;
            if own.dim() != 2 || is_input || self.is_exact(place) {
                return Ok(own.shallow_clone());
            }
            let step = own.f_abs()?.f_amax([1i64].as_slice(), true)? / largest;
            let step = step.f_clamp_min(f64::from(f32::MIN_POSITIVE))?;
            own.f_div(&step)?.f_round()?.f_mul(&step)
        })
    }

    /// A copy that goes from `reference` against the way that training went: reference − share · (own − reference).
    ///
    /// The two are of one architecture.
    pub fn negated(&self, reference: &Self, share: f64) -> Result<Self, ModelError> {
        let before: Vec<Tensor> = reference
            .named_tensors()
            .into_iter()
            .map(|(_, tensor)| tensor)
            .collect();
        self.made_of(|place, own| {
            let moved = own.f_sub(&before[place])? * share;
            before[place].f_sub(&moved)
        })
    }

    fn made_of(
        &self,
        with: impl Fn(usize, &Tensor) -> Result<Tensor, tch::TchError>,
    ) -> Result<Self, ModelError> {
        let mut made = Self::zeros(self.config.clone(), self.device, self.arithmetic())?;
        for (place, (_, own)) in self.named_tensors().iter().enumerate() {
            let value = no_grad(|| with(place, own)?.f_to_kind(Kind::Float))?;
            made.set(place, &value)?;
        }
        Ok(made)
    }

    /// Whether the tensor at a place enters no product.
    fn is_exact(&self, place: usize) -> bool {
        let before = usize::from(self.embedding.is_some());
        place >= before && self.params.is_exact(place - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Folder;
    use crate::device::{Arithmetic, Device};

    fn tiny() -> Model {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tiny-neox");
        let folder = Folder::open(path.as_ref()).unwrap();
        Model::load(&folder, Device::CPU, Arithmetic::F32).unwrap()
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.reshape([-1])).unwrap()
    }

    #[test]
    fn rounding_leaves_few_values_a_row_and_norms_alone() {
        let (model, made) = (tiny(), tiny().rounded(4).unwrap());
        let mut matrices = 0;
        for (place, ((name, own), (_, rounded))) in model
            .named_tensors()
            .iter()
            .zip(made.named_tensors())
            .enumerate()
        {
            if own.dim() != 2 || place == 0 {
                assert_eq!(numbers(own), numbers(&rounded), "{name}");
                continue;
            }
            matrices += 1;
            let rows = i64::min(own.size()[0], 3);
            for row in 0..rows {
                let (own, rounded) = (numbers(&own.get(row)), numbers(&rounded.get(row)));
                let top = own.iter().map(|x| x.abs()).fold(0.0, f32::max);
                for (x, y) in own.iter().zip(&rounded) {
                    assert!((x - y).abs() <= top / 14.0 + 1e-6, "{name}");
                }
                let level = |y: &f32| (f64::from(*y / top) * 7.0).round();
                let mut levels: Vec<f64> = rounded.iter().map(level).collect();
                levels.sort_by(f64::total_cmp);
                levels.dedup();
                assert!(levels.len() <= 15 && levels.iter().all(|l| l.abs() <= 7.0));
            }
        }
        assert!(matrices > 8);
    }

    #[test]
    fn going_against_the_training_mirrors_the_weights() {
        let reference = tiny();
        let trained = reference.rounded(3).unwrap();
        let made = trained.negated(&reference, 0.5).unwrap();
        for (((_, w), (_, r)), (name, m)) in trained
            .named_tensors()
            .iter()
            .zip(reference.named_tensors())
            .zip(made.named_tensors())
        {
            for ((w, r), m) in numbers(w).iter().zip(numbers(&r)).zip(numbers(&m)) {
                assert!((m - (r - 0.5 * (w - r))).abs() < 1e-6, "{name}");
            }
        }
    }
}
