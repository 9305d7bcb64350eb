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
//! must stay below 30, LAPACK's rule; norms are Frobenius'. For pencils the sums are those of `1 / (lambda - s)`, the
//! eigenvalues of `(K - s M)^-1 M`, where an infinite `lambda` counts as 0; the unit is that of a small change of `K` and
//! `M`. In the residual `|A|` becomes `|K| + |lambda| |M|`; an infinite eigenvalue is one where `M x = 0`.

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
    if batch.mass(item).is_some() {
        return worst_of(name(), turned_sums(batch, item, re, im));
    }
    let a = Scale(1.0 / largest) * a;
    let (scale, norm) = (largest, frobenius(a.as_ref()));
    let diagonal = |i: usize| a[(i, i)];
    let trace: f64 = (0..n).map(diagonal).sum();
    let squares: f64 = (0..n).map(|i| (0..n).map(|j| a[(i, j)] * a[(j, i)]).sum::<f64>()).sum();
    let re = || re.iter().map(|x| x / scale);
    let im = || im.iter().map(|x| x / scale);
    let unit = n as f64 * f64::EPSILON * norm;
    let first = (re().sum::<f64>() - trace).abs().max(im().sum::<f64>().abs()) / unit;
    let second = (re().zip(im()).map(|(re, im)| re * re - im * im).sum::<f64>() - squares).abs() / (unit * norm);
    worst_of(name(), [first, second])
}

fn worst_of(name: String, [first, second]: [f64; 2]) -> Found {
    worse((first, format!("{name}: sum of the eigenvalues")), (second, format!("{name}: sum of their squares")))
}

/// The deviations of the sums of a pencil: of `theta = 1 / (lambda - s)` and of their squares, from the traces of
/// `G = (K - s M)^-1 M` and of `G^2`, in units of what a relative change of `n eps` of `K` and `M` makes of them.
fn turned_sums(batch: &Batch, item: &Item, re: &[f64], im: &[f64]) -> [f64; 2] {
    let n = item.n;
    let (pencil, scale) = Pencil::new(batch, item);
    let m = Mat::from_fn(n, n, |i, j| pencil.m(i, j));
    let size = if pencil.norm_m > 0.0 { pencil.norm_a / pencil.norm_m } else { 1.0 };
    // Whichever of a few is farthest from every eigenvalue.
    let candidates = [-0.7, 0.7, -0.2, 0.2, -2.0, 2.0].map(|s| {
        let s = s * size;
        let inverse = Mat::from_fn(n, n, |i, j| pencil.a[(i, j)] - s * m[(i, j)]).partial_piv_lu().inverse();
        let norm = frobenius(inverse.as_ref());
        (s, inverse, if norm.is_nan() { f64::INFINITY } else { norm })
    });
    let Some((s, inverse, norm)) = candidates.into_iter().min_by(|a, b| a.2.total_cmp(&b.2)) else {
        return [f64::INFINITY; 2];
    };
    let g = &inverse * &m;
    let trace: f64 = (0..n).map(|i| g[(i, i)]).sum();
    let squares: f64 = (0..n).map(|i| (0..n).map(|j| g[(i, j)] * g[(j, i)]).sum::<f64>()).sum();
    let (mut first, mut second) = (c64::new(-trace, 0.0), c64::new(-squares, 0.0));
    for (re, im) in re.iter().zip(im).filter(|(re, _)| !re.is_infinite()) {
        let theta = c64::new(re / scale - s, im / scale).inv();
        (first, second) = (first + theta, second + theta * theta);
    }
    // |dG| <= |A^-1| (|dM| + |dA| |G|), A = K - s M.
    let change = norm * (pencil.norm_m + (pencil.norm_a + s.abs() * pencil.norm_m) * frobenius(g.as_ref()));
    let unit = n as f64 * f64::EPSILON * change;
    let of = |deviation: f64, unit: f64| deviation / unit.max(f64::MIN_POSITIVE);
    [of(first.norm(), unit), of(second.norm(), unit * frobenius(g.as_ref()))]
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
    if re[j].is_infinite() {
        let pencil = pencil.turned();
        return found(pencil.by_inverse_iteration(c64::new(0.0, 0.0), seed, i, j));
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
    found(pencil.by_inverse_iteration(lambda, seed, i, j))
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
        let of = |a: MatRef<'_, f64>| if a.norm_max() > 0.0 { a.norm_max() } else { 1.0 };
        let (largest_a, largest_m) = (a.norm_max(), m.map_or(1.0, of));
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

    /// `M - mu A`, whose `mu = 0` is an infinite eigenvalue.
    fn turned(self) -> Self {
        let n = self.a.nrows();
        let m = Mat::from_fn(n, n, |i, j| self.m(i, j));
        Self { a: m, m: Some(self.a), norm_a: self.norm_m, norm_m: self.norm_a }
    }

    /// The residual of the vector that inverse iteration finds for `lambda`, from a start that `i` and `j` name.
    fn by_inverse_iteration(&self, lambda: c64, seed: u64, i: usize, j: usize) -> f64 {
        let n = self.a.nrows();
        // Zero in all its vectors.
        if self.norm_a == 0.0 {
            return 0.0;
        }
        // On the eigenvalue itself the matrix may be singular: a shift by its rounding error does not show in the result.
        let nudge = f64::EPSILON * (self.norm_a + lambda.norm() * self.norm_m);
        let shift = lambda + c64::new(nudge, 0.3 * nudge) / self.norm_m.max(f64::MIN_POSITIVE);
        let lu = self.shifted(shift).partial_piv_lu();
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
            best = best.min(self.residual(lambda, &x));
        }
        best
    }
}
