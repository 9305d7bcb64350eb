//! What is iterated: the array, generated or read, and how its rows are cut into blocks.

use std::ops::Range;
use std::path::Path;

use rand::RngExt;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::formats::npy::read_npy;
use crate::formats::source::Source;
use crate::location::shown_path;
use crate::memory::{Buffer, ensure_available};
use crate::numeric::philox::Philox;

/// Columns of a block at most: enough to keep the share of its own cost small, few enough for a GPU to have many of them.
pub(super) const WIDEST: u64 = 32;

/// Loop iterations of the shader that a block may cost: below the 32 768 that every adapter carries out.
const LOOPS: u64 = 32_000;

/// Iterations that the shader does in one of its loop's.
pub(super) const UNROLLED: u32 = 16;

/// The array and what is done with it. A row is cut into blocks of equal width, the last one shorter; a block's sum is
/// what a kernel's item gives, so that the sum of a row has one order whoever computes it.
pub(super) struct Model {
    /// `generated`, or the file.
    pub source: String,
    /// Row after row.
    pub values: Buffer<f64>,
    pub rows: u64,
    /// At least 1.
    pub columns: u64,
    /// At least 1.
    pub iterations: u32,
    /// Columns of a block.
    pub width: u64,
    /// Blocks of a row.
    pub per_row: u64,
}

/// Loop iterations of the shader for one column.
pub(super) fn loops(iterations: u32) -> u64 {
    u64::from(1 + iterations / UNROLLED + iterations % UNROLLED)
}

impl Model {
    fn new(source: String, values: Buffer<f64>, rows: u64, columns: u64, iterations: u32) -> Self {
        let most = (LOOPS / loops(iterations)).clamp(1, WIDEST);
        let width = columns.div_ceil(columns.div_ceil(most));
        Self { source, values, rows, columns, iterations, width, per_row: columns.div_ceil(width) }
    }

    /// Numbers uniform in 0..1: those of row `i` are the numbers of stream `i` of the seed, however many rows there are.
    ///
    /// # Errors
    /// [`Error::Resource`] when they do not fit in memory.
    pub(super) fn generate(rows: u64, columns: u64, iterations: u32, seed: u64) -> Result<Self> {
        let what = "the array";
        let bytes = rows.checked_mul(columns).and_then(|n| n.checked_mul(8));
        let bytes = bytes.ok_or_else(|| Error::memory(what, u64::MAX))?;
        ensure_available(what, bytes)?;
        let n = usize::try_from(bytes / 8).map_err(|_| Error::memory(what, bytes))?;
        let mut values = Buffer::zeroed(n, what)?;
        let row = usize::try_from(columns).map_err(|_| Error::memory(what, u64::MAX))?;
        values.par_chunks_mut(row).enumerate().for_each(|(i, row)| {
            let mut rng = Philox::new(seed, i as u64);
            row.iter_mut().for_each(|x| *x = rng.random());
        });
        Ok(Self::new("generated".into(), values, rows, columns, iterations))
    }

    /// The array `(rows, columns)` of an `.npy` file, every value finite.
    ///
    /// # Errors
    /// [`Error::Input`] for another shape and for values that are not finite; [`Error::Resource`].
    pub(super) fn read(path: &Path, iterations: u32) -> Result<Self> {
        let array = read_npy(&Source::open(path)?)?;
        let [rows, columns] = array.shape[..] else {
            let why = format!("the shape is {:?}; sincos takes rows and columns, (n, m)", array.shape);
            return Err(Error::input(path, why));
        };
        if columns == 0 {
            return Err(Error::input(
                path,
                format!("the shape is {:?}: rows without columns have no sum", array.shape),
            ));
        }
        let values = Buffer::from_slice(&array.values.into_f64(), "the array")?;
        if let Some(at) = values.par_iter().position_first(|x| !x.is_finite()) {
            let (row, column) = (at / columns, at % columns);
            let why = format!("row {row}, column {column} is {}; sin and cos need a finite number", values[at]);
            return Err(Error::input(path, why));
        }
        Ok(Self::new(shown_path(path), values, rows as u64, columns as u64, iterations))
    }

    /// Blocks in all.
    pub(super) fn blocks(&self) -> u64 {
        self.rows * self.per_row
    }

    /// The values of a block.
    pub(super) fn block(&self, block: u64) -> Range<usize> {
        let (row, place) = (block / self.per_row, block % self.per_row);
        let start = place * self.width;
        let end = (start + self.width).min(self.columns);
        let first = row * self.columns;
        (first + start) as usize..(first + end) as usize
    }
}
