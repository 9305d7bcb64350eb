//! Pencils `K x = lambda M x` whose `M` cannot be divided by: singular, or so close to it that the quotient `M^-1 K` would
//! be mostly roundoff. A singular `M` has infinite eigenvalues; they are told apart from the finite ones.
//!
//! A symmetric pencil with positive semidefinite `M` keeps real eigenvalues: motions without mass are condensed
//! (`semidefinite`); where some mass is tiny instead of zero, the turned pencil `M x = theta (K + s M) x`,
//! `lambda = 1 / theta - s`, is solved by Cholesky.
//!
//! Any other pencil is made smaller by orthogonal transformations until its `M` has full rank (the staircase of Van Dooren,
//! "The computation of Kronecker's canonical form of a singular pencil", 1979): with `Q' M = [M_1; 0]` and
//! `[K_1; K_2] = Q' K`, the rows `K_2 x = 0` are equations without `lambda`; `x = Z y`, where `Z` spans their solutions,
//! leaves `K_1 Z y = lambda M_1 Z y`, and as many infinite eigenvalues as there were equations. The rest can be divided by.

use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, Mat, MatRef, Par, Side};

use super::{Failure, Method, Pairs, Scratch, deliver, general, semidefinite, symmetric_pairs};

/// The reduction of a pencil with a sound `M` makes its norm `|K| / |M|` at most this many times larger for each row. More
/// is the sign of an `M` that cannot be divided by: the error of all eigenvalues grows alike.
const GROWTH: f64 = 100.0;

/// Whether eigenvalues of the size `largest` are no larger than those of a sound `M`.
pub(super) fn is_tame(largest: f64, k: MatRef<'_, f64>, m: MatRef<'_, f64>) -> bool {
    largest * m.norm_l2() <= GROWTH * k.nrows() as f64 * k.norm_l2()
}

/// The finite eigenvalues and their vectors.
struct Finite {
    re: Vec<f64>,
    im: Vec<f64>,
    /// Real and imaginary parts of the vector of each, one a column.
    vectors: Option<[Mat<f64>; 2]>,
}

/// The eigenvalues (and vectors) of a pencil whose `m` is singular or nearly so; as [`super::pencil`], in memory of its
/// own. An infinite eigenvalue is `+inf`, its vector NaN.
///
/// # Errors
/// [`Failure::IndefiniteMass`] for a symmetric pencil whose `m` has a negative eigenvalue; [`Failure::Undetermined`] when any
/// number is an eigenvalue; [`Failure::SingularMass`] when what is left cannot be divided by; [`Failure::NotConverged`]. The pairs are then unspecified.
pub fn solve(
    method: Method,
    k: &[f64],
    m: &[f64],
    n: usize,
    symmetric: bool,
    mut pairs: Pairs<'_>,
) -> Result<(), Failure> {
    let (k, m) = (MatRef::from_row_major_slice(k, n, n), MatRef::from_row_major_slice(m, n, n));
    let wanted = pairs.vectors.is_some();
    let found = if symmetric { of_symmetric(k, m) } else { Ok(None) }?;
    let found = found.map_or_else(|| staircase(method, k, m, wanted), Ok)?;
    let infinite = n - found.re.len();
    let all = |finite: &[f64], rest: f64| -> Vec<f64> {
        finite.iter().copied().chain(std::iter::repeat_n(rest, infinite)).collect()
    };
    let (re, im) = (all(&found.re, f64::INFINITY), all(&found.im, 0.0));
    let (mut modulus, mut order) = (vec![0.0; n], vec![0; n]);
    deliver([&re, &im], 1.0, &mut modulus, &mut order, &mut pairs);
    if let (Some(to), Some([real, imaginary])) = (pairs.vectors, found.vectors) {
        for (&j, to) in order.iter().zip(to.chunks_exact_mut(2 * n)) {
            if re[j].is_infinite() {
                to.fill(f64::NAN);
                continue;
            }
            let norm = real.col(j).norm_l2().hypot(imaginary.col(j).norm_l2());
            for (i, to) in to.chunks_exact_mut(2).enumerate() {
                to.copy_from_slice(&[real[(i, j)] / norm, imaginary[(i, j)] / norm]);
            }
        }
    }
    Ok(())
}

/// The real eigenvalues of a symmetric pencil with semidefinite `m`; `None` when it takes the staircase.
fn of_symmetric(k: MatRef<'_, f64>, m: MatRef<'_, f64>) -> Result<Option<Finite>, Failure> {
    let condensed = match semidefinite::solve(k, m, Par::Seq) {
        Err(Failure::SingularMass) => None,
        other => Some(other?),
    };
    let largest = condensed.as_ref().and_then(|found| found.values.last()).copied().unwrap_or(0.0);
    let found = match condensed {
        Some(found) if is_tame(largest, k, m) => Some(found),
        other => turned(k, m)?.or(other),
    };
    Ok(found.map(|semidefinite::Finite { values, vectors }| {
        let (rows, columns) = vectors.shape();
        Finite { im: vec![0.0; values.len()], re: values, vectors: Some([vectors, Mat::zeros(rows, columns)]) }
    }))
}

/// By `M x = theta (K + s M) x`; `None` when that sum is not positive definite.
fn turned(k: MatRef<'_, f64>, m: MatRef<'_, f64>) -> Result<Option<semidefinite::Finite>, Failure> {
    let n = k.nrows();
    let s = ratio(k, m);
    let sum = |i: usize, j: usize| k[(i, j)] + s * m[(i, j)];
    if !(0..n).all(|i| sum(i, i) > 0.0) {
        return Ok(None);
    }
    let d: Vec<f64> = (0..n).map(|i| (-0.5 * sum(i, i).log2()).round().exp2()).collect();
    let a = Mat::from_fn(n, n, |i, j| d[i] * d[j] * sum(i, j));
    let roundoff = 8.0 * n as f64 * f64::EPSILON;
    let Some(factor) = a.llt(Side::Lower).ok().filter(|f| (0..n).all(|i| f.L()[(i, i)].powi(2) > roundoff)) else {
        return Ok(None);
    };
    let mut c = Mat::from_fn(n, n, |i, j| d[i] * d[j] * m[(i, j)]);
    solve_lower_triangular_in_place(factor.L(), c.as_mut(), Par::Seq);
    solve_lower_triangular_in_place(factor.L(), c.as_mut().transpose_mut(), Par::Seq);
    let (theta, mut y) = symmetric_pairs(c.as_ref(), Par::Seq).map_err(|_| Failure::NotConverged)?;
    solve_upper_triangular_in_place(factor.L().transpose(), y.as_mut(), Par::Seq);
    let zero = roundoff * theta.last().copied().unwrap_or(0.0);
    if theta.iter().any(|theta| *theta < -zero) {
        return Err(Failure::IndefiniteMass);
    }
    // The largest theta is the lowest eigenvalue.
    let count = theta.iter().filter(|theta| **theta > zero).count();
    let values = (0..count).map(|j| 1.0 / theta[n - 1 - j] - s).collect();
    let vectors = Mat::from_fn(n, count, |i, j| d[i] * y[(i, n - 1 - j)] / theta[n - 1 - j].sqrt());
    Ok(Some(semidefinite::Finite { values, vectors }))
}

/// `|K| / |M|`, or 1 when one of them is zero.
fn ratio(k: MatRef<'_, f64>, m: MatRef<'_, f64>) -> f64 {
    let ratio = k.norm_l2() / m.norm_l2();
    if ratio.is_finite() && ratio > 0.0 { ratio } else { 1.0 }
}

/// The finite eigenvalues of any pencil.
fn staircase(method: Method, k: MatRef<'_, f64>, m: MatRef<'_, f64>, wanted: bool) -> Result<Finite, Failure> {
    let n = k.nrows();
    let (mut k, mut m, mut basis) = (k.to_owned(), m.to_owned(), Mat::<f64>::identity(n, n));
    let least = |a: &Mat<f64>| n as f64 * f64::EPSILON * a.norm_l2();
    let (zero_k, zero_m) = (least(&k), least(&m));
    loop {
        let rows = Orthogonal::new(m.clone(), zero_m);
        let (size, rank) = (m.nrows(), rows.rank);
        if rank == size {
            break;
        }
        let (mut k_rows, mut m_rows) = (k, m);
        rows.turn(&mut k_rows);
        rows.turn(&mut m_rows);
        // The solutions of K_2 x = 0.
        let equations = k_rows.get(rank.., ..).transpose().to_owned();
        let columns = Orthogonal::new(equations, zero_k);
        if columns.rank < size - rank {
            return Err(Failure::Undetermined);
        }
        let mut z = Mat::identity(size, size);
        columns.turn(&mut z);
        let z = z.get(size - rank.., ..).transpose().to_owned();
        let times = |a: MatRef<'_, f64>| product(a, z.as_ref());
        (k, m, basis) = (times(k_rows.get(..rank, ..)), times(m_rows.get(..rank, ..)), times(basis.as_ref()));
    }
    let size = m.nrows();
    if size == 0 {
        return Ok(Finite { re: vec![], im: vec![], vectors: wanted.then(|| [Mat::zeros(n, 0), Mat::zeros(n, 0)]) });
    }
    let by_rows = |a: &Mat<f64>| -> Vec<f64> { (0..size * size).map(|at| a[(at / size, at % size)]).collect() };
    let (k, m) = (by_rows(&k), by_rows(&m));
    let (mut re, mut im) = (vec![0.0; size], vec![0.0; size]);
    let mut y = vec![0.0; if wanted { 2 * size * size } else { 0 }];
    let pairs = Pairs { re: &mut re, im: &mut im, vectors: wanted.then_some(&mut y[..]) };
    general::solve_pencil(method, &k, &m, size, &mut Scratch::default(), pairs)?;
    let part = |which: usize| {
        let y = Mat::from_fn(size, size, |i, j| y[2 * (j * size + i) + which]);
        product(basis.as_ref(), y.as_ref())
    };
    Ok(Finite { re, im, vectors: wanted.then(|| [part(0), part(1)]) })
}

fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut c = Mat::zeros(a.nrows(), b.ncols());
    matmul(c.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
    c
}

/// `Q'` of `Q' A P = R`: Householder reflectors, the column of the largest rest first.
struct Orthogonal {
    reflectors: Vec<Vec<f64>>,
    /// Rows of R that are not zero.
    rank: usize,
}

impl Orthogonal {
    /// Of `a`, where a column whose rest is not longer than `zero` is zero.
    fn new(mut a: Mat<f64>, zero: f64) -> Self {
        let (rows, columns) = a.shape();
        let mut reflectors = Vec::new();
        for k in 0..rows.min(columns) {
            let rest = |a: &Mat<f64>, j: usize| a.col(j).get(k..).norm_l2();
            let longest = (k..columns).max_by(|i, j| rest(&a, *i).total_cmp(&rest(&a, *j))).unwrap_or(k);
            let length = rest(&a, longest);
            if length <= zero || length.is_nan() {
                break;
            }
            for i in 0..rows {
                (a[(i, k)], a[(i, longest)]) = (a[(i, longest)], a[(i, k)]);
            }
            let mut v: Vec<f64> = (0..rows).map(|i| if i < k { 0.0 } else { a[(i, k)] }).collect();
            v[k] += length.copysign(v[k]);
            let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
            v.iter_mut().for_each(|x| *x /= norm);
            reflect(&v, &mut a);
            reflectors.push(v);
        }
        Self { rank: reflectors.len(), reflectors }
    }

    /// `a := Q' a`.
    fn turn(&self, a: &mut Mat<f64>) {
        self.reflectors.iter().for_each(|v| reflect(v, a));
    }
}

/// `a := (I - 2 v v') a`.
fn reflect(v: &[f64], a: &mut Mat<f64>) {
    for j in 0..a.ncols() {
        let column = a.col_as_slice_mut(j);
        let twice = 2.0 * v.iter().zip(&*column).map(|(v, x)| v * x).sum::<f64>();
        column.iter_mut().zip(v).for_each(|(x, v)| *x -= twice * v);
    }
}
