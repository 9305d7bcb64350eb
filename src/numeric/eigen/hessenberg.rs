//! Reduction to Hessenberg form `H = Q^T A Q` by Householder reflectors, `Q` not kept: the eigenvalues alone are wanted.
//!
//! Column `k` needs the products `A^T v` and `A v` with its reflector `v`, and leaves `A <- A - v w^T - y v^T` to be done.
//! That update and the next two products go over the same entries, so they are done in one pass, four columns at a time:
//! each entry is read and written once for eight floating-point operations. A blocked form does fewer passes but as many
//! operations, and its panels are as bound by the second-level cache at these orders.

use std::ops::Range;

use crate::multiversion;
use crate::numeric::simd::mul_add;

/// Eight numbers on a cache line of their own.
#[derive(Debug, Clone, Copy, Default, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([f64; LANES]);

/// Numbers that are computed together.
pub(super) const LANES: usize = 8;

/// Columns that share one pass over the vectors.
const TOGETHER: usize = 4;

/// Columns of zeros behind the last, which the reduction and the sweeps read and write back unchanged.
const SPARE: usize = LANES;

/// A square matrix by columns, with room around it so that vector code needs no special case at its edges.
#[derive(Default)]
pub struct Work {
    lines: Vec<Line>,
    n: usize,
    stride: usize,
    vectors: Vec<Line>,
}

impl Work {
    /// Takes the rows and columns `active` of the `n x n` matrix `a`.
    ///
    /// # Panics
    /// When `active` reaches outside of `a`.
    pub fn load(&mut self, a: &[f64], n: usize, active: Range<usize>) {
        self.n = active.len();
        // A whole number of lines, with one more line below the last row; not a multiple of 512 bytes, or the columns
        // would compete for few places in the caches.
        self.stride = self.n.next_multiple_of(LANES) + LANES;
        if self.stride.is_multiple_of(64) {
            self.stride += LANES;
        }
        let lines = self.stride / LANES * (self.n + SPARE);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line::default());
        }
        let (size, stride) = (self.n, self.stride);
        let h: &mut [f64] = bytemuck::cast_slice_mut(&mut self.lines[..lines]);
        for (to, j) in h.chunks_exact_mut(stride).zip(active.clone()) {
            to[..size].copy_from_slice(&a[j * n..(j + 1) * n][active.clone()]);
            to[size..].fill(0.0);
        }
        h[size * stride..].fill(0.0);
    }

    /// The order of the matrix.
    #[must_use]
    pub fn order(&self) -> usize {
        self.n
    }

    /// The entries by columns, [`Work::stride`] apart: [`Work::order`] columns and some of zeros.
    #[must_use]
    pub fn entries(&mut self) -> &mut [f64] {
        let lines = self.stride / LANES * (self.n + SPARE);
        bytemuck::cast_slice_mut(&mut self.lines[..lines])
    }

    /// Numbers from one column to the next: a multiple of eight, at least `order() + 8`.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }
}

multiversion! {
    /// Reduces the matrix in `work` to Hessenberg form; entries below the subdiagonal become zero.
    pub fn reduce = reduce_body(work: &mut Work);
}

#[inline(always)]
fn reduce_body<const FMA: bool>(work: &mut Work) {
    let (n, stride) = (work.n, work.stride);
    if n < 3 {
        return;
    }
    let length = stride / LANES;
    work.vectors.clear();
    work.vectors.resize(5 * length, Line::default());
    let mut vectors = work.vectors.chunks_exact_mut(length);
    let mut next = || bytemuck::cast_slice_mut::<Line, f64>(vectors.next().expect("five were made"));
    // The pending update A - v w^T - y v^T; the reflector and the product of the next column.
    let (mut v, mut y, w, mut v2, mut y2) = (next(), next(), next(), next(), next());
    let lines = length * (n + SPARE);
    let h: &mut [f64] = bytemuck::cast_slice_mut(&mut work.lines[..lines]);

    for k in 0..n - 2 {
        let column = &mut h[k * stride..(k + 1) * stride];
        let (wk, vk) = (w[k], v[k]);
        for ((a, v), y) in column.iter_mut().zip(&*v).zip(&*y) {
            *a = mul_add::<FMA>(-v, wk, mul_add::<FMA>(-y, vk, *a));
        }
        // This buffer held the reflector before the last one, which began in row k - 1.
        v2[k.saturating_sub(1)..=k].fill(0.0);
        let tau = reflector(&mut column[k + 1..n], &mut v2[k + 1..n]);
        column[k + 2..].fill(0.0);

        y2.fill(0.0);
        let mut columns = h[(k + 1) * stride..].chunks_exact_mut(TOGETHER * stride);
        for j in (k + 1..n).step_by(TOGETHER) {
            let four = columns.next().expect("spare columns follow the last");
            pass::<FMA>(four, stride, k, j, [v, y, v2], w, y2);
        }
        // A1 = (I - tau v v^T) A has the row products tau w; A1 v = y - tau v (w^T v).
        let wv: f64 = w[k + 1..n].iter().zip(&v2[k + 1..n]).map(|(w, v)| w * v).sum();
        w.iter_mut().for_each(|w| *w *= tau);
        for (y, v) in y2.iter_mut().zip(&*v2) {
            *y = tau * mul_add::<FMA>(-tau * wv, *v, *y);
        }
        std::mem::swap(&mut v, &mut v2);
        std::mem::swap(&mut y, &mut y2);
    }
    for k in n - 2..n {
        let column = &mut h[k * stride..(k + 1) * stride];
        let (wk, vk) = (w[k], v[k]);
        for ((a, v), y) in column.iter_mut().zip(&*v).zip(&*y) {
            *a = mul_add::<FMA>(-v, wk, mul_add::<FMA>(-y, vk, *a));
        }
    }
}

/// One pass over four columns: `a_j -= v w_j + y v_j`, then `w_j = v2^T a_j` and `y2 += v2_j a_j`. `v` has zeros above row
/// `k`, `v2` above row `k + 1`.
#[inline(always)]
fn pass<const FMA: bool>(
    four: &mut [f64],
    stride: usize,
    k: usize,
    j: usize,
    [v, y, v2]: [&[f64]; 3],
    w: &mut [f64],
    y2: &mut [f64],
) {
    let of = |x: &[f64]| -> [f64; TOGETHER] { std::array::from_fn(|c| x[j + c]) };
    let (wj, vj, v2j) = (of(w), of(v), of(v2));
    let (a, rest) = four.split_at_mut(stride);
    let (b, rest) = rest.split_at_mut(stride);
    let (c, d) = rest.split_at_mut(stride);
    let columns = [a, b, c, d].map(|column| column.as_chunks_mut::<LANES>().0);
    let [v, y, v2] = [v, y, v2].map(|vector| vector.as_chunks::<LANES>().0);
    let y2 = y2.as_chunks_mut::<LANES>().0;
    let lines = stride / LANES;
    let [a, b, c, d] = columns;
    let (a, b, c, d) = (&mut a[..lines], &mut b[..lines], &mut c[..lines], &mut d[..lines]);
    let (v, y, v2, y2) = (&v[..lines], &y[..lines], &v2[..lines], &mut y2[..lines]);

    // Rows in which both reflectors are zero: only the products from the right.
    let above = k / LANES;
    for i in 0..above {
        let mut sum = y2[i];
        for (c, column) in [&mut *a, &mut *b, &mut *c, &mut *d].into_iter().enumerate() {
            let x = &mut column[i];
            for l in 0..LANES {
                x[l] = mul_add::<FMA>(-y[i][l], vj[c], x[l]);
                sum[l] = mul_add::<FMA>(v2j[c], x[l], sum[l]);
            }
        }
        y2[i] = sum;
    }
    let mut dots = [[0.0; LANES]; TOGETHER];
    for i in above..lines {
        let mut sum = y2[i];
        for (c, column) in [&mut *a, &mut *b, &mut *c, &mut *d].into_iter().enumerate() {
            let x = &mut column[i];
            for l in 0..LANES {
                x[l] = mul_add::<FMA>(-v[i][l], wj[c], mul_add::<FMA>(-y[i][l], vj[c], x[l]));
                dots[c][l] = mul_add::<FMA>(v2[i][l], x[l], dots[c][l]);
                sum[l] = mul_add::<FMA>(v2j[c], x[l], sum[l]);
            }
        }
        y2[i] = sum;
    }
    for (w, dot) in w[j..j + TOGETHER].iter_mut().zip(dots) {
        *w = dot.iter().sum();
    }
}

/// The reflector `I - tau v v^T` that turns `x` into `(beta, 0, ...)`, `v_0 = 1`: writes `beta` to `x[0]`, `v` to `v`, and
/// returns `tau`, 0 when there is nothing to do.
#[inline(always)]
fn reflector(x: &mut [f64], v: &mut [f64]) -> f64 {
    let most = x[1..].iter().fold(0.0f64, |most, x| most.max(x.abs()));
    v.fill(0.0);
    v[0] = 1.0;
    if most == 0.0 {
        return 0.0;
    }
    // Relative to the largest entry, so that squares neither overflow nor vanish.
    let most = most.max(x[0].abs());
    let norm = most * x.iter().map(|x| (x / most) * (x / most)).sum::<f64>().sqrt();
    let beta = -norm.copysign(x[0]);
    let scale = x[0] - beta;
    for (v, x) in v[1..].iter_mut().zip(&x[1..]) {
        *v = x / scale;
    }
    let tau = (beta - x[0]) / beta;
    x[0] = beta;
    tau
}
