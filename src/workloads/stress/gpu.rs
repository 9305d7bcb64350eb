//! The WGSL slots of the solid kernels: `shaders/stress.wgsl`, one text for every element.

use std::borrow::Cow;

use super::cpu;
use super::kernel::{SolidKernel, centred};
use super::model::NodeRow;
use crate::formats::mesh::CellKind;
use crate::job::{Capability, Chunk, Fill, GpuOutput, GpuSlot, Precision, Resident, ResidentData, Streamed};
use crate::numeric::elements::{ElementTables, Integration};
use crate::simd::Simd;

const DISPATCH: &str = include_str!("../../../shaders/common/dispatch.wgsl");
const CORE: &str = include_str!("../../../shaders/stress.wgsl");
const EXACT: &str = include_str!("../../../shaders/stress_exact.wgsl");
const PAIRS: &str = include_str!("../../../shaders/stress_pairs.wgsl");
const LOAD: &str = include_str!("../../../shaders/stress_load.wgsl");
const LOAD_INT64: &str = include_str!("../../../shaders/stress_load_int64.wgsl");
const EACH: &str = include_str!("../../../shaders/stress_each.wgsl");
const FOUR: &str = include_str!("../../../shaders/stress_four.wgsl");

/// Values of one material in the shader.
const MATERIAL_VALUES: usize = 16;

/// Why incompatible modes have no shader.
pub(super) const INCOMPATIBLE: &str = "hex8_incompatible stays on the CPU: each element condenses a dense 9 x 9 system, more than an invocation's registers \
     hold";

/// How node data reach the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nodes {
    /// All rows lie on the device; elements gather them.
    Resident,
    /// The host gathers each element's differences in f64 and streams them, so that a mesh of any size runs.
    Gathered,
}

/// The slot of `kernel`.
///
/// # Errors
/// Why the kernel stays on the CPU.
pub(super) fn slot<'k>(kernel: &'k SolidKernel<'_>, nodes: Nodes) -> Result<GpuSlot<'k>, String> {
    let (block, tables) = (kernel.block, kernel.block.tables);
    if tables.integration == Integration::Incompatible {
        return Err(INCOMPATIBLE.into());
    }
    let double = kernel.precision == Precision::F64;
    let gathered = nodes == Nodes::Gathered;
    let values = tables.derivatives.iter().flatten().chain(&tables.temperature).chain(tables.centre.iter().flatten());
    let values: Vec<f64> = values.copied().collect();
    let connectivity = if gathered { 0 } else { tables.nodes };
    let four = by_fours(tables, nodes);
    let workgroup = if four { 256 } else { 64 };
    Ok(GpuSlot {
        source: source(kernel, nodes, workgroup, LOAD).into(),
        source_int64: (four && !double).then(|| source(kernel, nodes, workgroup, LOAD_INT64).into()),
        constants: Vec::new(),
        workgroup,
        needs: match kernel.precision {
            Precision::F64 => &[Capability::F64],
            Precision::Mixed if !gathered => &[Capability::HiLo],
            _ => &[],
        },
        // Nodes twice, points and the centre times nodes, and the temperature's loop at each stress point; each loop counts
        // its end too.
        iterations_per_item: ((tables.points.len() + tables.ips + 3) * (tables.nodes + 2)) as u64,
        max_items_per_invocation: if four { 4 } else { 1 },
        block: if gathered { cpu::BLOCK as u64 } else { 1 },
        params: only_material(kernel, double),
        resident: vec![
            Resident { label: "tables", data: plain(&values, double) },
            Resident { label: "materials", data: plain(&materials(kernel), double) },
            Resident { label: "nodes", data: if gathered { plain(&[], double) } else { node_rows(kernel) } },
        ],
        streamed: vec![
            words("connectivity", &block.connectivity, connectivity),
            words("material_ids", &block.materials, usize::from(!block.materials.is_empty())),
            differences(kernel, if gathered { cpu::gathered_values(tables, kernel.model.thermal) } else { 0 }),
        ],
        output: GpuOutput::Columns,
    })
}

fn source(kernel: &SolidKernel<'_>, nodes: Nodes, workgroup: u32, load: &str) -> String {
    let tables = kernel.block.tables;
    let real = if kernel.precision == Precision::F64 { "f64" } else { "f32" };
    let rows = if pairs(kernel, nodes) { PAIRS } else { EXACT };
    let invocation = if by_fours(tables, nodes) { FOUR } else { EACH };
    format!(
        "{DISPATCH}
alias real = {real};
const NODES: u32 = {}u;
const POINTS: u32 = {}u;
const IPS: u32 = {}u;
const TRUSS: bool = {};
const AVERAGED: bool = {};
const THERMAL: bool = {};
const MATERIALS: bool = {};
const GATHERED: bool = {};
const TURNED: bool = {};
const BLOCK: u32 = {}u;
const WORKGROUP: u32 = {workgroup}u;
{CORE}
{rows}
{load}
{invocation}
@compute @workgroup_size({workgroup})
fn {}(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
      @builtin(local_invocation_index) local: u32) {{
    stress(group, groups, local);
}}
",
        tables.nodes,
        tables.points.len(),
        tables.ips,
        tables.kind == CellKind::Truss2,
        tables.ips == 1 && tables.points.len() > 1,
        kernel.model.thermal,
        !kernel.block.materials.is_empty(),
        nodes == Nodes::Gathered,
        pairs(kernel, nodes),
        cpu::BLOCK,
        tables.name,
    )
}

/// Whether an invocation takes four elements.
fn by_fours(tables: &ElementTables, nodes: Nodes) -> bool {
    nodes == Nodes::Gathered && tables.kind == CellKind::Tet4
}

fn pairs(kernel: &SolidKernel<'_>, nodes: Nodes) -> bool {
    kernel.precision == Precision::Mixed && nodes == Nodes::Resident
}

/// Numbers in the kernel's precision.
fn plain<'k>(values: &[f64], double: bool) -> ResidentData<'k> {
    let bytes = if double {
        bytemuck::cast_slice(values).to_vec()
    } else {
        let single: Vec<f32> = values.iter().map(|x| *x as f32).collect();
        bytemuck::cast_slice(&single).to_vec()
    };
    ResidentData::Plain(Cow::Owned(bytes))
}

/// The first material as words of the uniform block.
fn only_material(kernel: &SolidKernel<'_>, double: bool) -> Vec<u32> {
    let ResidentData::Plain(bytes) = plain(&materials(kernel)[..MATERIAL_VALUES], double) else { return Vec::new() };
    bytemuck::pod_collect_to_vec(&bytes)
}

fn materials(kernel: &SolidKernel<'_>) -> Vec<f64> {
    let mut values = Vec::with_capacity(kernel.model.materials.len() * MATERIAL_VALUES);
    for m in &kernel.model.materials {
        values.extend(m.normal.iter().chain(&m.shear).chain(&m.alpha));
        values.extend([m.reference_temperature, m.young]);
        values.resize(values.len().next_multiple_of(MATERIAL_VALUES), 0.0);
    }
    values
}

/// All node rows: as they are in f64, rounded in f32, split into pairs for mixed.
fn node_rows<'k>(kernel: &'k SolidKernel<'_>) -> ResidentData<'k> {
    let rows = &kernel.model.nodes;
    match (kernel.precision, &kernel.single) {
        (Precision::F32, Some(single)) => ResidentData::Plain(Cow::Borrowed(bytemuck::cast_slice(single))),
        (Precision::Mixed, _) => {
            let centre = kernel.model.centre;
            let fill: Fill<'k> = Box::new(move |range: Chunk, bytes: &mut [u8]| {
                let pairs: &mut [[f32; 16]] = bytemuck::cast_slice_mut(bytes);
                for (pair, row) in pairs.iter_mut().zip(&rows[range.start as usize..range.end as usize]) {
                    *pair = split(row, &centre);
                }
            });
            let bytes_per_element = size_of::<[f32; 16]>();
            ResidentData::Made { elements: rows.len() as u64, bytes_per_element, fill }
        }
        _ => ResidentData::Plain(Cow::Borrowed(bytemuck::cast_slice(rows))),
    }
}

/// A row relative to the centre as high and low parts (`stress_pairs.wgsl`).
fn split(row: &NodeRow, centre: &[f64; 6]) -> [f32; 16] {
    let exact = centred(row, centre);
    let high = exact.map(|x| x as f32);
    let mut pair = [0.0; 16];
    pair[..8].copy_from_slice(&high);
    for i in 0..6 {
        pair[8 + i] = (exact[i] - f64::from(high[i])) as f32;
    }
    pair
}

/// `per_item` words of each element, 0 for an input that this kernel does without; zeros fill up the last block.
fn words<'k>(label: &'static str, all: &'k [u32], per_item: usize) -> Streamed<'k> {
    let fill = move |chunk: Chunk, bytes: &mut [u8]| {
        let own: &[u8] = bytemuck::cast_slice(&all[chunk.start as usize * per_item..chunk.end as usize * per_item]);
        bytes[..own.len()].copy_from_slice(own);
        bytes[own.len()..].fill(0);
    };
    Streamed { label, bytes_per_item: 4 * per_item, fill: Box::new(fill) }
}

/// The differences to each element's first node, formed in f64; for mixed without the element's rotation.
fn differences<'k>(kernel: &'k SolidKernel<'_>, values: usize) -> Streamed<'k> {
    let size = kernel.scalar().size();
    let simd = Simd::detect();
    let rows = &kernel.model.nodes;
    let fill = move |part: Chunk, bytes: &mut [u8]| match (kernel.precision, &kernel.single) {
        (Precision::F32, Some(single)) => {
            cpu::gather_f32(simd, &kernel.task(part, single), bytemuck::cast_slice_mut(bytes));
        }
        (Precision::Mixed, _) => cpu::gather_mixed(simd, &kernel.task(part, rows), bytemuck::cast_slice_mut(bytes)),
        _ => cpu::gather_f64(simd, &kernel.task(part, rows), bytemuck::cast_slice_mut(bytes)),
    };
    Streamed { label: "gathered", bytes_per_item: size * values, fill: Box::new(fill) }
}
