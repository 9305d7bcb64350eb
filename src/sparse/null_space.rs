//! What is wrong with a symmetric matrix that Cholesky does not take: singular or indefinite?
//!
//! The shifted matrix `A + s I` with a tiny `s` is positive definite when A has no negative eigenvalue. A few steps of
//! inverse iteration with a block of vectors on it then find the null space, as long as that is smaller than the block:
//! a vector outside of it loses a factor `s / lambda` in each step.

use faer::linalg::solvers::Qr;
use faer::{Mat, MatRef, Par};

use super::Matrix;
use super::blocks::add_transposed_product;
use crate::error::{Error, Result};
use crate::numeric::eigen::symmetric_pairs;

/// Vectors of the block: a structure that falls apart in four pieces has 24 rigid-body modes.
pub(super) const BLOCK: usize = 30;
/// Steps of the iteration; the shift alone separates by 1e-9 at once.
const STEPS: usize = 3;
/// The shift, relative to the 1-norm: far above roundoff, far below the eigenvalues of a model that can be solved.
pub(super) const SHIFT: f64 = 1e-10;
/// Eigenvalues up to this, relative to the 1-norm, are zero: some hundred roundoff units.
const ZERO: f64 = 1e-13;

/// A singular matrix, as far as can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Singular {
    /// The row without a pivot, or the row that the null space moves most; counted from 0.
    pub row: usize,
    /// The dimension of the null space that was found: the number of rigid-body modes and mechanisms of a structure.
    pub null_space: usize,
    /// Whether there may be more.
    pub at_least: bool,
}

/// What the iteration has found.
pub(super) enum Verdict {
    Singular(Singular),
    /// An eigenvalue that is clearly negative.
    Indefinite,
    /// The smallest eigenvalue is clearly positive.
    Definite,
}

/// Looks at the lowest eigenvalues of `matrix` (1-norm `norm`), where `solve` replaces a block of columns by
/// `(A + SHIFT * norm * I)^-1` times it.
pub(super) fn look(matrix: &Matrix, norm: f64, mut solve: impl FnMut(&mut [f64])) -> Result<Verdict> {
    let n = matrix.rows();
    let size = BLOCK.min(n);
    let mut bits = 0x2545_f491_4f6c_dd1du64;
    let mut block = Mat::from_fn(n, size, |_, _| {
        bits = bits.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (bits >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    });
    let mut flat = super::assemble::zeros::<f64>(n * size, "the null space")?;
    for _ in 0..STEPS {
        copy(block.as_ref(), &mut flat);
        solve(&mut flat);
        // Columns of different magnitude: only their directions matter.
        for column in flat.chunks_exact_mut(n) {
            let largest = column.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            if !(largest.is_finite() && largest > 0.0) {
                return Err(Error::Model("the matrix is too badly scaled to be factored".into()));
            }
            column.iter_mut().for_each(|x| *x /= largest);
        }
        block = Qr::new(MatRef::from_column_major_slice(&flat, n, size)).compute_thin_Q();
    }
    // Rayleigh-Ritz with A itself.
    copy(block.as_ref(), &mut flat);
    let mut product = super::assemble::zeros::<f64>(n * size, "the null space")?;
    add_transposed_product(1.0, matrix, &flat, &mut product, size);
    let small = block.transpose() * MatRef::from_column_major_slice(&product, n, size);
    let (values, vectors) = symmetric_pairs(small.as_ref(), Par::Seq)?;
    if values[0] < -ZERO.max(0.01 * SHIFT) * norm {
        return Ok(Verdict::Indefinite);
    }
    let null = (0..size).filter(|k| values[*k] <= ZERO * norm).count();
    if null == 0 {
        return Ok(Verdict::Definite);
    }
    let modes = block * vectors.subcols(0, null);
    // The row that the null space moves most: the largest diagonal entry of its projector.
    let motion = |row: usize| (0..null).map(|k| modes[(row, k)].powi(2)).sum::<f64>();
    let row =
        (0..n).map(|row| (row, motion(row))).fold((0, 0.0), |best, now| if now.1 > best.1 { now } else { best }).0;
    Ok(Verdict::Singular(Singular { row, null_space: null, at_least: null == size && size < n }))
}

fn copy(block: MatRef<'_, f64>, flat: &mut [f64]) {
    for (j, column) in flat.chunks_exact_mut(block.nrows().max(1)).enumerate() {
        for (i, x) in column.iter_mut().enumerate() {
            *x = block[(i, j)];
        }
    }
}
