//! The WGSL slot of the kernel `sincos`: `shaders/sincos.wgsl`, in f32.
//!
//! A large argument has no place in f32, so what the device gets is reduced here, in f64: with `x = k pi/2 + r`,
//! `sin x cos x = (-1)^k sin r cos r`, and the sign may go into `r`. Its `|r| <= pi/4` is rounded to f32 once.

use std::borrow::Cow;

use super::model::{Model, UNROLLED, WIDEST, loops};
use crate::job::{Chunk, GpuOutput, GpuSlot, Streamed};
use crate::multiversion;
use crate::numeric::trig;
use crate::simd::Simd;

/// The module: the common header and the kernel.
const SOURCE: &str =
    concat!(include_str!("../../../shaders/common/dispatch.wgsl"), include_str!("../../../shaders/sincos.wgsl"));

pub(super) fn slot(model: &Model) -> GpuSlot<'_> {
    let width = model.width as usize;
    let bytes_per_item = width * size_of::<f32>();
    let simd = Simd::detect();
    let fill = move |chunk: Chunk, to: &mut [u8]| {
        for (block, to) in (chunk.start..chunk.end).zip(to.chunks_exact_mut(bytes_per_item)) {
            let mut arguments = [0.0; WIDEST as usize];
            reduced(simd, &model.values[model.block(block)], &mut arguments);
            to.copy_from_slice(bytemuck::cast_slice(&arguments[..width]));
        }
    };
    GpuSlot {
        source: Cow::Borrowed(SOURCE),
        source_int64: None,
        constants: Vec::new(),
        workgroup: 64,
        needs: &[],
        iterations_per_item: model.width * loops(model.iterations),
        max_items_per_invocation: 1,
        block: 1,
        // `struct Params` of the shader, after its `dispatch`.
        params: vec![model.width as u32, model.iterations / UNROLLED, model.iterations % UNROLLED, 0],
        resident: Vec::new(),
        streamed: vec![Streamed { label: "argument", bytes_per_item, fill: Box::new(fill) }],
        output: GpuOutput::Columns,
    }
}

#[inline(always)]
fn reduced_body<const FMA: bool>(x: &[f64], to: &mut [f32; WIDEST as usize]) {
    let mut lanes = [0.0; WIDEST as usize];
    lanes[..x.len()].copy_from_slice(x);
    let reduced = trig::reduce::<FMA, { WIDEST as usize }>(&lanes);
    for ((to, high), k) in to.iter_mut().zip(&reduced.high).zip(&reduced.quadrant) {
        *to = f64::from_bits(high.to_bits() ^ k << 63) as f32;
    }
}

multiversion!(
    /// The arguments of one block, without their multiples of pi/2; zeros from its end on.
    pub(super) fn reduced = reduced_body(x: &[f64], to: &mut [f32; WIDEST as usize]);
);
