//! Each tet4 and hex8 becomes 8, with displacements and temperatures interpolated: a small file becomes a large job.

use rayon::prelude::*;

use super::model::{Block, Model, NodeRow};
use crate::error::{Error, Result};
use crate::formats::mesh::CellKind;
use crate::memory::{Buffer, ensure_available};

/// The six edges of a tetrahedron, in the order of [`TET_CHILDREN`]'s nodes 4..10.
const TET_EDGES: [[usize; 2]; 6] = [[0, 1], [1, 2], [0, 2], [0, 3], [1, 3], [2, 3]];

/// The children of a tetrahedron with the nodes 0..4 (corners) and 4..10 (middles of [`TET_EDGES`]): four corners, and
/// the octahedron between them cut along the diagonal from the middle of 0-2 to the middle of 1-3. All keep the parent's
/// orientation.
const TET_CHILDREN: [[usize; 4]; 8] =
    [[0, 4, 6, 7], [4, 1, 5, 8], [6, 5, 2, 9], [7, 8, 9, 3], [4, 6, 7, 8], [4, 5, 6, 8], [6, 7, 8, 9], [6, 5, 9, 8]];

/// Where the corners of a hexahedron lie in the 3x3x3 lattice of its refinement, divided by 2.
const HEX_CORNERS: [[usize; 3]; 8] =
    [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]];

const HEX_EDGES: [[usize; 2]; 12] =
    [[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7]];

const HEX_FACES: [[usize; 4]; 6] = [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]];

/// Splits every cell of `model` into 8, `times` times. A parent's children stay together: child `c` of cell `e` becomes
/// cell `8 e + c`. The file's own numbers no longer fit and are dropped.
///
/// # Errors
/// [`Error::Usage`] when there are other cells than tet4 and hex8; [`Error::Resource`] when the result would exceed the
/// memory or 2^32 cells or points.
pub(super) fn refine(model: &mut Model, times: u32) -> Result<()> {
    if times == 0 {
        return Ok(());
    }
    for block in &model.blocks {
        if !matches!(block.tables.kind, CellKind::Tet4 | CellKind::Hex8) {
            return Err(Error::Usage(format!(
                "--refine splits tet4 and hex8 alone; {} has {} as well",
                model.source.display(),
                block.tables.kind.name()
            )));
        }
    }
    check_size(model, times)?;
    for _ in 0..times {
        split(model)?;
    }
    renumber(model)?;
    model.point_ids = None;
    model.cell_ids = None;
    Ok(())
}

/// Refuses what cannot fit before anything is computed: per cell of the last level its connectivity and position, per
/// point its row (a tet4 mesh has a fifth as many points as cells, a hex8 mesh as many), and the edges while they are
/// numbered.
fn check_size(model: &Model, times: u32) -> Result<()> {
    let growth = 8_u64.checked_pow(times).filter(|growth| *growth <= 1 << 32);
    let cells = growth.and_then(|growth| (model.n_cells as u64).checked_mul(growth));
    let cells = cells
        .filter(|cells| *cells <= u64::from(u32::MAX))
        .ok_or_else(|| Error::Resource(format!("--refine {times} gives more than 2^32 cells; use a smaller number")))?;
    let mut bytes = 0_u64;
    for block in &model.blocks {
        let share = block.len() as u64 * (cells / (model.n_cells as u64).max(1));
        let (rows, edges) = if block.tables.kind == CellKind::Tet4 { (14, 12) } else { (66, 60) };
        bytes += share * (4 * block.tables.nodes as u64 + 8 + rows + edges);
    }
    ensure_available(&format!("--refine {times} ({} cells)", crate::units::grouped(cells)), bytes)
}

/// One level.
fn split(model: &mut Model) -> Result<()> {
    let old = model.nodes.len();
    let mut edges = Vec::new();
    let mut faces = Vec::new();
    for block in &model.blocks {
        let pairs: &[[usize; 2]] = if block.tables.kind == CellKind::Tet4 { &TET_EDGES } else { &HEX_EDGES };
        let quads: &[[usize; 4]] = if block.tables.kind == CellKind::Tet4 { &[] } else { &HEX_FACES };
        for cell in block.connectivity.chunks_exact(block.tables.nodes) {
            edges.extend(pairs.iter().map(|[a, b]| edge_key(cell[*a], cell[*b])));
            faces.extend(quads.iter().map(|quad| face_key(quad.map(|corner| cell[corner]))));
        }
    }
    let edges = number(edges)?;
    let faces = number(faces)?;
    let hexes: usize = model.blocks.iter().filter(|b| b.tables.kind == CellKind::Hex8).map(Block::len).sum();
    let first_face = old + edges.keys.len();
    let first_centre = first_face + faces.keys.len();
    let total = first_centre + hexes;
    if total > u32::MAX as usize {
        return Err(Error::Resource("refinement gives more than 2^32 points; use a smaller --refine".into()));
    }
    let mut rows = Buffer::zeroed(total, "refined nodes")?;
    rows[..old].copy_from_slice(&model.nodes);
    let nodes = &model.nodes;
    let mean = |points: &[u32]| -> NodeRow {
        let mut row = [0.0; 8];
        for point in points {
            (0..8).for_each(|i| row[i] += nodes[*point as usize][i]);
        }
        row.map(|x| x / points.len() as f64)
    };
    rows[old..first_face]
        .par_iter_mut()
        .zip(&edges.keys)
        .for_each(|(row, key)| *row = mean(&[(key >> 32) as u32, *key as u32]));
    rows[first_face..first_centre]
        .par_iter_mut()
        .zip(&faces.keys)
        .for_each(|(row, key)| *row = mean(&std::array::from_fn::<u32, 4, _>(|i| (key >> (32 * i)) as u32)));

    let (mut edge, mut face, mut centre) = (0, 0, first_centre);
    for block in &mut model.blocks {
        let cells = block.len();
        let nodes_per_cell = block.tables.nodes;
        let mut connectivity = Vec::with_capacity(8 * block.connectivity.len());
        for cell in block.connectivity.chunks_exact(nodes_per_cell) {
            let edge_node = |i: usize| old as u32 + edges.ids[edge + i];
            if block.tables.kind == CellKind::Tet4 {
                let local: [u32; 10] = std::array::from_fn(|i| if i < 4 { cell[i] } else { edge_node(i - 4) });
                connectivity.extend(TET_CHILDREN.iter().flat_map(|child| child.map(|i| local[i])));
                edge += 6;
            } else {
                let face_node = |i: usize| first_face as u32 + faces.ids[face + i];
                let lattice = hex_lattice(cell, edge_node, face_node, centre as u32);
                for octant in HEX_CORNERS {
                    connectivity.extend(HEX_CORNERS.map(|corner| {
                        let at: [usize; 3] = std::array::from_fn(|k| octant[k] + corner[k]);
                        lattice[at[2]][at[1]][at[0]]
                    }));
                }
                rows[centre] = mean(cell);
                edge += 12;
                face += 6;
                centre += 1;
            }
        }
        block.materials = block.materials.iter().flat_map(|id| [*id; 8]).collect();
        block.cells = block.cells.iter().flat_map(|cell| (0..8).map(move |child| 8 * cell + child)).collect();
        block.connectivity = connectivity;
        debug_assert_eq!(block.len(), 8 * cells);
    }
    model.nodes = rows;
    model.n_cells *= 8;
    Ok(())
}

/// Numbers the points in the order in which the cells first use them (unused ones last). The children of one parent then
/// find their nodes side by side: measured 3 times faster on 2.4 million tetrahedra than with new points appended level
/// by level.
fn renumber(model: &mut Model) -> Result<()> {
    const NEW: u32 = u32::MAX;
    let old = &model.nodes;
    let mut rank = vec![NEW; old.len()];
    let mut rows = Buffer::zeroed(old.len(), "refined nodes")?;
    let mut next = 0;
    let mut place = |point: usize, rank: &mut [u32]| {
        if rank[point] == NEW {
            rank[point] = next;
            rows[next as usize] = old[point];
            next += 1;
        }
        rank[point]
    };
    for block in &mut model.blocks {
        for point in &mut block.connectivity {
            *point = place(*point as usize, &mut rank);
        }
    }
    for point in 0..old.len() {
        place(point, &mut rank);
    }
    model.nodes = rows;
    Ok(())
}

/// The 27 nodes of a refined hexahedron by lattice position `[z][y][x]`.
fn hex_lattice(
    cell: &[u32],
    edge: impl Fn(usize) -> u32,
    face: impl Fn(usize) -> u32,
    centre: u32,
) -> [[[u32; 3]; 3]; 3] {
    let mut lattice = [[[centre; 3]; 3]; 3];
    let mut put = |corners: &[usize], node: u32| {
        // The mean of corner positions in units of half edges.
        let at: [usize; 3] =
            std::array::from_fn(|k| 2 * corners.iter().map(|c| HEX_CORNERS[*c][k]).sum::<usize>() / corners.len());
        lattice[at[2]][at[1]][at[0]] = node;
    };
    (0..8).for_each(|i| put(&[i], cell[i]));
    (0..12).for_each(|i| put(&HEX_EDGES[i], edge(i)));
    (0..6).for_each(|i| put(&HEX_FACES[i], face(i)));
    lattice
}

pub(super) fn edge_key(a: u32, b: u32) -> u64 {
    u64::from(a.min(b)) << 32 | u64::from(a.max(b))
}

/// The four corners, sorted: a quadrilateral in whatever rotation and orientation.
fn face_key(mut corners: [u32; 4]) -> u128 {
    corners.sort_unstable();
    (0..4).map(|i| u128::from(corners[i]) << (32 * i)).sum()
}

/// Distinct keys in ascending order, and for each position of the input the rank of its key.
pub(super) struct Numbered<K> {
    pub(super) keys: Vec<K>,
    pub(super) ids: Vec<u32>,
}

/// Numbers equal keys alike, by sorting: no hash table misses, and neighbours in space stay neighbours in memory.
///
/// # Errors
/// [`Error::Resource`] for 2^32 keys or more.
pub(super) fn number<K: Ord + Copy + Send>(keys: Vec<K>) -> Result<Numbered<K>> {
    let count = u32::try_from(keys.len())
        .map_err(|_| Error::Resource("the mesh has more than 2^32 edges; use a smaller --refine".into()))?;
    let mut sorted: Vec<(K, u32)> = keys.into_iter().zip(0..count).collect();
    sorted.par_sort_unstable();
    let mut distinct: Vec<K> = Vec::new();
    let mut ids = vec![0; count as usize];
    for (key, position) in sorted {
        if distinct.last() != Some(&key) {
            distinct.push(key);
        }
        ids[position as usize] = distinct.len() as u32 - 1;
    }
    Ok(Numbered { keys: distinct, ids })
}
