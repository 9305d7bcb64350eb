//! The CPU forms of the kernel `sincos`: sums of blocks. `shaders/sincos.wgsl` is the same in WGSL.
//!
//! The first step takes any argument; after it no `|t|` is above 1/2, since `sin t cos t = sin(2 t) / 2`, and the rest of the
//! steps needs no reduction: a polynomial each for sine and cosine on `|t| <= 1/2` ([`trig`]). The elements of several
//! blocks are iterated side by side, as many as hide the latency of the chains, and added up block by block.

use super::model::Model;
use crate::job::{Chunk, Value};
use crate::multiversion;
use crate::numeric::trig;

/// Elements that are iterated side by side: six AVX-512 registers. A step is a chain of nine operations, 36 cycles, and 15
/// operations a register, two a cycle: four registers would wait for each other.
const LANES: usize = 48;
const LANES_F32: usize = 96;

/// Elements whose results are kept until their blocks are added up: 15 KiB of f64.
const BATCH: usize = 1920;

/// A float that the steps after the first are computed in.
trait Real: Value + std::ops::AddAssign + Default {
    fn from_f64(x: f64) -> Self;
    /// `sin t cos t` for `|t| <= 1/2`.
    fn step<const FMA: bool>(self) -> Self;
}

impl Real for f64 {
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn step<const FMA: bool>(self) -> Self {
        let (sin, cos) = trig::half::<FMA>(self);
        sin * cos
    }
}

impl Real for f32 {
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn step<const FMA: bool>(self) -> Self {
        let (sin, cos) = trig::quarter_f32::<FMA>(self);
        sin * cos
    }
}

/// `iterations` steps of some elements.
#[inline(always)]
fn iterate<const FMA: bool, T: Real, const N: usize>(x: &[f64; N], iterations: u32) -> [T; N] {
    let (mut sin, mut cos) = ([0.0; N], [0.0; N]);
    trig::sin_cos_block::<FMA, N>(x, &mut sin, &mut cos);
    let mut t = [T::default(); N];
    for i in 0..N {
        t[i] = T::from_f64(sin[i] * cos[i]);
    }
    for _ in 1..iterations {
        for t in &mut t {
            *t = t.step::<FMA>();
        }
    }
    t
}

/// The sums of the blocks of `chunk`, `N` elements side by side.
#[inline(always)]
fn sums<const FMA: bool, T: Real, const N: usize>(model: &Model, chunk: Chunk, out: &mut [T]) {
    let mut results = [T::default(); BATCH];
    let per_batch = BATCH as u64 / model.width;
    let mut start = chunk.start;
    while start < chunk.end {
        let end = (start + per_batch).min(chunk.end);
        // Blocks lie one after the other, whole rows or not.
        let first = model.block(start).start;
        let values = &model.values[first..model.block(end - 1).end];
        for (x, t) in values.chunks(N).zip(results.chunks_mut(N)) {
            let mut lanes = [0.0; N];
            lanes[..x.len()].copy_from_slice(x);
            t.copy_from_slice(&iterate::<FMA, T, N>(&lanes, model.iterations));
        }
        for block in start..end {
            let range = model.block(block);
            let mut sum = T::default();
            for t in &results[range.start - first..range.end - first] {
                sum += *t;
            }
            out[(block - chunk.start) as usize] = sum;
        }
        start = end;
    }
}

#[inline(always)]
fn sums_f64_body<const FMA: bool>(model: &Model, chunk: Chunk, out: &mut [f64]) {
    sums::<FMA, f64, LANES>(model, chunk, out);
}

#[inline(always)]
fn sums_f32_body<const FMA: bool>(model: &Model, chunk: Chunk, out: &mut [f32]) {
    sums::<FMA, f32, LANES_F32>(model, chunk, out);
}

multiversion!(
    /// The sums of the blocks of `chunk`, in f64.
    pub(super) fn sums_f64 = sums_f64_body(model: &Model, chunk: Chunk, out: &mut [f64]);
);
multiversion!(
    /// The sums of the blocks of `chunk`: the first step in f64, the others and the sums in f32.
    pub(super) fn sums_f32 = sums_f32_body(model: &Model, chunk: Chunk, out: &mut [f32]);
);

/// The reference: the standard library's sine and cosine, one element after the other.
pub(super) fn sum_seq(model: &Model, block: u64) -> f64 {
    let mut sum = 0.0;
    for x in &model.values[model.block(block)] {
        let mut t = *x;
        for _ in 0..model.iterations {
            t = t.sin() * t.cos();
        }
        sum += t;
    }
    sum
}

const _: () =
    assert!(BATCH.is_multiple_of(LANES) && BATCH.is_multiple_of(LANES_F32) && BATCH as u64 >= super::model::WIDEST);
