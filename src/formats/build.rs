//! From node and element numbers of a file to a [`Mesh`]: numbers become indices, cells are grouped by kind, fields
//! that were given node by node become arrays.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::error::{Error, Place, Result};
use crate::formats::mesh::{CellBlock, CellKind, Field, Flawed, Mesh, Over};
use crate::formats::source::Source;

/// From a file's own numbers to positions.
#[derive(Debug, Clone)]
pub(crate) enum IdMap {
    /// The numbers are `first`, `first + 1` ...
    Range { first: u64, n: u64 },
    /// Position by number, `u32::MAX` for none: numbers below a few times their count.
    Table(Vec<u32>),
    /// Sorted by number.
    Sorted(Vec<(u64, u32)>),
}

impl IdMap {
    /// The map of `ids`, of which there must be fewer than 2^32 - 1.
    ///
    /// # Errors
    /// The positions of two equal numbers.
    pub(crate) fn new(ids: &[u64]) -> Result<Self, (usize, usize)> {
        let first = ids.first().copied().unwrap_or(0);
        if ids.iter().enumerate().all(|(i, &id)| id == first.wrapping_add(i as u64) && id >= first) {
            return Ok(Self::Range { first, n: ids.len() as u64 });
        }
        let largest = ids.iter().copied().max().unwrap_or(0);
        if largest < 4 * ids.len() as u64 + 1024 {
            let mut table = vec![u32::MAX; largest as usize + 1];
            for (i, &id) in ids.iter().enumerate() {
                let slot = &mut table[id as usize];
                if *slot != u32::MAX {
                    return Err((*slot as usize, i));
                }
                *slot = i as u32;
            }
            return Ok(Self::Table(table));
        }
        let mut sorted: Vec<(u64, u32)> = ids.iter().enumerate().map(|(i, &id)| (id, i as u32)).collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err((pair[0].1 as usize, pair[1].1 as usize)),
            None => Ok(Self::Sorted(sorted)),
        }
    }

    /// The position of `id`.
    #[inline]
    pub(crate) fn get(&self, id: u64) -> Option<u32> {
        match self {
            Self::Range { first, n } => id.checked_sub(*first).filter(|i| i < n).map(|i| i as u32),
            Self::Table(table) => table.get(usize::try_from(id).ok()?).copied().filter(|&i| i != u32::MAX),
            Self::Sorted(sorted) => sorted.binary_search_by_key(&id, |entry| entry.0).ok().map(|i| sorted[i].1),
        }
    }
}

/// Values that a file gives for some nodes or elements by their numbers.
#[derive(Debug, Clone)]
pub(crate) struct SparseField {
    /// Its name.
    pub(crate) name: String,
    /// Values per entry.
    pub(crate) components: usize,
    /// Node or element number of each entry.
    pub(crate) ids: Vec<u64>,
    /// `components` values for each entry.
    pub(crate) values: Vec<f64>,
    /// The first value that is not finite, 0 in `values`.
    pub(crate) flaw: Option<Error>,
}

const TOO_MANY_CELLS: &str = "more than 2^32 - 2 elements; split the model";

/// How many kinds of skipped elements are counted apart; more would be a hostile file and a long message.
const MAX_SKIPPED: usize = 32;

/// Collects points and cells by their numbers.
pub(crate) struct MeshBuilder<'a> {
    source: &'a Source,
    mesh: Mesh,
    nodes: IdMap,
    blocks: [CellBlock; CellKind::ALL.len()],
    cell_ids: Vec<u64>,
    /// Surface cells were seen: then lines are edges, not trusses.
    surfaces: bool,
    skipped: Vec<(String, usize)>,
}

impl<'a> MeshBuilder<'a> {
    /// No points, no cells.
    pub(crate) fn new(source: &'a Source) -> Self {
        Self {
            source,
            mesh: Mesh { source: source.path.clone(), ..Mesh::default() },
            nodes: IdMap::Range { first: 0, n: 0 },
            blocks: CellKind::ALL.map(|kind| CellBlock { kind, connectivity: Vec::new(), cells: Vec::new() }),
            cell_ids: Vec::new(),
            surfaces: false,
            skipped: Vec::new(),
        }
    }

    /// Takes the nodes, after those that it has. A number that comes twice with the same coordinates is one node.
    ///
    /// # Errors
    /// The position of a node that repeats a number with other coordinates, with the message; a message for too many.
    pub(crate) fn set_points(&mut self, ids: Vec<u64>, points: Vec<[f64; 3]>) -> Result<(), (usize, String)> {
        assert_eq!(ids.len(), points.len(), "one number for each point");
        let (ids, points) = match self.mesh.point_ids.take() {
            Some(known) => ([known, ids].concat(), [std::mem::take(&mut self.mesh.points), points].concat()),
            None => (ids, points),
        };
        if ids.len() >= u32::MAX as usize {
            return Err((0, format!("{} nodes; at most 2^32 - 2 can be handled", ids.len())));
        }
        let (ids, points, nodes) = match IdMap::new(&ids) {
            Ok(nodes) => (ids, points, nodes),
            Err(_) => {
                let (ids, points) = without_repeats(&ids, &points)?;
                let nodes = IdMap::new(&ids).expect("repeated numbers were removed");
                (ids, points, nodes)
            }
        };
        self.mesh.points = points;
        self.mesh.point_ids = Some(ids);
        self.nodes = nodes;
        Ok(())
    }

    /// The position of node `id`.
    #[inline]
    pub(crate) fn node(&self, id: u64) -> Option<u32> {
        self.nodes.get(id)
    }

    /// The map from node numbers to positions, for what comes after the cells.
    pub(crate) fn take_nodes(&mut self) -> IdMap {
        std::mem::replace(&mut self.nodes, IdMap::Range { first: 0, n: 0 })
    }

    /// The numbers of all cells so far.
    pub(crate) fn cell_ids(&self) -> &[u64] {
        &self.cell_ids
    }

    /// Number of all cells so far.
    pub(crate) fn n_cells(&self) -> usize {
        self.cell_ids.len()
    }

    /// Adds a cell; its node positions are written by the caller through the returned slice.
    ///
    /// # Errors
    /// [`Error::Input`] beyond 2^32 - 2 cells.
    #[inline]
    pub(crate) fn add(&mut self, kind: CellKind, id: u64) -> Result<&mut [u32]> {
        let position = self.next_position(id)?;
        let block = &mut self.blocks[kind as usize];
        block.cells.push(position);
        let start = block.connectivity.len();
        block.connectivity.resize(start + kind.nodes(), 0);
        Ok(&mut block.connectivity[start..])
    }

    /// Adds `n` cells on all threads: `fill(map, i, nodes)` writes the node positions of cell `i`, found by
    /// `map`, and returns its number.
    ///
    /// # Errors
    /// [`Error::Input`] beyond 2^32 - 2 cells; the message of the first cell that `fill` refuses.
    pub(crate) fn add_many(
        &mut self,
        kind: CellKind,
        n: usize,
        fill: impl Fn(&IdMap, usize, &mut [u32]) -> Result<u64, String> + Sync,
    ) -> Result<Result<(), String>> {
        let first = self.cell_ids.len();
        if n >= (u32::MAX as usize - 1).saturating_sub(first) {
            return Err(Error::input(&self.source.path, TOO_MANY_CELLS));
        }
        let block = &mut self.blocks[kind as usize];
        block.cells.extend(first as u32..(first + n) as u32);
        self.cell_ids.resize(first + n, 0);
        let start = block.connectivity.len();
        block.connectivity.resize(start + n * kind.nodes(), 0);
        let ids = self.cell_ids[first..].par_iter_mut();
        let cells = ids.zip(block.connectivity[start..].par_chunks_exact_mut(kind.nodes())).enumerate();
        let refused =
            cells.with_min_len(1 << 13).find_map_first(|(i, (id, nodes))| match fill(&self.nodes, i, nodes) {
                Ok(number) => {
                    *id = number;
                    None
                }
                Err(why) => Some(why),
            });
        Ok(refused.map_or(Ok(()), Err))
    }

    /// Counts a cell that has no stress model; `surface` tells faces from points, edges, springs and masses.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(crate) fn skip(&mut self, name: &str, surface: bool, id: u64) -> Result<()> {
        self.next_position(id)?;
        self.surfaces |= surface;
        let name = if self.skipped.len() < MAX_SKIPPED { name } else { "of other types" };
        match self.skipped.iter_mut().rev().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => self.skipped.push((name.to_string(), 1)),
        }
        Ok(())
    }

    fn next_position(&mut self, id: u64) -> Result<u32> {
        let position = self.cell_ids.len();
        if position >= u32::MAX as usize - 1 {
            return Err(Error::input(&self.source.path, TOO_MANY_CELLS));
        }
        self.cell_ids.push(id);
        Ok(position as u32)
    }

    /// Removes line cells again where there are surfaces, or solids when those count too: their edges are no trusses.
    pub(crate) fn drop_edges(&mut self, name: &str, of_solids: bool) {
        let solids =
            of_solids && self.blocks.iter().any(|block| block.kind != CellKind::Truss2 && !block.cells.is_empty());
        let lines = &mut self.blocks[CellKind::Truss2 as usize];
        if (solids || self.surfaces) && !lines.cells.is_empty() {
            self.skipped.push((name.to_string(), lines.cells.len()));
            lines.cells.clear();
            lines.connectivity.clear();
        }
    }

    /// A warning for the user.
    pub(crate) fn warn(&mut self, warning: String) {
        self.mesh.warnings.push(warning);
    }

    /// The mesh. Fields that miss a point or cell that has a stress model are left out with a warning; where only
    /// others miss they are zero.
    ///
    /// # Errors
    /// [`Error::Input`] when no cell has a stress model.
    pub(crate) fn finish(mut self, on_points: Vec<SparseField>, on_cells: Vec<SparseField>) -> Result<Mesh> {
        let skipped = self.skipped.iter().map(|(name, n)| format!("{n} {name}")).collect::<Vec<_>>().join(", ");
        if self.blocks.iter().all(|block| block.cells.is_empty()) {
            let found = if skipped.is_empty() { "it has no elements".into() } else { format!("found only {skipped}") };
            let why =
                format!("no element with a stress model: {found}; needed are tetrahedra, hexahedra, wedges or trusses");
            return Err(self.source.error(Place::Whole, why));
        }
        if !skipped.is_empty() {
            self.mesh.warnings.push(format!("skipped elements without a stress model: {skipped}"));
        }
        self.mesh.n_cells = self.cell_ids.len();
        self.mesh.blocks = self.blocks.into_iter().filter(|block| !block.cells.is_empty()).collect();

        let mut budget = field_budget(self.source);
        if !on_points.is_empty() {
            let used = used_points(&self.mesh);
            for mut field in on_points {
                if let Some(why) = field.flaw.take() {
                    self.mesh.flawed.push(Flawed { over: Over::Points, name: field.name, why });
                    continue;
                }
                match spread(field, &used, "node", |id| self.nodes.get(id), &mut budget, &mut self.mesh.warnings) {
                    Ok(field) => self.mesh.point_fields.push(field),
                    Err(warning) => self.mesh.warnings.push(warning),
                }
            }
        }
        if !on_cells.is_empty() {
            let mut used = vec![false; self.mesh.n_cells];
            self.mesh.blocks.iter().flat_map(|block| &block.cells).for_each(|&cell| used[cell as usize] = true);
            match IdMap::new(&self.cell_ids) {
                Ok(cells) => {
                    for mut field in on_cells {
                        if let Some(why) = field.flaw.take() {
                            self.mesh.flawed.push(Flawed { over: Over::Cells, name: field.name, why });
                            continue;
                        }
                        match spread(field, &used, "element", |id| cells.get(id), &mut budget, &mut self.mesh.warnings)
                        {
                            Ok(field) => self.mesh.cell_fields.push(field),
                            Err(warning) => self.mesh.warnings.push(warning),
                        }
                    }
                }
                Err((_, second)) => self.mesh.warnings.push(format!(
                    "element number {} comes twice; fields by element number are left out",
                    self.cell_ids[second]
                )),
            }
        }
        self.mesh.cell_ids = Some(self.cell_ids);
        Ok(self.mesh)
    }
}

/// Whether a cell uses the point, for each point.
pub(crate) fn used_points(mesh: &Mesh) -> Vec<bool> {
    let mut used = vec![false; mesh.points.len()];
    mesh.blocks.iter().flat_map(|block| &block.connectivity).for_each(|&point| used[point as usize] = true);
    used
}

/// How many values all fields of a file may spread to: short fields over many unused points must not grow a small file
/// into an unbounded allocation. A value with its node number takes two bytes at least, so full fields stay far below.
fn field_budget(source: &Source) -> usize {
    source.bytes().len().saturating_mul(2)
}

fn spread(
    field: SparseField,
    used: &[bool],
    what: &str,
    position: impl Fn(u64) -> Option<u32>,
    budget: &mut usize,
    warnings: &mut Vec<String>,
) -> Result<Field, String> {
    let SparseField { name, components, ids, values, .. } = field;
    let n_used = used.iter().filter(|used| **used).count();
    let needed = used.len().saturating_mul(components);
    if ids.len() < n_used || needed > *budget {
        return Err(format!("field `{name}` covers {} of {n_used} {what}s; left out", ids.len()));
    }
    *budget -= needed;
    let mut missing = used.to_vec();
    let mut dense = vec![0.0; needed];
    let mut unknown = 0usize;
    for (id, entry) in ids.iter().zip(values.chunks_exact(components)) {
        match position(*id) {
            Some(i) => {
                missing[i as usize] = false;
                dense[i as usize * components..][..components].copy_from_slice(entry);
            }
            None => unknown += 1,
        }
    }
    let n_missing = missing.iter().filter(|missing| **missing).count();
    if n_missing > 0 {
        return Err(format!("field `{name}` has no value for {n_missing} of {n_used} {what}s; left out"));
    }
    if unknown > 0 {
        warnings.push(format!("field `{name}` has values for {unknown} {what}s that the mesh does not have; ignored"));
    }
    Ok(Field { name, components, values: dense })
}

#[expect(clippy::type_complexity, reason = "the two columns without repeats, or the position and the message")]
fn without_repeats(ids: &[u64], points: &[[f64; 3]]) -> Result<(Vec<u64>, Vec<[f64; 3]>), (usize, String)> {
    let mut first: HashMap<u64, usize> = HashMap::with_capacity(ids.len());
    let (mut kept_ids, mut kept) = (Vec::new(), Vec::new());
    for (i, (&id, point)) in ids.iter().zip(points).enumerate() {
        match first.entry(id) {
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(i);
                kept_ids.push(id);
                kept.push(*point);
            }
            std::collections::hash_map::Entry::Occupied(slot) if points[*slot.get()] != *point => {
                return Err((i, format!("node {id} comes twice with different coordinates")));
            }
            std::collections::hash_map::Entry::Occupied(_) => {}
        }
    }
    Ok((kept_ids, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_map_to_positions_whatever_their_pattern() {
        for ids in [vec![], vec![7, 8, 9], vec![3, 1, 2, 900], vec![u64::MAX, 5, 1 << 40], vec![u64::MAX, 0]] {
            let map = IdMap::new(&ids).unwrap();
            for (i, &id) in ids.iter().enumerate() {
                assert_eq!(map.get(id), Some(i as u32), "{ids:?}");
            }
            for absent in [4, 10, 6, 1000, u64::MAX - 1] {
                assert_eq!(map.get(absent), None, "{ids:?}");
            }
        }
        assert_eq!(IdMap::new(&[1, 2, 1]).unwrap_err(), (0, 2));
        assert_eq!(IdMap::new(&[1 << 50, 2, 1 << 50]).unwrap_err(), (0, 2));
    }

    #[test]
    fn repeated_nodes_merge_only_where_they_agree() {
        let source = Source::from_bytes("a", Vec::new());
        let mut builder = MeshBuilder::new(&source);
        builder.set_points(vec![5, 9, 5], vec![[0.0; 3], [1.0; 3], [0.0; 3]]).unwrap();
        assert_eq!((builder.mesh.points.len(), builder.node(9), builder.node(5)), (2, Some(1), Some(0)));
        builder.set_points(vec![9, 7], vec![[1.0; 3], [2.0; 3]]).unwrap();
        assert_eq!((builder.mesh.points.len(), builder.node(9), builder.node(7)), (3, Some(1), Some(2)));
        let (at, _) = builder.set_points(vec![5, 7], vec![[0.0; 3], [3.0; 3]]).unwrap_err();
        assert_eq!(at, 4);
    }

    #[test]
    fn a_field_must_cover_the_points_that_cells_use() {
        let source = Source::from_bytes("a", vec![0; 100]);
        let field = |ids: Vec<u64>| SparseField {
            name: "t".into(),
            components: 1,
            values: vec![1.0; ids.len()],
            ids,
            flaw: None,
        };
        let build = |fields| {
            let mut builder = MeshBuilder::new(&source);
            builder.set_points(vec![1, 2, 3], vec![[0.0; 3]; 3]).unwrap();
            builder.add(CellKind::Truss2, 1).unwrap().copy_from_slice(&[0, 1]);
            builder.finish(fields, Vec::new()).unwrap()
        };
        assert_eq!(build(vec![field(vec![2, 1])]).point_fields[0].values, [1.0, 1.0, 0.0]);
        assert_eq!(build(vec![field(vec![1, 3])]).point_fields, []);
        let beyond = build(vec![field(vec![1, 2, 77])]);
        assert_eq!((beyond.point_fields.len(), beyond.warnings.len()), (1, 1));
        // A hundred bytes cannot spread to more than two hundred values.
        assert_eq!(build(vec![field(vec![1, 2]); 400]).point_fields.len(), 66);
    }
}
