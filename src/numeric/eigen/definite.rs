//! Symmetric-definite pencils: `K x = lambda M x` with `M = L L^T` becomes `C y = lambda y`, `C = L^-1 K L^-T`,
//! `x = L^-T y`.
//!
//! `M` is first scaled by powers of two to a diagonal between 1/2 and 2, which removes what different units of translations
//! and rotations add to its condition number.

use faer::linalg::cholesky::llt::factor::{LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{MatMut, MatRef, Par, Spec};

use super::{Failure, Pairs, Scratch, deflate, deliver, power_of_two, stack, symmetric};

/// `K x = lambda M x` for symmetric `k` and positive definite `m`.
pub(super) fn solve(
    k: &[f64],
    m: &[f64],
    n: usize,
    scratch: &mut Scratch,
    mut pairs: Pairs<'_>,
) -> Result<(), Failure> {
    let wanted = pairs.vectors.is_some();
    scratch.reserve(n, wanted);
    // D M D has a diagonal near 1; D K D belongs to it.
    for i in 0..n {
        let diagonal = m[i * n + i];
        if diagonal.is_nan() || diagonal <= 0.0 {
            return Err(if diagonal == 0.0 { Failure::SingularMass } else { Failure::IndefiniteMass });
        }
        scratch.how[i] = (-0.5 * diagonal.log2()).round().exp2();
    }
    let d = &scratch.how[..n];
    for j in 0..n {
        for i in 0..n {
            scratch.b[i + j * n] = m[i + j * n] * d[i] * d[j];
            scratch.a[i + j * n] = k[i + j * n] * d[i] * d[j];
        }
    }
    let scale = power_of_two(&scratch.a[..n * n]);
    scratch.a[..n * n].iter_mut().for_each(|x| *x *= scale);

    scratch.reserve_memory(cholesky_in_place_scratch::<f64>(n, Par::Seq, Spec::default()));
    let Scratch { a, b, memory, .. } = &mut *scratch;
    let mut l = MatMut::from_column_major_slice_mut(&mut b[..n * n], n, n);
    let none = LltRegularization::default();
    cholesky_in_place(l.rb_mut(), none, Par::Seq, stack(memory), Spec::default())
        .map_err(|_| Failure::IndefiniteMass)?;
    // A pivot at the level of rounding is a massless direction: its eigenvalue would be noise.
    if (0..n).any(|i| l[(i, i)].is_nan() || l[(i, i)] * l[(i, i)] < 4.0 * n as f64 * f64::EPSILON) {
        return Err(Failure::SingularMass);
    }
    let mut c = MatMut::from_column_major_slice_mut(&mut a[..n * n], n, n);
    solve_lower_triangular_in_place(l.rb(), c.rb_mut(), Par::Seq);
    solve_lower_triangular_in_place(l.rb(), c.rb_mut().transpose_mut(), Par::Seq);
    let square = |a| MatRef::from_row_major_slice(a, n, n);
    if !deflate::is_tame(c.norm_l2() / scale, square(k), square(m)) {
        return Err(Failure::SingularMass);
    }
    symmetric::decompose(n, scratch, wanted)?;

    scratch.im[..n].fill(0.0);
    let Scratch { re, im, modulus, order, .. } = &mut *scratch;
    deliver([&re[..n], &im[..n]], scale, &mut modulus[..n], &mut order[..n], &mut pairs);
    if let Some(vectors) = pairs.vectors {
        let Scratch { b, u, how, order, .. } = scratch;
        let l = MatRef::from_column_major_slice(&b[..n * n], n, n);
        let x = MatMut::from_column_major_slice_mut(&mut u[..n * n], n, n);
        solve_upper_triangular_in_place(l.transpose(), x, Par::Seq);
        for column in u[..n * n].chunks_exact_mut(n) {
            column.iter_mut().zip(&how[..n]).for_each(|(x, d)| *x *= d);
        }
        symmetric::deliver_vectors(&u[..n * n], &order[..n], vectors);
    }
    Ok(())
}
