//! Generated meshes of every element kind: a jittered box with a smooth displacement, for tests, benches and sweeps.

use super::refine::{edge_key, number};
use crate::error::{Error, Result};
use crate::formats::mesh::{CellBlock, CellKind, Field, Mesh};
use crate::memory::ensure_available;
use crate::numeric::elements::shape;

/// Grid spacing in metres: far from 1, so that scaling is exercised.
const SPACING: f64 = 0.02;

/// How far a grid point moves at most, as part of the spacing. Tetrahedra of the box keep a positive volume below 0.2.
const JITTER: f64 = 0.12;

/// How far a mid-side node moves from the middle of its edge, as part of the spacing.
const BOW: f64 = 0.02;

/// The six tetrahedra of a cube: paths from its first to its last corner, one axis after the other.
const PATHS: [[usize; 3]; 6] = [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [1, 0, 2], [2, 1, 0]];

/// A box of exactly `cells` cells of `kind` (a part of the last layer where it does not come out even) with the point
/// field `displacement`. The same `seed` gives the same mesh. No cells: no points.
///
/// # Errors
/// [`Error::Resource`] for more cells than memory or 32-bit indices hold.
pub fn box_mesh(kind: CellKind, cells: u64, seed: u64) -> Result<Mesh> {
    let per_cube: u64 = match kind {
        CellKind::Tet4 | CellKind::Tet10 => 6,
        CellKind::Wedge6 | CellKind::Wedge15 => 2,
        CellKind::Truss2 => 3,
        CellKind::Hex8 | CellKind::Hex20 => 1,
    };
    let corners = shape::corners(kind).0;
    let bytes = cells.saturating_mul(4 * kind.nodes() as u64 + 4 + 8 * 24);
    ensure_available("a generated mesh", bytes)?;
    let count = usize::try_from(cells).ok().filter(|n| *n <= (u32::MAX / 32) as usize).ok_or_else(|| {
        Error::Resource(format!(
            "a generated mesh has at most {} cells",
            crate::units::grouped(u64::from(u32::MAX / 32))
        ))
    })?;
    let cubes = cells.div_ceil(per_cube);
    let side = (1_usize..).find(|n| (*n as u64).pow(3) >= cubes).unwrap_or(1);
    let layers = (cubes as usize).div_ceil(side * side);
    let row = side + 1;
    let id = |[x, y, z]: [usize; 3]| ((z * row + y) * row + x) as u32;

    let mut points = Vec::new();
    if count > 0 {
        for z in 0..=layers {
            for y in 0..row {
                for x in 0..row {
                    let index = points.len() as u64;
                    let at = [x, y, z];
                    points.push(std::array::from_fn(|k| {
                        SPACING * (at[k] as f64 + JITTER * noise(seed, 3 * index + k as u64))
                    }));
                }
            }
        }
    }
    let mut connectivity: Vec<u32> = Vec::with_capacity(count * kind.nodes());
    'cubes: for cube in 0..cubes as usize {
        let low = [cube % side, cube / side % side, cube / (side * side)];
        let corner = |dx: usize, dy: usize, dz: usize| id([low[0] + dx, low[1] + dy, low[2] + dz]);
        let hex = [
            corner(0, 0, 0),
            corner(1, 0, 0),
            corner(1, 1, 0),
            corner(0, 1, 0),
            corner(0, 0, 1),
            corner(1, 0, 1),
            corner(1, 1, 1),
            corner(0, 1, 1),
        ];
        for part in 0..per_cube as usize {
            if connectivity.len() == count * corners {
                break 'cubes;
            }
            match kind {
                CellKind::Tet4 | CellKind::Tet10 => {
                    let mut at = low;
                    let mut tet = [id(at); 4];
                    for (step, axis) in PATHS[part].iter().enumerate() {
                        at[*axis] += 1;
                        tet[step + 1] = id(at);
                    }
                    if part >= 3 {
                        // Odd permutations of the axes are left-handed.
                        tet.swap(1, 2);
                    }
                    connectivity.extend(tet);
                }
                CellKind::Wedge6 | CellKind::Wedge15 => {
                    let triangle = [[0, 1, 2], [0, 2, 3]][part];
                    connectivity.extend(triangle.map(|i| hex[i]));
                    connectivity.extend(triangle.map(|i| hex[i + 4]));
                }
                CellKind::Truss2 => connectivity.extend([hex[0], hex[[1, 3, 4][part]]]),
                CellKind::Hex8 | CellKind::Hex20 => connectivity.extend(hex),
            }
        }
    }
    if kind.nodes() > corners {
        connectivity = with_midsides(kind, &connectivity, &mut points, seed)?;
    }
    let displacement = points.iter().flat_map(displacement_at).collect();
    Ok(Mesh {
        source: "generated".into(),
        points,
        blocks: vec![CellBlock { kind, connectivity, cells: (0..count as u32).collect() }],
        n_cells: count,
        point_fields: vec![Field { name: "displacement".into(), components: 3, values: displacement }],
        ..Mesh::default()
    })
}

/// Adds the mid-side nodes of a corner-only connectivity, a little off the middle of their edges.
fn with_midsides(kind: CellKind, corners: &[u32], points: &mut Vec<[f64; 3]>, seed: u64) -> Result<Vec<u32>> {
    let (n, midsides) = shape::corners(kind);
    let edges = corners
        .chunks_exact(n)
        .flat_map(|cell| midsides.iter().map(|[a, b]| edge_key(cell[*a as usize], cell[*b as usize])));
    let edges = number(edges.collect())?;
    let first = points.len() as u32;
    for (i, key) in edges.keys.iter().enumerate() {
        let (a, b) = (points[(key >> 32) as usize], points[*key as u32 as usize]);
        let bow = |k: usize| BOW * SPACING * noise(seed ^ 0x6d69_6473, 3 * i as u64 + k as u64);
        points.push(std::array::from_fn(|k| 0.5 * (a[k] + b[k]) + bow(k)));
    }
    let cells = corners.chunks_exact(n).zip(edges.ids.chunks_exact(midsides.len()));
    Ok(cells.flat_map(|(cell, ids)| cell.iter().copied().chain(ids.iter().map(move |id| first + id))).collect())
}

/// Bending, torsion and stretch of about 1e-3, different everywhere.
fn displacement_at(x: &[f64; 3]) -> [f64; 3] {
    let [a, b, c] = *x;
    [
        1e-3 * a + 2e-3 * a * c - 5e-4 * b * b,
        -3e-4 * b + 1e-3 * c * a + 4e-4 * a * b * c,
        7e-4 * c - 1e-3 * a * a + 6e-4 * b * c,
    ]
}

/// A number in [-1, 1) that depends on nothing but its arguments (SplitMix64 of their mix).
fn noise(seed: u64, index: u64) -> f64 {
    let mut z = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}
