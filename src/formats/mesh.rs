//! The mesh that every reader gives and every writer takes: points, cells grouped by kind, named fields.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// The cells that have a stress model. Node order is VTK's, which is also Abaqus's and CalculiX's for all of them;
/// readers of other formats permute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CellKind {
    /// 2-node truss (VTK 3).
    Truss2,
    /// 4-node tetrahedron (VTK 10).
    Tet4,
    /// 10-node tetrahedron (VTK 24).
    Tet10,
    /// 8-node hexahedron (VTK 12).
    Hex8,
    /// 20-node hexahedron (VTK 25).
    Hex20,
    /// 6-node wedge (VTK 13).
    Wedge6,
    /// 15-node wedge (VTK 26).
    Wedge15,
}

impl CellKind {
    /// Every kind, in the order in which blocks are kept.
    pub const ALL: [Self; 7] =
        [Self::Truss2, Self::Tet4, Self::Tet10, Self::Hex8, Self::Hex20, Self::Wedge6, Self::Wedge15];

    /// Nodes of one cell.
    #[must_use]
    pub fn nodes(self) -> usize {
        match self {
            Self::Truss2 => 2,
            Self::Tet4 => 4,
            Self::Tet10 => 10,
            Self::Hex8 => 8,
            Self::Hex20 => 20,
            Self::Wedge6 => 6,
            Self::Wedge15 => 15,
        }
    }

    /// The VTK cell type.
    #[must_use]
    pub fn vtk(self) -> u8 {
        match self {
            Self::Truss2 => 3,
            Self::Tet4 => 10,
            Self::Tet10 => 24,
            Self::Hex8 => 12,
            Self::Hex20 => 25,
            Self::Wedge6 => 13,
            Self::Wedge15 => 26,
        }
    }

    /// The name in messages and in `hetero list`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Truss2 => "truss2",
            Self::Tet4 => "tet4",
            Self::Tet10 => "tet10",
            Self::Hex8 => "hex8",
            Self::Hex20 => "hex20",
            Self::Wedge6 => "wedge6",
            Self::Wedge15 => "wedge15",
        }
    }

    /// The kind of a VTK cell type, if it has a stress model.
    #[must_use]
    pub fn from_vtk(vtk: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.vtk() == vtk)
    }
}

/// All cells of one kind, in file order.
#[derive(Debug, Clone, PartialEq)]
pub struct CellBlock {
    /// Their kind.
    pub kind: CellKind,
    /// `kind.nodes()` point indices per cell, 0-based.
    pub connectivity: Vec<u32>,
    /// For each cell its position among all cells of the file, 0-based (cells without a stress model count too).
    pub cells: Vec<u32>,
}

/// A named array over points or cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Name in the file.
    pub name: String,
    /// Values per point or cell.
    pub components: usize,
    /// `components` values for each point or cell, in file order.
    pub values: Vec<f64>,
}

/// What an array has values for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The points.
    Points,
    /// The cells.
    Cells,
}

/// An array that holds a value which is not finite: of no use, and no harm as long as nobody asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Flawed {
    /// What it has values for.
    pub over: Over,
    /// Name in the file.
    pub name: String,
    /// The first such value and where it stands.
    pub why: Error,
}

/// A material as a deck (`.inp`) or a material file defines it. Units are the user's own consistent set.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    /// Its name.
    pub name: String,
    /// Elastic constants.
    pub elastic: Elastic,
    /// Thermal expansion in the three material directions, 1/K; zero without.
    pub alpha: [f64; 3],
    /// Temperature without thermal strain, T0.
    pub reference_temperature: f64,
}

/// Elastic constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Elastic {
    /// Young's modulus and Poisson's ratio.
    Isotropic {
        /// Young's modulus, stress units.
        young: f64,
        /// Poisson's ratio.
        poisson: f64,
    },
    /// Engineering constants along the global axes: `young` [E1, E2, E3], `poisson` [nu12, nu13, nu23], `shear`
    /// [G12, G13, G23] (the order of Abaqus's `*ELASTIC, TYPE=ENGINEERING CONSTANTS`).
    Orthotropic {
        /// E1, E2, E3.
        young: [f64; 3],
        /// nu12, nu13, nu23.
        poisson: [f64; 3],
        /// G12, G13, G23.
        shear: [f64; 3],
    },
}

/// A mesh with its fields. A reader guarantees: every coordinate and field value is finite, every point index is in
/// range, every array has the length that its counts ask for. Arrays with other values are in [`Mesh::flawed`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mesh {
    /// The file it came from, as the user named it.
    pub source: PathBuf,
    /// Coordinates.
    pub points: Vec<[f64; 3]>,
    /// Cells that have a stress model, at most one block per kind, in [`CellKind::ALL`]'s order.
    pub blocks: Vec<CellBlock>,
    /// Number of all cells of the file: those of `blocks` and those that were skipped (surface triangles, vertices).
    pub n_cells: usize,
    /// The file's own node numbers, where it has them.
    pub point_ids: Option<Vec<u64>>,
    /// The file's own element numbers, one for each of `n_cells`, where it has them.
    pub cell_ids: Option<Vec<u64>>,
    /// Arrays over points.
    pub point_fields: Vec<Field>,
    /// Arrays over all `n_cells` cells.
    pub cell_fields: Vec<Field>,
    /// Arrays that hold values which are not finite.
    pub flawed: Vec<Flawed>,
    /// Integration points that a deck's element type asks for (C3D8R: 1), one for each of `n_cells`, 0 where it has no
    /// say; `incompatible` modes (C3D8I) are [`Mesh::INCOMPATIBLE`].
    pub integration: Option<Vec<u8>>,
    /// Materials that the file defines.
    pub materials: Vec<Material>,
    /// For each of `n_cells` the index into `materials`, `u32::MAX` for none. Empty when the file has no sections.
    pub cell_material: Vec<u32>,
    /// What the reader skipped or repaired, for the user.
    pub warnings: Vec<String>,
}

impl Mesh {
    /// The mark of incompatible modes in [`Mesh::integration`].
    pub const INCOMPATIBLE: u8 = u8::MAX;

    /// The point field `name`, letter case ignored.
    ///
    /// # Errors
    /// [`Error::Input`] with the place of a value that is not finite.
    pub fn point_field(&self, name: &str) -> Result<Option<&Field>> {
        self.field(Over::Points, name)
    }

    /// The cell field `name`, letter case ignored.
    ///
    /// # Errors
    /// As [`Mesh::point_field`].
    pub fn cell_field(&self, name: &str) -> Result<Option<&Field>> {
        self.field(Over::Cells, name)
    }

    fn field(&self, over: Over, name: &str) -> Result<Option<&Field>> {
        let fields = match over {
            Over::Points => &self.point_fields,
            Over::Cells => &self.cell_fields,
        };
        let found = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        let is_it = |flawed: &&Flawed| flawed.over == over && flawed.name.eq_ignore_ascii_case(name);
        match (found, self.flawed.iter().find(is_it)) {
            (None, Some(flawed)) => Err(flawed.why.clone()),
            (found, _) => Ok(found),
        }
    }

    /// What a user calls cell `index` (0-based among all cells): the file's own number, else the 1-based position.
    #[must_use]
    pub fn cell_label(&self, index: usize) -> u64 {
        self.cell_ids.as_ref().map_or(index as u64 + 1, |ids| ids[index])
    }

    /// What a user calls point `index`.
    #[must_use]
    pub fn point_label(&self, index: usize) -> u64 {
        self.point_ids.as_ref().map_or(index as u64 + 1, |ids| ids[index])
    }
}
