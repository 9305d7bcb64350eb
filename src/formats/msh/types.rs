//! Gmsh's element types: their nodes, and the order of their nodes.

use crate::formats::mesh::CellKind;

/// What becomes of a Gmsh element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A cell; node `i` of the file is node `order[i]` of VTK, empty where the orders agree.
    Cell { kind: CellKind, order: &'static [u8] },
    /// Skipped and counted; `surface` for faces.
    Skipped { surface: bool },
    /// A solid without a stress model here.
    Refused,
}

/// One element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GmshType {
    /// In the plural, for messages.
    pub(super) name: &'static str,
    /// Nodes of one element.
    pub(super) nodes: usize,
    /// What becomes of it.
    pub(super) role: Use,
}

const TET10: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 9, 8];
const HEX20: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 9, 17, 10, 18, 19, 12, 15, 13, 14];
const WEDGE15: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 8, 12, 7, 13, 14, 9, 11, 10];

/// The element type of number `number` (Gmsh reference manual, "MSH file format").
pub(super) fn gmsh_type(number: i64) -> Option<GmshType> {
    let cell = |name, kind: CellKind, order| GmshType { name, nodes: kind.nodes(), role: Use::Cell { kind, order } };
    let low = |name, nodes| GmshType { name, nodes, role: Use::Skipped { surface: false } };
    let face = |name, nodes| GmshType { name, nodes, role: Use::Skipped { surface: true } };
    let solid = |name, nodes| GmshType { name, nodes, role: Use::Refused };
    Some(match number {
        1 => cell("lines", CellKind::Truss2, &[]),
        2 => face("triangles", 3),
        3 => face("quadrangles", 4),
        4 => cell("tetrahedra", CellKind::Tet4, &[]),
        5 => cell("hexahedra", CellKind::Hex8, &[]),
        6 => cell("prisms", CellKind::Wedge6, &[]),
        7 => solid("5-node pyramids", 5),
        8 => low("3-node lines", 3),
        9 => face("6-node triangles", 6),
        10 => face("9-node quadrangles", 9),
        11 => cell("10-node tetrahedra", CellKind::Tet10, TET10),
        12 => solid("27-node hexahedra", 27),
        13 => solid("18-node prisms", 18),
        14 => solid("14-node pyramids", 14),
        15 => low("points", 1),
        16 => face("8-node quadrangles", 8),
        17 => cell("20-node hexahedra", CellKind::Hex20, HEX20),
        18 => cell("15-node prisms", CellKind::Wedge15, WEDGE15),
        19 => solid("13-node pyramids", 13),
        20 => face("9-node triangles", 9),
        21 => face("10-node triangles", 10),
        22 => face("12-node triangles", 12),
        23 => face("15-node triangles", 15),
        24 => face("15-node triangles", 15),
        25 => face("21-node triangles", 21),
        26 => low("4-node lines", 4),
        27 => low("5-node lines", 5),
        28 => low("6-node lines", 6),
        29 => solid("20-node tetrahedra", 20),
        30 => solid("35-node tetrahedra", 35),
        31 => solid("56-node tetrahedra", 56),
        36 => face("16-node quadrangles", 16),
        37 => face("25-node quadrangles", 25),
        90 => solid("40-node prisms", 40),
        92 => solid("64-node hexahedra", 64),
        93 => solid("125-node hexahedra", 125),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_is_a_permutation() {
        for number in 1..=93 {
            let Some(GmshType { nodes, role: Use::Cell { kind, order }, .. }) = gmsh_type(number) else { continue };
            assert_eq!(nodes, kind.nodes());
            let mut sorted = order.to_vec();
            sorted.sort_unstable();
            assert!(order.is_empty() || sorted == (0..nodes as u8).collect::<Vec<_>>(), "{number}");
        }
    }

    /// Which corners each edge node lies between: Gmsh's manual ("Node ordering") against VTK's.
    #[test]
    fn edge_nodes_lie_between_the_same_corners() {
        const TET: [(u8, u8); 6] = [(0, 1), (1, 2), (2, 0), (3, 0), (2, 3), (1, 3)];
        const TET_VTK: [(u8, u8); 6] = [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)];
        const HEX: [(u8, u8); 12] =
            [(0, 1), (0, 3), (0, 4), (1, 2), (1, 5), (2, 3), (2, 6), (3, 7), (4, 5), (4, 7), (5, 6), (6, 7)];
        const HEX_VTK: [(u8, u8); 12] =
            [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7)];
        const WEDGE: [(u8, u8); 9] = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 4), (2, 5), (3, 4), (3, 5), (4, 5)];
        const WEDGE_VTK: [(u8, u8); 9] = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5)];
        let edge = |(a, b): (u8, u8)| (a.min(b), a.max(b));
        type Edges = &'static [(u8, u8)];
        let cases: [(&[u8], Edges, Edges); 3] =
            [(TET10, &TET, &TET_VTK), (HEX20, &HEX, &HEX_VTK), (WEDGE15, &WEDGE, &WEDGE_VTK)];
        for (order, gmsh, vtk) in cases {
            let corners = order.len() - gmsh.len();
            for (i, &between) in gmsh.iter().enumerate() {
                let to = order[corners + i] as usize - corners;
                assert_eq!(edge(between), edge(vtk[to]), "edge node {i} of {corners} corners");
            }
        }
    }
}
