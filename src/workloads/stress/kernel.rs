//! One kernel for each element variant of a model: what the backends run.

use std::sync::Arc;

use super::cpu::{self, Task};
use super::model::{Block, MAX_NODES, Model, NodeRow};
use super::{bound, gpu, seq};
use crate::error::Result;
use crate::formats::mesh::CellKind;
use crate::job::{Chunk, ChunkOut, Class, ColumnSpec, GpuSlot, Kernel, Precision, Scalar, Value, Work};
use crate::machine::topology;
use crate::memory::Buffer;
use crate::numeric::elements::{ElementTables, Integration};
use crate::numeric::tensor::{Tensor, mises};
use crate::simd::Simd;

/// The columns of every solid kernel, in order.
pub const COLUMNS: [&str; 7] = ["sxx", "syy", "szz", "sxy", "sxz", "syz", "mises"];

/// The stress of one block of a model, in one precision.
pub struct SolidKernel<'j> {
    /// The whole model.
    pub model: &'j Model,
    /// The block.
    pub block: &'j Block,
    pub(super) precision: Precision,
    /// The rows in f32, for [`Precision::F32`].
    pub(super) single: Option<Arc<Buffer<[f32; 8]>>>,
}

impl<'j> SolidKernel<'j> {
    /// The kernels of all blocks of `model`.
    ///
    /// # Errors
    /// [`crate::error::Error::Resource`] when the rounded node rows of [`Precision::F32`] do not fit.
    pub fn for_model(model: &'j Model, precision: Precision) -> Result<Vec<Self>> {
        let single = match precision {
            Precision::F32 => Some(Arc::new(rounded_rows(model)?)),
            _ => None,
        };
        let kernel = |block| Self { model, block, precision, single: single.clone() };
        Ok(model.blocks.iter().map(kernel).collect())
    }

    /// The reference stresses of `element`, in `out[..ips]`.
    pub fn reference(&self, element: usize, out: &mut [Tensor]) {
        self.reference_with(element, &mut [[0.0; 8]; MAX_NODES], out);
    }

    fn reference_with(&self, element: usize, rows: &mut [NodeRow; MAX_NODES], out: &mut [Tensor]) {
        let tables = self.block.tables;
        self.model.rows_into(self.block, element, rows);
        let material = &self.model.materials[self.block.material_of(element)];
        seq::element(tables, &rows[..tables.nodes], material, self.model.thermal, out);
    }

    pub(super) fn scalar(&self) -> Scalar {
        match self.precision {
            Precision::F64 | Precision::Integer => Scalar::F64,
            Precision::F32 | Precision::Mixed => Scalar::F32,
        }
    }

    fn seq_columns<T: Value>(&self, out: &mut ChunkOut<'_>, round: impl Fn(f64) -> T) {
        let chunk = out.chunk();
        let columns = out.first_columns::<T, 7>();
        let ips = self.block.tables.ips;
        let mut stress = [[0.0; 6]; seq::MAX_POINTS];
        let mut rows = [[0.0; 8]; MAX_NODES];
        for (local, element) in (chunk.start..chunk.end).enumerate() {
            self.reference_with(element as usize, &mut rows, &mut stress);
            for (ip, stress) in stress.iter().take(ips).enumerate() {
                for c in 0..6 {
                    columns[c][local * ips + ip] = round(stress[c]);
                }
                columns[6][local * ips + ip] = round(mises(stress));
            }
        }
    }

    fn outgrows_caches(&self) -> bool {
        let work = self.work();
        topology::outgrows_caches(((work.bytes_read + work.bytes_written) * self.items() as f64) as u64)
    }

    pub(super) fn task<'a, Node>(&'a self, chunk: Chunk, nodes: &'a [Node]) -> Task<'a, Node> {
        let (start, end) = (chunk.start as usize, chunk.end as usize);
        let (block, tables) = (self.block, self.block.tables);
        Task {
            tables,
            nodes,
            rows: &self.model.nodes,
            connectivity: &block.connectivity[start * tables.nodes..end * tables.nodes],
            material_ids: if block.materials.is_empty() { &[] } else { &block.materials[start..end] },
            materials: &self.model.materials,
            thermal: self.model.thermal,
            stream: self.outgrows_caches(),
        }
    }
}

/// The model's rows, centred in f64, then rounded. Temperatures are not used from here.
fn rounded_rows(model: &Model) -> Result<Buffer<[f32; 8]>> {
    let mut rows = Buffer::zeroed(model.nodes.len(), "node data in f32")?;
    for (row, exact) in rows.iter_mut().zip(model.nodes.iter()) {
        *row = centred(exact, &model.centre).map(|x: f64| x as f32);
    }
    Ok(rows)
}

/// A node row relative to the model's centre; the temperature as it is.
#[must_use]
pub fn centred(row: &NodeRow, centre: &[f64; 6]) -> NodeRow {
    std::array::from_fn(|i| if i < 6 { row[i] - centre[i] } else { row[i] })
}

impl Kernel for SolidKernel<'_> {
    fn name(&self) -> &'static str {
        self.block.tables.name
    }

    fn item(&self) -> &'static str {
        "element"
    }

    fn items(&self) -> u64 {
        self.block.len() as u64
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    /// Whole groups of lanes, and every chunk's results start on a cache line.
    fn grain(&self) -> u64 {
        16
    }

    fn work(&self) -> Work {
        let tables = self.block.tables;
        let value = self.scalar().size() as f64;
        let node_values = if self.model.thermal { 7.0 } else { 6.0 };
        let node_size = if self.precision == Precision::F32 { 4.0 } else { 8.0 };
        let nodes_per_element = self.model.nodes.len() as f64 / (self.model.elements().max(1)) as f64;
        let ids = if self.block.materials.is_empty() { 0.0 } else { 4.0 };
        Work {
            flops: flops(tables),
            bytes_read: 4.0 * tables.nodes as f64 + ids + nodes_per_element * node_values * node_size,
            bytes_written: 7.0 * value * tables.ips as f64,
        }
    }

    fn class(&self) -> Class {
        Class::Bounded
    }

    fn columns(&self) -> Vec<ColumnSpec> {
        let (scalar, per_item) = (self.scalar(), self.block.tables.ips);
        COLUMNS.iter().map(|name| ColumnSpec { name, scalar, per_item }).collect()
    }

    fn seq(&self, out: &mut ChunkOut<'_>) {
        match self.scalar() {
            Scalar::F64 => self.seq_columns(out, |x| x),
            Scalar::F32 | Scalar::U32 => self.seq_columns(out, |x| x as f32),
        }
    }

    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        match (self.precision, &self.single) {
            (Precision::F32, Some(single)) => {
                cpu::run_f32(simd, &self.task(out.chunk(), single), &mut out.first_columns());
            }
            (Precision::Mixed, _) => {
                cpu::run_mixed(simd, &self.task(out.chunk(), &self.model.nodes), &mut out.first_columns());
            }
            _ => cpu::run_f64(simd, &self.task(out.chunk(), &self.model.nodes), &mut out.first_columns()),
        }
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        gpu::slot(self, gpu::Nodes::Resident)
    }

    fn gpu_streamed(&self) -> Option<GpuSlot<'_>> {
        gpu::slot(self, gpu::Nodes::Gathered).ok()
    }

    /// A pair of node rows costs four times the loads of a difference.
    fn software_streams(&self) -> bool {
        self.precision == Precision::Mixed
    }

    fn bound(&self, item: u64, into: &mut [f64]) {
        let element = item as usize;
        let rows = self.model.rows(self.block, element);
        let material = &self.model.materials[self.block.material_of(element)];
        let tables = self.block.tables;
        let arithmetic = bound::Arithmetic { precision: self.precision, centre: self.model.centre, noise: [0.0; 6] };
        bound::element(tables, &rows[..tables.nodes], material, self.model.thermal, arithmetic, into);
    }
}

/// Operations of one element when a multiply-add counts as two: differences, J and G at each point (along edges where
/// the element allows it), cofactors 27, determinant 5, reciprocal 1, G adj 45, strain 12, stress 18, von Mises 17.
fn flops(tables: &ElementTables) -> f64 {
    let (nodes, points, ips) = (tables.nodes as f64, tables.points.len() as f64, tables.ips as f64);
    let differences = 6.0 * (nodes - 1.0);
    let gradient = match tables.kind {
        CellKind::Truss2 => return 45.0,
        CellKind::Tet4 => 0.0,
        CellKind::Hex8 => 72.0 + 3.0 * 6.0 * 4.0 * 7.0,
        _ => points * 36.0 * (nodes - 1.0),
    };
    let modes = match tables.integration {
        // Work done by the stresses 3 x (8 x 12 + 15), S 6 x 16, K 6 x 70, L D L' 9^3 / 3 + 2 x 81, back to 8 points.
        Integration::Incompatible => 333.0 + 96.0 + 420.0 + 405.0 + 8.0 * (63.0 + 12.0 + 24.0),
        _ => 0.0,
    };
    differences + gradient + points * (27.0 + 5.0 + 1.0 + 45.0) + ips * (12.0 + 18.0 + 17.0) + modes
}
