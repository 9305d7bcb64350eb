//! The WGSL slot of the kernel `axial`: `shaders/axial.wgsl`, with `real` for the float it computes in and the bindings
//! with or without lengths before it.

use std::borrow::Cow;

use bytemuck::Pod;

use super::input::View;
use crate::job::{Capability, Chunk, GpuOutput, GpuSlot, Scalar, Streamed, Value};

/// The module with its pieces in order; none is computed at run time, so that a pipeline cache sees four modules.
macro_rules! module {
    ($real:literal, $bindings:literal) => {
        concat!(
            include_str!("../../../../shaders/common/dispatch.wgsl"),
            "\nalias real = ",
            $real,
            ";\n",
            include_str!(concat!("../../../../shaders/", $bindings)),
            include_str!("../../../../shaders/axial.wgsl")
        )
    };
}

pub(super) fn slot<T: Value + Sync>(view: View<'_, T>) -> GpuSlot<'_> {
    let source = match (T::SCALAR, view.length.is_some()) {
        (Scalar::F64, false) => module!("f64", "axial_unit.wgsl"),
        (Scalar::F64, true) => module!("f64", "axial_lengths.wgsl"),
        (_, false) => module!("f32", "axial_unit.wgsl"),
        (_, true) => module!("f32", "axial_lengths.wgsl"),
    };
    let mut streamed = vec![stream("displacement", view.displacement, 3), stream("young", view.young, 1)];
    streamed.extend(view.length.map(|length| stream("length", length, 1)));
    GpuSlot {
        source: Cow::Borrowed(source),
        source_int64: None,
        constants: Vec::new(),
        workgroup: 64,
        needs: if T::SCALAR == Scalar::F64 { &[Capability::F64] } else { &[] },
        iterations_per_item: 1,
        max_items_per_invocation: 1,
        block: 1,
        params: Vec::new(),
        resident: Vec::new(),
        streamed,
        output: GpuOutput::Columns,
    }
}

/// `per_item` values of each item.
fn stream<'k, T: Pod + Sync>(label: &'static str, values: &'k [T], per_item: usize) -> Streamed<'k> {
    let bytes_per_item = per_item * size_of::<T>();
    let all: &[u8] = bytemuck::cast_slice(values);
    let fill = move |chunk: Chunk, to: &mut [u8]| {
        let start = super::input::index(chunk.start) * bytes_per_item;
        to.copy_from_slice(&all[start..start + to.len()]);
    };
    Streamed { label, bytes_per_item, fill: Box::new(fill) }
}
