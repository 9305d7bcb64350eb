//! From entries in any order to compressed columns.

use std::ops::Range;

use rayon::prelude::*;

use super::{Matrix, Part, Storage, zeroed};
use crate::error::{Error, Result};

/// The matrix of `shape` (rows, columns) with these entries; the other triangle is filled in where `storage` leaves it
/// out, entries of one place are summed in file order. Each task owns a range of columns and reads all entries, so the
/// result does not depend on the number of threads.
///
/// # Errors
/// [`Error::Resource`] when the matrix does not fit in memory.
pub(crate) fn from_parts(shape: (usize, usize), parts: Vec<Part>, storage: Storage) -> Result<Matrix> {
    let columns = shape.1;
    let tasks = rayon::current_num_threads().max(1);
    let mut starts = zeroed::<usize>(columns + 1, "the column starts")?;
    let width = columns.div_ceil(tasks).max(1);
    starts[1..].par_chunks_mut(width).enumerate().for_each(|(task, counts)| {
        let first = task * width;
        each(&parts, storage, first..first + counts.len(), |column, _, _| counts[column - first] += 1);
    });
    for column in 0..columns {
        starts[column + 1] += starts[column];
    }
    let total = starts[columns];
    crate::memory::ensure_available("the matrix", total as u64 * 12)?;
    let mut indices = reserve::<u32>(total)?;
    let mut data = reserve::<f64>(total)?;
    let mut shares = Vec::new();
    let (mut rest_indices, mut rest_data) =
        (&mut indices.spare_capacity_mut()[..total], &mut data.spare_capacity_mut()[..total]);
    for share in split(&starts, tasks) {
        let length = starts[share.end] - starts[share.start];
        let (own_indices, tail_indices) = rest_indices.split_at_mut(length);
        let (own_data, tail_data) = rest_data.split_at_mut(length);
        (rest_indices, rest_data) = (tail_indices, tail_data);
        shares.push((share, own_indices, own_data));
    }
    // Entries that are left in each column after those of one place were summed; `None` when all are.
    let kept: Vec<Option<Vec<usize>>> = shares
        .into_par_iter()
        .map(|(share, indices, data)| {
            let base = starts[share.start];
            let mut next: Vec<usize> = starts[share.clone()].iter().map(|start| start - base).collect();
            each(&parts, storage, share.clone(), |column, row, value| {
                let slot = &mut next[column - share.start];
                indices[*slot].write(row);
                data[*slot].write(value);
                *slot += 1;
            });
            // SAFETY: every slot of the share was written: the counts came from the same walk over the entries.
            let (indices, data) = unsafe { (indices.assume_init_mut(), data.assume_init_mut()) };
            let mut sorter = Vec::new();
            let mut changed: Option<Vec<usize>> = None;
            for column in share.clone() {
                let range = starts[column] - base..starts[column + 1] - base;
                let (indices, data) = (&mut indices[range.clone()], &mut data[range]);
                if indices.windows(2).all(|pair| pair[0] < pair[1]) {
                    continue;
                }
                let left = sum_duplicates(indices, data, &mut sorter);
                if left < indices.len() {
                    let lengths = || share.clone().map(|c| starts[c + 1] - starts[c]).collect();
                    changed.get_or_insert_with(lengths)[column - share.start] = left;
                }
            }
            changed
        })
        .collect();
    drop(parts);
    // SAFETY: the shares tile the arrays and each task wrote all of its share.
    unsafe {
        indices.set_len(total);
        data.set_len(total);
    }
    if kept.iter().any(Option::is_some) {
        close_gaps(&mut starts, &mut indices, &mut data, tasks, kept);
    }
    Matrix::try_new_csc(shape, starts, indices, data)
        .map_err(|(.., e)| Error::Internal(format!("bad compressed columns: {e}")))
}

fn reserve<T>(length: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let refused = |_| Error::memory("the matrix", (length * size_of::<T>()) as u64);
    values.try_reserve_exact(length).map_err(refused)?;
    Ok(values)
}

/// Calls `take(column, row, value)` for every entry of the whole matrix whose column is in `range`, in file order.
#[inline(always)]
fn each(parts: &[Part], storage: Storage, range: Range<usize>, mut take: impl FnMut(usize, u32, f64)) {
    let (start, length) = (range.start as u32, range.len() as u32);
    for part in parts {
        for (place, value) in part.places.iter().zip(&part.values) {
            let [row, column] = *place;
            if column.wrapping_sub(start) < length {
                take(column as usize, row, *value);
            }
            if storage != Storage::General && row != column && row.wrapping_sub(start) < length {
                take(row as usize, column, if storage == Storage::SkewSymmetric { -*value } else { *value });
            }
        }
    }
}

/// Ranges of columns with about the same number of entries.
fn split(starts: &[usize], tasks: usize) -> Vec<Range<usize>> {
    let (columns, entries) = (starts.len() - 1, starts[starts.len() - 1]);
    let cut = |task: usize| match task {
        0 => 0,
        task if task == tasks => columns,
        task => starts.partition_point(|start| *start < entries / tasks * task).min(columns),
    };
    (0..tasks).map(|task| cut(task)..cut(task + 1)).collect()
}

/// Moves the columns together after duplicates were summed.
fn close_gaps(
    starts: &mut [usize],
    indices: &mut Vec<u32>,
    data: &mut Vec<f64>,
    tasks: usize,
    kept: Vec<Option<Vec<usize>>>,
) {
    let shares = split(starts, tasks);
    let mut end = 0;
    for (share, lengths) in shares.into_iter().zip(kept) {
        let mut start = starts[share.start];
        for column in share.clone() {
            let next = starts[column + 1];
            let length = lengths.as_ref().map_or(next - start, |lengths| lengths[column - share.start]);
            indices.copy_within(start..start + length, end);
            data.copy_within(start..start + length, end);
            starts[column] = end;
            (start, end) = (next, end + length);
        }
    }
    *starts.last_mut().expect("one start more than columns") = end;
    indices.truncate(end);
    data.truncate(end);
}

/// Sorts one column by row, sums entries of one row in their order, and returns how many are left.
fn sum_duplicates(indices: &mut [u32], data: &mut [f64], sorter: &mut Vec<(u32, f64)>) -> usize {
    sorter.clear();
    sorter.extend(indices.iter().copied().zip(data.iter().copied()));
    sorter.sort_by_key(|(row, _)| *row);
    let mut kept = 0;
    for (row, value) in sorter.drain(..) {
        if kept > 0 && indices[kept - 1] == row {
            data[kept - 1] += value;
        } else {
            (indices[kept], data[kept]) = (row, value);
            kept += 1;
        }
    }
    kept
}
