//! Passes over rows of logits while they are in cache, on libtorch's own threads.

use tch::{Device, Kind, Tensor};

use super::kernels::{Bf16, Number, exp, take_in_best, to_slopes_best};
use super::torch::parallel_for;

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
