//! File formats: one file a format, readers guarded against broken and hostile input.
pub mod mesh;
pub mod source;
