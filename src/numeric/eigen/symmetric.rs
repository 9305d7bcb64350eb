//! Symmetric matrices: faer's tridiagonal reduction and QR iteration.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Auto, Mat, MatMut, MatRef, Par, Spec, diag::DiagMut};

use super::{Failure, Pairs, Scratch, deliver, power_of_two, stack};
use crate::error::{self, Error};

/// The eigenvalues of a symmetric `a`, rising, and its eigenvectors, one a column, of norm 1. Reads the lower triangle.
///
/// # Errors
/// [`Error::Model`] when the iteration does not converge, as with entries that are not finite; [`Error::Resource`] for
/// too little memory.
pub(crate) fn symmetric_pairs(a: MatRef<'_, f64>, par: Par) -> error::Result<(Vec<f64>, Mat<f64>)> {
    let n = a.nrows();
    let (mut values, mut vectors) = (vec![0.0; n], Mat::zeros(n, n));
    if n == 0 {
        return Ok((values, vectors));
    }
    let need = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, par, by_qr());
    let bytes = need.unaligned_bytes_required() as u64;
    let mut memory = MemBuffer::try_new(need).map_err(|_| Error::memory("a symmetric eigenproblem", bytes))?;
    let (stack, diagonal) = (MemStack::new(&mut memory), DiagMut::from_slice_mut(&mut values));
    self_adjoint_evd(a, diagonal, Some(vectors.as_mut()), par, stack, by_qr())
        .map_err(|_| Error::Model(format!("a symmetric eigenproblem of order {n} did not converge")))?;
    Ok((values, vectors))
}

/// QR iteration whatever the order. From order 128 on faer 0.24 would divide and conquer, which loses half of the digits:
/// eigenvalues of a pencil of order 300 were wrong by 1e-10 of the largest.
fn by_qr() -> Spec<SelfAdjointEvdParams, f64> {
    let usual = <SelfAdjointEvdParams as Auto<f64>>::auto();
    SelfAdjointEvdParams { recursion_threshold: usize::MAX, ..usual }.into()
}

/// `A x = lambda x` for a symmetric `a`.
pub(super) fn solve(a: &[f64], n: usize, scratch: &mut Scratch, mut pairs: Pairs<'_>) -> Result<(), Failure> {
    scratch.reserve(n, pairs.vectors.is_some());
    let scale = power_of_two(a);
    for (to, from) in scratch.a.iter_mut().zip(a) {
        *to = from * scale;
    }
    decompose(n, scratch, pairs.vectors.is_some())?;
    scratch.im[..n].fill(0.0);
    let Scratch { re, im, modulus, order, .. } = &mut *scratch;
    deliver([&re[..n], &im[..n]], scale, &mut modulus[..n], &mut order[..n], &mut pairs);
    if let Some(vectors) = pairs.vectors {
        deliver_vectors(&scratch.u[..n * n], &scratch.order[..n], vectors);
    }
    Ok(())
}

/// Eigenvalues of the symmetric matrix in `scratch.a` into `scratch.re`, rising; with `vectors` the eigenvectors as columns
/// into `scratch.u`.
pub(super) fn decompose(n: usize, scratch: &mut Scratch, vectors: bool) -> Result<(), Failure> {
    let wanted = if vectors { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    scratch.reserve_memory(self_adjoint_evd_scratch::<f64>(n, wanted, Par::Seq, by_qr()));
    let Scratch { a, u, re, memory, .. } = scratch;
    let u = vectors.then(|| MatMut::from_column_major_slice_mut(&mut u[..n * n], n, n));
    let a = MatRef::from_column_major_slice(&a[..n * n], n, n);
    let values = DiagMut::from_slice_mut(&mut re[..n]);
    self_adjoint_evd(a, values, u, Par::Seq, stack(memory), by_qr()).map_err(|_| Failure::NotConverged)
}

/// Writes the real eigenvectors in the columns of `u`, taken in `order`, normalised.
pub(super) fn deliver_vectors(u: &[f64], order: &[usize], vectors: &mut [f64]) {
    let n = order.len();
    for (&column, vector) in order.iter().zip(vectors.chunks_exact_mut(2 * n)) {
        let from = &u[column * n..(column + 1) * n];
        let norm = from.iter().map(|x| x * x).sum::<f64>().sqrt();
        for (to, x) in vector.chunks_exact_mut(2).zip(from) {
            to.copy_from_slice(&[x / norm, 0.0]);
        }
    }
}
