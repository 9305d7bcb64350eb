//! Solves with a Cholesky factor: forward and backward through the supernodes, a tile of right-hand sides at a time.
//!
//! A tile keeps the values of one row side by side, so that rows are gathered and scattered as whole vectors.

use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, MatMut, MatRef, Par};

use super::cholesky::Plan;
use super::symbolic::{NONE, Supernodes};
use crate::error::Result;
use crate::memory::Buffer;
use crate::simd::Simd;

/// Right-hand sides in a tile. Wide enough for dense kernels to run at full speed and for the factor to be read a few
/// times only; narrow enough for a tile's rows to stay in the caches.
const TILE: usize = 128;

/// Working memory of one thread.
pub(super) struct TileScratch {
    /// order x tile, in the order of elimination, rows contiguous.
    tile: Buffer<f64>,
    /// The rows below one supernode.
    below: Buffer<f64>,
    reached: Vec<bool>,
    simd: Simd,
}

impl TileScratch {
    pub(super) fn new(nodes: &Supernodes, columns: usize) -> Result<Self> {
        let order = nodes.permutation.len();
        let wide = columns.min(TILE);
        let most = (0..nodes.len()).map(|s| nodes.below(s).len()).max().unwrap_or(0);
        Ok(Self {
            tile: Buffer::zeroed(order * wide, "a tile of right-hand sides")?,
            below: Buffer::zeroed(most * wide, "a tile of right-hand sides")?,
            reached: super::assemble::zeros(nodes.len(), "a solve")?,
            simd: Simd::detect(),
        })
    }
}

/// A factor as the solve needs it.
pub(super) struct View<'a> {
    pub(super) nodes: &'a Supernodes,
    pub(super) plan: &'a Plan,
    pub(super) values: &'a [f64],
}

impl View<'_> {
    /// Replaces each column of `block` by the solution for it.
    pub(super) fn solve(&self, block: &mut [f64], scratch: &mut TileScratch) {
        let n = self.nodes.permutation.len();
        if n == 0 {
            return;
        }
        let columns = block.len() / n;
        // Tiles of about the same width.
        let wide = columns.div_ceil(columns.div_ceil(TILE).max(1)).next_multiple_of(8).min(TILE);
        for columns in block.chunks_mut(n * wide.max(1)) {
            self.solve_tile(columns, columns.len() / n, scratch);
        }
    }

    fn solve_tile(&self, block: &mut [f64], wide: usize, scratch: &mut TileScratch) {
        let n = self.nodes.permutation.len();
        let tile = &mut scratch.tile[..n * wide];
        take(scratch.simd, block, tile, &self.nodes.permutation, wide);
        let count = self.nodes.len();
        for s in 0..count {
            let (first, last) = (self.nodes.columns[s] as usize, self.nodes.columns[s + 1] as usize);
            scratch.reached[s] = tile[first * wide..last * wide].iter().any(|x| *x != 0.0);
        }
        for s in 0..count {
            if scratch.reached[s] {
                self.forward(s, wide, tile, &mut scratch.below, scratch.simd);
                if self.nodes.parent[s] != NONE {
                    scratch.reached[self.nodes.parent[s] as usize] = true;
                }
            }
        }
        for s in (0..count).rev() {
            self.backward(s, wide, tile, &mut scratch.below, scratch.simd);
        }
        give(scratch.simd, tile, block, &self.nodes.permutation, wide);
    }

    /// The triangle and the rows below it.
    fn parts(&self, s: usize) -> (MatRef<'_, f64>, MatRef<'_, f64>) {
        let (width, below) = (self.nodes.width(s), self.nodes.below(s).len());
        let values = &self.values[self.plan.value_starts[s]..self.plan.value_starts[s + 1]];
        MatRef::from_column_major_slice(values, width + below, width).split_at_row(width)
    }

    fn forward(&self, s: usize, wide: usize, tile: &mut [f64], below: &mut [f64], simd: Simd) {
        let (triangle, rest) = self.parts(s);
        let rows = self.nodes.below(s);
        let (first, last) = (self.nodes.columns[s] as usize * wide, self.nodes.columns[s + 1] as usize * wide);
        let (head, tail) = tile.split_at_mut(last);
        let mut own = MatMut::from_row_major_slice_mut(&mut head[first..], triangle.nrows(), wide);
        solve_lower_triangular_in_place(triangle, own.as_mut(), Par::Seq);
        if rows.is_empty() {
            return;
        }
        let length = rows.len() * wide;
        if one_run(rows) {
            let start = rows[0] as usize * wide - last;
            let target = MatMut::from_row_major_slice_mut(&mut tail[start..start + length], rows.len(), wide);
            matmul(target, Accum::Add, rest, own.as_ref(), -1.0, Par::Seq);
        } else {
            let below = &mut below[..length];
            let update = MatMut::from_row_major_slice_mut(below, rows.len(), wide);
            matmul(update, Accum::Replace, rest, own.as_ref(), -1.0, Par::Seq);
            scatter(simd, below, tail, rows, self.nodes.columns[s + 1] as usize, wide);
        }
    }

    fn backward(&self, s: usize, wide: usize, tile: &mut [f64], below: &mut [f64], simd: Simd) {
        let (triangle, rest) = self.parts(s);
        let rows = self.nodes.below(s);
        let (first, last) = (self.nodes.columns[s] as usize * wide, self.nodes.columns[s + 1] as usize * wide);
        let (head, tail) = tile.split_at_mut(last);
        let mut own = MatMut::from_row_major_slice_mut(&mut head[first..], triangle.nrows(), wide);
        if !rows.is_empty() {
            let length = rows.len() * wide;
            let known = if one_run(rows) {
                let start = rows[0] as usize * wide - last;
                &tail[start..start + length]
            } else {
                gather(simd, tail, &mut below[..length], rows, self.nodes.columns[s + 1] as usize, wide);
                &below[..length]
            };
            let known = MatRef::from_row_major_slice(known, rows.len(), wide);
            matmul(own.as_mut(), Accum::Add, rest.transpose(), known, -1.0, Par::Seq);
        }
        solve_upper_triangular_in_place(triangle.transpose(), own, Par::Seq);
    }
}

fn one_run(rows: &[u32]) -> bool {
    rows[rows.len() - 1] as usize - rows[0] as usize == rows.len() - 1
}

crate::multiversion! {
    /// Copies columns to a tile: row `permutation[k]` of `block` to row `k` of `tile`.
    fn take = take_body(block: &[f64], tile: &mut [f64], permutation: &[u32], wide: usize);
}
crate::multiversion! {
    /// The way back of [`take`].
    fn give = give_body(tile: &[f64], block: &mut [f64], permutation: &[u32], wide: usize);
}
crate::multiversion! {
    /// Adds row `i` of `from` to row `rows[i]` - `shift` of `tile`.
    fn scatter = scatter_body(from: &[f64], tile: &mut [f64], rows: &[u32], shift: usize, wide: usize);
}
crate::multiversion! {
    /// Copies row `rows[i]` - `shift` of `tile` to row `i` of `to`.
    fn gather = gather_body(tile: &[f64], to: &mut [f64], rows: &[u32], shift: usize, wide: usize);
}

/// Columns that are copied together: a cache line of a tile's row.
const STRIPE: usize = 8;

#[inline(always)]
fn take_body<const FMA: bool>(block: &[f64], tile: &mut [f64], permutation: &[u32], wide: usize) {
    let n = permutation.len();
    for start in (0..wide).step_by(STRIPE) {
        let end = wide.min(start + STRIPE);
        for (row, from) in tile.chunks_exact_mut(wide).zip(permutation) {
            for (c, to) in row[start..end].iter_mut().enumerate() {
                *to = block[(start + c) * n + *from as usize];
            }
        }
    }
}

#[inline(always)]
fn give_body<const FMA: bool>(tile: &[f64], block: &mut [f64], permutation: &[u32], wide: usize) {
    let n = permutation.len();
    for start in (0..wide).step_by(STRIPE) {
        let end = wide.min(start + STRIPE);
        for (row, to) in tile.chunks_exact(wide).zip(permutation) {
            for (c, from) in row[start..end].iter().enumerate() {
                block[(start + c) * n + *to as usize] = *from;
            }
        }
    }
}

#[inline(always)]
fn scatter_body<const FMA: bool>(from: &[f64], tile: &mut [f64], rows: &[u32], shift: usize, wide: usize) {
    for (from, row) in from.chunks_exact(wide).zip(rows) {
        let to = &mut tile[(*row as usize - shift) * wide..][..wide];
        for (to, from) in to.iter_mut().zip(from) {
            *to += *from;
        }
    }
}

#[inline(always)]
fn gather_body<const FMA: bool>(tile: &[f64], to: &mut [f64], rows: &[u32], shift: usize, wide: usize) {
    for (to, row) in to.chunks_exact_mut(wide).zip(rows) {
        to.copy_from_slice(&tile[(*row as usize - shift) * wide..][..wide]);
    }
}
