//! File formats: one file a format, readers guarded against broken and hostile input.

pub mod ascii;
pub mod assemble;
mod build;
pub mod csv;
#[cfg(test)]
mod fe_tests;
#[cfg(test)]
pub(crate) mod fixture;
pub mod frd;
pub mod inp;
pub mod materials;
pub mod mesh;
pub mod msh;
pub mod nodal;
pub mod npy;
pub mod numbers;
pub mod source;
mod text;
pub mod vtk;
pub mod vtk_cells;
pub mod vtu;
