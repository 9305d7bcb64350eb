//! Displacements that come in a file of their own.

use std::path::Path;

use crate::error::{Error, Result};
use crate::formats::mesh::Mesh;
use crate::formats::source::Source;
use crate::formats::{frd, nodal};

/// Adds the displacements (and temperatures) of a result file to `mesh`: `.frd`, or a `.csv` table.
///
/// # Errors
/// [`Error::Input`] for another ending, and whatever the reader finds.
pub fn attach_displacement(mesh: &mut Mesh, path: &Path) -> Result<()> {
    let source = Source::open(path)?;
    let result = match source.extension().as_str() {
        "frd" => frd::read_frd(&source)?,
        "csv" => nodal::read_displacement_csv(&source)?,
        _ => return Err(Error::input(path, "not a file with displacements that stress reads; it reads .frd and .csv")),
    };
    nodal::attach(mesh, &result)
}
