//! File formats: one file a format, readers guarded against broken and hostile input.

pub mod ascii;
pub mod assemble;
mod build;
pub mod csv;
#[cfg(test)]
pub(crate) mod fixture;
pub mod inp;
pub mod materials;
pub mod mesh;
pub mod msh;
pub mod numbers;
pub mod source;
mod text;
pub mod vtk;
pub mod vtk_cells;
pub mod vtu;
