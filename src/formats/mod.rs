//! File formats: one file a format, readers guarded against broken and hostile input.

pub mod ascii;
pub mod assemble;
#[cfg(test)]
mod broken;
mod build;
pub mod csv;
#[cfg(test)]
mod fe_tests;
#[cfg(test)]
pub(crate) mod fixture;
pub mod frd;
pub mod inp;
pub mod masters;
pub mod materials;
pub mod mesh;
pub mod msh;
pub mod mtx;
pub mod nodal;
pub mod npy;
pub mod numbers;
pub mod source;
pub mod sti;
mod text;
pub mod vtk;
pub mod vtk_cells;
pub mod vtu;

use std::path::Path;

use crate::error::{Error, Result};
use mesh::Mesh;
use source::Source;

/// A mesh format: how it is recognised and read.
pub struct MeshFormat {
    /// Name in messages.
    pub name: &'static str,
    /// File name endings, lower case.
    pub endings: &'static [&'static str],
    /// Whether the first bytes are this format's.
    pub looks_like: fn(&[u8]) -> bool,
    /// Reads it.
    pub read: fn(&Source) -> Result<Mesh>,
}

/// Every mesh format that is read.
pub static MESH_FORMATS: &[MeshFormat] = &[
    MeshFormat {
        name: "VTK XML unstructured grid",
        endings: &["vtu"],
        looks_like: |bytes| contains(bytes, b"<VTKFile"),
        read: vtu::read_vtu,
    },
    MeshFormat {
        name: "legacy VTK",
        endings: &["vtk"],
        looks_like: |bytes| bytes.starts_with(b"# vtk DataFile"),
        read: vtk::read_legacy,
    },
    MeshFormat {
        name: "Gmsh mesh",
        endings: &["msh"],
        looks_like: |bytes| contains(bytes, b"$MeshFormat"),
        read: msh::read_msh,
    },
    MeshFormat {
        name: "CalculiX result",
        endings: &["frd"],
        looks_like: |bytes| bytes.starts_with(b"    1C"),
        read: frd::read_frd_mesh,
    },
    MeshFormat {
        name: "CalculiX/Abaqus deck",
        endings: &["inp"],
        looks_like: |bytes| {
            let text = bytes.trim_ascii_start();
            text.starts_with(b"*") && text.get(1).is_some_and(|c| c.is_ascii_alphabetic() || *c == b'*')
        },
        read: inp::read_inp,
    },
];

/// How far into a file a format is looked for: past any comment that a writer puts first.
const HEAD: usize = 1024;

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes[..bytes.len().min(HEAD)].windows(word.len()).any(|window| window == word)
}

/// Reads the mesh in `path`, gzipped or not. The format is told by the first bytes; a file that looks like none of them
/// is read as what its ending says, so that the message is about that format.
///
/// # Errors
/// [`Error::Input`] for a file that cannot be read or is broken; [`Error::Resource`] when it needs too much memory.
pub fn read_mesh(path: &Path) -> Result<Mesh> {
    let source = Source::open(path)?;
    let bytes = source.bytes();
    let by_content = MESH_FORMATS.iter().find(|format| (format.looks_like)(bytes));
    let ending = source.extension();
    let by_ending = || MESH_FORMATS.iter().find(|format| format.endings.contains(&ending.as_str()));
    match by_content.or_else(by_ending) {
        Some(format) => (format.read)(&source),
        None => {
            let known: Vec<_> = MESH_FORMATS.iter().flat_map(|format| format.endings).copied().collect();
            let why = format!("is no mesh that hetero reads; it reads {} (each also gzipped)", known.join(", "));
            Err(Error::input(path, why))
        }
    }
}
