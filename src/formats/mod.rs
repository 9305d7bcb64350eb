//! File formats: one file a format, readers guarded against broken and hostile input.
mod build;
pub mod csv;
#[cfg(test)]
pub(crate) mod fixture;
pub mod inp;
pub mod materials;
pub mod mesh;
pub mod msh;
pub mod source;
mod text;
