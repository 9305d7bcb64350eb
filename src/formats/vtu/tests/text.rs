//! Files written by hand: what is skipped, odd but valid, or wrong.

use super::*;
use crate::formats::mesh::CellKind;

#[test]
fn surfaces_are_skipped_and_other_solids_named() {
    let mesh = read_text(ascii(4, &[(5, &[0, 1, 2]), TET, (21, &[0, 1, 2])], "")).unwrap();
    assert_eq!((mesh.n_cells, mesh.blocks.len(), mesh.blocks[0].cells[0]), (3, 1, 1));
    assert!(
        mesh.warnings[0].contains("1 x triangle (VTK type 5), 1 x quadratic edge (VTK type 21)"),
        "{:?}",
        mesh.warnings
    );
    let error = refused(ascii(5, &[TET, (14, &[0, 1, 2, 3, 4])], ""));
    assert!(error.contains(":8: cell 1 (the first is 0) has VTK type 14, pyramid"), "{error}");
    assert!(refused(ascii(4, &[TET, (42, &[0, 1, 2])], "")).contains("VTK type 42, polyhedron"));
    assert!(
        refused(ascii(3, &[(5, &[0, 1, 2])], "")).contains("no cell has a stress model: the file holds 1 x triangle")
    );
    assert_eq!(read_text(ascii(0, &[], "")).unwrap().n_cells, 0);
}

/// Gmsh and meshio write the edges and faces of a model's boundary along with its solids.
#[test]
fn lines_beside_surfaces_are_edges_unless_n_ip_says_otherwise() {
    let n_ip =
        |values: &str| format!("<CellData><DataArray type=\"Int32\" Name=\"n_ip\">{values}</DataArray></CellData>");
    let kinds =
        |text: String| -> Vec<CellKind> { read_text(text).unwrap().blocks.iter().map(|block| block.kind).collect() };
    assert_eq!(kinds(ascii(4, &[LINE, TET, TRIANGLE], "")), [CellKind::Tet4]);
    assert_eq!(kinds(ascii(4, &[LINE, TET, TRIANGLE], &n_ip("0 1 0"))), [CellKind::Tet4]);
    assert_eq!(kinds(ascii(4, &[LINE, TET, TRIANGLE], &n_ip("1 1 0"))), [CellKind::Truss2, CellKind::Tet4]);
    assert_eq!(kinds(ascii(4, &[LINE, TET], "")), [CellKind::Truss2, CellKind::Tet4]);
    let error = refused(ascii(4, &[LINE, TRIANGLE], ""));
    assert!(error.contains("the file holds 1 x line (VTK type 3), 1 x triangle"), "{error}");
}

#[test]
fn ghost_cells_are_skipped() {
    let more = "<CellData><DataArray type=\"UInt8\" Name=\"vtkGhostType\">0 1</DataArray></CellData>";
    let mesh = read_text(ascii(4, &[TET, TET], more)).unwrap();
    assert_eq!((mesh.n_cells, mesh.blocks[0].cells.len()), (2, 1));
    assert!(mesh.warnings[0].ends_with("skipped: 1"), "{:?}", mesh.warnings);
}

#[test]
fn odd_but_valid_files_are_read() {
    let field =
        |text: &str| format!("<PointData><DataArray type=\"Float64\" Name=\"f\">{text}</DataArray></PointData>");
    for text in [
        "1 2 3 4",
        "1 2 <InformationKey name=\"x\"><Value index=\"0\">9 nan</Value></InformationKey> 3 4",
        "<!-- nan -->1\r\n2\r\n3 4",
        "<![CDATA[1 2]]> 3 4",
    ] {
        let mesh = read_text(ascii(4, &[TET], &field(text))).unwrap();
        assert_eq!(mesh.point_fields[0].values, [1.0, 2.0, 3.0, 4.0], "{text}");
    }
    let bom = [b"\xef\xbb\xbf<?xml version=\"1.0\"?>\n".to_vec(), ascii(4, &[TET], "").into_bytes()].concat();
    assert_eq!(read_text(bom).unwrap().n_cells, 1);
    // Strings and unknown types are left out, repeated names too.
    let more = "<FieldData><DataArray type=\"Float64\" Name=\"t\">nan</DataArray></FieldData><PointData>\
        <Array type=\"String\" Name=\"s\">65 0</Array><DataArray type=\"String\" Name=\"s\">65 0</DataArray>\
        <DataArray type=\"Bit\" Name=\"b\">1</DataArray><DataArray type=\"Int8\" Name=\"f\">1 2 3 4</DataArray>\
        <DataArray type=\"Int8\" Name=\"f\">5 6 7 8</DataArray></PointData>";
    let mesh = read_text(ascii(4, &[TET], more)).unwrap();
    assert_eq!((mesh.point_fields.len(), mesh.point_fields[0].values[3]), (1, 4.0));
    assert_eq!(mesh.warnings.len(), 2, "{:?}", mesh.warnings);
    // Ids must be marked; a negative one is no id.
    let marked = |ids: &str| {
        format!("<CellData GlobalIds=\"id\"><DataArray type=\"Int64\" Name=\"id\">{ids}</DataArray></CellData>")
    };
    assert_eq!(read_text(ascii(4, &[TET], &marked("9007199254740993"))).unwrap().cell_ids, Some(vec![(1 << 53) + 1]));
    let mesh = read_text(ascii(4, &[TET], &marked("-5"))).unwrap();
    assert_eq!((mesh.cell_ids, mesh.warnings.len()), (None, 1));
    let unmarked = marked("7").replace(" GlobalIds=\"id\"", "");
    let mesh = read_text(ascii(4, &[TET], &unmarked)).unwrap();
    assert_eq!((mesh.cell_ids, mesh.cell_fields[0].values[0]), (None, 7.0));
}

#[test]
fn an_array_that_is_not_finite_is_an_error_only_for_those_who_want_it() {
    let arrays = "<PointData><DataArray type=\"Float64\" Name=\"f\">1 2 3 4</DataArray>\
                  <DataArray type=\"Float64\" Name=\"g\">5 6 7 8</DataArray></PointData>\
                  <CellData><DataArray type=\"Float64\" Name=\"f\">9</DataArray></CellData>";
    let good = ascii(4, &[TET], arrays);
    for (bad, said) in [("nan", "NaN"), ("inf", "inf"), ("1e999", "inf")] {
        let mesh = read_text(good.replace("1 2 3 4", &format!("1 2 {bad} 4"))).unwrap();
        assert_eq!(mesh.point_field("g").unwrap().unwrap().values, [5.0, 6.0, 7.0, 8.0]);
        assert_eq!(mesh.cell_field("f").unwrap().unwrap().values, [9.0]);
        let error = mesh.point_field("F").unwrap_err();
        assert_eq!(error.exit_code(), 3);
        let expected = format!(":4: array 'f' is {said} in component 0 of point 2");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    // Flawed in one of several pieces, whichever that is.
    let (start, end) = (good.find("<Piece").unwrap(), good.find("</Piece>").unwrap() + "</Piece>".len());
    let piece = &good[start..end];
    let broken = piece.replace("1 2 3 4", "1 2 nan 4");
    for pieces in [[piece, &broken], [&broken, piece]] {
        let mesh = read_text(good.replace(piece, &pieces.concat())).unwrap();
        assert!(mesh.point_field("f").is_err() && mesh.warnings.is_empty(), "{:?}", mesh.warnings);
        assert_eq!(mesh.point_field("g").unwrap().unwrap().values.len(), 8);
        assert_eq!(mesh.cell_field("f").unwrap().unwrap().values, [9.0, 9.0]);
    }
}

#[test]
fn wrong_attributes_and_values_are_named() {
    let good = ascii(4, &[TET], "<PointData><DataArray type=\"Float64\" Name=\"f\">1 2 3 4</DataArray></PointData>");
    assert_eq!(read_text(good.clone()).unwrap().point_fields.len(), 1);
    for (from, to, expected) in [
        ("type=\"UnstructuredGrid\"", "type=\"PolyData\"", ":1: holds a PolyData"),
        ("type=\"UnstructuredGrid\"", "type=\"PUnstructuredGrid\"", ":1: is a list of files"),
        (
            "type=\"UnstructuredGrid\"",
            "type=\"UnstructuredGrid\" byte_order=\"Middle\"",
            ":1: unknown byte_order 'Middle'",
        ),
        ("type=\"UnstructuredGrid\"", "type=\"UnstructuredGrid\" compressor=\"rar\"", ":1: unknown compressor 'rar'"),
        ("type=\"UnstructuredGrid\"", "type=\"UnstructuredGrid\" header_type=\"U\"", ":1: unknown header_type 'U'"),
        ("<VTKFile", "<svg", ":1: the root element is <svg>"),
        ("NumberOfPoints=\"4\"", "NumberOfPoints=\"four\"", ":3: NumberOfPoints is 'four'"),
        ("NumberOfPoints=\"4\"", "NumberOfPoints=\"5\"", "holds 12 values where the file's counts ask for 15"),
        ("NumberOfPoints=\"4\"", "NumberOfPoints=\"99999999999999999\"", "counts ask for 299999999999999997"),
        ("NumberOfPoints=\"4\"", "NumberOfPoints=\"9999999999999999999\"", "more than any file holds"),
        (
            "NumberOfCells=\"1\"",
            "NumberOfCells=\"2\"",
            "array 'types' holds 1 values where the file's counts ask for 2",
        ),
        ("1 2 3 4", "1 2 3 4 5", ":4: array 'f' holds 5 values"),
        ("1 2 3 4", "1 2 three 4", ":4: 'three' is not a number of type Float64"),
        ("1 2 3 4", "1 2 &amp; 4", ":4: an XML entity stands among the numbers"),
        ("Name=\"f\"", "Name=\"f\" NumberOfComponents=\"0\"", ":4: array 'f' has NumberOfComponents 0"),
        ("Name=\"f\"", "Name=\"f\" format=\"appended\"", ":4: array 'f' is appended but has no offset"),
        (
            "Name=\"f\"",
            "Name=\"f\" format=\"appended\" offset=\"0\"",
            ":4: array 'f' is appended, but the file ends before",
        ),
        ("Name=\"f\"", "Name=\"f\" format=\"binary\"", ":4: array 'f' needs 4 bytes"),
        ("type=\"Int32\" Name=\"offsets\"", "type=\"Float32\" Name=\"offsets\"", ":7: 'offsets' holds Float32"),
        ("type=\"UInt8\" Name=\"types\"", "type=\"UInt8\" Name=\"kinds\"", ":3: the piece has no types array"),
        ("</Piece>", "</Pieces>", "broken XML"),
        ("<UnstructuredGrid>", "<UnstructuredGrid/><More>", "broken XML"),
    ] {
        let broken = good.replacen(from, to, 1);
        assert_ne!(broken, good, "{from}");
        let error = refused(broken);
        assert!(error.starts_with("t.vtu") && error.contains(expected), "{to}: {error}");
    }
    assert!(refused(good.replace("Piece", "Part")).contains("has no <Piece>"));
    assert!(refused(&b"\xff\xfe<\0V\0"[..]).contains("UTF-16"));
    assert!(refused(&b"<VTKFile type=\"\xe9\">"[..]).contains("at byte 15: holds bytes that are not UTF-8"));
    assert!(refused("# vtk DataFile Version 3.0\n").contains("rename it to .vtk"));
}
