//! The inner loop of the permutation tests: the largest of many columns' sums over a few drawn rows.

/// Columns summed at once. Sixteen `f64` fill half the vector registers of the plainest x86-64, so the sums never leave them.
const LANES: usize = 16;

/// A table of numbers, rows by columns, cut into blocks of [`LANES`] columns: a block of 256 rows stays in the fastest cache.
pub(super) struct Columns {
    blocks: Vec<Vec<[f64; LANES]>>,
}

/// The largest of the columns' sums, and the first column that has it.
pub(super) struct Largest {
    pub(super) sum: f64,
    pub(super) column: usize,
}

impl Columns {
    /// A table from its columns, each with one number a row.
    pub(super) fn new(columns: &[Vec<f64>]) -> Self {
        let rows = columns.first().map_or(0, Vec::len);
        let blocks = columns.chunks(LANES).map(|block| {
            // The last block repeats its last column: that changes no maximum, where zeros might.
            let filled: Vec<_> = block
                .iter()
                .chain(block.last().into_iter().cycle())
                .take(LANES)
                .collect();
            let mut table = vec![[0.0; LANES]; rows];
            for (lane, column) in filled.into_iter().enumerate() {
                for (row, value) in table.iter_mut().zip(column) {
                    if let Some(place) = row.get_mut(lane) {
                        *place = *value;
                    }
                }
            }
            table
        });
        Self {
            blocks: blocks.collect(),
        }
    }

    /// Additions of one vector of [`LANES`] numbers that one drawn row costs.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The largest sum over the rows of one draw.
    pub(super) fn largest(&self, draw: &[u32]) -> Largest {
        let mut largest = Largest {
            sum: f64::NEG_INFINITY,
            column: 0,
        };
        for (block, table) in self.blocks.iter().enumerate() {
            for (lane, sum) in sums(table, draw).into_iter().enumerate() {
                if sum > largest.sum {
                    largest = Largest {
                        sum,
                        column: block * LANES + lane,
                    };
                }
            }
        }
        largest
    }

    /// The largest sum of each draw of `size` rows, into `out`; block by block, so that each block is fetched once.
    pub(super) fn largest_of_each(&self, draws: &[u32], size: usize, out: &mut [f64]) {
        out.fill(f64::NEG_INFINITY);
        for table in &self.blocks {
            for (draw, best) in draws.chunks_exact(size.max(1)).zip(out.iter_mut()) {
                for sum in sums(table, draw) {
                    if sum > *best {
                        *best = sum;
                    }
                }
            }
        }
    }
}

/// Sums of a block's columns over the drawn rows.
#[inline]
fn sums(table: &[[f64; LANES]], draw: &[u32]) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for row in draw.iter().filter_map(|index| table.get(*index as usize)) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_sums_and_the_first_column_that_has_them() {
        // Column c holds −(c − 20)² in row 0, and −1 in rows 1 and 2: the largest is column 20, in the second block.
        let columns: Vec<Vec<f64>> = (0..37)
            .map(|c| vec![-f64::from(c - 20).powi(2), -1.0, -1.0])
            .collect();
        let table = Columns::new(&columns);
        assert_eq!(table.blocks(), 3);
        let largest = table.largest(&[0, 2]);
        assert_eq!((largest.sum, largest.column), (-1.0, 20));
        assert_eq!(table.largest(&[1, 2]).column, 0);
        let mut out = [0.0; 2];
        table.largest_of_each(&[0, 2, 1, 2], 2, &mut out);
        assert_eq!(out, [-1.0, -2.0]);
    }
}
