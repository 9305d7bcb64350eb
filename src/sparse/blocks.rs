//! Blocks of a matrix, its symmetry, and its products with dense blocks.

use rayon::prelude::*;

use super::Matrix;
use super::assemble::{from_parts, zeros};
use crate::error::{Error, Result};
use crate::machine::pool::Pool;

/// A square matrix cut into masters (m, the rows that stay) and slaves (s, all others): `[mm ms; sm ss]`.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// The rows of the whole matrix that are masters, in the caller's order.
    pub masters: Vec<u32>,
    /// All other rows, ascending.
    pub slaves: Vec<u32>,
    /// Masters by masters.
    pub mm: Matrix,
    /// Masters by slaves.
    pub ms: Matrix,
    /// Slaves by masters.
    pub sm: Matrix,
    /// Slaves by slaves.
    pub ss: Matrix,
}

/// Cuts `matrix` into the blocks of `masters` and the rest.
///
/// # Errors
/// [`Error::Model`] when the matrix is not square, or a master is outside it or named twice; [`Error::Resource`] for too
/// little memory.
pub fn partition(matrix: &Matrix, masters: &[u32], pool: &Pool) -> Result<Blocks> {
    let n = square(matrix)?;
    const FREE: u32 = u32::MAX;
    // Where each row goes: its place among the masters, or FREE.
    let mut master = zeros::<u32>(n, "the masters")?;
    master.fill(FREE);
    for (place, row) in masters.iter().enumerate() {
        match master.get_mut(*row as usize) {
            None => return Err(Error::Model(format!("master {} is outside the matrix of order {n}", row + 1))),
            Some(entry) if *entry != FREE => return Err(Error::Model(format!("master {} is named twice", row + 1))),
            Some(entry) => *entry = place as u32,
        }
    }
    let slaves: Vec<u32> = (0..n as u32).filter(|row| master[*row as usize] == FREE).collect();
    let mut slave = zeros::<u32>(n, "the slaves")?;
    slave.fill(FREE);
    for (place, row) in slaves.iter().enumerate() {
        slave[*row as usize] = place as u32;
    }
    let masters = masters.to_vec();
    let cut = |rows: &[u32], n_rows: usize, columns: &[u32]| select(matrix, rows, n_rows, columns, pool);
    let mm = cut(&master, masters.len(), &masters)?;
    let ms = cut(&master, masters.len(), &slaves)?;
    let sm = cut(&slave, slaves.len(), &masters)?;
    let ss = cut(&slave, slaves.len(), &slaves)?;
    Ok(Blocks { masters, slaves, mm, ms, sm, ss })
}

/// The columns `columns` of `matrix`, with row `i` moved to `place[i]`, or dropped where that is `u32::MAX`.
fn select(matrix: &Matrix, place: &[u32], n_rows: usize, columns: &[u32], pool: &Pool) -> Result<Matrix> {
    let (starts, indices, data) = raw(matrix);
    let entries = |column: u32| starts[column as usize]..starts[column as usize + 1];
    let mut new_starts = zeros::<usize>(columns.len() + 1, "a block of the matrix")?;
    pool.install(|| {
        new_starts[1..].par_iter_mut().zip(columns).with_min_len(256).for_each(|(count, column)| {
            *count = indices[entries(*column)].iter().filter(|row| place[**row as usize] != u32::MAX).count();
        });
    });
    for k in 0..columns.len() {
        new_starts[k + 1] += new_starts[k];
    }
    let total = new_starts[columns.len()];
    crate::memory::ensure_available("a block of the matrix", total as u64 * 12)?;
    let mut new_indices = zeros::<u32>(total, "a block of the matrix")?;
    let mut new_data = zeros::<f64>(total, "a block of the matrix")?;
    // Runs of columns with their slices of the result.
    let mut runs = Vec::new();
    let (mut rest_indices, mut rest_data) = (&mut new_indices[..], &mut new_data[..]);
    for run in columns.chunks(256).enumerate() {
        let first = run.0 * 256;
        let length = new_starts[first + run.1.len()] - new_starts[first];
        let (own_indices, tail_indices) = rest_indices.split_at_mut(length);
        let (own_data, tail_data) = rest_data.split_at_mut(length);
        (rest_indices, rest_data) = (tail_indices, tail_data);
        runs.push((run.1, own_indices, own_data));
    }
    pool.install(|| {
        runs.into_par_iter().for_each(|(columns, new_indices, new_data)| {
            let (mut end, mut sorter) = (0, Vec::new());
            for column in columns {
                let start = end;
                for k in entries(*column) {
                    let row = place[indices[k] as usize];
                    if row != u32::MAX {
                        (new_indices[end], new_data[end]) = (row, data[k]);
                        end += 1;
                    }
                }
                let (rows, values) = (&mut new_indices[start..end], &mut new_data[start..end]);
                if !rows.is_sorted() {
                    sorter.clear();
                    sorter.extend(rows.iter().copied().zip(values.iter().copied()));
                    sorter.sort_unstable_by_key(|(row, _)| *row);
                    for (k, (row, value)) in sorter.iter().enumerate() {
                        (rows[k], values[k]) = (*row, *value);
                    }
                }
            }
        });
    });
    from_parts((n_rows, columns.len()), new_starts, new_indices, new_data)
}

/// How symmetric a square matrix is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Symmetry {
    /// Every entry has a counterpart in the pattern.
    pub pattern: bool,
    /// The largest `|a_ij - a_ji|`; an entry that is not stored is zero. NaN entries make it infinite.
    pub difference: f64,
    /// The largest `|a_ij|`.
    pub largest: f64,
}

impl Symmetry {
    /// Symmetric up to roundoff: differences below 1e-13 of the largest entry, which is what different orders of
    /// summation in an assembly leave.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.difference <= 1e-13 * self.largest
    }

    fn differ(&mut self, difference: f64) {
        let difference = difference.abs();
        self.difference = self.difference.max(if difference.is_nan() { f64::INFINITY } else { difference });
    }

    fn alone(&mut self, value: f64) {
        self.pattern = false;
        self.differ(value);
    }
}

/// Compares `matrix` with its transpose.
///
/// # Errors
/// [`Error::Model`] when it is not square.
pub fn symmetry(matrix: &Matrix, pool: &Pool) -> Result<Symmetry> {
    let n = square(matrix)?;
    let (starts, indices, data) = raw(matrix);
    let none = Symmetry { pattern: true, difference: 0.0, largest: 0.0 };
    let runs = (4 * pool.threads()).min(n).max(1);
    let compare = |run: usize| {
        let (from, to) = (n * run / runs, n * (run + 1) / runs);
        let place = |row: usize, end: usize| {
            starts[row] + indices[starts[row]..starts[row + 1]].partition_point(|column| (*column as usize) < end)
        };
        // The first entry in row `i` above the diagonal (they are in column `i` of the transpose) not yet compared.
        let mut cursor: Vec<usize> = (from..n).map(|row| place(row, from)).collect();
        let mut found = none;
        for column in from..to {
            for k in starts[column]..starts[column + 1] {
                let (row, value) = (indices[k] as usize, data[k]);
                found.largest = found.largest.max(value.abs());
                if row <= column {
                    continue;
                }
                let at = &mut cursor[row - from];
                // What lies before has no counterpart.
                while *at < starts[row + 1] && (indices[*at] as usize) < column {
                    found.alone(data[*at]);
                    *at += 1;
                }
                if *at < starts[row + 1] && indices[*at] as usize == column {
                    found.differ(value - data[*at]);
                    *at += 1;
                } else {
                    found.alone(value);
                }
            }
        }
        for (row, at) in (from..n).zip(cursor) {
            data[at..place(row, to.min(row)).max(at)].iter().for_each(|value| found.alone(*value));
        }
        found
    };
    Ok(pool.install(|| {
        (0..runs).into_par_iter().with_max_len(1).map(compare).reduce(
            || none,
            |a, b| Symmetry {
                pattern: a.pattern && b.pattern,
                difference: a.difference.max(b.difference),
                largest: a.largest.max(b.largest),
            },
        )
    }))
}

/// The 1-norm: the largest sum of absolute values of a column. NaN when an entry is.
#[must_use]
pub fn norm_1(matrix: &Matrix) -> f64 {
    let (starts, _, data) = raw(matrix);
    starts.windows(2).fold(0.0, |largest: f64, range| {
        let sum: f64 = data[range[0]..range[1]].iter().map(|x| x.abs()).sum();
        if sum.is_nan() || sum > largest { sum } else { largest }
    })
}

/// `y += alpha * A * x` for `columns` columns, each contiguous: `x` is (columns of A) x `columns`, `y` is (rows of A) x
/// `columns`. Sequential: give each thread its columns.
///
/// # Panics
/// When the lengths do not fit.
pub fn add_product(alpha: f64, a: &Matrix, x: &[f64], y: &mut [f64], columns: usize) {
    let (m, n) = a.shape();
    assert!(x.len() == n * columns && y.len() == m * columns, "blocks that fit the matrix");
    let (starts, indices, data) = raw(a);
    if m == 0 || n == 0 {
        return;
    }
    for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(m)) {
        for (column, x) in x.iter().enumerate() {
            let factor = alpha * x;
            for k in starts[column]..starts[column + 1] {
                y[indices[k] as usize] += factor * data[k];
            }
        }
    }
}

/// `y += alpha * A' * x` for `columns` columns: `x` is (rows of A) x `columns`, `y` is (columns of A) x `columns`.
/// Sequential, as [`add_product`]; for a symmetric matrix this is the same product and the faster of the two.
///
/// # Panics
/// When the lengths do not fit.
pub fn add_transposed_product(alpha: f64, a: &Matrix, x: &[f64], y: &mut [f64], columns: usize) {
    let (m, n) = a.shape();
    assert!(x.len() == m * columns && y.len() == n * columns, "blocks that fit the matrix");
    let (starts, indices, data) = raw(a);
    if m == 0 || n == 0 {
        return;
    }
    // Four columns of x at a time: the indices are read once for all of them.
    let mut blocks = x.chunks_exact(4 * m).zip(y.chunks_exact_mut(4 * n));
    for (x, y) in &mut blocks {
        for column in 0..n {
            let mut sums = [0.0; 4];
            for k in starts[column]..starts[column + 1] {
                let (row, value) = (indices[k] as usize, data[k]);
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum += value * x[c * m + row];
                }
            }
            for (c, sum) in sums.into_iter().enumerate() {
                y[c * n + column] += alpha * sum;
            }
        }
    }
    let done = columns - columns % 4;
    for (x, y) in x[done * m..].chunks_exact(m).zip(y[done * n..].chunks_exact_mut(n)) {
        for (column, y) in y.iter_mut().enumerate() {
            let range = starts[column]..starts[column + 1];
            let sum: f64 = range.map(|k| data[k] * x[indices[k] as usize]).sum();
            *y += alpha * sum;
        }
    }
}

/// Column starts, row indices and values.
pub(super) fn raw(matrix: &Matrix) -> (&[usize], &[u32], &[f64]) {
    (matrix.indptr().into_raw_storage(), matrix.indices(), matrix.data())
}

/// The order of a square matrix in compressed columns.
pub(super) fn square(matrix: &Matrix) -> Result<usize> {
    let (m, n) = matrix.shape();
    if m != n {
        return Err(Error::Model(format!("the matrix is {m} x {n}, but a square one is needed here")));
    }
    if !matrix.is_csc() || matrix.indptr().as_slice().is_none_or(|starts| starts.first() != Some(&0)) {
        return Err(Error::Internal("a matrix that is not in compressed columns".into()));
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::super::from_triplets;
    use super::*;

    fn pool() -> std::sync::Arc<Pool> {
        Pool::shared(2, false).unwrap()
    }

    /// A dense matrix as a sparse one, zeros left out.
    fn sparse(rows: &[&[f64]]) -> Matrix {
        let (mut r, mut c, mut v) = (vec![], vec![], vec![]);
        for (i, row) in rows.iter().enumerate() {
            for (j, x) in row.iter().enumerate().filter(|(_, x)| **x != 0.0) {
                r.push(i as u32);
                c.push(j as u32);
                v.push(*x);
            }
        }
        from_triplets((rows.len(), rows.first().map_or(0, |row| row.len())), &r, &c, &v, &pool()).unwrap()
    }

    #[test]
    fn blocks_hold_every_entry_once() {
        let a =
            sparse(&[&[1.0, 2.0, 0.0, 3.0], &[4.0, 5.0, 6.0, 0.0], &[0.0, 7.0, 8.0, 9.0], &[10.0, 0.0, 11.0, 12.0]]);
        let blocks = partition(&a, &[3, 1], &pool()).unwrap();
        assert_eq!(blocks.slaves, [0, 2]);
        let check = |block: &Matrix, rows: &[u32], columns: &[u32]| {
            for (i, row) in rows.iter().enumerate() {
                for (j, column) in columns.iter().enumerate() {
                    assert_eq!(block.get(i, j), a.get(*row as usize, *column as usize));
                }
            }
        };
        check(&blocks.mm, &[3, 1], &[3, 1]);
        check(&blocks.ms, &[3, 1], &[0, 2]);
        check(&blocks.sm, &[0, 2], &[3, 1]);
        check(&blocks.ss, &[0, 2], &[0, 2]);
        let parts = [&blocks.mm, &blocks.ms, &blocks.sm, &blocks.ss];
        assert_eq!(parts.iter().map(|part| part.nnz()).sum::<usize>(), a.nnz());
    }

    #[test]
    fn masters_outside_or_twice_are_named() {
        let a = sparse(&[&[1.0, 0.0], &[0.0, 1.0]]);
        assert!(partition(&a, &[2], &pool()).unwrap_err().to_string().contains("master 3"));
        assert!(partition(&a, &[1, 1], &pool()).unwrap_err().to_string().contains("master 2"));
        let all = partition(&a, &[0, 1], &pool()).unwrap();
        assert_eq!((all.ss.shape(), all.mm.nnz()), ((0, 0), 2));
    }

    #[test]
    fn symmetry_sees_a_missing_and_a_different_counterpart() {
        let same = symmetry(&sparse(&[&[1.0, 2.0], &[2.0, -5.0]]), &pool()).unwrap();
        assert_eq!(same, Symmetry { pattern: true, difference: 0.0, largest: 5.0 });
        assert!(same.holds());
        let missing = symmetry(&sparse(&[&[1.0, 2.0], &[0.0, 5.0]]), &pool()).unwrap();
        assert_eq!(missing, Symmetry { pattern: false, difference: 2.0, largest: 5.0 });
        let different = symmetry(&sparse(&[&[1.0, 2.0], &[2.5, 5.0]]), &pool()).unwrap();
        assert!(different.pattern && !different.holds() && different.difference == 0.5);
        assert!(!symmetry(&sparse(&[&[1.0, f64::NAN], &[2.5, 5.0]]), &pool()).unwrap().holds());
        assert!(symmetry(&sparse(&[&[1.0, 2.0]]), &pool()).is_err());
    }

    #[test]
    fn symmetry_is_that_of_the_dense_matrix() {
        let mut state = 1u32;
        for case in 0..200 {
            let n = 1 + case % 9;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state >> 16
            };
            let mut a = faer::Mat::<f64>::zeros(n, n);
            for i in 0..n {
                for j in 0..=i {
                    let value = if next() % 3 == 0 { f64::from(next() % 5) } else { 0.0 };
                    a[(i, j)] = value;
                    a[(j, i)] = if next() % 16 == 0 { f64::from(next() % 3) } else { value };
                }
            }
            let (mut pattern, mut difference) = (true, 0.0f64);
            for i in 0..n {
                for j in 0..n {
                    pattern &= (a[(i, j)] == 0.0) == (a[(j, i)] == 0.0);
                    difference = difference.max((a[(i, j)] - a[(j, i)]).abs());
                }
            }
            let rows: Vec<Vec<f64>> = a.row_iter().map(|row| row.iter().copied().collect()).collect();
            let found = symmetry(&sparse(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>()), &pool()).unwrap();
            assert_eq!((found.pattern, found.difference), (pattern, difference), "{rows:?}");
        }
    }

    #[test]
    fn products_are_those_of_the_dense_matrix() {
        let dense: [&[f64]; 3] = [&[1.0, 0.0, 2.0, 0.5], &[0.0, -3.0, 0.0, 0.25], &[4.0, 5.0, 0.0, 0.0]];
        let a = sparse(&dense);
        for columns in 0..7 {
            let x: Vec<f64> = (0..4 * columns).map(|k| k as f64 - 3.0).collect();
            let mut y = vec![1.0; 3 * columns];
            add_product(-2.0, &a, &x, &mut y, columns);
            for (k, y) in y.iter().enumerate() {
                let sum: f64 = (0..4).map(|j| dense[k % 3][j] * x[k / 3 * 4 + j]).sum();
                assert_eq!(*y, 1.0 - 2.0 * sum);
            }
            let x: Vec<f64> = (0..3 * columns).map(|k| k as f64 - 3.0).collect();
            let mut y = vec![1.0; 4 * columns];
            add_transposed_product(-2.0, &a, &x, &mut y, columns);
            for (k, y) in y.iter().enumerate() {
                let sum: f64 = (0..3).map(|i| dense[i][k % 4] * x[k / 4 * 3 + i]).sum();
                assert_eq!(*y, 1.0 - 2.0 * sum);
            }
        }
        assert_eq!(norm_1(&a), 8.0f64.min(5.0).max(8.0));
    }
}
