//! General matrices, and general pencils as `M^-1 K`.
//!
//! Not by the QZ method: faer's gives wrong eigenvalues when no vectors are wanted (0.24.4, in the third digit for
//! random matrices of order 3). The quotient is as good as `M` is conditioned; every run's residuals say whether that was
//! good enough. A singular `M` goes to [`super::deflate`].

use std::ops::Range;

use faer::diag::DiagMut;
use faer::linalg::evd::{ComputeEigenvectors, evd_real, evd_scratch};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::lu::partial_pivoting::solve::{solve_in_place, solve_in_place_scratch};
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{MatMut, MatRef, Par, Spec};

use super::{Failure, Method, Pairs, Scratch, balance, deliver, francis, hessenberg, power_of_two, stack};

/// `A x = lambda x`.
pub(super) fn solve(
    method: Method,
    a: &[f64],
    n: usize,
    scratch: &mut Scratch,
    pairs: Pairs<'_>,
) -> Result<(), Failure> {
    let wanted = pairs.vectors.is_some();
    scratch.reserve(n, wanted);
    let scale = power_of_two(a);
    if wanted {
        // By columns: the transpose has other eigenvectors.
        for j in 0..n {
            for i in 0..n {
                scratch.a[i + j * n] = a[i * n + j] * scale;
            }
        }
    } else {
        for (to, from) in scratch.a.iter_mut().zip(a) {
            *to = from * scale;
        }
    }
    reduce(method, n, scale, scratch, pairs)
}

/// The eigenvalues of `scratch.a` divided by `scale`; with vectors it must be stored by columns.
fn reduce(method: Method, n: usize, scale: f64, scratch: &mut Scratch, mut pairs: Pairs<'_>) -> Result<(), Failure> {
    let wanted = pairs.vectors.is_some();
    let active = balance::balance(&mut scratch.a[..n * n], n, &mut scratch.how[..n]);
    if wanted {
        decompose(n, 0..n, true, scratch)?;
    } else {
        // The rest of the diagonal holds eigenvalues already.
        for i in (0..active.start).chain(active.end..n) {
            (scratch.re[i], scratch.im[i]) = (scratch.a[i + i * n], 0.0);
        }
        match method {
            Method::Own(simd) if !active.is_empty() => {
                let Scratch { a, re, im, work, .. } = &mut *scratch;
                // Balancing may have made all entries much smaller.
                let largest = |j: usize| power_of_two(&a[j * n..(j + 1) * n][active.clone()]);
                let factor = active.clone().map(largest).fold(f64::INFINITY, f64::min);
                work.load(a, n, active.clone(), factor);
                hessenberg::reduce(simd, work);
                let (re, im) = (&mut re[active.clone()], &mut im[active.clone()]);
                francis::eigenvalues(simd, work, re, im)?;
                re.iter_mut().chain(im).for_each(|x| *x /= factor);
            }
            _ => decompose(n, active.clone(), false, scratch)?,
        }
    }
    let Scratch { re, im, modulus, order, .. } = &mut *scratch;
    deliver([&re[..n], &im[..n]], scale, &mut modulus[..n], &mut order[..n], &mut pairs);
    if let Some(vectors) = pairs.vectors {
        for column in scratch.u[..n * n].chunks_exact_mut(n) {
            balance::undo(&active, &scratch.how[..n], column);
        }
        deliver_vectors(scratch, n, vectors);
    }
    Ok(())
}

/// faer's eigenvalues of the block `active` of `scratch.a` into the same places of `scratch.re` and `scratch.im`; with
/// `vectors` its eigenvectors into `scratch.u` (then `active` is all of it).
fn decompose(n: usize, active: Range<usize>, vectors: bool, scratch: &mut Scratch) -> Result<(), Failure> {
    let size = active.len();
    if size == 0 {
        return Ok(());
    }
    let right = if vectors { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    scratch.reserve_memory(evd_scratch::<f64>(size, ComputeEigenvectors::No, right, Par::Seq, Spec::default()));
    let Scratch { a, u, re, im, memory, .. } = scratch;
    let block = MatRef::from_column_major_slice(&a[..n * n], n, n).submatrix(active.start, active.start, size, size);
    let u = vectors.then(|| MatMut::from_column_major_slice_mut(&mut u[..n * n], n, n));
    let (re, im) = (DiagMut::from_slice_mut(&mut re[active.clone()]), DiagMut::from_slice_mut(&mut im[active]));
    evd_real(block, re, im, None, u, Par::Seq, stack(memory), Spec::default()).map_err(|_| Failure::NotConverged)
}

/// `K x = lambda M x` as `M^-1 K x = lambda x`, the rows of both scaled to a largest entry of `M` near 1.
pub(super) fn solve_pencil(
    method: Method,
    k: &[f64],
    m: &[f64],
    n: usize,
    scratch: &mut Scratch,
    pairs: Pairs<'_>,
) -> Result<(), Failure> {
    scratch.reserve(n, pairs.vectors.is_some());
    for i in 0..n {
        let (k, m) = (&k[i * n..(i + 1) * n], &m[i * n..(i + 1) * n]);
        let factor = power_of_two(m);
        for j in 0..n {
            scratch.a[i + j * n] = k[j] * factor;
            scratch.b[i + j * n] = m[j] * factor;
        }
    }
    let before = power_of_two(&scratch.a[..n * n]);
    scratch.a[..n * n].iter_mut().for_each(|x| *x *= before);
    let factor = lu_in_place_scratch::<usize, f64>(n, n, Par::Seq, Spec::default());
    scratch.reserve_memory(factor.or(solve_in_place_scratch::<usize, f64>(n, n, Par::Seq)));
    {
        let Scratch { a, b, order, inverse, memory, .. } = &mut *scratch;
        let mut lu = MatMut::from_column_major_slice_mut(&mut b[..n * n], n, n);
        let (order, inverse) = (&mut order[..n], &mut inverse[..n]);
        let (_, rows) = lu_in_place(lu.rb_mut(), order, inverse, Par::Seq, stack(memory), Spec::default());
        let pivots = || (0..n).map(|i| lu[(i, i)].abs());
        let largest = pivots().fold(0.0, f64::max);
        // NaN fails the comparison.
        if !pivots().all(|pivot| pivot > n as f64 * f64::EPSILON * largest) {
            return Err(Failure::SingularMass);
        }
        let x = MatMut::from_column_major_slice_mut(&mut a[..n * n], n, n);
        solve_in_place(lu.rb(), lu.rb(), rows, x, Par::Seq, stack(memory));
    }
    let after = power_of_two(&scratch.a[..n * n]);
    scratch.a[..n * n].iter_mut().for_each(|x| *x *= after);
    reduce(method, n, before * after, scratch, pairs)
}

/// Writes the eigenvectors in the columns of `scratch.u`, where a conjugate pair has its real part in the first and its
/// imaginary part in the second column, in the order of the eigenvalues and normalised.
fn deliver_vectors(scratch: &Scratch, n: usize, vectors: &mut [f64]) {
    let Scratch { u, im, order, .. } = scratch;
    let zero = |_: usize| 0.0;
    for (&i, vector) in order[..n].iter().zip(vectors.chunks_exact_mut(2 * n)) {
        // Pairs lie side by side, so the number of complex values before `i` tells first from second.
        let second = im[i] != 0.0 && im[..i].iter().filter(|x| **x != 0.0).count() % 2 == 1;
        let first = if second { i - 1 } else { i };
        let re = |row: usize| u[row + first * n];
        let part = |row: usize| if im[i] == 0.0 { zero(row) } else { u[row + (first + 1) * n] };
        let sign = if second { -1.0 } else { 1.0 };
        let norm = (0..n).map(|row| re(row) * re(row) + part(row) * part(row)).sum::<f64>().sqrt();
        for (row, to) in vector.chunks_exact_mut(2).enumerate() {
            to.copy_from_slice(&[re(row) / norm, sign * part(row) / norm]);
        }
    }
}
