//! Files that other programs wrote, and broken ones.

use super::*;
use crate::formats::mesh::{CellBlock, CellKind};

#[test]
fn the_cantilever_is_the_same_in_every_encoding() {
    let reference = read("cantilever/vtu_ascii.vtu.gz").unwrap();
    assert_sound(&reference);
    assert_eq!((reference.points.len(), reference.n_cells, reference.blocks.len()), (425, 256, 1));
    assert_eq!(reference.blocks[0].kind, CellKind::Hex8);
    for name in [
        "meshio_zlib",
        "vtu_appended_base64_lz4",
        "vtu_appended_raw_lzma",
        "vtu_appended_raw_u64",
        "vtu_appended_raw_zlib_PARAVIEW_DEFAULT",
        "vtu_inline_zlib",
    ] {
        let mesh = read(&format!("cantilever/{name}.vtu")).unwrap();
        assert_eq!(mesh.points, reference.points, "{name}");
        assert_eq!(mesh.blocks, reference.blocks, "{name}");
        assert_eq!(mesh.point_fields, reference.point_fields, "{name}");
        assert_eq!(mesh.cell_fields, reference.cell_fields, "{name}");
        assert!(mesh.warnings.is_empty(), "{name}: {:?}", mesh.warnings);
        let displacement = mesh.point_field("displacement").unwrap().unwrap();
        assert_eq!(displacement.components, 3);
        assert!((sum(displacement) - 0.5604592869).abs() < 1e-10, "{name}: {}", sum(displacement));
    }
}

#[test]
fn ccx2paraview_names_its_components_and_uses_float32_points() {
    let mesh = read("cantilever/ccx2paraview.vtu").unwrap();
    let reference = read("cantilever/vtu_inline_zlib.vtu").unwrap();
    assert!((sum(mesh.point_field("U").unwrap().unwrap()) - 0.5604593144).abs() < 1e-10);
    assert_eq!(mesh.point_field("S").unwrap().unwrap().components, 6);
    assert_eq!(mesh.blocks, reference.blocks);
    for (a, b) in mesh.points.iter().flatten().zip(reference.points.iter().flatten()) {
        // Its source has six digits, and it stores single precision.
        assert!((a - b).abs() <= 5.1e-6 * b.abs() + 1e-12, "{a} {b}");
    }
}

#[test]
fn trusses_are_read() {
    let mesh = read("vtk/truss25_t3d2.vtu").unwrap();
    assert_eq!((mesh.points.len(), mesh.blocks[0].kind, mesh.blocks[0].cells.len()), (10, CellKind::Truss2, 25));
    assert!(mesh.warnings.is_empty());
}

/// The mesh of `tests/data/formats/vtk/make.py`.
fn assert_mixed(mesh: &Mesh, name: &str) {
    assert_sound(mesh);
    assert_eq!((mesh.points.len(), mesh.n_cells), (12, 8), "{name}");
    for (i, point) in mesh.points.iter().enumerate() {
        let x = i as f64;
        assert_eq!(*point, [x / 7.0, x * x / 3.0, -x / 11.0], "{name}");
    }
    let block = |kind, connectivity: &[u32], cells: &[u32]| CellBlock {
        kind,
        connectivity: connectivity.to_vec(),
        cells: cells.to_vec(),
    };
    let blocks = [
        block(CellKind::Tet4, &[0, 1, 2, 3, 1, 2, 3, 4], &[0, 5]),
        block(CellKind::Tet10, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], &[7]),
        block(CellKind::Hex8, &[4, 5, 6, 7, 8, 9, 10, 11], &[2]),
        block(CellKind::Wedge6, &[0, 1, 2, 4, 5, 6], &[4]),
    ];
    assert_eq!(mesh.blocks, blocks, "{name}");
    assert_eq!(mesh.point_ids, Some((100..112).collect()), "{name}");
    assert_eq!(mesh.cell_ids, Some((1000..1008).collect()), "{name}");
    for number in ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"] {
        let field = mesh.point_field(&format!("p_{number}")).unwrap().unwrap();
        assert_eq!((field.components, &field.values), (1, &(0..12).map(f64::from).collect()), "{name} {number}");
        let field = mesh.cell_field(&format!("c_{number}")).unwrap().unwrap();
        assert_eq!((field.components, &field.values), (2, &(0..16).map(f64::from).collect()), "{name} {number}");
    }
    assert!(mesh.point_field("a <b> & %").unwrap().is_some(), "{name}");
    assert_eq!((mesh.point_fields.len(), mesh.cell_fields.len()), (12, 11), "{name}");
    assert_eq!(mesh.warnings.len(), 1, "{name}: {:?}", mesh.warnings);
    let skipped = "1 x vertex (VTK type 1), 1 x line (VTK type 3), 1 x triangle (VTK type 5)";
    assert!(mesh.warnings[0].contains(skipped), "{}", mesh.warnings[0]);
}

#[test]
fn files_by_vtk_itself_agree_in_every_type_and_encoding() {
    for name in [
        "ascii_none_le_32",
        "base64_none_le_32",
        "base64_zlib_le_32",
        "inline_lz4_le_64",
        "inline_lzma_be_32",
        "inline_none_be_64",
        "raw_none_be_32",
        "raw_zlib_be_64",
    ] {
        assert_mixed(&read(&format!("vtk/mixed_{name}.vtu")).unwrap(), name);
    }
}

#[test]
fn broken_files_are_refused_with_place_and_reason() {
    for (name, expected) in [
        ("empty", ": the file is empty"),
        ("not_a_mesh", ":1: this is not a VTK XML file"),
        ("truncated_ascii", ":278: the file ends early: the element opened on line 275 is not closed"),
        ("truncated_appended", " at byte 11916: array 'Points' block 0 of 1 reaches past the end"),
        ("index_out_of_range", ":6: cell 0 (the first is 0) refers to point 9, but the file has the points 0 to 3"),
        ("negative_index", ":6: cell 0 (the first is 0) refers to point -1"),
        ("nan_coordinate", ":5: the array of points is NaN in component 1 of point 2"),
        ("offsets_not_monotone", ":6: array 'offsets' decreases from 8 to 4 at cell 1"),
        ("wrong_offset_total", ":6: the last offset is 9, but array 'connectivity' has 8 point indices"),
        ("unknown_cell_type", ":6: cell 0 (the first is 0) has VTK type 77"),
        ("tet_with_3_nodes", ":6: cell 0 (the first is 0) is a tetrahedron (VTK type 10) with 3 points; it needs 4"),
    ] {
        let error = read(&format!("bad/{name}.vtu")).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        let line = error.to_string();
        assert!(line.contains(&format!("{name}.vtu{expected}")), "{line}");
    }
    // Geometry is judged where volumes are computed.
    for name in ["inverted_tet", "zero_volume_tet"] {
        assert_sound(&read(&format!("bad/{name}.vtu")).unwrap());
    }
}
