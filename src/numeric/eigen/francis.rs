//! Eigenvalues of a Hessenberg matrix by the double-shift QR iteration of Francis, eigenvalues only: nothing outside of the
//! active block is kept up to date.
//!
//! A sweep chases a bulge down the diagonal with one three-row reflector a step. Six steps touch eight rows and columns,
//! which are a block: inside it the steps are done one by one on scalars; then all six are applied at once, as an
//! 8 x 8 matrix to the columns right of the block (a column's eight rows are one vector), and reflector by reflector to
//! the rows above it (eight rows are one vector). So both sides run at vector speed on one copy of the matrix, with no
//! more operations than the reflectors themselves have on one side, and 8/5 of that on the other.
//!
//! Putting off what a block does outside of itself until the next block's steps, to fill the time that their roots and quotients
//! take, was tried and gained nothing.
//!
//! One bulge, not many, and no aggressive deflation: at orders of 100 to 300 their windows are as large as the matrix, and
//! what they do on scalars costs more than the sweeps that they save.

use super::Failure;
use super::eight::{Eight, LANES, levels};
use super::hessenberg::Work;
use crate::simd::Simd;

/// Steps of a block: with the two more rows of the last reflector they fill a vector.
const STEPS: usize = LANES - 2;

/// Sweeps that a matrix may take, for each row: fifteen times what a random one needs.
const SWEEPS_PER_ROW: usize = 30;

/// A subdiagonal entry of this size is zero whatever stands beside it: with a largest entry near 1 (see [`Work::load`]) the
/// products of three entries, which decide where a sweep begins, then never vanish. What that does to an eigenvalue
/// is far below the rounding errors of the reduction.
const SMALLEST: f64 = 1e-90;

/// The eigenvalues of the Hessenberg matrix in `work`, which is overwritten; entry `i` is the one found in row `i`,
/// conjugate pairs in two rows that follow each other, the positive imaginary part first.
///
/// # Errors
/// [`Failure::NotConverged`].
///
/// # Panics
/// When `re` and `im` do not have the matrix's order.
pub fn eigenvalues(simd: Simd, work: &mut Work, re: &mut [f64], im: &mut [f64]) -> Result<(), Failure> {
    let most = SWEEPS_PER_ROW * work.order().max(10);
    eigenvalues_within(simd, most, work, re, im)
}

levels! {
    /// As [`eigenvalues`], in at most `most` sweeps.
    pub(super) fn eigenvalues_within = body(most: usize, work: &mut Work, re: &mut [f64], im: &mut [f64])
        -> Result<(), Failure>;
}

#[inline(always)]
fn body<V: Eight>(most: usize, work: &mut Work, re: &mut [f64], im: &mut [f64]) -> Result<(), Failure> {
    let (n, stride) = (work.order(), work.stride());
    assert_eq!((re.len(), im.len()), (n, n), "one eigenvalue a row");
    let entries = work.entries();
    assert!(entries.len() >= (n + LANES) * stride && stride >= n + LANES, "room around the matrix");
    let h = Grid { start: entries.as_mut_ptr(), stride };
    let mut end = n;
    let (mut sweeps, mut stuck) = (0, 0);
    while end > 0 {
        // SAFETY: `0 < end <= n`.
        let start = unsafe { h.split(end) };
        if start + 2 >= end {
            if start + 1 == end {
                // SAFETY: `start < n`.
                (re[start], im[start]) = (unsafe { h.get(start, start) }, 0.0);
            } else {
                // SAFETY: `start + 1 < n`.
                let [first, second] = two_by_two(unsafe { h.corner(start) });
                (re[start], im[start]) = first;
                (re[start + 1], im[start + 1]) = second;
            }
            end = start;
            stuck = 0;
            continue;
        }
        if sweeps == most {
            return Err(Failure::NotConverged);
        }
        sweeps += 1;
        stuck += 1;
        // SAFETY: `start + 3 <= end <= n`, and seven rows and columns follow the matrix.
        unsafe {
            let shifts = h.shifts(start, end, stuck);
            let (from, bulge) = h.first(start, end, shifts);
            sweep::<V>(h, start, from, end, bulge);
        }
    }
    Ok(())
}

/// The sum and the product of two shifts that are conjugate or both real.
#[derive(Clone, Copy)]
struct Shifts {
    sum: f64,
    product: f64,
}

/// The entries of the matrix, unchecked: the sweeps visit a few of them from everywhere.
#[derive(Clone, Copy)]
struct Grid {
    start: *mut f64,
    stride: usize,
}

/// Every function: the rows and columns it is told of, and seven more, lie within the allocation.
impl Grid {
    #[inline(always)]
    unsafe fn at(self, row: usize, column: usize) -> *mut f64 {
        // SAFETY: the caller's indices are within the allocation.
        unsafe { self.start.add(row + column * self.stride) }
    }

    #[inline(always)]
    unsafe fn get(self, row: usize, column: usize) -> f64 {
        // SAFETY: as above.
        unsafe { *self.at(row, column) }
    }

    #[inline(always)]
    unsafe fn set(self, row: usize, column: usize, value: f64) {
        // SAFETY: as above.
        unsafe { *self.at(row, column) = value }
    }

    /// The 2 x 2 block at `k`, by rows.
    #[inline(always)]
    unsafe fn corner(self, k: usize) -> [f64; 4] {
        // SAFETY: as above.
        unsafe { [self.get(k, k), self.get(k, k + 1), self.get(k + 1, k), self.get(k + 1, k + 1)] }
    }

    /// Where the last block that does not split begins in the rows before `end`; the subdiagonal entry before it is set to
    /// zero.
    ///
    /// An entry is negligible by the criterion of Ahues and Tisseur ("A new deflation criterion for the QR algorithm",
    /// LAPACK working note 122), which keeps small eigenvalues of graded matrices.
    #[inline(always)]
    unsafe fn split(self, end: usize) -> usize {
        for k in (1..end).rev() {
            // SAFETY: `k < end`.
            unsafe {
                let below = self.get(k, k - 1).abs();
                let (upper, lower) = (self.get(k - 1, k - 1), self.get(k, k));
                let mut near = upper.abs() + lower.abs();
                if near == 0.0 {
                    if k >= 2 {
                        near += self.get(k - 1, k - 2).abs();
                    }
                    if k + 1 < end {
                        near += self.get(k + 1, k).abs();
                    }
                }
                if below > SMALLEST {
                    if below > f64::EPSILON * near {
                        continue;
                    }
                    let beside = self.get(k - 1, k).abs();
                    let (ab, ba) = (below.max(beside), below.min(beside));
                    let apart = (upper - lower).abs();
                    let (aa, bb) = (lower.abs().max(apart), lower.abs().min(apart));
                    let s = aa + ab;
                    if ba * (ab / s) > SMALLEST.max(f64::EPSILON * (bb * (aa / s))) {
                        continue;
                    }
                }
                self.set(k, k - 1, 0.0);
                return k;
            }
        }
        0
    }

    /// The shifts of the next sweep: the eigenvalues of the last 2 x 2 block, or twice the one nearer to the last entry
    /// when they are real; every tenth time others, which break the cycles of matrices such as permutations.
    #[inline(always)]
    unsafe fn shifts(self, start: usize, end: usize, stuck: usize) -> Shifts {
        let last = end - 1;
        // SAFETY: the block has at least three rows.
        let [a, b, c, d] = unsafe {
            let unusual = |near: usize, s: f64| {
                let diagonal = 0.75 * s + self.get(near, near);
                [diagonal, -0.4375 * s, s, diagonal]
            };
            if stuck.is_multiple_of(20) {
                unusual(last, self.get(last, last - 1).abs() + self.get(last - 1, last - 2).abs())
            } else if stuck.is_multiple_of(10) {
                unusual(start, self.get(start + 1, start).abs() + self.get(start + 2, start + 1).abs())
            } else {
                self.corner(last - 1)
            }
        };
        let [first, second] = two_by_two([a, b, c, d]);
        if first.1 == 0.0 {
            let near = if (first.0 - d).abs() <= (second.0 - d).abs() { first.0 } else { second.0 };
            return Shifts { sum: near + near, product: near * near };
        }
        Shifts { sum: first.0 + first.0, product: first.0 * first.0 + first.1 * first.1 }
    }

    /// The row where the sweep may begin, the last one before which two subdiagonal entries are small together, and the
    /// first column of `(H - s1)(H - s2)` there, scaled.
    #[inline(always)]
    unsafe fn first(self, start: usize, end: usize, shifts: Shifts) -> (usize, [f64; 3]) {
        let mut m = end - 3;
        loop {
            // SAFETY: `m + 2 < end`.
            unsafe {
                let [a, b, c, d] = self.corner(m);
                let x = a * (a - shifts.sum) + shifts.product + b * c;
                let y = c * (a + d - shifts.sum);
                let z = c * self.get(m + 2, m + 1);
                let small = || {
                    let before = self.get(m, m - 1).abs() * (y.abs() + z.abs());
                    let near = self.get(m - 1, m - 1).abs() + a.abs() + d.abs();
                    before <= f64::EPSILON * x.abs() * near
                };
                if m == start || small() {
                    let scale = x.abs() + y.abs() + z.abs();
                    let scale = if scale > 0.0 { 1.0 / scale } else { 1.0 };
                    return (m, if scale.is_finite() { [x * scale, y * scale, z * scale] } else { [x, y, z] });
                }
            }
            m -= 1;
        }
    }
}

/// The eigenvalues of `[[a, b], [c, d]]`; of a conjugate pair the one with the positive imaginary part first.
#[inline(always)]
fn two_by_two([a, b, c, d]: [f64; 4]) -> [(f64, f64); 2] {
    let half = 0.5 * (a - d);
    let (large, small) = (b.abs().max(c.abs()), b.abs().min(c.abs()).copysign(b * c.signum()));
    let scale = half.abs().max(large);
    if scale == 0.0 {
        return [(a, 0.0), (d, 0.0)];
    }
    let z = half / scale * half + large / scale * small;
    if z < 0.0 {
        let (re, im) = (d + half, scale.sqrt() * (-z).sqrt());
        return [(re, im), (re, -im)];
    }
    // The root of larger modulus from `half` first, so that nothing cancels.
    let root = half + (scale.sqrt() * z.sqrt()).copysign(half);
    let other = if root == 0.0 { d } else { d - large / root * small };
    [(d + root, 0.0), (other, 0.0)]
}

/// A reflector `I - t (1, v1, v2)^T (1, v1, v2)` on three rows or columns: `[v1, v2, t, t v1, t v2]`.
type Reflector = [f64; 5];

/// The reflector that turns `x` into `(beta, 0, 0)`, and `beta`.
#[inline(always)]
fn reflector<V: Eight>([x, y, z]: [f64; 3]) -> (Reflector, f64) {
    let rest = V::single(y, y, z * z);
    let mut square = V::single(x, x, rest);
    let (mut x, mut y, mut z, mut scale) = (x, y, z, 1.0);
    if !(1e-280..=1e280).contains(&square) || rest < 1e-290 {
        // Rare: squares that overflow or vanish, or nothing to do.
        let most = x.abs().max(y.abs()).max(z.abs());
        if y == 0.0 && z == 0.0 || most == 0.0 {
            return ([0.0; 5], x);
        }
        (x, y, z, scale) = (x / most, y / most, z / most, most);
        square = x * x + y * y + z * z;
    }
    let beta = -square.sqrt().copysign(x);
    let head = x - beta;
    let (v1, v2, t) = (y / head, z / head, -head / beta);
    ([v1, v2, t, t * v1, t * v2], beta * scale)
}

/// Applies `g` to three numbers.
#[inline(always)]
fn reflect<V: Eight>(g: &Reflector, [a, b, c]: [f64; 3]) -> [f64; 3] {
    let s = V::single(g[1], c, V::single(g[0], b, a));
    [V::single(-g[2], s, a), V::single(-g[3], s, b), V::single(-g[4], s, c)]
}

/// One sweep over rows and columns `start..end`, which begins in row `from` with the column `bulge`.
///
/// # Safety
/// `start <= from`, `from + 3 <= end`, and the grid's own conditions.
#[inline(always)]
unsafe fn sweep<V: Eight>(h: Grid, start: usize, from: usize, end: usize, bulge: [f64; 3]) {
    let last = end - 1;
    let mut reflectors = [[0.0; 5]; STEPS];
    for block in (from..last).step_by(STEPS) {
        let steps = STEPS.min(last - block);
        let block_end = (block + LANES).min(end);
        // SAFETY: rows and columns up to `block + 8 <= last + 7`.
        unsafe {
            for (i, g) in reflectors[..steps].iter_mut().enumerate() {
                let k = block + i;
                let x = if k == from {
                    bulge
                } else {
                    let z = if k + 2 < end { h.get(k + 2, k - 1) } else { 0.0 };
                    [h.get(k, k - 1), h.get(k + 1, k - 1), z]
                };
                let beta;
                (*g, beta) = reflector::<V>(x);
                if k > from {
                    h.set(k, k - 1, beta);
                    h.set(k + 1, k - 1, 0.0);
                    if k + 2 < end {
                        h.set(k + 2, k - 1, 0.0);
                    }
                } else if from > start {
                    // The entry before a bulge that begins inside; its two neighbours below are negligible.
                    h.set(k, k - 1, h.get(k, k - 1) * (1.0 - g[2]));
                }
                // The last reflector has two rows: the third factor is zero and what it meets stays as it is.
                for j in k..block_end {
                    let p = h.at(k, j);
                    let image = reflect::<V>(g, [*p, *p.add(1), *p.add(2)]);
                    (*p, *p.add(1), *p.add(2)) = (image[0], image[1], image[2]);
                }
                for row in k..(k + 4).min(end) {
                    let (a, b, c) = (h.at(row, k), h.at(row, k + 1), h.at(row, k + 2));
                    let image = reflect::<V>(g, [*a, *b, *c]);
                    (*a, *b, *c) = (image[0], image[1], image[2]);
                }
            }
            if block_end < end {
                from_left::<V>(h, block, block_end..end, &reflectors);
            }
            if steps == STEPS {
                from_right::<V>(h, start, block, &reflectors);
            } else {
                from_right_few::<V>(h, start, block, &reflectors[..steps]);
            }
        }
    }
}

/// Applies the reflectors of a whole block to its eight rows in `columns`.
///
/// # Safety
/// As [`Grid`].
#[inline(always)]
unsafe fn from_left<V: Eight>(h: Grid, block: usize, columns: std::ops::Range<usize>, reflectors: &[Reflector; STEPS]) {
    // P = G5 G4 ... G0, by columns: each factor from the right mixes three columns.
    let mut identity = [[0.0; LANES]; LANES];
    let mut p = [V::splat(0.0); LANES];
    for i in 0..LANES {
        identity[i][i] = 1.0;
        // SAFETY: eight numbers.
        p[i] = unsafe { V::load(identity[i].as_ptr()) };
    }
    for k in (0..STEPS).rev() {
        let g = Reflectors::new(&reflectors[k]);
        [p[k], p[k + 1], p[k + 2]] = g.apply([p[k], p[k + 1], p[k + 2]]);
    }
    for j in columns {
        // SAFETY: eight rows from `block`.
        unsafe {
            let x = h.at(block, j);
            let (mut even, mut odd) = (V::splat(0.0), V::splat(0.0));
            for r in (0..LANES).step_by(2) {
                even = p[r].add_to(V::splat(*x.add(r)), even);
                odd = p[r + 1].add_to(V::splat(*x.add(r + 1)), odd);
            }
            V::splat(1.0).add_to(even, odd).store(x);
        }
    }
}

/// A reflector for eight rows at once.
#[derive(Clone, Copy)]
struct Reflectors<V>([V; 5]);

impl<V: Eight> Reflectors<V> {
    #[inline(always)]
    fn new(g: &Reflector) -> Self {
        Self([V::splat(g[0]), V::splat(g[1]), V::splat(g[2]), V::splat(g[3]), V::splat(g[4])])
    }

    /// [`reflect`] in each lane.
    #[inline(always)]
    fn apply(&self, [a, b, c]: [V; 3]) -> [V; 3] {
        let g = &self.0;
        let s = g[1].add_to(c, g[0].add_to(b, a));
        [g[2].take_from(s, a), g[3].take_from(s, b), g[4].take_from(s, c)]
    }
}

/// Applies the reflectors of a whole block to the rows from `start` on that they have not met: the one of column `k` to
/// the rows before `k`.
///
/// # Safety
/// As [`Grid`].
#[inline(always)]
unsafe fn from_right<V: Eight>(h: Grid, start: usize, block: usize, reflectors: &[Reflector; STEPS]) {
    let mut row = start / LANES * LANES;
    // Rows that end before the block: no reflector is left out. (What lies before `start` is not needed any more.)
    while row + LANES <= block {
        // SAFETY: columns `block..block + 8`, rows `row..row + 8`.
        unsafe {
            let mut strip = [V::splat(0.0); LANES];
            for (j, column) in strip.iter_mut().enumerate() {
                *column = V::load(h.at(row, block + j));
            }
            for k in 0..STEPS {
                let g = Reflectors::new(&reflectors[k]);
                [strip[k], strip[k + 1], strip[k + 2]] = g.apply([strip[k], strip[k + 1], strip[k + 2]]);
            }
            for (j, column) in strip.iter().enumerate() {
                column.store(h.at(row, block + j));
            }
        }
        row += LANES;
    }
    // SAFETY: as above.
    unsafe { near_diagonal::<V>(h, row, block, reflectors) };
}

/// As [`from_right`] for the last block, which has any number of steps.
///
/// # Safety
/// As [`Grid`].
#[inline(always)]
unsafe fn from_right_few<V: Eight>(h: Grid, start: usize, block: usize, reflectors: &[Reflector]) {
    let mut row = start / LANES * LANES;
    while row + LANES <= block {
        for (i, g) in reflectors.iter().enumerate() {
            // SAFETY: columns up to `block + steps + 1`, rows `row..row + 8`.
            unsafe {
                let (a, b, c) = (h.at(row, block + i), h.at(row, block + i + 1), h.at(row, block + i + 2));
                let image = Reflectors::<V>::new(g).apply([V::load(a), V::load(b), V::load(c)]);
                image[0].store(a);
                image[1].store(b);
                image[2].store(c);
            }
        }
        row += LANES;
    }
    // SAFETY: as above.
    unsafe { near_diagonal::<V>(h, row, block, reflectors) };
}

/// The rows from `row` on into the block.
///
/// # Safety
/// As [`Grid`].
#[inline(always)]
unsafe fn near_diagonal<V: Eight>(h: Grid, row: usize, block: usize, reflectors: &[Reflector]) {
    for (i, g) in reflectors.iter().enumerate() {
        let k = block + i;
        for row in row..k {
            // SAFETY: `row < k`, columns up to `k + 2`.
            unsafe {
                let (a, b, c) = (h.at(row, k), h.at(row, k + 1), h.at(row, k + 2));
                let image = reflect::<V>(g, [*a, *b, *c]);
                (*a, *b, *c) = (image[0], image[1], image[2]);
            }
        }
    }
}
