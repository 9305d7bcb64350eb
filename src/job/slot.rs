//! What a kernel tells of its WGSL form: the module, its inputs and its output. Plain data; no device type appears here.

use std::borrow::Cow;

use serde::Serialize;

use super::Chunk;

/// What a kernel needs from an adapter beyond plain WGSL; the adapter's self-test measures each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// 32-bit integer arithmetic is right: Philox4x32-10 gives its published answers.
    Integers,
    /// 64-bit integers in WGSL, and their products are right: Philox4x32-10 again.
    Int64,
    /// `f32(u32)` conversions round to nearest.
    Conversions,
    /// `(a - b)` of nearby f32 is exact and two-term (hi/lo) differences survive the optimiser.
    HiLo,
    /// `f64` in WGSL, and its arithmetic is right.
    F64,
}

impl Capability {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Integers, Self::Int64, Self::Conversions, Self::HiLo, Self::F64];

    /// Its name in reports and profiles.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Integers => "integers",
            Self::Int64 => "int64",
            Self::Conversions => "conversions",
            Self::HiLo => "hi_lo",
            Self::F64 => "f64",
        }
    }
}

/// The WGSL slot of a kernel: everything a device needs to run chunks of it. No device type appears here.
///
/// Bind group 0 is laid out in this order: binding 0 the uniform [`GpuSlot::params`] block, then one read-only storage
/// buffer per [`GpuSlot::resident`], then one per [`GpuSlot::streamed`], then one read-write storage buffer for the
/// output.
///
/// Invocations numbered `invocations` and above must neither write nor read out of turn: a dispatch may hold more than the
/// chunk needs, and one without any work compiles the kernel.
///
/// The uniform block starts with the eight words of `struct Dispatch` in `shaders/common/dispatch.wgsl`: `start_lo`,
/// `start_hi`, `count_lo`, `count_hi` (the chunk), `per_invocation` (items each invocation handles), `zero` (always 0,
/// opaque to the optimiser), `invocations`, `stride` (values between two columns of the output); then the slot's own
/// words, padded to a multiple of 16 bytes.
pub struct GpuSlot<'k> {
    /// The whole WGSL module.
    pub source: Cow<'static, str>,
    /// The module for adapters that have [`Capability::Int64`], where there is a faster one: same bindings, same answers.
    pub source_int64: Option<Cow<'static, str>>,
    /// Values for the module's `override` constants.
    pub constants: Vec<(&'static str, f64)>,
    /// Invocations per workgroup, as the module's entry point declares.
    pub workgroup: u32,
    /// What the adapter's self-test must have passed.
    pub needs: &'static [Capability],
    /// Loop iterations that one item costs one invocation, all loops counted together. Some software adapters end an
    /// invocation silently after 65 535 of them, so the planner keeps an invocation under a checked limit.
    pub iterations_per_item: u64,
    /// How many items one invocation may handle (1 for a map; more for a reduction). A multiple of the grain.
    pub max_items_per_invocation: u64,
    /// Items that lie side by side in the buffers: streamed inputs and output columns are as long as if the chunk had a
    /// multiple of this many items, and nobody looks at what stands for those that it has not. 1 where each item stands
    /// alone; a divisor of the grain.
    pub block: u64,
    /// The kernel's own uniform words, after the common ones.
    pub params: Vec<u32>,
    /// Inputs that are uploaded whole.
    pub resident: Vec<Resident<'k>>,
    /// Inputs that are uploaded chunk by chunk.
    pub streamed: Vec<Streamed<'k>>,
    /// What it writes.
    pub output: GpuOutput,
}

impl GpuSlot<'_> {
    /// `items` in whole blocks: what buffers are made for.
    #[must_use]
    pub fn in_blocks(&self, items: u64) -> u64 {
        items.div_ceil(self.block.max(1)).saturating_mul(self.block.max(1))
    }
}

/// An input that every chunk needs whole (node coordinates, tables, materials).
pub struct Resident<'k> {
    /// Buffer label.
    pub label: &'static str,
    /// Its bytes, or how to make them.
    pub data: ResidentData<'k>,
}

/// The bytes of a [`Resident`] input.
pub enum ResidentData<'k> {
    /// They lie in memory.
    Plain(Cow<'k, [u8]>),
    /// They are made on their way to the device (node data split into hi/lo pairs), so that no second copy is kept.
    Made {
        /// Number of elements.
        elements: u64,
        /// Bytes of one element.
        bytes_per_element: usize,
        /// Writes the bytes of a range of elements.
        fill: Fill<'k>,
    },
}

impl Resident<'_> {
    /// Number of bytes; saturates.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        match &self.data {
            ResidentData::Plain(bytes) => bytes.len() as u64,
            ResidentData::Made { elements, bytes_per_element, .. } => {
                elements.saturating_mul(*bytes_per_element as u64)
            }
        }
    }
}

/// Writes the bytes of a range of items; the slice has exactly the bytes of that range.
pub type Fill<'k> = Box<dyn Fn(Chunk, &mut [u8]) + Send + Sync + 'k>;

/// An input of which a chunk needs only its own items (connectivity).
pub struct Streamed<'k> {
    /// Buffer label.
    pub label: &'static str,
    /// Bytes per item.
    pub bytes_per_item: usize,
    /// Writes the bytes of a part of a chunk; the slice has `bytes_per_item` for each of its items, and for as many more
    /// as fill the last [`GpuSlot::block`]. Parts start at multiples of the kernel's grain.
    pub fill: Fill<'k>,
}

/// What the output buffer holds after a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuOutput {
    /// The kernel's columns one after the other, each `stride * per_item` values (the uniform's `stride` is the chunk's
    /// length in whole blocks).
    Columns,
    /// `words` u32 per workgroup, handed to [`super::Kernel::fold_gpu`].
    Partials {
        /// u32 words per workgroup.
        words: u32,
    },
    /// `words` u32 that all workgroups of a dispatch share and add to atomically, zero before it; handed to
    /// [`super::Kernel::fold_gpu`].
    Shared {
        /// u32 words of the dispatch.
        words: u32,
    },
}
