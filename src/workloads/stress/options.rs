//! What a user decides about a solid model.

use crate::formats::mesh::Material;
use crate::numeric::elements::Integration;

/// Where results are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum At {
    /// At every integration point.
    #[default]
    Ip,
    /// Mean over an element's integration points.
    Element,
    /// Extrapolated to the corners and averaged over the elements of a node.
    Node,
}

/// Options of the solid model.
#[derive(Debug, Clone, Default)]
pub struct SolidOptions {
    /// Integration for cells on which the file has no say.
    pub integration: Option<Integration>,
    /// One Young's modulus for all cells; overrides what the file says.
    pub young: Option<f64>,
    /// One Poisson's ratio for all cells; trusses do not need it.
    pub poisson: Option<f64>,
    /// Materials of a material file, in its order: the cell array `material_id` counts them from 0.
    pub materials: Option<Vec<Material>>,
    /// Where results are saved.
    pub at: At,
    /// How often each tet4 and hex8 is split into 8.
    pub refine: u32,
    /// Name of the displacement field; by default the first of [`DISPLACEMENT_NAMES`] that the file has.
    pub field: Option<String>,
    /// Name of the temperature field; by default the first of [`TEMPERATURE_NAMES`] that the file has.
    pub temperature: Option<String>,
    /// Add the principal stresses to `.csv` and `.npy`.
    pub principal: bool,
}

/// Names under which programs write displacements; letter case is ignored.
pub const DISPLACEMENT_NAMES: [&str; 6] = ["displacement", "displacements", "U", "DISP", "disp_vec", "u_vec"];

/// Names under which programs write temperatures; letter case is ignored.
pub const TEMPERATURE_NAMES: [&str; 5] = ["temperature", "T", "TEMP", "NDTEMP", "NT"];
