//! The WGSL slot of the kernel `map`: the program's text between a header with its bindings and an entry point.

use std::borrow::Cow;
use std::fmt::Write;

use super::MapJob;
use super::input::index;
use crate::job::{Capability, Chunk, GpuOutput, GpuSlot, Streamed};
use crate::memory::Buffer;
use crate::numeric::expr::FUNCTIONS_WGSL;

const HEADER: &str = include_str!("../../../shaders/common/dispatch.wgsl");
const ENTRY: &str = include_str!("../../../shaders/map.wgsl");

/// The module: one workgroup computes 64 elements.
fn source(job: &MapJob, used: &[usize]) -> String {
    let mut bindings = String::new();
    let mut loads = String::new();
    for (binding, v) in used.iter().enumerate() {
        let _ = writeln!(bindings, "@group(0) @binding({}) var<storage, read> input_{v}: array<f32>;", binding + 1);
        let _ = writeln!(loads, "    let x{v} = input_{v}[min(i, arrayLength(&input_{v}) - 1u)];");
    }
    let _ = writeln!(bindings, "@group(0) @binding({}) var<storage, read_write> results: array<f32>;", used.len() + 1);
    let (statements, result) = job.program.wgsl();
    let function = format!("fn expression(i: u32) -> f32 {{\n{loads}{statements}    return {result};\n}}\n");
    [HEADER, FUNCTIONS_WGSL, &bindings, &function, ENTRY].join("\n")
}

/// `single` holds the inputs that the program reads.
pub(super) fn slot<'j>(job: &'j MapJob, single: &'j [Buffer<f32>]) -> GpuSlot<'j> {
    let used: Vec<usize> = (0..single.len()).filter(|v| job.uses(*v)).collect();
    let stream = |v: usize| {
        let all: &[u8] = bytemuck::cast_slice(&single[v]);
        let fill = move |chunk: Chunk, to: &mut [u8]| {
            let start = index(chunk.start) * 4;
            to.copy_from_slice(&all[start..start + to.len()]);
        };
        Streamed { label: "variable", bytes_per_item: 4, fill: Box::new(fill) }
    };
    GpuSlot {
        source: Cow::Owned(source(job, &used)),
        source_int64: None,
        constants: Vec::new(),
        workgroup: 64,
        needs: &[Capability::Integers, Capability::Conversions],
        iterations_per_item: 1,
        max_items_per_invocation: 1,
        block: 1,
        params: Vec::new(),
        resident: Vec::new(),
        streamed: used.iter().map(|v| stream(*v)).collect(),
        output: GpuOutput::Columns,
    }
}
