//! The reader and the writer of `.vtu`.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::error::Error;
use crate::formats::mesh::Field;

mod encoder;
mod encodings;
mod files;
mod sizes;
mod text;
mod write;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats").join(name)
}

fn read(name: &str) -> Result<Mesh> {
    read_vtu(&Source::open(&data(name))?)
}

fn read_text(text: impl Into<Vec<u8>>) -> Result<Mesh> {
    read_vtu(&Source::from_bytes("t.vtu", text.into()))
}

fn refused(text: impl Into<Vec<u8>>) -> String {
    let error = read_text(text).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    error.to_string()
}

fn sum(field: &Field) -> f64 {
    field.values.iter().map(|value| value.abs()).sum()
}

/// What every reader promises.
fn assert_sound(mesh: &Mesh) {
    assert!(mesh.points.iter().flatten().all(|x| x.is_finite()));
    let n_points = mesh.points.len();
    for block in &mesh.blocks {
        assert!(!block.cells.is_empty());
        assert_eq!(block.connectivity.len(), block.cells.len() * block.kind.nodes());
        assert!(block.connectivity.iter().all(|point| (*point as usize) < n_points));
        assert!(block.cells.iter().all(|cell| (*cell as usize) < mesh.n_cells));
        assert!(block.cells.is_sorted());
    }
    assert!(mesh.blocks.is_sorted_by(|a, b| a.kind < b.kind));
    for (fields, n) in [(&mesh.point_fields, n_points), (&mesh.cell_fields, mesh.n_cells)] {
        assert!(fields.iter().all(|field| field.values.len() == n * field.components));
        assert!(fields.iter().flat_map(|field| &field.values).all(|value| value.is_finite()));
    }
    assert!(mesh.point_ids.as_ref().is_none_or(|ids| ids.len() == n_points));
    assert!(mesh.cell_ids.as_ref().is_none_or(|ids| ids.len() == mesh.n_cells));
}

/// A text file of one piece.
fn ascii(n_points: usize, cells: &[(u8, &[i64])], more: &str) -> String {
    let mut connectivity = String::new();
    let (mut offsets, mut types, mut end) = (String::new(), String::new(), 0);
    for (vtk, points) in cells {
        end += points.len();
        let _ = write!(types, "{vtk} ");
        let _ = write!(offsets, "{end} ");
        points.iter().for_each(|point| connectivity += &format!("{point} "));
    }
    let n_cells = cells.len();
    let points = "0 0 1 ".repeat(n_points);
    format!(
        "<VTKFile type=\"UnstructuredGrid\">\n<UnstructuredGrid>\n<Piece NumberOfPoints=\"{n_points}\" \
         NumberOfCells=\"{n_cells}\">\n{more}\n<Points><DataArray type=\"Float64\" NumberOfComponents=\"3\">{points}</DataArray>\
         </Points>\n<Cells><DataArray type=\"Int32\" Name=\"connectivity\">{connectivity}</DataArray>\n\
         <DataArray type=\"Int32\" Name=\"offsets\">{offsets}</DataArray>\n<DataArray type=\"UInt8\" \
         Name=\"types\">{types}</DataArray></Cells>\n</Piece>\n</UnstructuredGrid>\n</VTKFile>\n"
    )
}

const TET: (u8, &[i64]) = (10, &[0, 1, 2, 3]);
const LINE: (u8, &[i64]) = (3, &[0, 1]);
const TRIANGLE: (u8, &[i64]) = (5, &[0, 1, 2]);

/// A broken file is refused as one, or happens to be a sound mesh still.
fn assert_survives(bytes: Vec<u8>) {
    match read_text(bytes) {
        Ok(mesh) => assert_sound(&mesh),
        Err(Error::Input { .. } | Error::Resource(_)) => {}
        Err(other) => panic!("{other}"),
    }
}

fn samples() -> Vec<Vec<u8>> {
    let mut names = vec!["vtk/truss25_t3d2.vtu".to_string()];
    for encoding in [
        "ascii_none_le_32",
        "base64_zlib_le_32",
        "inline_lz4_le_64",
        "inline_lzma_be_32",
        "raw_none_be_32",
        "raw_zlib_be_64",
    ] {
        names.push(format!("vtk/mixed_{encoding}.vtu"));
    }
    let mut samples: Vec<_> = names.iter().map(|name| std::fs::read(data(name)).unwrap()).collect();
    samples.push(encodings::foreign(b"<?xml version=\"1.0\" encoding=\"latin1\"?>", b"Tr\xe4ger", b"W\xe4rme"));
    samples.push(encodings::foreign(b"", b"Tr\xe4ger", b"f"));
    samples
}

crate::formats::broken::never_panics!(samples(), assert_survives);
