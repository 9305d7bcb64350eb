//! Files in: a mesh by its ending, and displacements that come in a file of their own.

use std::path::Path;

use crate::error::{Error, Result};
use crate::formats::mesh::Mesh;
use crate::formats::source::Source;
use crate::formats::{frd, inp, msh, nodal, vtk, vtu};

/// A reader of meshes.
type Reader = fn(&Source) -> Result<Mesh>;

/// Readers by file ending.
const MESHES: [(&str, Reader); 5] = [
    ("vtu", vtu::read_vtu),
    ("vtk", vtk::read_legacy),
    ("msh", msh::read_msh),
    ("inp", inp::read_inp),
    ("frd", frd::read_frd_mesh),
];

/// Reads a mesh in the format that its ending says, gzipped or not.
///
/// # Errors
/// [`Error::Input`] for an unknown ending, with those that are read, and whatever the reader finds.
pub fn read_mesh(path: &Path) -> Result<Mesh> {
    let source = Source::open(path)?;
    let ending = source.extension();
    match MESHES.iter().find(|(name, _)| *name == ending) {
        Some((_, read)) => read(&source),
        None => {
            let known: Vec<_> = MESHES.iter().map(|(name, _)| format!(".{name}")).collect();
            Err(Error::input(path, format!("not a mesh that stress reads; it reads {} (also .gz)", known.join(", "))))
        }
    }
}

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
