//! From triplets to compressed columns.

use rayon::prelude::*;

use super::Matrix;
use crate::error::{Error, Result};
use crate::machine::pool::Pool;
use crate::memory::ensure_available;

/// The matrix of `shape` (rows, columns) with the entries `values[k]` at (`rows[k]`, `columns[k]`); entries of the same
/// place are summed in the order of `k`, so that the result does not depend on the number of threads. Zeros are kept:
/// they belong to the pattern.
///
/// Takes 12 bytes a triplet besides the caller's arrays; every thread reads all columns and keeps those of its share.
///
/// # Errors
/// [`Error::Model`] for an index outside the matrix or arrays of different lengths, [`Error::Resource`] for more than
/// 2^32 - 1 rows or columns, or too little memory.
pub fn from_triplets(
    shape: (usize, usize),
    rows: &[u32],
    columns: &[u32],
    values: &[f64],
    pool: &Pool,
) -> Result<Matrix> {
    let (n_rows, n_columns) = shape;
    let entries = values.len();
    if rows.len() != entries || columns.len() != entries {
        return Err(Error::Model(format!(
            "{} rows, {} columns and {entries} values are not the triplets of one matrix",
            rows.len(),
            columns.len()
        )));
    }
    if n_rows > u32::MAX as usize || n_columns > u32::MAX as usize {
        return Err(Error::Resource(format!(
            "{n_rows} x {n_columns}: a matrix here has less than 2^32 rows and columns"
        )));
    }
    ensure_available("the matrix", entries as u64 * 12 + n_columns as u64 * 16)?;
    let outside = |k: usize| rows[k] as usize >= n_rows || columns[k] as usize >= n_columns;
    if let Some(k) = pool.install(|| (0..entries).into_par_iter().find_first(|k| outside(*k))) {
        return Err(Error::Model(format!(
            "the entry at row {}, column {} is outside the {n_rows} x {n_columns} matrix",
            u64::from(rows[k]) + 1,
            u64::from(columns[k]) + 1
        )));
    }

    let mut starts = zeros::<usize>(n_columns + 1, "the column starts")?;
    for column in columns {
        starts[*column as usize + 1] += 1;
    }
    for column in 0..n_columns {
        starts[column + 1] += starts[column];
    }
    let mut indices = zeros::<u32>(entries, "the row indices")?;
    let mut data = zeros::<f64>(entries, "the values")?;
    let shares = shares(&starts, pool.threads());
    let mut parts = Vec::with_capacity(shares.len());
    let (mut rest_indices, mut rest_data) = (&mut indices[..], &mut data[..]);
    for share in shares {
        let length = starts[share.end] - starts[share.start];
        let (own_indices, tail_indices) = rest_indices.split_at_mut(length);
        let (own_data, tail_data) = rest_data.split_at_mut(length);
        (rest_indices, rest_data) = (tail_indices, tail_data);
        parts.push((share, own_indices, own_data));
    }
    let kept: Vec<Vec<usize>> = pool.install(|| {
        parts
            .into_par_iter()
            .map(|(share, indices, data)| {
                let base = starts[share.start];
                let mut next: Vec<usize> = starts[share.clone()].iter().map(|start| start - base).collect();
                for (k, column) in columns.iter().enumerate() {
                    if let Some(slot) = (*column as usize).checked_sub(share.start).and_then(|c| next.get_mut(c)) {
                        (indices[*slot], data[*slot]) = (rows[k], values[k]);
                        *slot += 1;
                    }
                }
                let mut sorter = Vec::new();
                share
                    .map(|column| {
                        let range = starts[column] - base..starts[column + 1] - base;
                        sum_duplicates(&mut indices[range.clone()], &mut data[range], &mut sorter)
                    })
                    .collect()
            })
            .collect()
    });

    // Close the gaps that the sums have left.
    let mut end = 0;
    for (column, kept) in kept.into_iter().flatten().enumerate() {
        let start = starts[column];
        if start != end {
            indices.copy_within(start..start + kept, end);
            data.copy_within(start..start + kept, end);
        }
        starts[column] = end;
        end += kept;
    }
    starts[n_columns] = end;
    indices.truncate(end);
    data.truncate(end);
    if end < entries - entries / 8 {
        indices.shrink_to_fit();
        data.shrink_to_fit();
    }
    from_parts(shape, starts, indices, data)
}

/// The matrix of these compressed columns.
///
/// # Errors
/// [`Error::Internal`] when they are not sorted, unique and inside `shape`.
pub(super) fn from_parts(
    shape: (usize, usize),
    starts: Vec<usize>,
    indices: Vec<u32>,
    data: Vec<f64>,
) -> Result<Matrix> {
    Matrix::try_new_csc(shape, starts, indices, data)
        .map_err(|(.., e)| Error::Internal(format!("bad compressed columns: {e}")))
}

/// `length` zeros (or other defaults), refused rather than aborted when memory is short.
pub(super) fn zeros<T: Clone + Default>(length: usize, what: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let bytes = (length as u64).saturating_mul(size_of::<T>() as u64);
    values.try_reserve_exact(length).map_err(|_| Error::memory(what, bytes))?;
    values.resize(length, T::default());
    Ok(values)
}

/// Ranges of columns with about the same number of entries, one for each thread.
fn shares(starts: &[usize], threads: usize) -> Vec<std::ops::Range<usize>> {
    let (columns, entries) = (starts.len() - 1, starts[starts.len() - 1]);
    let cut = |t: usize| {
        if t == threads { columns } else { starts.partition_point(|s| *s < entries / threads * t).min(columns) }
    };
    (0..threads).map(|t| if t == 0 { 0 } else { cut(t) }..cut(t + 1)).filter(|r| r.start < r.end).collect()
}

/// Sorts one column by row, sums entries of the same row in their order, and returns how many are left.
fn sum_duplicates(indices: &mut [u32], data: &mut [f64], sorter: &mut Vec<(u32, f64)>) -> usize {
    if !indices.is_sorted() {
        sorter.clear();
        sorter.extend(indices.iter().copied().zip(data.iter().copied()));
        // Stable: the order of the sum is the order of the triplets.
        sorter.sort_by_key(|(row, _)| *row);
        for ((row, value), sorted) in indices.iter_mut().zip(data.iter_mut()).zip(sorter.iter()) {
            (*row, *value) = *sorted;
        }
    }
    let mut kept = 0;
    for k in 0..indices.len() {
        if kept > 0 && indices[kept - 1] == indices[k] {
            data[kept - 1] += data[k];
        } else {
            (indices[kept], data[kept]) = (indices[k], data[k]);
            kept += 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pool(threads: usize) -> std::sync::Arc<Pool> {
        Pool::shared(threads, false).unwrap()
    }

    #[test]
    fn duplicates_are_summed_and_rows_sorted() {
        let a = from_triplets((3, 2), &[2, 0, 2, 1], &[0, 0, 0, 1], &[1.0, 2.0, 3.0, 5.0], &pool(2)).unwrap();
        assert_eq!(a.indices(), [0, 2, 1]);
        assert_eq!(a.data(), [2.0, 4.0, 5.0]);
        assert_eq!(a.shape(), (3, 2));
    }

    #[test]
    fn empty_shapes_work_and_indices_outside_are_refused() {
        for shape in [(0, 0), (0, 3), (3, 0), (2, 2)] {
            let a = from_triplets(shape, &[], &[], &[], &pool(2)).unwrap();
            assert_eq!((a.shape(), a.nnz()), (shape, 0));
        }
        for (row, column) in [(2, 0), (0, 2), (u32::MAX, u32::MAX)] {
            let error = from_triplets((2, 2), &[row], &[column], &[1.0], &pool(1)).unwrap_err();
            assert!(matches!(error, Error::Model(_)), "{error}");
        }
        assert!(from_triplets((2, 2), &[1], &[1, 1], &[1.0], &pool(1)).is_err());
    }

    proptest! {
        #[test]
        fn the_result_is_that_of_a_dense_sum_on_any_number_of_threads(
            (rows, columns) in (1usize..12, 1usize..12),
            entries in proptest::collection::vec((any::<u32>(), any::<u32>(), -9i32..9), 0..80),
            threads in 1usize..5,
        ) {
            let mut dense = vec![0.0; rows * columns];
            let (mut r, mut c, mut v) = (vec![], vec![], vec![]);
            for (i, j, x) in entries {
                let (i, j) = (i as usize % rows, j as usize % columns);
                dense[i + j * rows] += f64::from(x);
                r.push(i as u32);
                c.push(j as u32);
                v.push(f64::from(x));
            }
            let a = from_triplets((rows, columns), &r, &c, &v, &pool(threads)).unwrap();
            for (i, x) in dense.iter().enumerate() {
                prop_assert_eq!(a.get(i % rows, i / rows).copied().unwrap_or(0.0), *x);
            }
        }
    }
}
