//! Tensors of files that were verified, read in pieces as float32.

use tch::{Kind, Tensor};

use super::{VerifiedWeights, WeightsError, kind};
use crate::units::to_i64;

/// Bytes of a file that are read at once.
const PIECE: usize = 2 << 20;

impl VerifiedWeights<'_> {
    /// Hands every tensor on in pieces along its first dimension, in float32 on the CPU, so that no more than a piece of the files
    /// is held beside what takes it.
    ///
    /// `expected`: as it was verified; `take`: a tensor's place in `expected`, the row at which a piece begins, and the piece,
    /// `[rows, …]`. Errors: a value that is no number in float32.
    pub fn fill(
        &self,
        expected: &[(String, Vec<usize>)],
        mut take: impl FnMut(usize, i64, &Tensor) -> Result<(), tch::TchError>,
    ) -> Result<(), WeightsError> {
        for (place, (name, _)) in expected.iter().enumerate() {
            self.pieces(name, |from, piece| take(place, from, piece))?;
        }
        Ok(())
    }

    /// Reads every value and checks that it is a number in float32.
    pub fn check_values(&self, expected: &[(String, Vec<usize>)]) -> Result<(), WeightsError> {
        expected
            .iter()
            .try_for_each(|(name, _)| self.pieces(name, |_, _| Ok(())))
    }

    /// A tensor whole, in float32 on the CPU.
    pub(in crate::checkpoint) fn tensor(&self, name: &str) -> Result<Tensor, WeightsError> {
        let mut pieces = Vec::new();
        self.pieces(name, |_, piece| {
            pieces.push(piece.shallow_clone());
            Ok(())
        })?;
        Tensor::f_cat(&pieces, 0).map_err(|source| WeightsError::Torch {
            name: name.to_owned(),
            source,
        })
    }

    /// Whether a tensor is another file's, number for number in float32. `false` where one of the two is not there.
    pub(in crate::checkpoint) fn is_copy(
        &self,
        name: &str,
        other: &VerifiedWeights<'_>,
        original: &str,
    ) -> Result<bool, WeightsError> {
        let (Some((_, one)), Some((_, two))) = (self.view(name), other.view(original)) else {
            return Ok(false);
        };
        if one.shape() != two.shape() {
            return Ok(false);
        }
        if one.dtype() == two.dtype() {
            return Ok(one.data() == two.data());
        }
        Ok(self.tensor(name)? == other.tensor(original)?)
    }

    /// Hands a tensor on in pieces along its first dimension, in float32, with the row at which each begins.
    fn pieces(
        &self,
        name: &str,
        mut take: impl FnMut(i64, &Tensor) -> Result<(), tch::TchError>,
    ) -> Result<(), WeightsError> {
        let Some((shard, view)) = self.view(name) else {
            return Ok(());
        };
        let shard = &self.weights.shards[shard];
        let torch = |source| WeightsError::Torch {
            name: name.to_owned(),
            source,
        };
        let (Some(kind), Some((&rows, rest))) = (kind(view.dtype()), view.shape().split_first())
        else {
            return Ok(());
        };
        let width = view.data().len() / rows.max(1);
        let step = (PIECE / width.max(1)).max(1);
        for from in (0..rows).step_by(step) {
            let n = step.min(rows - from);
            let bytes = &view.data()[from * width..(from + n) * width];
            let shape: Vec<i64> = std::iter::once(n)
                .chain(rest.iter().copied())
                .map(to_i64)
                .collect();
            let piece = Tensor::f_from_data_size(bytes, &shape, kind)
                .and_then(|t| t.f_to_kind(Kind::Float))
                .map_err(torch)?;
            crate::native::forget_pages(&shard.map, bytes);
            let sum = piece
                .f_sum(Kind::Double)
                .and_then(|s| f64::try_from(&s))
                .map_err(torch)?;
            if !sum.is_finite() {
                return Err(WeightsError::NotFinite {
                    path: shard.path.clone(),
                    name: name.to_owned(),
                });
            }
            take(to_i64(from), &piece).map_err(torch)?;
        }
        Ok(())
    }
}
