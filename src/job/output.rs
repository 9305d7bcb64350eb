//! The arrays that a kernel fills, and their disjoint parts: a chunk owns its slice of every column.

use std::marker::PhantomData;

use bytemuck::Pod;
use serde::Serialize;

use super::{Chunk, FOLD_WORDS, Kernel};
use crate::error::{Error, Result};
use crate::memory::Buffer;

/// The number type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scalar {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 32-bit unsigned integer.
    U32,
}

impl Scalar {
    /// Bytes of one value.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Scalar::F32 | Scalar::U32 => 4,
            Scalar::F64 => 8,
        }
    }
}

/// One named array of a kernel's output: `per_item` values for each item, items in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ColumnSpec {
    /// Name in files and messages.
    pub name: &'static str,
    /// Number type.
    pub scalar: Scalar,
    /// Values per item (8 for the 8 integration points of a hexahedron).
    pub per_item: usize,
}

/// The arrays and sums of one kernel over all its items.
#[derive(Debug)]
pub struct Output {
    items: u64,
    columns: Vec<Column>,
    /// Exact sums over all items.
    pub fold: [u64; FOLD_WORDS],
}

#[derive(Debug)]
struct Column {
    spec: ColumnSpec,
    /// 8-byte words, so that every number type is aligned.
    words: Buffer<u64>,
    n_bytes: usize,
}

impl Column {
    fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.n_bytes]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[..self.n_bytes]
    }
}

impl Output {
    /// Zeroed space for all items of `kernel`.
    ///
    /// # Errors
    /// [`Error::Resource`] when the machine does not have the memory.
    pub fn for_kernel(kernel: &dyn Kernel) -> Result<Self> {
        Self::new(kernel.columns(), kernel.items())
    }

    /// Zeroed space for `items` items.
    ///
    /// # Errors
    /// [`Error::Resource`] when the machine does not have the memory.
    pub fn new(specs: Vec<ColumnSpec>, items: u64) -> Result<Self> {
        let columns = specs
            .into_iter()
            .map(|spec| {
                let size = (spec.per_item * spec.scalar.size()) as u64;
                let bytes = items.checked_mul(size).and_then(|n| usize::try_from(n).ok());
                let n_bytes = bytes.ok_or_else(|| Error::memory(spec.name, u64::MAX))?;
                Ok(Column { spec, words: Buffer::zeroed(n_bytes.div_ceil(8), spec.name)?, n_bytes })
            })
            .collect::<Result<_>>()?;
        Ok(Self { items, columns, fold: [0; FOLD_WORDS] })
    }

    /// Number of items.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items
    }

    /// The columns' descriptions.
    pub fn specs(&self) -> impl ExactSizeIterator<Item = ColumnSpec> + '_ {
        self.columns.iter().map(|column| column.spec)
    }

    /// The values of column `index`.
    ///
    /// # Panics
    /// When `T` is not the column's number type.
    #[must_use]
    pub fn column<T: Value>(&self, index: usize) -> &[T] {
        let column = &self.columns[index];
        assert_eq!(column.spec.scalar, T::SCALAR, "column {}", column.spec.name);
        bytemuck::cast_slice(column.bytes())
    }

    /// As [`Output::column`], writable.
    #[must_use]
    pub fn column_mut<T: Value>(&mut self, index: usize) -> &mut [T] {
        let column = &mut self.columns[index];
        assert_eq!(column.spec.scalar, T::SCALAR, "column {}", column.spec.name);
        bytemuck::cast_slice_mut(column.bytes_mut())
    }

    /// One value as f64, whatever the column's type (exact for all of them).
    #[must_use]
    pub fn value(&self, column: usize, index: usize) -> f64 {
        match self.columns[column].spec.scalar {
            Scalar::F32 => f64::from(self.column::<f32>(column)[index]),
            Scalar::F64 => self.column::<f64>(column)[index],
            Scalar::U32 => f64::from(self.column::<u32>(column)[index]),
        }
    }

    /// The values of all items of `chunk` in one column as f64, in place of what `into` holds.
    pub fn copy_values(&self, column: usize, chunk: Chunk, into: &mut Vec<f64>) {
        let index = |item: u64| usize::try_from(item).expect("an item in memory has a usize index");
        let spec = &self.columns[column].spec;
        let range = index(chunk.start) * spec.per_item..index(chunk.end) * spec.per_item;
        into.clear();
        match spec.scalar {
            Scalar::F32 => into.extend(self.column::<f32>(column)[range].iter().map(|x| f64::from(*x))),
            Scalar::F64 => into.extend_from_slice(&self.column::<f64>(column)[range]),
            Scalar::U32 => into.extend(self.column::<u32>(column)[range].iter().map(|x| f64::from(*x))),
        }
    }

    /// All values of `item` as f64, columns one after the other: what verification compares.
    #[must_use]
    pub fn item_values(&self, item: u64) -> Vec<f64> {
        let item = usize::try_from(item).expect("an item in memory has a usize index");
        let mut values = Vec::new();
        for (c, column) in self.columns.iter().enumerate() {
            let per_item = column.spec.per_item;
            values.extend((item * per_item..(item + 1) * per_item).map(|i| self.value(c, i)));
        }
        values
    }

    /// Sets every sum back to zero before the next run. Columns keep their values: every run writes all of them.
    pub fn reset(&mut self) {
        self.fold = [0; FOLD_WORDS];
    }

    /// Gives the memory of every column back and takes as much anew, zeroed, whose pages are only there once they are written.
    ///
    /// # Errors
    /// [`Error::Resource`] when the machine does not have the memory.
    pub fn renew(&mut self) -> Result<()> {
        for Column { spec, words, n_bytes } in &mut self.columns {
            *words = Buffer::zeroed(0, spec.name)?;
            *words = Buffer::zeroed(n_bytes.div_ceil(8), spec.name)?;
        }
        Ok(())
    }

    /// A writer over all items, whose parts can be handed to several threads.
    pub fn writer(&mut self) -> OutputWriter<'_> {
        self.writer_at(0)
    }

    /// A writer for which this output stands for items `first..first + items()` of a kernel: what recomputes a few
    /// items of a large job in a small output.
    ///
    /// # Panics
    /// When the items would end past `u64::MAX`.
    pub fn writer_at(&mut self, first: u64) -> OutputWriter<'_> {
        let end = first.checked_add(self.items).expect("item numbers are u64");
        let columns = self
            .columns
            .iter_mut()
            .map(|column| RawColumn { spec: column.spec, start: column.bytes_mut().as_mut_ptr() })
            .collect();
        OutputWriter { items: Chunk::new(first, end), columns, marker: PhantomData }
    }
}

/// A number type that a column can hold.
pub trait Value: Pod {
    /// The tag of this type.
    const SCALAR: Scalar;
}
impl Value for f32 {
    const SCALAR: Scalar = Scalar::F32;
}
impl Value for f64 {
    const SCALAR: Scalar = Scalar::F64;
}
impl Value for u32 {
    const SCALAR: Scalar = Scalar::U32;
}

/// Exclusive access to an [`Output`] that can be cut into disjoint [`ChunkOut`]s.
pub struct OutputWriter<'a> {
    items: Chunk,
    columns: Vec<RawColumn>,
    marker: PhantomData<&'a mut Output>,
}

#[derive(Clone, Copy)]
struct RawColumn {
    spec: ColumnSpec,
    start: *mut u8,
}

// SAFETY: a RawColumn is a pointer into a buffer that an OutputWriter borrows exclusively; it is only dereferenced
// through a ChunkOut, and the ChunkOuts of one writer are disjoint by the contract of `OutputWriter::chunk`.
unsafe impl Send for RawColumn {}
// SAFETY: as above; `&RawColumn` alone gives no access to the memory behind it.
unsafe impl Sync for RawColumn {}

impl<'a> OutputWriter<'a> {
    /// The part of the output that belongs to `chunk`.
    ///
    /// # Safety
    /// While a `ChunkOut` of this writer lives, no other one may cover any of its items.
    ///
    /// # Panics
    /// When the chunk reaches outside the writer's items.
    #[must_use]
    pub unsafe fn chunk<'w>(&'w self, chunk: Chunk) -> ChunkOut<'w>
    where
        'a: 'w,
    {
        let items = self.items;
        assert!(items.start <= chunk.start && chunk.end <= items.end, "chunk {chunk:?} of items {items:?}");
        ChunkOut { chunk, first: items.start, columns: &self.columns, fold: [0; FOLD_WORDS] }
    }

    /// The whole output as one part.
    pub fn whole(&mut self) -> ChunkOut<'_> {
        // SAFETY: `&mut self` is held by the returned value, so no other part can exist.
        unsafe { self.chunk(self.items) }
    }
}

/// Where one chunk's results go: its slice of every column, and its own sums.
pub struct ChunkOut<'w> {
    chunk: Chunk,
    /// The item that the columns begin with.
    first: u64,
    columns: &'w [RawColumn],
    /// Exact sums over this chunk's items, zero at first; the chunk loop adds them up.
    pub fold: [u64; FOLD_WORDS],
}

impl ChunkOut<'_> {
    /// The items to compute.
    #[must_use]
    pub fn chunk(&self) -> Chunk {
        self.chunk
    }

    /// The columns' descriptions.
    pub fn specs(&self) -> impl ExactSizeIterator<Item = ColumnSpec> + '_ {
        self.columns.iter().map(|column| column.spec)
    }

    /// This chunk's values of column `index`: `chunk.len() * per_item` of them.
    ///
    /// # Panics
    /// When `T` is not the column's number type.
    #[must_use]
    pub fn column<T: Value>(&mut self, index: usize) -> &mut [T] {
        assert_eq!(self.columns[index].spec.scalar, T::SCALAR, "column {}", self.columns[index].spec.name);
        bytemuck::cast_slice_mut(self.column_bytes(index))
    }

    /// This chunk's values of the first `N` columns, all of type `T`.
    #[must_use]
    pub fn first_columns<T: Value, const N: usize>(&mut self) -> [&mut [T]; N] {
        std::array::from_fn(|i| {
            assert_eq!(self.columns[i].spec.scalar, T::SCALAR, "column {}", self.columns[i].spec.name);
            // SAFETY: each column is its own allocation, so the N slices do not overlap; the rest as in `raw`.
            bytemuck::cast_slice_mut(unsafe { self.raw(i) })
        })
    }

    /// This chunk's bytes of column `index`, as they lie in memory.
    #[must_use]
    pub fn column_bytes(&mut self, index: usize) -> &mut [u8] {
        // SAFETY: `&mut self` makes this the only slice of this column.
        unsafe { self.raw(index) }
    }

    /// This chunk's bytes of every column.
    #[must_use]
    pub fn columns_bytes(&mut self) -> Vec<&mut [u8]> {
        // SAFETY: each column is its own allocation and `&mut self` makes these the only slices of them.
        (0..self.columns.len()).map(|index| unsafe { self.raw(index) }).collect()
    }

    /// # Safety
    /// The caller must not hold another slice of the same column.
    unsafe fn raw<'s>(&self, index: usize) -> &'s mut [u8] {
        let column = self.columns[index];
        let size = column.spec.per_item * column.spec.scalar.size();
        let start = self.chunk.start - self.first;
        let start = usize::try_from(start).expect("the column was allocated, so its indices fit") * size;
        let length = usize::try_from(self.chunk.len()).expect("as above") * size;
        // SAFETY: the writer checked that the chunk lies within the items, the column has `items * size` bytes, and
        // no other ChunkOut covers these items (contract of `OutputWriter::chunk`).
        unsafe { std::slice::from_raw_parts_mut(column.start.add(start), length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewed_columns_are_as_long_and_zero() {
        let column = |name, scalar, per_item| ColumnSpec { name, scalar, per_item };
        let mut output = Output::new(vec![column("x", Scalar::F64, 3), column("n", Scalar::U32, 1)], 5).unwrap();
        output.column_mut::<f64>(0).fill(7.0);
        output.column_mut::<u32>(1).fill(7);
        output.renew().unwrap();
        assert_eq!(output.column::<f64>(0), [0.0; 15]);
        assert_eq!(output.column::<u32>(1), [0; 5]);
    }
}
