//! The independent check: what the eigenvalues must add up to, and how well some of them solve the equation. It shares no
//! code with the kernel: it never reduces a matrix.
//!
//! Computed eigenvalues are the exact ones of `A + E`, and a stable method keeps `E` at a few `n eps |A|`. So for every
//! matrix
//!
//! * `|sum lambda - tr A| / (n eps |A|)` and `|sum lambda^2 - tr A^2| / (n eps |A|^2)`,
//! * `|(A - lambda I) x| / (n eps |A| |x|)` for sampled eigenvalues, `x` from inverse iteration with an LU factorization
//!   of `A - lambda I` (or the eigenvector that was delivered),
//!
//! must stay below 30, LAPACK's rule; norms are Frobenius'. For pencils `A` is `M^-1 K` in the sums, where `|A|` becomes
//! `|M^-1| |K|`, and `|A|` becomes `|K| + |lambda| |M|` in the residual.

use faer::linalg::solvers::{DenseSolveCore, Solve};
use faer::prelude::*;
use faer::{Mat, MatRef, c64};
use rand::RngExt as _;
use rayon::prelude::*;

use super::input::{Batch, Item};
use super::kernel::{IM, OUTCOME, RE, VECTORS};
use crate::job::{Check, Output};
use crate::numeric::philox::Philox;

/// LAPACK's rule.
const BOUND: f64 = 30.0;

/// Operations that residuals may cost: about a quarter of a second of one core.
const OPERATIONS: f64 = 2e9;

/// The most eigenvalues whose residual is computed.
const PAIRS: usize = 32;

/// A deviation and where it was found.
type Found = (f64, String);

/// Checks all matrices that were solved.
pub(super) fn check(batch: &Batch, output: &Output, vectors: bool, seed: u64) -> Check {
    let solved: Vec<usize> =
        (0..batch.items.len()).filter(|&i| output.column::<u32>(OUTCOME)[i] == 0 && batch.items[i].n > 0).collect();
    let pairs = sample(batch, &solved, vectors, seed);
    let sums = solved.par_iter().map(|&i| sums(batch, i, output));
    let residuals = pairs.par_iter().map(|&(i, j)| residual(batch, i, j, output, vectors, seed));
    let worst = sums.chain(residuals).reduce(|| (0.0, String::new()), worse);
    let method = if vectors { "eigenvectors" } else { "inverse iteration" };
    let what = format!(
        "traces of {} matrices and of their squares, residuals of {} pairs by {method}",
        solved.len(),
        pairs.len()
    );
    let detail = if worst.0 <= BOUND { String::new() } else { worst.1 };
    Check { what, error: worst.0, bound: BOUND, detail }
}

/// The worse of two; NaN is worst. Ties go to the name that sorts first, so that the order of threads does not show.
fn worse(a: Found, b: Found) -> Found {
    let key = |found: &Found| if found.0.is_nan() { f64::INFINITY } else { found.0 };
    let b_wins = key(&b) > key(&a) || (key(&b) == key(&a) && b.1 < a.1);
    let (value, name) = if b_wins { b } else { a };
    (if value.is_nan() { f64::INFINITY } else { value }, name)
}

/// Which eigenvalues of which matrices get a residual: at least one, the largest of the first matrix among them.
fn sample(batch: &Batch, solved: &[usize], vectors: bool, seed: u64) -> Vec<(usize, usize)> {
    let mut rng = Philox::new(seed, 0x7265_7369);
    let (mut left, mut pairs) = (OPERATIONS, Vec::new());
    while pairs.len() < PAIRS && !solved.is_empty() {
        let i = if pairs.is_empty() { solved[0] } else { solved[rng.random_range(0..solved.len())] };
        let n = batch.items[i].n;
        let j = if pairs.is_empty() { 0 } else { rng.random_range(0..n) };
        // A complex LU factorization is 8/3 n^3 operations, a product with a vector 8 n^2.
        left -= if vectors { 8.0 * (n as f64).powi(2) } else { 8.0 / 3.0 * (n as f64).powi(3) };
        if left < 0.0 && !pairs.is_empty() {
            break;
        }
        pairs.push((i, j));
    }
    pairs
}

/// The eigenvalues of item `i`.
fn values<'o>(batch: &Batch, i: usize, output: &'o Output) -> (&'o [f64], &'o [f64]) {
    let (n, order) = (batch.items[i].n, batch.order);
    let of = |column: usize| &output.column::<f64>(column)[i * order..i * order + n];
    (of(RE), of(IM))
}

fn frobenius(a: MatRef<'_, f64>) -> f64 {
    a.norm_l2()
}

/// The larger deviation of the sum of the eigenvalues and of the sum of their squares.
fn sums(batch: &Batch, i: usize, output: &Output) -> Found {
    let item = &batch.items[i];
    let n = item.n;
    let name = || batch.name(item.input);
    let (re, im) = values(batch, i, output);
    let a = MatRef::from_row_major_slice(batch.matrix(item), n, n);
    // With entries near 1 no square overflows or vanishes.
    let largest = a.norm_max();
    if largest == 0.0 {
        let zero = re.iter().chain(im).all(|x| *x == 0.0);
        return (if zero { 0.0 } else { f64::INFINITY }, format!("{}: a matrix of zeros", name()));
    }
    let mut a = Scale(1.0 / largest) * a;
    let (mut scale, mut norm) = (largest, frobenius(a.as_ref()));
    if let Some(m) = batch.mass(item) {
        let m = MatRef::from_row_major_slice(m, n, n);
        let largest = m.norm_max();
        let lu = (Scale(1.0 / largest) * m).partial_piv_lu();
        norm *= frobenius(lu.inverse().as_ref());
        a = lu.solve(&a);
        scale /= largest;
    }
    let diagonal = |i: usize| a[(i, i)];
    let trace: f64 = (0..n).map(diagonal).sum();
    let squares: f64 = (0..n).map(|i| (0..n).map(|j| a[(i, j)] * a[(j, i)]).sum::<f64>()).sum();
    let re = || re.iter().map(|x| x / scale);
    let im = || im.iter().map(|x| x / scale);
    let unit = n as f64 * f64::EPSILON * norm;
    let first = (re().sum::<f64>() - trace).abs().max(im().sum::<f64>().abs()) / unit;
    let second = (re().zip(im()).map(|(re, im)| re * re - im * im).sum::<f64>() - squares).abs() / (unit * norm);
    worse((first, format!("{}: sum of the eigenvalues", name())), (second, format!("{}: sum of their squares", name())))
}

/// How well eigenvalue `j` of item `i` solves its equation.
fn residual(batch: &Batch, i: usize, j: usize, output: &Output, vectors: bool, seed: u64) -> Found {
    let item = &batch.items[i];
    let (n, order) = (item.n, batch.order);
    let (re, im) = values(batch, i, output);
    let found = |deviation: f64| (deviation, format!("{}: residual of eigenvalue {j}", batch.name(item.input)));
    let (pencil, scale) = Pencil::new(batch, item);
    if scale == 0.0 {
        return found(if re[j] == 0.0 && im[j] == 0.0 { 0.0 } else { f64::INFINITY });
    }
    let lambda = c64::new(re[j] / scale, im[j] / scale);
    if vectors {
        let all = &output.column::<f64>(VECTORS)[i * 2 * order * order..];
        let x = &all[j * 2 * n..(j + 1) * 2 * n];
        let x = Mat::from_fn(n, 1, |row, _| c64::new(x[2 * row], x[2 * row + 1]));
        // A vector that is not of unit length is as wrong as one that is none.
        let length = ((x.norm_l2() - 1.0).abs() / (n as f64 * f64::EPSILON)).max(0.0);
        return found(pencil.residual(lambda, &x).max(length));
    }
    // On the eigenvalue itself the matrix may be singular: a shift by its rounding error does not show in the result.
    let nudge = f64::EPSILON * (pencil.norm_a + lambda.norm() * pencil.norm_m);
    let shift = lambda + c64::new(nudge, 0.3 * nudge) / pencil.norm_m.max(f64::MIN_POSITIVE);
    let lu = pencil.shifted(shift).partial_piv_lu();
    let mut rng = Philox::new(seed, (i as u64) << 32 | j as u64);
    let mut x = Mat::from_fn(n, 1, |_, _| c64::new(rng.random::<f64>() - 0.5, rng.random::<f64>() - 0.5));
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        x = lu.solve(&x);
        let norm = x.norm_l2();
        if !norm.is_finite() || norm == 0.0 {
            break;
        }
        x = Scale(c64::new(1.0 / norm, 0.0)) * x;
        best = best.min(pencil.residual(lambda, &x));
    }
    found(best)
}

/// `A - lambda M` with both matrices scaled to a largest entry of 1.
struct Pencil {
    a: Mat<f64>,
    /// `None` for the unit matrix.
    m: Option<Mat<f64>>,
    norm_a: f64,
    norm_m: f64,
}

impl Pencil {
    /// The pencil of an item, and what its eigenvalues are to be divided by; 0 when `A` is zero.
    fn new(batch: &Batch, item: &Item) -> (Self, f64) {
        let n = item.n;
        let a = MatRef::from_row_major_slice(batch.matrix(item), n, n);
        let m = batch.mass(item).map(|m| MatRef::from_row_major_slice(m, n, n));
        let (largest_a, largest_m) = (a.norm_max(), m.map_or(1.0, |m| m.norm_max()));
        let a = Scale(1.0 / largest_a) * a;
        let m = m.map(|m| Scale(1.0 / largest_m) * m);
        let norm_a = frobenius(a.as_ref());
        let norm_m = m.as_ref().map_or(1.0, |m| frobenius(m.as_ref()));
        (Self { a, m, norm_a, norm_m }, largest_a / largest_m)
    }

    fn m(&self, i: usize, j: usize) -> f64 {
        self.m.as_ref().map_or(f64::from(i == j), |m| m[(i, j)])
    }

    fn shifted(&self, shift: c64) -> Mat<c64> {
        let n = self.a.nrows();
        Mat::from_fn(n, n, |i, j| c64::new(self.a[(i, j)], 0.0) - shift * self.m(i, j))
    }

    fn residual(&self, lambda: c64, x: &Mat<c64>) -> f64 {
        let n = self.a.nrows();
        let norm = self.norm_a + if self.m.is_some() { lambda.norm() * self.norm_m } else { 0.0 };
        (self.shifted(lambda) * x).norm_l2() / (n as f64 * f64::EPSILON * norm * x.norm_l2())
    }
}
