//! From the arrays of a VTK file (XML or legacy) to a checked [`Mesh`].
//!
//! A mesh of one kind whose offsets are evenly spaced, the usual one, is converted in one parallel pass over its
//! connectivity; every other one is sorted into blocks cell by cell.

use std::collections::{HashMap, HashSet};

use super::mesh::{CellBlock, CellKind, Field, Flawed, Mesh, Over};
use super::numbers::{Origin, RawArray, Refused, reserve};
use super::source::Source;
use super::vtk_cells::{CellUse, cell_name, cell_use, is_surface};
use crate::error::{Error, Place, Result};

/// Ghost bits of `vtkGhostType` that take a cell out of its piece: it is a copy of another piece's, or hidden.
const GHOST: u8 = 0x01 | 0x20;

/// More warnings than anyone reads; keeps a file with a million odd arrays from costing a million comparisons each.
const MAX_WARNINGS: usize = 32;

/// The points that a cell refers to.
pub enum Topology<'a> {
    /// For each cell one past its last entry in `connectivity`.
    Ends {
        /// One value per cell.
        ends: RawArray<'a>,
        /// Point indices of all cells.
        connectivity: RawArray<'a>,
    },
    /// For each cell its number of points, then the points: the form of legacy files before 5.0.
    Counted(RawArray<'a>),
}

/// An array over points or cells.
pub struct NamedArray<'a> {
    /// Its name.
    pub name: String,
    /// Values per point or cell.
    pub components: usize,
    /// `components` values for each point or cell.
    pub values: RawArray<'a>,
}

/// One piece of a file, sizes checked: every array has as many values as the counts ask for, `topology` excepted.
pub struct RawPiece<'a> {
    /// Where messages about the piece as a whole point.
    pub origin: Origin,
    /// Number of points.
    pub n_points: usize,
    /// Number of cells.
    pub n_cells: usize,
    /// `3 * n_points` coordinates.
    pub points: RawArray<'a>,
    /// VTK types of `n_cells` cells.
    pub types: RawArray<'a>,
    /// Their points.
    pub topology: Topology<'a>,
    /// Arrays over points.
    pub point_fields: Vec<NamedArray<'a>>,
    /// Arrays over cells.
    pub cell_fields: Vec<NamedArray<'a>>,
    /// The points' own numbers.
    pub point_ids: Option<RawArray<'a>>,
    /// The cells' own numbers.
    pub cell_ids: Option<RawArray<'a>>,
    /// `vtkGhostType` of the cells.
    pub ghosts: Option<RawArray<'a>>,
}

/// Collects the pieces of a file.
pub struct Assembly<'a> {
    source: &'a Source,
    mesh: Mesh,
    pieces: usize,
    skipped: [u64; 256],
    ghosts: u64,
}

impl<'a> Assembly<'a> {
    /// An empty mesh from `source`.
    #[must_use]
    pub fn new(source: &'a Source) -> Self {
        let mesh = Mesh { source: source.path.clone(), ..Mesh::default() };
        Self { source, mesh, pieces: 0, skipped: [0; 256], ghosts: 0 }
    }

    /// Notes something for the user, up to 32 different things.
    pub fn warn(&mut self, warning: String) {
        if self.mesh.warnings.len() < MAX_WARNINGS && !self.mesh.warnings.contains(&warning) {
            self.mesh.warnings.push(warning);
        }
    }

    fn error(&self, origin: Origin, why: String) -> Error {
        self.source.error(origin.place(self.source.bytes()), why)
    }

    /// Adds a piece after those that were added before.
    ///
    /// # Errors
    /// [`Error::Input`] for a coordinate that is not finite, a point index out of range, offsets that
    /// decrease or end elsewhere than the connectivity, a cell with the wrong number of points or without a stress model,
    /// more than 2^32 - 1 points or cells; [`Error::Resource`].
    pub fn add(&mut self, piece: &RawPiece<'_>) -> Result<()> {
        if piece.n_points == 0 && piece.n_cells == 0 {
            return Ok(());
        }
        let first_point = self.mesh.points.len();
        let first_cell = self.mesh.n_cells;
        for (what, n) in [("points", first_point + piece.n_points), ("cells", first_cell + piece.n_cells)] {
            if u32::try_from(n).is_err() {
                return Err(self.error(piece.origin, format!("{n} {what}; at most 4294967295 are supported")));
            }
        }
        let points = self.points(piece)?;
        let table = self.cells(piece)?;
        let mut point_fields = self.fields(&piece.point_fields, Over::Points)?;
        let mut cell_fields = self.fields(&piece.cell_fields, Over::Cells)?;
        let point_ids = self.ids(piece.point_ids.as_ref())?;
        let cell_ids = self.ids(piece.cell_ids.as_ref())?;
        self.pieces += 1;
        self.mesh.n_cells += piece.n_cells;
        if self.pieces == 1 {
            self.mesh.points = points;
            self.mesh.blocks = table;
            self.mesh.point_fields = point_fields;
            self.mesh.cell_fields = cell_fields;
            self.mesh.point_ids = point_ids;
            self.mesh.cell_ids = cell_ids;
            return Ok(());
        }
        self.mesh.points.extend_from_slice(&points);
        self.append_blocks(table, first_point as u32, first_cell as u32);
        // Flawed in one piece, of no use in all.
        for Flawed { over, name, .. } in &self.mesh.flawed {
            let (all, more) = match over {
                Over::Points => (&mut self.mesh.point_fields, &mut point_fields),
                Over::Cells => (&mut self.mesh.cell_fields, &mut cell_fields),
            };
            all.retain(|field| field.name != *name);
            more.retain(|field| field.name != *name);
        }
        let mut dropped = append_fields(&mut self.mesh.point_fields, point_fields);
        dropped.extend(append_fields(&mut self.mesh.cell_fields, cell_fields));
        for name in dropped {
            self.warn(format!(
                "array '{name}' is not in every piece with the same number of components; it was left out"
            ));
        }
        self.mesh.point_ids = self.mesh.point_ids.take().zip(point_ids).map(|(a, b)| [a, b].concat());
        self.mesh.cell_ids = self.mesh.cell_ids.take().zip(cell_ids).map(|(a, b)| [a, b].concat());
        Ok(())
    }

    /// The mesh of all pieces.
    ///
    /// # Errors
    /// [`Error::Input`] when no cell has a stress model although there are cells.
    pub fn finish(mut self) -> Result<Mesh> {
        self.drop_edges()?;
        let names: Vec<String> = (0..=255u8)
            .filter(|vtk| self.skipped[usize::from(*vtk)] > 0)
            .map(|vtk| format!("{} x {} (VTK type {vtk})", self.skipped[usize::from(vtk)], cell_name(vtk)))
            .collect();
        if self.mesh.blocks.is_empty() && !names.is_empty() {
            let why = format!(
                "no cell has a stress model: the file holds {}; save the volume mesh, not its surface",
                names.join(", ")
            );
            return Err(self.source.error(Place::Whole, why));
        }
        if !names.is_empty() {
            self.warn(format!("cells without a stress model were skipped: {}", names.join(", ")));
        }
        if self.ghosts > 0 {
            self.warn(format!("ghost cells (copies of other pieces' cells, or hidden) were skipped: {}", self.ghosts));
        }
        let lines = self.mesh.blocks.iter().find(|block| block.kind == CellKind::Truss2).map(|block| block.cells.len());
        if let Some(n) = lines.filter(|_| self.mesh.blocks.len() > 1) {
            self.warn(format!("lines (VTK type 3) beside solid cells are taken as trusses: {n}"));
        }
        Ok(self.mesh)
    }

    /// Lines beside surfaces are the edges of a boundary that a mesher wrote along, no trusses, unless the cell array `n_ip`
    /// gives one of them points.
    fn drop_edges(&mut self) -> Result<()> {
        let surfaces = (0..=255).any(|vtk| self.skipped[usize::from(vtk)] > 0 && is_surface(vtk));
        let is_line = |block: &CellBlock| block.kind == CellKind::Truss2;
        let Some(lines) = self.mesh.blocks.iter().position(is_line).filter(|_| surfaces) else { return Ok(()) };
        let stated = self.mesh.cell_field("n_ip")?.filter(|field| field.components == 1);
        let cells = &self.mesh.blocks[lines].cells;
        if stated.is_none_or(|field| cells.iter().all(|cell| field.values[*cell as usize] == 0.0)) {
            self.skipped[usize::from(CellKind::Truss2.vtk())] += cells.len() as u64;
            self.mesh.blocks.remove(lines);
        }
        Ok(())
    }

    fn points(&self, piece: &RawPiece<'_>) -> Result<Vec<[f64; 3]>> {
        let flat = piece.points.to_f64()?;
        let flat = flat.map_err(|Refused(index)| self.not_finite(&piece.points, "point", 3, index))?;
        // Room was reserved for exactly 3 * n_points values, so the vector itself changes hands.
        Ok(bytemuck::allocation::try_cast_vec(flat).unwrap_or_else(|(_, flat)| flat.as_chunks::<3>().0.to_vec()))
    }

    /// The error that value `index` of `array` is, which is not finite.
    fn not_finite(&self, array: &RawArray<'_>, item: &str, components: usize, index: usize) -> Error {
        let why = format!(
            "{} is {} in component {} of {item} {} (the first is 0); every value must be finite",
            array.label,
            array.show(index),
            index % components,
            index / components
        );
        self.error(array.origin_of(index), why)
    }

    fn fields(&mut self, arrays: &[NamedArray<'_>], over: Over) -> Result<Vec<Field>> {
        let item = match over {
            Over::Points => "point",
            Over::Cells => "cell",
        };
        let mut fields: Vec<Field> = Vec::with_capacity(arrays.len());
        let mut names = HashSet::new();
        for array in arrays {
            if !names.insert(&array.name) {
                self.warn(format!("there are several {item} arrays named '{}'; the first one is used", array.name));
                continue;
            }
            let name = array.name.clone();
            match array.values.to_f64()? {
                Ok(values) => fields.push(Field { name, components: array.components, values }),
                Err(Refused(index)) => {
                    let why = self.not_finite(&array.values, item, array.components, index);
                    self.mesh.flawed.push(Flawed { over, name, why });
                }
            }
        }
        Ok(fields)
    }

    fn ids(&mut self, array: Option<&RawArray<'_>>) -> Result<Option<Vec<u64>>> {
        let Some(array) = array else { return Ok(None) };
        match array.to_u64()? {
            Ok(ids) => Ok(Some(ids)),
            Err(Refused(index)) => {
                let value = array.show(index);
                self.warn(format!(
                    "{} is marked as global ids but holds {value}; positions are used instead",
                    array.label
                ));
                Ok(None)
            }
        }
    }

    /// The blocks of a piece, numbered from its own first point and cell.
    fn cells(&mut self, piece: &RawPiece<'_>) -> Result<Vec<CellBlock>> {
        if piece.n_cells == 0 {
            return Ok(Vec::new());
        }
        if let Some(block) = self.single_kind(piece)? {
            return Ok(vec![block]);
        }
        let types = self.whole(&piece.types, piece.types.to_u8()?, "is not a VTK cell type (0 to 255)")?;
        let uses: Vec<CellUse> = (0..=255).map(cell_use).collect();
        if let Some(cell) = types.iter().position(|vtk| uses[usize::from(*vtk)] == CellUse::Refused) {
            return Err(self.refused(&piece.types, cell, types[cell]));
        }
        let ghosts = match &piece.ghosts {
            Some(array) => Some(self.whole(array, array.to_u8()?, "is not a ghost type (0 to 255)")?),
            None => None,
        };
        let ghost = |cell: usize| ghosts.as_ref().is_some_and(|ghosts| ghosts[cell] & GHOST != 0);
        let (ends, connectivity) = self.topology(piece)?;
        let mut counts = [0usize; CellKind::ALL.len()];
        let mut start = 0;
        for (cell, (vtk, end)) in types.iter().zip(&ends).enumerate() {
            match uses[usize::from(*vtk)] {
                _ if ghost(cell) => self.ghosts += 1,
                CellUse::Kept(kind) => {
                    let n = (end - start) as usize;
                    if n != kind.nodes() {
                        return Err(self.miscounted(&piece.topology, cell, kind, n as u64));
                    }
                    counts[kind as usize] += 1;
                }
                _ => self.skipped[usize::from(*vtk)] += 1,
            }
            start = *end;
        }
        let mut blocks = Vec::new();
        for kind in CellKind::ALL {
            let n = counts[kind as usize];
            blocks.push(CellBlock {
                kind,
                connectivity: reserve(n * kind.nodes(), "connectivity")?,
                cells: reserve(n, "cell numbers")?,
            });
        }
        start = 0;
        for (cell, (vtk, end)) in types.iter().zip(&ends).enumerate() {
            if let (CellUse::Kept(kind), false) = (uses[usize::from(*vtk)], ghost(cell)) {
                let block = &mut blocks[kind as usize];
                block.connectivity.extend_from_slice(&connectivity[start as usize..*end as usize]);
                block.cells.push(cell as u32);
            }
            start = *end;
        }
        blocks.retain(|block| !block.cells.is_empty());
        Ok(blocks)
    }

    /// The usual mesh: one kind, offsets evenly spaced, nothing to skip.
    fn single_kind(&self, piece: &RawPiece<'_>) -> Result<Option<CellBlock>> {
        let Topology::Ends { ends, connectivity } = &piece.topology else { return Ok(None) };
        let vtk = piece.types.u64_at(0);
        let Some(kind) = u8::try_from(vtk).ok().and_then(CellKind::from_vtk) else { return Ok(None) };
        let nodes = kind.nodes() as u64;
        let no_ghosts = piece.ghosts.as_ref().is_none_or(|ghosts| ghosts.is_line(0, 0));
        if !(piece.types.is_line(vtk, 0) && ends.is_line(nodes, nodes) && no_ghosts) {
            return Ok(None);
        }
        self.check_total(connectivity, ends, nodes * piece.n_cells as u64)?;
        let find = |index: usize| index / kind.nodes();
        let connectivity = self.indices(connectivity, piece.n_points, find)?;
        let mut cells = reserve(piece.n_cells, "cell numbers")?;
        cells.extend(0..piece.n_cells as u32);
        Ok(Some(CellBlock { kind, connectivity, cells }))
    }

    /// Ends and points of every cell, checked.
    fn topology(&self, piece: &RawPiece<'_>) -> Result<(Vec<u64>, Vec<u32>)> {
        match &piece.topology {
            Topology::Ends { ends: raw, connectivity } => {
                let ends = self.whole(raw, raw.to_u64()?, "is not an offset")?;
                if let Some(cell) = ends.windows(2).position(|pair| pair[0] > pair[1]) {
                    let why = format!(
                        "{} decreases from {} to {} at cell {} (the first is 0); offsets are running totals",
                        raw.label,
                        ends[cell],
                        ends[cell + 1],
                        cell + 1
                    );
                    return Err(self.error(raw.origin_of(cell + 1), why));
                }
                self.check_total(connectivity, raw, ends.last().copied().unwrap_or(0))?;
                let find = |index: usize| ends.partition_point(|end| *end <= index as u64);
                let connectivity = self.indices(connectivity, piece.n_points, find)?;
                Ok((ends, connectivity))
            }
            Topology::Counted(raw) => self.counted(raw, piece),
        }
    }

    fn counted(&self, raw: &RawArray<'_>, piece: &RawPiece<'_>) -> Result<(Vec<u64>, Vec<u32>)> {
        let numbers = self.whole(raw, raw.to_u32(u64::MAX)?, "is not a point index")?;
        let mut ends = reserve::<u64>(piece.n_cells, "offsets")?;
        let mut connectivity = reserve::<u32>(numbers.len().saturating_sub(piece.n_cells), "connectivity")?;
        let mut at = 0;
        for cell in 0..piece.n_cells {
            let points = numbers.get(at).and_then(|n| numbers.get(at + 1..(at + 1).checked_add(*n as usize)?));
            let points = points.ok_or_else(|| {
                let why = format!("cell {cell} (the first is 0) of {} reaches past the end of CELLS", piece.n_cells);
                self.error(raw.origin, why)
            })?;
            if let Some(n) = points.iter().position(|point| *point as usize >= piece.n_points) {
                return Err(self.bad_index(raw, at + 1 + n, cell, piece.n_points));
            }
            connectivity.extend_from_slice(points);
            ends.push(connectivity.len() as u64);
            at += 1 + points.len();
        }
        if at != numbers.len() {
            let why = format!("CELLS has {} numbers, its {} cells take up {at}", numbers.len(), piece.n_cells);
            return Err(self.error(raw.origin, why));
        }
        Ok((ends, connectivity))
    }

    fn check_total(&self, connectivity: &RawArray<'_>, ends: &RawArray<'_>, last: u64) -> Result<()> {
        let n = connectivity.len() as u64;
        if last == n {
            return Ok(());
        }
        let why =
            format!("the last offset is {last}, but {} has {n} point indices; the two must agree", connectivity.label);
        Err(self.error(ends.origin_of(ends.len().saturating_sub(1)), why))
    }

    fn indices(&self, raw: &RawArray<'_>, n_points: usize, find: impl Fn(usize) -> usize) -> Result<Vec<u32>> {
        raw.to_u32(n_points as u64)?.map_err(|Refused(index)| self.bad_index(raw, index, find(index), n_points))
    }

    fn bad_index(&self, raw: &RawArray<'_>, index: usize, cell: usize, n_points: usize) -> Error {
        let range = if n_points == 0 { "no points".into() } else { format!("the points 0 to {}", n_points - 1) };
        let why = format!("cell {cell} (the first is 0) refers to point {}, but the file has {range}", raw.show(index));
        self.error(raw.origin_of(index), why)
    }

    /// `values`, or an error about the refused one.
    fn whole<T>(&self, raw: &RawArray<'_>, values: Result<Vec<T>, Refused>, what: &str) -> Result<Vec<T>> {
        values.map_err(|Refused(index)| {
            let why = format!("value {index} (the first is 0) of {}, {}, {what}", raw.label, raw.show(index));
            self.error(raw.origin_of(index), why)
        })
    }

    fn refused(&self, types: &RawArray<'_>, cell: usize, vtk: u8) -> Error {
        let known: Vec<_> = CellKind::ALL.iter().map(|kind| format!("{} {}", kind.vtk(), kind.name())).collect();
        let why = format!(
            "cell {cell} (the first is 0) has VTK type {vtk}, {}, which is not supported; supported are {}",
            cell_name(vtk),
            known.join(", ")
        );
        self.error(types.origin_of(cell), why)
    }

    fn miscounted(&self, topology: &Topology<'_>, cell: usize, kind: CellKind, n: u64) -> Error {
        let origin = match topology {
            Topology::Ends { ends, .. } => ends.origin_of(cell),
            Topology::Counted(raw) => raw.origin,
        };
        let (name, vtk, nodes) = (cell_name(kind.vtk()), kind.vtk(), kind.nodes());
        let why =
            format!("cell {cell} (the first is 0) is a {name} (VTK type {vtk}) with {n} points; it needs {nodes}");
        self.error(origin, why)
    }

    fn append_blocks(&mut self, table: Vec<CellBlock>, first_point: u32, first_cell: u32) {
        for mut more in table {
            more.connectivity.iter_mut().for_each(|point| *point += first_point);
            more.cells.iter_mut().for_each(|cell| *cell += first_cell);
            match self.mesh.blocks.iter_mut().find(|block| block.kind == more.kind) {
                Some(block) => {
                    block.connectivity.append(&mut more.connectivity);
                    block.cells.append(&mut more.cells);
                }
                None => self.mesh.blocks.push(more),
            }
        }
        self.mesh.blocks.sort_by_key(|block| block.kind);
    }
}

/// Appends fields of the same name and size; returns the names of those that only one side has.
fn append_fields(all: &mut Vec<Field>, more: Vec<Field>) -> Vec<String> {
    let mut dropped = Vec::new();
    let mut more: HashMap<_, _> =
        more.into_iter().map(|field| ((field.name, field.components), field.values)).collect();
    all.retain_mut(|field| {
        let key = (std::mem::take(&mut field.name), field.components);
        let found = more.remove(&key).map(|mut values| field.values.append(&mut values)).is_some();
        field.name = key.0;
        if !found {
            dropped.push(field.name.clone());
        }
        found
    });
    dropped.extend(more.into_keys().map(|(name, _)| name));
    dropped.sort();
    dropped.dedup();
    dropped
}
