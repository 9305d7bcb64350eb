//! A solid model ready to compute: node rows, blocks of one element each, materials.

use std::path::PathBuf;

use crate::error::Result;
use crate::formats::mesh::CellKind;
use crate::memory::Buffer;
use crate::numeric::elements::ElementTables;
use crate::numeric::tensor::Stiffness;

/// One node as one cache line: x, y, z, ux, uy, uz, temperature, unused. Coordinates and displacements are multiplied by
/// [`Model::scale`]; a gather touches one line per node.
pub type NodeRow = [f64; 8];

/// Node rows, blocks and materials, with the user's names for points and cells.
#[derive(Debug)]
pub struct Model {
    /// The file it came from, or a word for generated input.
    pub source: PathBuf,
    /// The power of two that coordinates and displacements are multiplied by, so that element edges are near 1: the
    /// gradient does not change, and determinants stay within f32's range whatever the user's unit of length.
    pub scale: f64,
    /// The middle of the bounding boxes of coordinates and displacements (scaled), which is subtracted before anything
    /// becomes f32: strain does not depend on it, rounding does.
    pub centre: [f64; 6],
    /// One row per point.
    pub nodes: Buffer<NodeRow>,
    /// One block per element variant, in [`crate::numeric::elements::VARIANTS`]' order.
    pub blocks: Vec<Block>,
    /// Distinct materials.
    pub materials: Vec<Stiffness>,
    /// Whether thermal strain is to be subtracted: a temperature field is there and a material expands.
    pub thermal: bool,
    /// All cells of the file, those without a stress model included.
    pub n_cells: usize,
    /// The file's own node numbers.
    pub point_ids: Option<Vec<u64>>,
    /// The file's own element numbers, one for each of `n_cells`.
    pub cell_ids: Option<Vec<u64>>,
}

/// All cells of one element variant, in file order.
#[derive(Debug)]
pub struct Block {
    /// The element.
    pub tables: &'static ElementTables,
    /// `tables.nodes` points per cell.
    pub connectivity: Vec<u32>,
    /// Position of each cell among all cells of the file.
    pub cells: Vec<u32>,
    /// Index into [`Model::materials`] per cell; empty when all cells have material 0.
    pub materials: Vec<u32>,
}

impl Block {
    /// Number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has no cells.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The points of cell `element` of this block.
    #[must_use]
    pub fn nodes_of(&self, element: usize) -> &[u32] {
        &self.connectivity[element * self.tables.nodes..][..self.tables.nodes]
    }

    /// The material index of cell `element` of this block.
    #[must_use]
    pub fn material_of(&self, element: usize) -> usize {
        self.materials.get(element).map_or(0, |id| *id as usize)
    }
}

/// Nodes of the largest element.
pub const MAX_NODES: usize = 20;

impl Model {
    /// Number of elements of all blocks.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.blocks.iter().map(|block| block.len() as u64).sum()
    }

    /// What the user calls cell `cell` (0-based among all cells).
    #[must_use]
    pub fn cell_label(&self, cell: u32) -> u64 {
        self.cell_ids.as_ref().map_or(u64::from(cell) + 1, |ids| ids[cell as usize])
    }

    /// What the user calls point `point`.
    #[must_use]
    pub fn point_label(&self, point: usize) -> u64 {
        self.point_ids.as_ref().map_or(point as u64 + 1, |ids| ids[point])
    }

    /// Coordinates of `point` in the user's unit.
    #[must_use]
    pub fn position(&self, point: usize) -> [f64; 3] {
        let row = &self.nodes[point];
        std::array::from_fn(|i| row[i] / self.scale)
    }

    /// Displacement of `point` in the user's unit.
    #[must_use]
    pub fn displacement(&self, point: usize) -> [f64; 3] {
        let row = &self.nodes[point];
        std::array::from_fn(|i| row[i + 3] / self.scale)
    }

    /// The node rows of cell `element` of `block`, copied; the first `tables.nodes` are filled.
    #[must_use]
    pub fn rows(&self, block: &Block, element: usize) -> [NodeRow; MAX_NODES] {
        let mut rows = [[0.0; 8]; MAX_NODES];
        self.rows_into(block, element, &mut rows);
        rows
    }

    /// As [`Model::rows`], into rows that are used again and again.
    pub fn rows_into(&self, block: &Block, element: usize, rows: &mut [NodeRow; MAX_NODES]) {
        for (row, node) in rows.iter_mut().zip(block.nodes_of(element)) {
            *row = self.nodes[*node as usize];
        }
    }

    /// Position of stress point `ip` of cell `element` of `block`, in the user's unit.
    #[must_use]
    pub fn stress_point(&self, block: &Block, element: usize, ip: usize) -> [f64; 3] {
        let values = block.tables.values_at(ip);
        let mut at = [0.0; 3];
        for (n, node) in values.iter().zip(block.nodes_of(element)) {
            let row = &self.nodes[*node as usize];
            (0..3).for_each(|i| at[i] += n * row[i]);
        }
        at.map(|x| x / self.scale)
    }

    /// `(block, element)` of every cell with a stress model, in file order.
    ///
    /// # Errors
    /// [`crate::error::Error::Resource`] when the list does not fit.
    pub fn file_order(&self) -> Result<Vec<(u32, u32)>> {
        let n = usize::try_from(self.elements()).unwrap_or(usize::MAX);
        crate::memory::ensure_available("the order of the elements", 8 * n as u64)?;
        let mut order = Vec::with_capacity(n);
        for (b, block) in self.blocks.iter().enumerate() {
            order.extend((0..block.len() as u32).map(|element| (b as u32, element)));
        }
        if self.blocks.len() > 1 {
            order.sort_unstable_by_key(|(b, element)| self.blocks[*b as usize].cells[*element as usize]);
        }
        Ok(order)
    }
}

/// The power of two nearest to the reciprocal of the mean distance from first to second node, over at most 4096 cells.
/// 1 for an empty model and for one whose cells have no extent.
#[must_use]
pub fn power_of_two_scale(points: &[[f64; 3]], kind_cells: &[(CellKind, &[u32])]) -> f64 {
    let (mut sum, mut count) = (0.0, 0_u32);
    for (kind, connectivity) in kind_cells {
        let cells = connectivity.len() / kind.nodes();
        for cell in (0..cells).step_by(cells.div_ceil(4096).max(1)) {
            let first = &connectivity[cell * kind.nodes()..][..2];
            let (a, b) = (points[first[0] as usize], points[first[1] as usize]);
            let length = (a[0] - b[0]).hypot((a[1] - b[1]).hypot(a[2] - b[2]));
            if length > 0.0 && length.is_finite() {
                // The mean of the logarithm: one long cell must not hide a thousand small ones.
                sum += length.log2();
                count += 1;
            }
        }
    }
    if count == 0 { 1.0 } else { (-(sum / f64::from(count)).round().clamp(-300.0, 300.0)).exp2() }
}
