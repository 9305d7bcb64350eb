//! The cell types of VTK's files: which have a stress model, which a solid mesh may carry along (its surface), which
//! nobody could leave out without changing the model.

use super::mesh::CellKind;

/// What becomes of a cell of a given VTK type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellUse {
    /// It has a stress model.
    Kept(CellKind),
    /// A point, a curve or a surface beside the solid cells: left out with a warning.
    Skipped,
    /// A solid without a stress model, or a type that is not known: the file is refused.
    Refused,
}

/// What becomes of VTK type `vtk`.
#[must_use]
pub fn cell_use(vtk: u8) -> CellUse {
    if let Some(kind) = CellKind::from_vtk(vtk) {
        return CellUse::Kept(kind);
    }
    match vtk {
        // Empty, points, curves, linear and quadratic surfaces.
        0..=2 | 4..=9 | 21..=23 | 28 | 30 | 34..=36 => CellUse::Skipped,
        _ => CellUse::Refused,
    }
}

/// Whether type `vtk` is a surface: lines beside it are its edges.
#[must_use]
pub fn is_surface(vtk: u8) -> bool {
    matches!(vtk, 5..=9 | 22 | 23 | 28 | 30 | 34 | 36)
}

/// The name of VTK type `vtk`, for messages.
#[must_use]
pub fn cell_name(vtk: u8) -> &'static str {
    match vtk {
        0 => "empty cell",
        1 => "vertex",
        2 => "poly-vertex",
        3 => "line",
        4 => "poly-line",
        5 => "triangle",
        6 => "triangle strip",
        7 => "polygon",
        8 => "pixel",
        9 => "quadrilateral",
        10 => "tetrahedron",
        11 => "voxel",
        12 => "hexahedron",
        13 => "wedge",
        14 => "pyramid",
        15 => "pentagonal prism",
        16 => "hexagonal prism",
        21 => "quadratic edge",
        22 => "quadratic triangle",
        23 => "quadratic quadrilateral",
        24 => "quadratic tetrahedron",
        25 => "quadratic hexahedron",
        26 => "quadratic wedge",
        27 => "quadratic pyramid",
        28 => "biquadratic quadrilateral",
        29 => "triquadratic hexahedron",
        30 => "quadratic-linear quadrilateral",
        31 => "quadratic-linear wedge",
        32 => "biquadratic-quadratic wedge",
        33 => "biquadratic-quadratic hexahedron",
        34 => "biquadratic triangle",
        35 => "cubic line",
        36 => "quadratic polygon",
        37 => "triquadratic pyramid",
        41 => "convex point set",
        42 => "polyhedron",
        68..=74 => "Lagrange cell of any order",
        75..=81 => "Bezier cell of any order",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_kept_surfaces_skipped_other_solids_refused() {
        for kind in CellKind::ALL {
            assert_eq!(cell_use(kind.vtk()), CellUse::Kept(kind));
            assert_ne!(cell_name(kind.vtk()), "unknown");
        }
        for surface in [1, 5, 9, 22, 23] {
            assert_eq!(cell_use(surface), CellUse::Skipped);
            assert_eq!(is_surface(surface), surface != 1);
        }
        for solid in [11, 14, 15, 27, 29, 42, 71, 77, 255] {
            assert_eq!(cell_use(solid), CellUse::Refused);
        }
    }
}
