//! File formats: one file a format, readers guarded against broken and hostile input.
pub mod ascii;
pub mod assemble;
pub mod mesh;
pub mod numbers;
pub mod source;
pub mod vtk;
pub mod vtk_cells;
pub mod vtu;
