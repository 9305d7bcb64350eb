//! From entries in any order to compressed columns.

use std::ops::Range;

use rayon::prelude::*;

use super::{Matrix, Part, Storage, zeroed};
use crate::error::Result;
use crate::formats::numbers::reserve;

/// The matrix of `shape` (rows, columns) with these entries; the other triangle is filled in where `storage` leaves it
/// out, entries of one place are summed in file order. Each task has the entries of some parts that follow each other, and
/// in each column the places behind those of the tasks before: the result does not depend on the number of threads.
///
/// # Errors
/// [`Error::Resource`] when the matrix does not fit in memory.
pub(crate) fn from_parts(shape: (usize, usize), parts: Vec<Part>, storage: Storage) -> Result<Matrix> {
    let columns = shape.1;
    let entries: usize = parts.iter().map(Part::len).sum();
    // Each task counts all columns: not more of them than the entries are worth.
    let tasks = rayon::current_num_threads().min(entries / columns.max(1)).max(1);
    let tasks = share_out(parts, tasks);
    let mut counts: Vec<Vec<usize>> =
        tasks.iter().map(|_| zeroed(columns, "the column starts")).collect::<Result<_>>()?;
    counts.par_iter_mut().zip(&tasks).for_each(|(counts, parts)| {
        for part in parts {
            part.count(storage, counts);
        }
    });
    // Counts become the places where each task's entries of a column begin.
    let mut starts = zeroed::<usize>(columns + 1, "the column starts")?;
    let mut total = 0;
    for column in 0..columns {
        for counts in &mut counts {
            total += std::mem::replace(&mut counts[column], total);
        }
        starts[column + 1] = total;
    }
    crate::memory::ensure_available("the matrix", total as u64 * 12)?;
    let mut indices = reserve::<u32>(total, "the matrix")?;
    let mut data = reserve::<f64>(total, "the matrix")?;
    let places = Places(indices.as_mut_ptr(), data.as_mut_ptr());
    counts.into_par_iter().zip(tasks).for_each(|(mut next, parts)| {
        // Each part leaves its memory as soon as its entries are in place.
        for part in parts {
            // SAFETY: the walk is the one that counted: each place below `total` is written once, by one task, and the
            // arrays have room for `total` entries.
            unsafe { part.scatter(storage, &mut next, &places) };
        }
    });
    // SAFETY: all `total` entries were written.
    unsafe {
        indices.set_len(total);
        data.set_len(total);
    }
    let shares = split(&starts, rayon::current_num_threads());
    let kept = sort_columns(&starts, &mut indices, &mut data, &shares);
    if kept.iter().any(Option::is_some) {
        close_gaps(&mut starts, &mut indices, &mut data, shares, kept);
    }
    // SAFETY: the starts ascend to the length of both arrays, and the rows of each column are below `shape.0` and ascend
    // strictly: every column that did not was sorted and summed above.
    Ok(unsafe { Matrix::new_unchecked(sprs::CompressedStorage::CSC, shape, starts, indices, data) })
}

/// The row indices and values, of which each task writes its own places.
struct Places(*mut u32, *mut f64);

// SAFETY: every place is written by one task, and nothing is read before all are done.
unsafe impl Sync for Places {}

impl Places {
    /// # Safety
    /// The arrays have room for an entry at `place`, and nobody else uses it.
    #[inline(always)]
    unsafe fn write(&self, place: usize, row: u32, value: f64) {
        // SAFETY: by the caller's contract.
        unsafe {
            self.0.add(place).write(row);
            self.1.add(place).write(value);
        }
    }
}

/// Runs of parts with about the same number of entries, at most `tasks`.
fn share_out(parts: Vec<Part>, tasks: usize) -> Vec<Vec<Part>> {
    let entries: usize = parts.iter().map(Part::len).sum();
    let mut shares: Vec<Vec<Part>> = (0..tasks).map(|_| Vec::new()).collect();
    let (mut task, mut before) = (0, 0);
    for part in parts {
        while task + 1 < tasks && before >= entries / tasks * (task + 1) {
            task += 1;
        }
        before += part.len();
        shares[task].push(part);
    }
    shares
}

impl Part {
    /// Its entries in file order: row, column, value.
    fn entries(&self) -> impl Iterator<Item = (u32, u32, f64)> {
        self.places.iter().zip(&self.values).map(|([row, column], value)| (*row, *column, *value))
    }

    /// Adds the entries of each column, the other triangle's too.
    fn count(&self, storage: Storage, counts: &mut [usize]) {
        for (row, column, _) in self.entries() {
            counts[column as usize] += 1;
            if storage != Storage::General && row != column {
                counts[row as usize] += 1;
            }
        }
    }

    /// Writes the entries to the places that are `next` in their columns, the other triangle's too.
    ///
    /// # Safety
    /// The arrays behind `places` have room there, and nobody else uses it.
    unsafe fn scatter(&self, storage: Storage, next: &mut [usize], places: &Places) {
        // Most files come column by column: the place in the last one is at hand, and not a store and a load away.
        let (mut last, mut place) = (0, next.first().copied().unwrap_or(0));
        for (row, column, value) in self.entries() {
            if column != last {
                next[last as usize] = place;
                (last, place) = (column, next[column as usize]);
            }
            // SAFETY: by the caller's contract.
            unsafe { places.write(place, row, value) };
            place += 1;
            if storage != Storage::General && row != column {
                let place = &mut next[row as usize];
                let value = if storage == Storage::SkewSymmetric { -value } else { value };
                // SAFETY: by the caller's contract.
                unsafe { places.write(*place, column, value) };
                *place += 1;
            }
        }
        if let Some(next) = next.get_mut(last as usize) {
            *next = place;
        }
    }
}

/// Sorts the columns that are not, and sums entries of one place. For each share the entries that are left in its
/// columns; `None` where all are.
fn sort_columns(
    starts: &[usize],
    indices: &mut [u32],
    data: &mut [f64],
    shares: &[Range<usize>],
) -> Vec<Option<Vec<usize>>> {
    let mut pieces = Vec::new();
    let (mut rest_indices, mut rest_data) = (indices, data);
    for share in shares {
        let length = starts[share.end] - starts[share.start];
        let (own_indices, tail_indices) = rest_indices.split_at_mut(length);
        let (own_data, tail_data) = rest_data.split_at_mut(length);
        (rest_indices, rest_data) = (tail_indices, tail_data);
        pieces.push((share.clone(), own_indices, own_data));
    }
    let sort = |(share, indices, data): (Range<usize>, &mut [u32], &mut [f64])| {
        let base = starts[share.start];
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
    };
    pieces.into_par_iter().map(sort).collect()
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
    shares: Vec<Range<usize>>,
    kept: Vec<Option<Vec<usize>>>,
) {
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
