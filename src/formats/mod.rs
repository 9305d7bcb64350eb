//! File formats: one file a format, readers guarded against broken and hostile input.
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
pub mod source;
mod text;
