//! Reduction to Hessenberg form `H = Q^T A Q` by Householder reflectors, `Q` not kept: the eigenvalues alone are wanted.
//!
//! Column `k` needs the products `A^T v` and `A v` with its reflector `v`, and leaves `A <- A - v w^T - y v^T` to be done.
//! That update and the next two products go over the same entries, so they are done in one pass, four columns at a time:
//! each entry is read and written once for eight floating-point operations. A blocked form does fewer passes but as many
//! operations, and its panels are as bound by the second-level cache at these orders.

use std::ops::Range;

use super::eight::{Eight, LANES, levels};

/// Eight numbers on a cache line of their own.
#[derive(Debug, Clone, Copy, Default, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([f64; LANES]);

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
    /// Takes the rows and columns `active` of the `n x n` matrix `a`, times `factor`, which should bring its largest entry
    /// to near 1.
    ///
    /// # Panics
    /// When `active` reaches outside of `a`.
    pub fn load(&mut self, a: &[f64], n: usize, active: Range<usize>, factor: f64) {
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
            let from = &a[j * n..(j + 1) * n][active.clone()];
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * factor);
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

levels! {
    /// Reduces the matrix in `work` to Hessenberg form; entries below the subdiagonal become zero.
    pub fn reduce = reduce_body(work: &mut Work);
}

#[inline(always)]
fn reduce_body<V: Eight>(work: &mut Work) {
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
            *a = V::single(-v, wk, V::single(-y, vk, *a));
        }
        // This buffer held the reflector before the last one, which began in row k - 1.
        v2[k.saturating_sub(1)..=k].fill(0.0);
        let tau = reflector(&mut column[k + 1..n], &mut v2[k + 1..n]);
        column[k + 2..].fill(0.0);

        y2.fill(0.0);
        let mut columns = h[(k + 1) * stride..].chunks_exact_mut(TOGETHER * stride);
        for j in (k + 1..n).step_by(TOGETHER) {
            let four = columns.next().expect("spare columns follow the last");
            pass::<V>(four, stride, k, j, [v, y, v2], w, y2);
        }
        // A1 = (I - tau v v^T) A has the row products tau w; A1 v = y - tau v (w^T v).
        let wv: f64 = w[k + 1..n].iter().zip(&v2[k + 1..n]).map(|(w, v)| w * v).sum();
        w.iter_mut().for_each(|w| *w *= tau);
        for (y, v) in y2.iter_mut().zip(&*v2) {
            *y = tau * V::single(-tau * wv, *v, *y);
        }
        std::mem::swap(&mut v, &mut v2);
        std::mem::swap(&mut y, &mut y2);
    }
    for k in n - 2..n {
        let column = &mut h[k * stride..(k + 1) * stride];
        let (wk, vk) = (w[k], v[k]);
        for ((a, v), y) in column.iter_mut().zip(&*v).zip(&*y) {
            *a = V::single(-v, wk, V::single(-y, vk, *a));
        }
    }
}

/// One pass over four columns: `a_j -= v w_j + y v_j`, then `w_j = v2^T a_j` and `y2 += v2_j a_j`. `v` has zeros above row
/// `k`, `v2` above row `k + 1`.
#[inline(always)]
fn pass<V: Eight>(
    four: &mut [f64],
    stride: usize,
    k: usize,
    j: usize,
    [v, y, v2]: [&[f64]; 3],
    w: &mut [f64],
    y2: &mut [f64],
) {
    assert!(four.len() == TOGETHER * stride && [v, y, v2, y2].iter().all(|vector| vector.len() == stride));
    let (a, v, y, v2, y2) = (four.as_mut_ptr(), v.as_ptr(), y.as_ptr(), v2.as_ptr(), y2.as_mut_ptr());
    let (mut wj, mut vj, mut v2j) = ([V::splat(0.0); TOGETHER], [V::splat(0.0); TOGETHER], [V::splat(0.0); TOGETHER]);
    let w = &mut w[j..j + TOGETHER];
    for c in 0..TOGETHER {
        // SAFETY: `j + 3 < n + 3`, which the spare lines of the vectors hold.
        let (vc, v2c) = unsafe { (*v.add(j + c), *v2.add(j + c)) };
        (wj[c], vj[c], v2j[c]) = (V::splat(w[c]), V::splat(vc), V::splat(v2c));
    }
    // Rows in which both reflectors are zero: only the products from the right.
    let above = k / LANES * LANES;
    for i in (0..above).step_by(LANES) {
        // SAFETY: `i + 8 <= stride`, the length of every vector and column.
        unsafe {
            let y_i = V::load(y.add(i));
            let mut sum = V::load(y2.add(i));
            for c in 0..TOGETHER {
                let at = a.add(c * stride + i);
                let x = y_i.take_from(vj[c], V::load(at));
                x.store(at);
                sum = v2j[c].add_to(x, sum);
            }
            sum.store(y2.add(i));
        }
    }
    let mut dots = [V::splat(0.0); TOGETHER];
    for i in (above..stride).step_by(LANES) {
        // SAFETY: as above.
        unsafe {
            let (v_i, y_i, v2_i) = (V::load(v.add(i)), V::load(y.add(i)), V::load(v2.add(i)));
            let mut sum = V::load(y2.add(i));
            for c in 0..TOGETHER {
                let at = a.add(c * stride + i);
                let x = v_i.take_from(wj[c], y_i.take_from(vj[c], V::load(at)));
                x.store(at);
                dots[c] = v2_i.add_to(x, dots[c]);
                sum = v2j[c].add_to(x, sum);
            }
            sum.store(y2.add(i));
        }
    }
    for (w, dot) in w.iter_mut().zip(dots) {
        *w = dot.sum();
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
