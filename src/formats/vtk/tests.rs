use std::path::PathBuf;

use super::*;
use crate::formats::mesh::CellKind;
use crate::formats::vtu::read_vtu;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats").join(name)
}

fn read(name: &str) -> Mesh {
    read_legacy(&Source::open(&data(name)).unwrap()).unwrap()
}

fn read_bytes(bytes: impl Into<Vec<u8>>) -> Result<Mesh> {
    read_legacy(&Source::from_bytes("t.vtk", bytes.into()))
}

fn refused(bytes: impl Into<Vec<u8>>) -> String {
    let error = read_bytes(bytes).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    error.to_string()
}

#[test]
fn the_cantilever_is_the_same_in_every_version() {
    let reference = read_vtu(&Source::open(&data("cantilever/vtu_inline_zlib.vtu")).unwrap()).unwrap();
    for name in ["vtk42_ascii", "vtk42_binary", "vtk51_ascii", "vtk51_binary"] {
        let mesh = read(&format!("cantilever/{name}.vtk"));
        assert_eq!(mesh.blocks, reference.blocks, "{name}");
        let displacement = mesh.point_field("displacement").unwrap().unwrap();
        let sum: f64 = displacement.values.iter().map(|u| u.abs()).sum();
        assert_eq!(displacement.components, 3);
        assert!((sum - 0.5604592869).abs() < 1e-10, "{name}: {sum}");
        assert_eq!(mesh.cell_fields, reference.cell_fields, "{name}");
        if name.ends_with("binary") {
            assert_eq!(mesh.points, reference.points, "{name}");
            assert_eq!(mesh.point_fields, reference.point_fields, "{name}");
        }
        // Text has 11 digits.
        for (a, b) in mesh.points.iter().flatten().zip(reference.points.iter().flatten()) {
            assert!((a - b).abs() <= 5.1e-11 * b.abs(), "{name}: {a} {b}");
        }
    }
}

#[test]
fn files_by_vtk_itself_agree_with_its_xml() {
    let mut reference = read_vtu(&Source::open(&data("vtk/mixed_raw_zlib_be_64.vtu")).unwrap()).unwrap();
    reference.point_fields.sort_by(|a, b| a.name.cmp(&b.name));
    reference.cell_fields.sort_by(|a, b| a.name.cmp(&b.name));
    for name in ["42_ascii", "42_binary", "51_ascii", "51_binary"] {
        let mut mesh = read(&format!("vtk/mixed_{name}.vtk"));
        mesh.point_fields.sort_by(|a, b| a.name.cmp(&b.name));
        mesh.cell_fields.sort_by(|a, b| a.name.cmp(&b.name));
        mesh.source.clone_from(&reference.source);
        if name.ends_with("ascii") {
            let pairs = mesh.points.iter().flatten().zip(reference.points.iter().flatten());
            assert!(pairs.clone().count() == 36 && pairs.clone().all(|(a, b)| (a - b).abs() <= 5.1e-11 * b.abs()));
            mesh.points.clone_from(&reference.points);
            let u = mesh.point_fields.iter_mut().find(|field| field.name == "displacement").unwrap();
            u.values.clone_from(&reference.point_field("displacement").unwrap().unwrap().values);
        }
        assert_eq!(mesh, reference, "{name}");
    }
}

const ASCII: &str = "# vtk DataFile Version 3.0\ntitle\nASCII\nDATASET UNSTRUCTURED_GRID\n\
    FIELD FieldData 2\nTIME 1 1 double\n2.5\nnote 1 2 string\nfirst line\nsecond line\n\
    POINTS 4 float\n0 0 0 1 0 0\n0 1 0 0 0 1\nCELLS 2 9\n4 0 1 2 3\n3 0 1 2\nCELL_TYPES 2\n10 5\n\
    POINT_DATA 4\nSCALARS t double\nLOOKUP_TABLE default\n1 2 3 4\nVECTORS u float\n1 2 3 4 5 6 7 8 9 10 11 12\n\
    METADATA\nINFORMATION 1\nNAME L2_NORM_RANGE LOCATION vtkDataArray\nDATA 2 0 1\n\n\
    TENSORS s float\n1 2 3 4 5 6 7 8 9\n1 2 3 4 5 6 7 8 9\n1 2 3 4 5 6 7 8 9\n1 2 3 4 5 6 7 8 9\n\
    LOOKUP_TABLE mine 1\n0 0 0 1\nTEXTURE_COORDINATES tc 2 float\n1 2 3 4 5 6 7 8\n\
    CELL_DATA 2\nSCALARS pair int 2\n1 2 3 4\nCOLOR_SCALARS c 3\n0 0 1 0 1 0\nNORMALS n float\n1 0 0 0 1 0\n\
    GLOBAL_IDS ids vtkIdType\n7 9\nFIELD more 2\na%20b 1 2 long\n5 6\nodd 1 3 int\n1 2 3\n";

#[test]
fn every_section_is_understood() {
    for text in [ASCII.to_string(), ASCII.replace('\n', "\r\n")] {
        let mesh = read_bytes(text).unwrap();
        assert_eq!((mesh.points.len(), mesh.n_cells), (4, 2));
        assert_eq!(mesh.blocks[0].kind, CellKind::Tet4);
        let names = |fields: &[crate::formats::mesh::Field]| -> Vec<(String, usize)> {
            fields.iter().map(|field| (field.name.clone(), field.components)).collect()
        };
        let expected = [("t", 1), ("u", 3), ("s", 9), ("tc", 2)].map(|(name, n)| (name.to_string(), n));
        assert_eq!(names(&mesh.point_fields), expected);
        let expected = [("pair", 2), ("c", 3), ("n", 3), ("a b", 1)].map(|(name, n)| (name.to_string(), n));
        assert_eq!(names(&mesh.cell_fields), expected);
        assert_eq!(mesh.point_fields[3].values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(mesh.cell_ids, Some(vec![7, 9]));
        assert!(mesh.warnings.iter().any(|w| w.contains("'odd' has 3 values, not 2")), "{:?}", mesh.warnings);
        assert!(mesh.warnings.iter().any(|w| w.contains("1 x triangle")), "{:?}", mesh.warnings);
    }
}

#[test]
fn wrong_files_are_named_with_their_line() {
    for (from, to, expected) in [
        ("# vtk DataFile", "# vtk", ":1: is not a legacy VTK file"),
        ("# vtk DataFile", "<VTKFile>", ":1: is not a legacy VTK file; rename it to .vtu"),
        ("ASCII", "EBCDIC", ":3: expected ASCII or BINARY, found 'EBCDIC'"),
        ("UNSTRUCTURED_GRID", "POLYDATA", "holds a POLYDATA, not an UNSTRUCTURED_GRID"),
        ("POINTS 4", "POINTS four", ":11: expected the number of points, found 'four'"),
        ("POINTS 4", "POINTS 5", ":14: 'CELLS' is not a number of type Float32"),
        ("POINTS 4", "POINTS 99999999999999", "asks for 99999999999999 x 3 values"),
        ("POINTS 4", "POINTS 18446744073709551615", "asks for 18446744073709551615 x 3 values"),
        ("POINTS 4 float", "POINTS 4 quad", ":11: unknown number type 'QUAD'"),
        ("0 1 0 0 0 1", "0 1 0 0 0 nan", ":12: the array of points is NaN in component 2 of point 3"),
        ("4 0 1 2 3", "4 0 1 2 4", "cell 0 (the first is 0) refers to point 4, but the file has the points 0 to 3"),
        ("4 0 1 2 3", "4 0 1 2 -3", "value 4 (the first is 0) of CELLS, -3, is not a point index"),
        ("4 0 1 2 3", "9 0 1 2 3", "cell 0 (the first is 0) of 2 reaches past the end of CELLS"),
        ("4 0 1 2 3", "3 0 1 2 0", ":15: CELLS has 9 numbers, its 2 cells take up 5"),
        ("CELL_TYPES 2\n10 5", "CELL_TYPES 2\n10 14", "cell 1 (the first is 0) has VTK type 14, pyramid"),
        (
            "CELL_TYPES 2\n10 5",
            "CELL_TYPES 2\n5 10",
            "cell 1 (the first is 0) is a tetrahedron (VTK type 10) with 3 points",
        ),
        ("CELL_TYPES 2\n10 5", "CELL_TYPES 1\n10", "array 'pair' is given for 2 cells; the file has 1"),
        (
            "CELL_TYPES 2\n10 5",
            "CELL_TYPES 2\n10 300",
            "value 1 (the first is 0) of CELL_TYPES, 300, is not a VTK cell type",
        ),
        ("POINT_DATA 4", "POINT_DATA 3", "expected a section like CELLS or POINT_DATA, found '4'"),
        ("TENSORS s", "MATRICES s", "expected a section like CELLS or POINT_DATA, found 'MATRICES'"),
    ] {
        let broken = ASCII.replacen(from, to, 1);
        assert_ne!(broken, ASCII, "{from}");
        let error = refused(broken);
        assert!(error.starts_with("t.vtk") && error.contains(expected), "{to}: {error}");
    }
    let cut = &ASCII[..ASCII.find("CELL_TYPES").unwrap()];
    assert!(refused(cut).contains("has no CELL_TYPES; the file may be cut off"));
}

fn samples() -> Vec<Vec<u8>> {
    let names = ["mixed_42_ascii", "mixed_42_binary", "mixed_51_ascii", "mixed_51_binary"];
    let mut all: Vec<_> = names.iter().map(|name| std::fs::read(data(&format!("vtk/{name}.vtk"))).unwrap()).collect();
    all.push(ASCII.into());
    all
}

fn assert_survives(bytes: Vec<u8>) {
    match read_bytes(bytes) {
        Ok(mesh) => {
            let n = mesh.points.len();
            assert!(mesh.blocks.iter().flat_map(|block| &block.connectivity).all(|point| (*point as usize) < n));
            assert!(mesh.point_fields.iter().all(|field| field.values.len() == n * field.components));
            assert!(mesh.cell_fields.iter().all(|field| field.values.len() == mesh.n_cells * field.components));
        }
        Err(Error::Input { .. } | Error::Resource(_)) => {}
        Err(other) => panic!("{other}"),
    }
}

crate::formats::broken::never_panics!(samples(), assert_survives);
