//! The WGSL slot of the kernel `pi`: `shaders/pi.wgsl`.

use std::borrow::Cow;

use super::{Lattice, Pi};
use crate::job::{Capability, GpuOutput, GpuSlot};

/// The module: the common header, a form of the generator, and the kernel.
macro_rules! module {
    ($generator:literal) => {
        Cow::Borrowed(concat!(
            include_str!("../../../shaders/common/dispatch.wgsl"),
            include_str!(concat!("../../../shaders/common/", $generator)),
            include_str!("../../../shaders/pi.wgsl")
        ))
    };
}

/// `@workgroup_size` of the entry point.
const WORKGROUP: u32 = 64;

/// The most samples of one invocation. With at most one loop iteration a sample (one for each block in fact) it stays
/// under the iteration limit of every known adapter, and a workgroup's count far below 2^32.
const SHARE: u64 = 16_384;

pub(super) fn slot(pi: &Pi) -> GpuSlot<'static> {
    GpuSlot {
        source: module!("philox.wgsl"),
        source_int64: Some(module!("philox_int64.wgsl")),
        constants: vec![("lattice", f64::from(pi.lattice.stream()))],
        workgroup: WORKGROUP,
        needs: &[Capability::Integers],
        iterations_per_item: 1,
        max_items_per_invocation: SHARE,
        block: 1,
        // `struct Params` of the shader, after its `dispatch`.
        params: vec![pi.seed as u32, (pi.seed >> 32) as u32, 0, 0],
        resident: Vec::new(),
        streamed: Vec::new(),
        output: GpuOutput::Partials { words: 1 },
    }
}

// Four blocks a turn, and a turn for each block of the ragged end.
const _: () = assert!(SHARE.is_multiple_of(16) && SHARE / 8 + 4 < 32_768);
const _: () = assert!(matches!(Lattice::Bits16.samples_per_block() | Lattice::Bits32.samples_per_block(), 6));
