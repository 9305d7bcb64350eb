//! The matrices that Cholesky does not take: symmetric indefinite ones (L B L', Bunch-Kaufman pivots inside each
//! supernode) and unsymmetric ones (L U, partial pivoting). Both factorizations are faer's; what it does not check is
//! checked here: it accepts zero and NaN pivots without a word.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::perm::PermRef;
use faer::sparse::linalg::cholesky::supernodal::SupernodalIntranodeLbltRef;
use faer::sparse::linalg::cholesky::{
    CholeskySymbolicParams, IntranodeLbltRef, SymbolicCholesky, SymbolicCholeskyRaw, SymmetricOrdering,
    factorize_symbolic_cholesky,
};
use faer::sparse::linalg::lu::{LuRef, LuSymbolicParams, NumericLu, SymbolicLu, factorize_symbolic_lu};
use faer::sparse::linalg::{LuError, SupernodalThreshold};
use faer::sparse::{FaerError, SparseColMatRef, SymbolicSparseColMatRef};
use faer::{Conj, MatMut, Par, Side};

use super::Matrix;
use super::assemble::zeros;
use super::blocks::raw;
use crate::error::{Error, Result};
use crate::machine::pool::Pool;
use crate::memory::{Buffer, ensure_available};

/// `P A P' = L B L'`.
pub(super) struct Lblt {
    symbolic: SymbolicCholesky<usize>,
    values: Buffer<f64>,
    subdiagonal: Vec<f64>,
    forward: Vec<usize>,
    inverse: Vec<usize>,
}

/// The signs of the pivots and the weakest one.
pub(super) struct Inertia {
    pub(super) negative: usize,
    /// The pivots that are zero relative to the matrix, or not finite, as rows of the matrix.
    pub(super) null: Vec<usize>,
}

/// `P A Q = L U`.
pub(super) struct Lu {
    symbolic: SymbolicLu<usize>,
    numeric: NumericLu<usize, f64>,
}

impl Lblt {
    /// Factors the symmetric `matrix` in the order `permutation` (`permutation[k]` is the row that comes `k`-th).
    pub(super) fn new(matrix: &Matrix, permutation: &[u32], pool: &Pool) -> Result<Self> {
        let n = matrix.rows();
        let (starts, indices, data) = wide(matrix)?;
        let view = SymbolicSparseColMatRef::new_checked(n, n, starts, None, &indices);
        let forward: Vec<usize> = permutation.iter().map(|row| *row as usize).collect();
        let mut inverse = zeros::<usize>(n, "the ordering")?;
        for (k, row) in forward.iter().enumerate() {
            inverse[*row] = k;
        }
        let order = SymmetricOrdering::Custom(PermRef::new_checked(&forward, &inverse, n));
        // The simplicial variant does not pivot at all.
        let parameters = CholeskySymbolicParams {
            supernodal_flop_ratio_threshold: SupernodalThreshold::FORCE_SUPERNODAL,
            ..Default::default()
        };
        let symbolic = factorize_symbolic_cholesky(view, Side::Lower, order, parameters).map_err(refused)?;
        let mut values = Buffer::zeroed(symbolic.len_val(), "the factor L B L'")?;
        let (mut subdiagonal, mut forward) = (zeros(n, "the factor")?, zeros(n, "the factor")?);
        let par = parallel(pool);
        let mut memory = memory(symbolic.factorize_numeric_intranode_lblt_scratch::<f64>(par, Default::default()))?;
        let matrix = SparseColMatRef::new(view, data);
        pool.install(|| {
            symbolic.factorize_numeric_intranode_lblt(
                &mut values,
                &mut subdiagonal,
                &mut forward,
                &mut inverse,
                matrix,
                Side::Lower,
                par,
                MemStack::new(&mut memory),
                Default::default(),
            );
        });
        Ok(Self { symbolic, values, subdiagonal, forward, inverse })
    }

    fn pivoting(&self) -> PermRef<'_, usize> {
        PermRef::new_checked(&self.forward, &self.inverse, self.forward.len())
    }

    /// Signs of the pivots; a pivot of a magnitude up to `tolerance` counts as zero.
    pub(super) fn inertia(&self, tolerance: f64) -> Inertia {
        let mut found = Inertia { negative: 0, null: Vec::new() };
        let SymbolicCholeskyRaw::Supernodal(symbolic) = self.symbolic.raw() else {
            return found;
        };
        let factor = SupernodalIntranodeLbltRef::new(symbolic, &self.values, &self.subdiagonal, self.pivoting());
        let mut count = |position: usize, pivot: f64| {
            if pivot.is_nan() || pivot.is_infinite() || pivot.abs() <= tolerance {
                let row = self.forward[position];
                found.null.push(self.symbolic.perm().map_or(row, |order| order.arrays().0[row]));
            } else if pivot < 0.0 {
                found.negative += 1;
            }
        };
        for s in 0..symbolic.n_supernodes() {
            let node = factor.supernode(s);
            let (block, start) = (node.val(), node.start());
            let mut k = 0;
            while k < block.ncols() {
                let below = self.subdiagonal[start + k];
                if below == 0.0 || k + 1 == block.ncols() {
                    count(start + k, block[(k, k)]);
                    k += 1;
                } else {
                    // The eigenvalues of the 2 x 2 block; by their product and the larger one, without cancellation.
                    let (a, c) = (block[(k, k)], block[(k + 1, k + 1)]);
                    let (mean, half) = (0.5 * (a + c), 0.5 * (a - c));
                    let larger = mean + half.hypot(below).copysign(if mean == 0.0 { 1.0 } else { mean });
                    count(start + k, larger);
                    count(start + k + 1, (a * c - below * below) / larger);
                    k += 2;
                }
            }
        }
        found
    }

    pub(super) fn entries(&self) -> usize {
        self.symbolic.len_val()
    }

    pub(super) fn scratch(&self, columns: usize) -> StackReq {
        self.symbolic.solve_in_place_scratch::<f64>(columns, Par::Seq)
    }

    pub(super) fn solve(&self, block: &mut [f64], columns: usize, stack: &mut MemStack) {
        let n = self.symbolic.nrows();
        let factor = IntranodeLbltRef::new(&self.symbolic, &self.values, &self.subdiagonal, self.pivoting());
        let block = MatMut::from_column_major_slice_mut(block, n, columns);
        factor.solve_in_place_with_conj(Conj::No, block, Par::Seq, stack);
    }
}

impl Lu {
    /// Factors `matrix`; the error is the row that has no pivot.
    pub(super) fn new(matrix: &Matrix, pool: &Pool) -> Result<Result<Self, usize>> {
        let n = matrix.rows();
        if let Some(column) = without_partner(matrix) {
            return Ok(Err(column));
        }
        let (starts, indices, data) = wide(matrix)?;
        let view = SymbolicSparseColMatRef::new_checked(n, n, starts, None, &indices);
        let symbolic = factorize_symbolic_lu(view, LuSymbolicParams::default()).map_err(refused)?;
        let mut numeric = NumericLu::new();
        let par = parallel(pool);
        let mut memory = memory(symbolic.factorize_numeric_lu_scratch::<f64>(par, Default::default()))?;
        let matrix = SparseColMatRef::new(view, data);
        let outcome = pool.install(|| {
            let stack = MemStack::new(&mut memory);
            symbolic.factorize_numeric_lu(&mut numeric, matrix, par, stack, Default::default()).map(|_| ())
        });
        match outcome {
            Ok(()) => Ok(Ok(Self { symbolic, numeric })),
            Err(LuError::SymbolicSingular { index }) => {
                Ok(Err(symbolic.col_perm().arrays().0.get(index).copied().unwrap_or(0)))
            }
            Err(LuError::Generic(e)) => Err(refused(e)),
        }
    }

    pub(super) fn scratch(&self, columns: usize) -> StackReq {
        let one = self.symbolic.solve_in_place_scratch::<f64>(columns, Par::Seq);
        one.or(self.symbolic.solve_transpose_in_place_scratch::<f64>(columns, Par::Seq))
    }

    pub(super) fn solve(&self, transposed: bool, block: &mut [f64], columns: usize, stack: &mut MemStack) {
        let factor = LuRef::new_unchecked(&self.symbolic, &self.numeric);
        let block = MatMut::from_column_major_slice_mut(block, self.symbolic.nrows(), columns);
        if transposed {
            factor.solve_transpose_in_place_with_conj(Conj::No, block, Par::Seq, stack);
        } else {
            factor.solve_in_place_with_conj(Conj::No, block, Par::Seq, stack);
        }
    }
}

/// faer has one index type for both arrays.
fn wide(matrix: &Matrix) -> Result<(&[usize], Vec<usize>, &[f64])> {
    let (starts, indices, data) = raw(matrix);
    ensure_available("the pattern", indices.len() as u64 * 8)?;
    Ok((starts, indices.iter().map(|row| *row as usize).collect(), data))
}

fn parallel(pool: &Pool) -> Par {
    if pool.threads() > 1 { Par::rayon(pool.threads()) } else { Par::Seq }
}

/// Guarded working memory for faer.
pub(super) fn memory(request: StackReq) -> Result<MemBuffer> {
    let bytes = request.unaligned_bytes_required() as u64;
    ensure_available("the working memory of the factorization", bytes)?;
    MemBuffer::try_new(request).map_err(|_| Error::memory("the working memory of the factorization", bytes))
}

fn refused(error: FaerError) -> Error {
    match error {
        FaerError::OutOfMemory => Error::memory("the factorization", u64::MAX),
        other => Error::Resource(format!("the factorization is too large: {other}")),
    }
}

/// A column that no row can be matched with, when the pattern alone makes the matrix singular: augmenting paths, depth
/// first without recursion.
fn without_partner(matrix: &Matrix) -> Option<usize> {
    let (starts, indices, _) = raw(matrix);
    const NONE: u32 = u32::MAX;
    let n = matrix.cols();
    let mut column_of = vec![NONE; n];
    let mut seen = vec![NONE; n];
    let (mut cheap, mut next): (Vec<usize>, Vec<usize>) = (starts[..n].to_vec(), starts[..n].to_vec());
    let mut path: Vec<(u32, u32)> = Vec::new();
    for root in 0..n as u32 {
        path.clear();
        path.push((root, NONE));
        next[root as usize] = starts[root as usize];
        seen[root as usize] = root;
        let mut free = NONE;
        while let Some((column, _)) = path.last().copied() {
            let (column, end) = (column as usize, starts[column as usize + 1]);
            // A free row is looked for once in a column's life.
            while free == NONE && cheap[column] < end {
                let row = indices[cheap[column]];
                cheap[column] += 1;
                if column_of[row as usize] == NONE {
                    free = row;
                }
            }
            if free != NONE {
                break;
            }
            // Then a row whose column may find another one.
            let mut deeper = None;
            while deeper.is_none() && next[column] < end {
                let row = indices[next[column]];
                next[column] += 1;
                let owner = column_of[row as usize];
                if owner != NONE && seen[owner as usize] != root {
                    deeper = Some((owner, row));
                }
            }
            match deeper {
                Some((owner, row)) => {
                    seen[owner as usize] = root;
                    next[owner as usize] = starts[owner as usize];
                    path.push((owner, row));
                }
                None => {
                    path.pop();
                }
            }
        }
        if free == NONE {
            return Some(root as usize);
        }
        // Each column on the path takes the row that the next one gives up.
        while let Some((column, given_up)) = path.pop() {
            column_of[free as usize] = column;
            free = given_up;
        }
    }
    None
}
