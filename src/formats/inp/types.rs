//! Element types of CalculiX and Abaqus.

use crate::formats::mesh::{CellKind, Mesh};

/// What becomes of an element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A cell; `integration` as in [`Mesh::integration`].
    Cell { kind: CellKind, integration: u8 },
    /// As a cell, but its hybrid pressure is not in the displacements: the user is told.
    Hybrid { kind: CellKind },
    /// Shells, beams, springs, masses: skipped and counted.
    Skipped { surface: bool },
    /// A solid without a stress model here.
    Refused,
}

/// What becomes of type `name` (capitals, no blanks).
///
/// The orders of nodes are VTK's for all of them. Hybrid solids (`C3D8RH`, which some converters write for any
/// hexahedron) keep their geometry and leave the integration to the user.
pub(super) fn element_type(name: &str) -> Use {
    let cell = |kind, integration| Use::Cell { kind, integration };
    match name {
        "C3D4" => cell(CellKind::Tet4, 0),
        "C3D6" => cell(CellKind::Wedge6, 0),
        "C3D8" => cell(CellKind::Hex8, 8),
        "C3D8R" => cell(CellKind::Hex8, 1),
        "C3D8I" => cell(CellKind::Hex8, Mesh::INCOMPATIBLE),
        "C3D10" => cell(CellKind::Tet10, 0),
        "C3D15" => cell(CellKind::Wedge15, 0),
        "C3D20" => cell(CellKind::Hex20, 27),
        "C3D20R" => cell(CellKind::Hex20, 8),
        "T3D2" => cell(CellKind::Truss2, 0),
        "C3D4H" => Use::Hybrid { kind: CellKind::Tet4 },
        "C3D6H" => Use::Hybrid { kind: CellKind::Wedge6 },
        "C3D8H" | "C3D8RH" | "C3D8IH" => Use::Hybrid { kind: CellKind::Hex8 },
        "C3D10H" | "C3D10MH" => Use::Hybrid { kind: CellKind::Tet10 },
        "C3D15H" => Use::Hybrid { kind: CellKind::Wedge15 },
        "C3D20H" | "C3D20RH" => Use::Hybrid { kind: CellKind::Hex20 },
        _ if is_solid(name) => Use::Refused,
        _ => Use::Skipped { surface: is_surface(name) },
    }
}

/// Solids, continuum shells, cohesive, acoustic, thermal, piezoelectric and cylindrical elements in space.
fn is_solid(name: &str) -> bool {
    const SOLIDS: [&str; 11] = ["C3D", "CIN3D", "CCL", "SC6R", "SC8R", "CSS", "COH3D", "DC3D", "AC3D", "F3D", "Q3D"];
    SOLIDS.iter().any(|prefix| name.starts_with(prefix))
}

/// Shells, membranes, plane and axisymmetric elements, surfaces.
fn is_surface(name: &str) -> bool {
    const SURFACES: [&str; 7] = ["S3", "S4", "S6", "S8", "CP", "CAX", "M3D"];
    SURFACES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_say_what_they_are() {
        assert_eq!(element_type("C3D8R"), Use::Cell { kind: CellKind::Hex8, integration: 1 });
        assert_eq!(element_type("C3D10M"), Use::Refused);
        assert_eq!(element_type("C3D8T"), Use::Refused);
        assert_eq!(element_type("S4R"), Use::Skipped { surface: true });
        assert_eq!(element_type("SPRINGA"), Use::Skipped { surface: false });
        assert_eq!(element_type("C3D8RH"), Use::Hybrid { kind: CellKind::Hex8 });
    }
}
