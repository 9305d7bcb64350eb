//! The WGSL slots: `shaders/sumsq.wgsl` and `shaders/sumsq_data.wgsl`, both on `shaders/sumsq_sum.wgsl`. No adapter
//! needs 64-bit integers: products and sums are made of 32-bit words.

use std::borrow::Cow;

use super::kernel::{Data, Loop, add};
use crate::job::{Capability, Chunk, FOLD_WORDS, GpuOutput, GpuSlot, Streamed};

/// The module of one kernel.
macro_rules! module {
    ($kernel:literal) => {
        concat!(
            include_str!("../../../shaders/common/dispatch.wgsl"),
            include_str!("../../../shaders/sumsq_sum.wgsl"),
            include_str!(concat!("../../../shaders/", $kernel))
        )
    };
}

/// `@workgroup_size` of the entry points.
const WORKGROUP: u32 = 64;

/// The most numbers of one invocation: `sumsq_sum.wgsl` counts on at most 2^14 products, and with the six rounds that join
/// a workgroup's sums it stays under the iteration limit of every known adapter.
const SHARE: u64 = 1 << 14;
const _: () = assert!(SHARE + 6 < 32_768);

/// Words of a workgroup's sum.
const WORDS: u32 = 4;

fn slot<'k>(source: &'static str, wide: bool, params: Vec<u32>, streamed: Vec<Streamed<'k>>) -> GpuSlot<'k> {
    GpuSlot {
        source: Cow::Borrowed(source),
        source_int64: None,
        constants: vec![("wide", f64::from(u8::from(wide)))],
        workgroup: WORKGROUP,
        needs: &[Capability::Integers],
        iterations_per_item: 1,
        max_items_per_invocation: SHARE,
        block: 1,
        params,
        resident: Vec::new(),
        streamed,
        output: GpuOutput::Partials { words: WORDS },
    }
}

pub(super) fn loop_slot(kernel: &Loop) -> GpuSlot<'static> {
    // `struct Params` of the shader, after its `dispatch`.
    let params = vec![kernel.first as u32, (kernel.first >> 32) as u32, 0, 0];
    slot(module!("sumsq.wgsl"), kernel.is_wide(), params, Vec::new())
}

pub(super) fn data_slot<'k>(kernel: &Data<'k>) -> GpuSlot<'k> {
    let values = kernel.values;
    let fill = move |chunk: Chunk, to: &mut [u8]| {
        let start = usize::try_from(chunk.start).expect("the values are in memory");
        let from = &values[start..start + to.len() / size_of::<u64>()];
        for (to, x) in to.as_chunks_mut::<8>().0.iter_mut().zip(from) {
            *to = x.to_le_bytes();
        }
    };
    let streamed = Streamed { label: "values", bytes_per_item: size_of::<u64>(), fill: Box::new(fill) };
    slot(module!("sumsq_data.wgsl"), kernel.is_wide(), Vec::new(), vec![streamed])
}

/// Adds the sums of workgroups to `fold`.
pub(super) fn fold(partials: &[u32], fold: &mut [u64; FOLD_WORDS]) {
    for [a, b, c, d] in partials.as_chunks::<4>().0 {
        let word = |low: u32, high: u32| u128::from(low) | u128::from(high) << 32;
        add(fold, word(*a, *b) | word(*c, *d) << 64);
    }
}
