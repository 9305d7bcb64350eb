//! Dense kernels of one front: partial Cholesky factorization and its outer product, by one thread or by the pool.
//!
//! A front of `height` rows and `width` columns holds `[L11; L21]` in place of `[A11; A21]`, lower triangle only.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::cholesky::llt::factor::{LltError, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::prelude::{Reborrow as _, ReborrowMut as _};
use faer::{Accum, MatMut, MatRef, Par};

mod tiles;

pub(super) use tiles::eliminate_parallel;

/// Working memory of [`eliminate`] for fronts of up to `width` columns.
pub(super) fn scratch(width: usize) -> StackReq {
    cholesky_in_place_scratch::<f64>(width, Par::Seq, Default::default())
}

/// `A11 = L11 L11'`, lower triangle in place; the error is the column without a positive pivot.
fn cholesky(block: MatMut<'_, f64>, memory: &mut MemBuffer) -> Result<(), usize> {
    match cholesky_in_place(block, Default::default(), Par::Seq, MemStack::new(memory), Default::default()) {
        Ok(_) => Ok(()),
        Err(LltError::NonPositivePivot { index }) => Err(index),
    }
}

/// `A21 := A21 L11^-T`.
fn divide(below: MatMut<'_, f64>, triangle: MatRef<'_, f64>) {
    if below.nrows() > 0 {
        solve_lower_triangular_in_place(triangle, below.transpose_mut(), Par::Seq);
    }
}

/// Eliminates the columns of a front. The error is the column without a positive pivot; the front is then useless.
pub(super) fn eliminate(front: MatMut<'_, f64>, memory: &mut MemBuffer) -> Result<(), usize> {
    let width = front.ncols();
    let (mut triangle, below) = front.split_at_row_mut(width);
    cholesky(triangle.rb_mut(), memory)?;
    divide(below, triangle.rb());
    Ok(())
}

/// The lower triangle of `update := -L21 L21'`.
pub(super) fn outer_product(update: MatMut<'_, f64>, below: MatRef<'_, f64>) {
    subtract_square(update, Accum::Replace, below);
}

/// The lower triangle of `target := [target] - p p'`.
fn subtract_square(target: MatMut<'_, f64>, accum: Accum, p: MatRef<'_, f64>) {
    use BlockStructure::{Rectangular, TriangularLower};
    triangular::matmul(target, TriangularLower, accum, p, Rectangular, p.transpose(), Rectangular, -1.0, Par::Seq);
}

crate::multiversion! {
    /// Adds the lower triangle of a child's update to its parent: entry (i, j) of `update`, a square of
    /// `rows.len()` columns, goes to (`rows[i]` - `shift`, `rows[j]` - `first`) of `target`, whose columns are `stride`
    /// long. Only the columns `columns` of the update. `rows` ascends.
    ///
    /// # Panics
    /// When a place is outside the target.
    pub(super) fn extend_add = extend_add_body(
        target: &mut [f64],
        stride: usize,
        shift: usize,
        first: usize,
        update: &[f64],
        rows: &[u32],
        columns: std::ops::Range<usize>,
    );
}

#[inline(always)]
fn extend_add_body<const FMA: bool>(
    target: &mut [f64],
    stride: usize,
    shift: usize,
    first: usize,
    update: &[f64],
    rows: &[u32],
    columns: std::ops::Range<usize>,
) {
    let height = rows.len();
    for j in columns {
        let to = &mut target[(rows[j] as usize - first) * stride..][..stride];
        let from = &update[j * height..][..height];
        // Rows come in runs: the rows of a node, of a separator.
        let mut i = j;
        while i < height {
            let start = rows[i] as usize;
            let mut end = i + 1;
            while end < height && rows[end] as usize - start == end - i {
                end += 1;
            }
            let to = &mut to[start - shift..][..end - i];
            for (to, from) in to.iter_mut().zip(&from[i..end]) {
                *to += *from;
            }
            i = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use faer::Mat;

    use super::*;
    use crate::simd::Simd;

    fn positive_definite(height: usize, width: usize) -> Mat<f64> {
        Mat::from_fn(height, width, |i, j| {
            let (low, high) = (i.min(j), i.max(j));
            if i == j { 4.0 * height as f64 } else { ((low * 31 + high * 17) % 101) as f64 / 101.0 - 0.5 }
        })
    }

    #[test]
    fn fronts_are_eliminated_the_same_by_one_thread_and_by_many() {
        let pool = crate::machine::pool::Pool::shared(2, false).unwrap();
        for (height, width) in [(1, 1), (7, 3), (210, 210), (450, 210), (500, 5), (300, 300)] {
            let whole = positive_definite(height, width);
            let (mut one, mut many) = (whole.clone(), whole.clone());
            let mut memory = MemBuffer::new(scratch(width));
            let rest = height - width;
            let (mut a, mut b) = (Mat::from_fn(rest, rest, |_, _| 7.0), Mat::from_fn(rest, rest, |_, _| 7.0));
            eliminate(one.as_mut(), &mut memory).unwrap();
            pool.install(|| eliminate_parallel(many.as_mut(), b.as_mut())).unwrap();
            for j in 0..width {
                for i in j..height {
                    let sum: f64 = (0..=j).map(|k| one[(i, k)] * one[(j, k)]).sum();
                    assert!((sum - whole[(i, j)]).abs() < 1e-10 * height as f64);
                    assert!((one[(i, j)] - many[(i, j)]).abs() < 1e-12);
                }
            }
            outer_product(a.as_mut(), one.as_ref().subrows(width, rest));
            for j in 0..rest {
                for i in 0..rest {
                    let sum: f64 = -(0..width).map(|k| one[(width + i, k)] * one[(width + j, k)]).sum::<f64>();
                    let expected = if i >= j { sum } else { 7.0 };
                    assert!((a[(i, j)] - expected).abs() < 1e-10 && (b[(i, j)] - expected).abs() < 1e-10);
                }
            }
        }
    }

    #[test]
    fn the_column_without_a_pivot_is_named() {
        let pool = crate::machine::pool::Pool::shared(2, false).unwrap();
        for (bad, value) in [(0, -1.0), (5, 0.0), (250, -3.0), (399, f64::NAN)] {
            let mut front = positive_definite(500, 400);
            front[(bad, bad)] = value;
            let mut memory = MemBuffer::new(scratch(400));
            assert_eq!(eliminate(front.clone().as_mut(), &mut memory), Err(bad));
            let mut update = Mat::zeros(100, 100);
            assert_eq!(pool.install(|| eliminate_parallel(front.as_mut(), update.as_mut())), Err(bad));
        }
    }

    #[test]
    fn updates_go_where_their_rows_are() {
        let rows = [1, 2, 3, 6, 8, 9];
        let update: Vec<f64> = (0..36).map(f64::from).collect();
        for simd in Simd::available() {
            let mut target = vec![0.5; 8 * 9];
            extend_add(simd, &mut target, 9, 1, 1, &update, &rows, 1..5);
            for column in 0..8 {
                for row in 0..9 {
                    let at = |k: usize| rows.iter().position(|r| *r as usize == k + 1);
                    let expected = match (at(row), at(column)) {
                        (Some(i), Some(j)) if i >= j && (1..5).contains(&j) => 0.5 + update[i + 6 * j],
                        _ => 0.5,
                    };
                    assert_eq!(target[row + 9 * column], expected, "{row} {column}");
                }
            }
        }
    }
}
