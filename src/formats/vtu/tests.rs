use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use base64::Engine;

use super::*;
use crate::error::Error;
use crate::formats::mesh::{CellBlock, CellKind, Field};

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

/// How a test file is encoded.
#[derive(Debug, Clone, Copy)]
struct Encoding {
    mode: Mode,
    packing: Option<xml::Compressor>,
    big: bool,
    header64: bool,
    /// Bytes per block.
    block: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Inline,
    AppendedRaw,
    AppendedBase64,
}

/// Writes small files in any encoding. An independent reading of the format: checked against the files by VTK above
/// only through the reader.
struct Encoder {
    encoding: Encoding,
    appended: Vec<u8>,
}

impl Encoder {
    fn word(&self, value: usize) -> Vec<u8> {
        let bytes = if self.encoding.header64 {
            (value as u64).to_le_bytes().to_vec()
        } else {
            (value as u32).to_le_bytes().to_vec()
        };
        if self.encoding.big { bytes.into_iter().rev().collect() } else { bytes }
    }

    /// Header and payload of an array.
    fn pack(&self, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let Some(packing) = self.encoding.packing else { return (self.word(bytes.len()), bytes.to_vec()) };
        let blocks: Vec<Vec<u8>> = bytes
            .chunks(self.encoding.block)
            .map(|block| match packing {
                xml::Compressor::Zlib => {
                    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                    packer.write_all(block).unwrap();
                    packer.finish().unwrap()
                }
                xml::Compressor::Lz4 => lz4_flex::block::compress(block),
                xml::Compressor::Lzma => {
                    let options = lzma_rust2::XzOptions::with_preset(0);
                    let mut packer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
                    packer.write_all(block).unwrap();
                    packer.finish().unwrap()
                }
            })
            .collect();
        let mut header = self.word(blocks.len());
        header.extend(self.word(self.encoding.block));
        header.extend(self.word(bytes.len() % self.encoding.block));
        for block in &blocks {
            header.extend(self.word(block.len()));
        }
        (header, blocks.concat())
    }

    fn array(&mut self, number: &str, extra: &str, values: &[f64]) -> String {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| {
                let mut bytes = match number {
                    "Float32" => (*value as f32).to_le_bytes().to_vec(),
                    "Float64" => value.to_le_bytes().to_vec(),
                    _ => (*value as i64).to_le_bytes()
                        [..number.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap() / 8]
                        .to_vec(),
                };
                if self.encoding.big {
                    bytes.reverse();
                }
                bytes
            })
            .collect();
        let (header, payload) = self.pack(&bytes);
        let base64 = base64::engine::general_purpose::STANDARD;
        // VTK encodes the header of a packed array on its own, and everything at once otherwise.
        let text = match self.encoding.packing {
            Some(_) => base64.encode(&header) + &base64.encode(&payload),
            None => base64.encode([header.as_slice(), payload.as_slice()].concat()),
        };
        let offset = self.appended.len();
        match self.encoding.mode {
            Mode::Inline => {
                return format!("<DataArray type=\"{number}\" {extra} format=\"binary\">\n  {text}\n</DataArray>");
            }
            Mode::AppendedRaw => self.appended.extend([header, payload].concat()),
            Mode::AppendedBase64 => self.appended.extend(text.bytes()),
        }
        format!("<DataArray type=\"{number}\" {extra} format=\"appended\" offset=\"{offset}\"/>")
    }

    fn file(&self, pieces: &str) -> Vec<u8> {
        let order = if self.encoding.big { "BigEndian" } else { "LittleEndian" };
        let header = if self.encoding.header64 { "UInt64" } else { "UInt32" };
        let packing = match self.encoding.packing {
            None => "",
            Some(xml::Compressor::Zlib) => "compressor=\"vtkZLibDataCompressor\"",
            Some(xml::Compressor::Lz4) => "compressor=\"vtkLZ4DataCompressor\"",
            Some(xml::Compressor::Lzma) => "compressor=\"vtkLZMADataCompressor\"",
        };
        let mut file = format!(
            "<VTKFile type=\"UnstructuredGrid\" version=\"1.0\" byte_order=\"{order}\" header_type=\"{header}\" {packing}>\n\
             <UnstructuredGrid>{pieces}</UnstructuredGrid>\n"
        )
        .into_bytes();
        if self.encoding.mode != Mode::Inline {
            let encoding = if self.encoding.mode == Mode::AppendedRaw { "raw" } else { "base64" };
            file.extend(format!("<AppendedData encoding=\"{encoding}\">_").bytes());
            file.extend(&self.appended);
            file.extend(b"</AppendedData>");
        }
        file.extend(b"</VTKFile>");
        file
    }
}

const PLAIN: Encoding = Encoding { mode: Mode::AppendedRaw, packing: None, big: false, header64: true, block: 64 };

/// A row of `n` tetrahedra on `n + 3` points, its field the squares, with arrays of the given types.
fn row(encoding: Encoding, n: usize, real: &str, index: &str, kind: &str) -> Vec<u8> {
    let mut encoder = Encoder { encoding, appended: Vec::new() };
    let piece = piece(&mut encoder, n, real, index, kind);
    encoder.file(&piece)
}

fn piece(encoder: &mut Encoder, n: usize, real: &str, index: &str, kind: &str) -> String {
    let n_points = n + 3;
    let squares: Vec<f64> = (0..n_points).map(|i| (i * i % 97) as f64).collect();
    let points: Vec<f64> = (0..3 * n_points).map(|i| (i * i % 101) as f64).collect();
    let connectivity: Vec<f64> = (0..n).flat_map(|i| [i, i + 1, i + 2, i + 3]).map(|i| i as f64).collect();
    let offsets: Vec<f64> = (1..=n).map(|i| 4.0 * i as f64).collect();
    format!(
        "<Piece NumberOfPoints=\"{n_points}\" NumberOfCells=\"{n}\"><PointData>{}</PointData><Points>{}</Points>\
         <Cells>{}{}{}</Cells></Piece>",
        encoder.array(real, "Name=\"squares\"", &squares),
        encoder.array(real, "NumberOfComponents=\"3\"", &points),
        encoder.array(index, "Name=\"connectivity\"", &connectivity),
        encoder.array(index, "Name=\"offsets\"", &offsets),
        encoder.array(kind, "Name=\"types\"", &vec![10.0; n]),
    )
}

fn assert_row(mesh: &Mesh, n: usize, first: usize) {
    assert_sound(mesh);
    let block = &mesh.blocks[0];
    assert_eq!((block.kind, block.cells.len()), (CellKind::Tet4, n));
    assert!(block.cells.iter().enumerate().all(|(i, cell)| i == *cell as usize));
    assert!(block.connectivity[first * 4..].chunks(4).enumerate().all(|(i, c)| c[3] - c[0] == 3 && c[1] >= i as u32));
    assert!(mesh.point_fields[0].values.iter().take(n + 3).enumerate().all(|(i, v)| *v == (i * i % 97) as f64));
    assert!(mesh.points.iter().take(n + 3).enumerate().all(|(i, p)| p[1] == ((3 * i + 1) * (3 * i + 1) % 101) as f64));
}

#[test]
fn every_encoding_round_trips() {
    for mode in [Mode::Inline, Mode::AppendedRaw, Mode::AppendedBase64] {
        for packing in [None, Some(xml::Compressor::Zlib), Some(xml::Compressor::Lz4), Some(xml::Compressor::Lzma)] {
            for (big, header64) in [(false, false), (false, true), (true, false), (true, true)] {
                let encoding = Encoding { mode, packing, big, header64, block: 64 };
                for (real, index, kind) in
                    [("Float64", "Int64", "UInt8"), ("Float32", "Int16", "Int64"), ("Int32", "UInt32", "UInt16")]
                {
                    let mesh = read_text(row(encoding, 11, real, index, kind)).unwrap();
                    assert_row(&mesh, 11, 0);
                }
            }
        }
    }
}

#[test]
fn long_arrays_are_cut_into_tasks() {
    // More than two tasks of every array, and a bad index in the last one.
    let n = 150_001;
    assert_row(&read_text(row(PLAIN, n, "Float64", "Int64", "UInt8")).unwrap(), n, 0);
    let zlib = Encoding { packing: Some(xml::Compressor::Zlib), block: 1 << 15, big: true, ..PLAIN };
    assert_row(&read_text(row(zlib, n, "Float32", "Int32", "UInt8")).unwrap(), n, 0);
    let mut file = row(PLAIN, n, "Float64", "Int64", "UInt8");
    let last = ((n + 2) as u64).to_le_bytes();
    let at = (0..file.len() - 8).rev().find(|at| file[*at..*at + 8] == last).unwrap();
    file[at..at + 8].copy_from_slice(&((n + 3) as u64).to_le_bytes());
    let error = refused(file);
    assert!(
        error.contains(&format!("at byte {at}: cell {} (the first is 0) refers to point {}", n - 1, n + 3)),
        "{error}"
    );
}

#[test]
fn pieces_become_one_mesh() {
    let mut encoder = Encoder { encoding: PLAIN, appended: Vec::new() };
    let empty = "<Piece NumberOfPoints=\"0\" NumberOfCells=\"0\"></Piece>";
    let pieces = piece(&mut encoder, 2, "Float64", "Int64", "UInt8")
        + empty
        + &piece(&mut encoder, 3, "Float32", "Int32", "UInt8");
    let mesh = read_text(encoder.file(&pieces)).unwrap();
    assert_sound(&mesh);
    assert_eq!((mesh.points.len(), mesh.n_cells), (11, 5));
    assert_eq!(mesh.blocks[0].connectivity[8..12], [5, 6, 7, 8]);
    assert_eq!(mesh.blocks[0].cells, [0, 1, 2, 3, 4]);
    assert_eq!(mesh.point_fields[0].values[5..], [0.0, 1.0, 4.0, 9.0, 16.0, 25.0]);
    let renamed = pieces.replacen("squares", "first", 1);
    let mesh = read_text(encoder.file(&renamed)).unwrap();
    assert!(mesh.point_fields.is_empty());
    assert!(mesh.warnings.iter().any(|w| w.contains("'first' is not in every piece")), "{:?}", mesh.warnings);
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

/// A file with a raw appended array, whose bytes are 0 to 255 but for the numbers, and `text` in a comment and a name.
fn foreign(declaration: &[u8], comment: &[u8], name: &[u8]) -> Vec<u8> {
    let mut file = [declaration, b"\n<!-- ", comment, b" -->\n"].concat();
    file.extend(
        b"<VTKFile type=\"UnstructuredGrid\" byte_order=\"LittleEndian\" header_type=\"UInt32\"><UnstructuredGrid>\n\
          <Piece NumberOfPoints=\"4\" NumberOfCells=\"1\"><PointData><DataArray type=\"UInt8\" NumberOfComponents=\"64\" \
          Name=\"",
    );
    file.extend(name);
    file.extend(
        b"\" format=\"appended\" offset=\"0\"/></PointData>\n<Points><DataArray type=\"Float64\" NumberOfComponents=\"3\">\
          0 0 0 1 0 0 0 1 0 0 0 1</DataArray></Points>\n<Cells><DataArray type=\"Int32\" Name=\"connectivity\">0 1 2 3\
          </DataArray><DataArray type=\"Int32\" Name=\"offsets\">4</DataArray><DataArray type=\"UInt8\" Name=\"types\">10\
          </DataArray></Cells></Piece></UnstructuredGrid>\n<AppendedData encoding=\"raw\">_",
    );
    file.extend(256u32.to_le_bytes());
    file.extend(0..=255u8);
    file.extend(b"</AppendedData></VTKFile>");
    file
}

#[test]
fn latin_1_is_read_where_it_is_declared_and_ignored_in_comments() {
    let values: Vec<f64> = (0..256).map(f64::from).collect();
    let declaration = |name: &str| format!("<?xml version=\"1.0\" encoding=\"{name}\"?>").into_bytes();
    for name in ["ISO-8859-1", "iso_8859-1", "latin1", "Windows-1252", "US-ASCII"] {
        let mesh = read_text(foreign(&declaration(name), b"Tr\xe4ger", b"W\xe4rme in \x80 \xb7 \xff")).unwrap();
        assert_eq!(mesh.point_field("Wärme in € · ÿ").unwrap().unwrap().values, values, "{name}");
    }
    // What is UTF-8 is read as it, whatever is declared.
    for name in ["UTF-8", "ISO-8859-1", "Shift_JIS"] {
        let mesh = read_text(foreign(&declaration(name), "Träger".as_bytes(), "Wärme".as_bytes())).unwrap();
        assert_eq!(mesh.point_field("Wärme").unwrap().unwrap().values, values, "{name}");
    }
    for start in [&b"<?xml version=\"1.0\"?>"[..], b"", &declaration("utf-8"), b"<!-- \xfc --><!---->"] {
        let mesh = read_text(foreign(start, b"Tr\xe4ger", "Wärme".as_bytes())).unwrap();
        assert_eq!(mesh.point_field("Wärme").unwrap().unwrap().values, values);
        let error = refused(foreign(start, b"", b"W\xe4rme"));
        assert!(error.contains("holds bytes that are not UTF-8") && error.contains("ISO-8859-1"), "{error}");
    }
    let error = refused(foreign(&declaration("Shift_JIS"), b"", b"\x83\x65"));
    assert!(error.contains(":1: is text in Shift_JIS, which is not read; write it in UTF-8"), "{error}");
    assert!(refused(&b"<\0?\0x\0"[..]).contains("UTF-16"));
}

#[test]
fn a_copy_in_utf_8_keeps_the_places() {
    let declaration = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>";
    let file = |comment: &[u8]| {
        let mut file = foreign(declaration, comment, b"f");
        let header = file.len() - b"</AppendedData></VTKFile>".len() - 260;
        file[header] = 9;
        (header, file)
    };
    let (header, damaged) = file(b"\xe4\xe4\xe4\n");
    let error = refused(damaged);
    assert!(error.contains(&format!("at byte {header}:")), "{header}: {error}");
    assert_eq!(error, refused(file(b"aaa\n").1));
    let text = |comment: &[u8]| {
        let file = foreign(declaration, comment, b"f");
        let at = memchr::memmem::find(&file, b"0 1 2 3").unwrap();
        [&file[..at], b"0 1 x", &file[at + 5..]].concat()
    };
    let error = refused(text(b"\xe4\xe4\xe4\n"));
    assert!(error.starts_with("t.vtu:7: 'x' is not a whole number"), "{error}");
    assert_eq!(error, refused(text(b"aaa\n")));
}

/// A file of one packed array with `header` in place of its own.
fn packed(packing: xml::Compressor, n_points: u64, header: &[u64], payload: &[u8]) -> Vec<u8> {
    let encoder = Encoder { encoding: Encoding { packing: Some(packing), ..PLAIN }, appended: Vec::new() };
    let mut encoder = Encoder { appended: header.iter().flat_map(|word| word.to_le_bytes()).collect(), ..encoder };
    encoder.appended.extend(payload);
    encoder.file(&format!(
        "<Piece NumberOfPoints=\"{n_points}\" NumberOfCells=\"0\"><Points><DataArray type=\"UInt8\" \
         NumberOfComponents=\"3\" format=\"appended\" offset=\"0\"/></Points></Piece>"
    ))
}

#[test]
fn declared_sizes_are_checked_before_memory_is_taken() {
    use xml::Compressor::{Lz4, Lzma, Zlib};
    let huge = 3 << 40;
    for packing in [Zlib, Lz4, Lzma] {
        // One block, or as many as the counts ask for, all of them impossible.
        assert!(refused(packed(packing, 1 << 40, &[1, huge, 0, 10], &[0; 10])).contains("which cannot be"));
        assert!(refused(packed(packing, 1 << 40, &[1, 0, huge, 10], &[0; 10])).contains("which cannot be"));
        assert!(
            refused(packed(packing, 1 << 40, &[huge, 1, 0, 1], &[0; 10])).contains("blocks, more than there are bytes")
        );
        assert!(refused(packed(packing, 1 << 40, &[u64::MAX, 1, 0, 1], &[0; 10])).contains("blocks, more than"));
        assert!(refused(packed(packing, 1, &[2, u64::MAX, 9, 1, 1], &[0; 10])).contains("more than 2^64 bytes"));
        assert!(refused(packed(packing, 1, &[1, 3, 0, u64::MAX], &[0; 10])).contains("reaches past the end"));
        assert!(refused(packed(packing, 1, &[1, 4, 0, 4], &[0; 10])).contains("holds 4 bytes where"));
        assert!(refused(packed(packing, 1, &[0], &[])).contains("holds 0 bytes where"));
        assert!(refused(packed(packing, 1, &[1, 3, 0, 10], &[0; 10])).contains("block 0 of 1 does not unpack"));
        assert!(refused(packed(packing, 1, &[], &[1])).contains("needs 8 bytes"));
    }
    // Not packed.
    let mut encoder = Encoder { encoding: PLAIN, appended: huge.to_le_bytes().to_vec() };
    encoder.appended.extend([0; 16]);
    let piece = "<Piece NumberOfPoints=\"1099511627776\" NumberOfCells=\"0\"><Points><DataArray type=\"UInt8\" \
        NumberOfComponents=\"3\" format=\"appended\" offset=\"0\"/></Points></Piece>";
    assert!(refused(encoder.file(piece)).contains("declares 3298534883328 bytes, but only 16 follow"));
    assert!(refused(encoder.file(&piece.replace("\"0\"/>", "\"25\"/>"))).contains("starts at offset 25 of 24"));
}

#[test]
fn real_blocks_pass_the_ratio_check() {
    // The best that the packers can do, for the bounds that refuse impossible blocks.
    let zeros = vec![0u8; 3 << 20];
    for packing in [xml::Compressor::Zlib, xml::Compressor::Lz4, xml::Compressor::Lzma] {
        let encoding = Encoding { packing: Some(packing), block: zeros.len(), ..PLAIN };
        let encoder = Encoder { encoding, appended: Vec::new() };
        let (header, payload) = encoder.pack(&zeros);
        assert!(payload.len() < zeros.len() / 200, "{packing:?}");
        let words: Vec<u64> = header.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
        let mesh = read_text(packed(packing, 1 << 20, &words, &payload)).unwrap();
        assert_eq!(mesh.points.len(), 1 << 20);
    }
}

#[test]
fn arrays_on_top_of_each_other_cannot_multiply_a_file() {
    let mut encoder = Encoder { encoding: PLAIN, appended: Vec::new() };
    let piece = piece(&mut encoder, 10, "Float64", "Int64", "UInt8");
    let again = "<PointData>".to_string()
        + &"<DataArray type=\"Float64\" Name=\"x\" format=\"appended\" offset=\"0\"/>".repeat(100);
    let error = refused(encoder.file(&piece.replace("<PointData>", &again)));
    assert!(error.contains("overlaps other arrays"), "{error}");
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    let mesh = read("vtk/mixed_raw_zlib_be_64.vtu").unwrap();
    let u = mesh.point_field("displacement").unwrap().unwrap();
    let single: Vec<f32> = (0..5).map(|i| i as f32 / 3.0).collect();
    let point = OutField {
        name: "u & <v>",
        components: 3,
        component_names: &["x", "y", "z"],
        values: OutValues::F64(&u.values),
    };
    let cell = OutField { name: "mises", components: 1, component_names: &[], values: OutValues::F32(&single) };
    write_vtu(&path, &mesh, &[point], &[cell]).unwrap();
    let back = read_vtu(&Source::open(&path).unwrap()).unwrap();
    assert_sound(&back);
    assert_eq!(back.points, mesh.points);
    // The three cells that were skipped are not in the new file: positions move up, ids stay.
    assert_eq!(back.n_cells, 5);
    for (new, old) in back.blocks.iter().zip(&mesh.blocks) {
        assert_eq!((new.kind, &new.connectivity), (old.kind, &old.connectivity));
        for (a, b) in new.cells.iter().zip(&old.cells) {
            assert_eq!(back.cell_label(*a as usize), mesh.cell_label(*b as usize));
        }
    }
    assert_eq!(back.cell_ids, Some(vec![1000, 1002, 1004, 1005, 1007]));
    assert_eq!(back.point_ids, mesh.point_ids);
    assert_eq!(back.point_fields, [Field { name: "u & <v>".into(), components: 3, values: u.values.clone() }]);
    assert_eq!(back.cell_fields[0].values, single.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
    assert!(!back.warnings.iter().any(|w| w.contains("skipped")));
}

#[test]
fn fields_that_do_not_fit_are_refused_before_a_file_appears() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    let mesh = read("bad/inverted_tet.vtu").unwrap();
    let field = |components, names, values| OutField {
        name: "f",
        components,
        component_names: names,
        values: OutValues::F64(values),
    };
    for wrong in [field(1, &[], &[0.0; 3][..]), field(0, &[], &[]), field(1, &["a", "b"][..], &[0.0; 4])] {
        assert!(matches!(write_vtu(&path, &mesh, &[wrong], &[]), Err(Error::Internal(_))));
    }
    assert!(!path.exists());
    write_vtu(&path, &mesh, &[field(2, &["a", "b"], &[0.0; 8])], &[field(1, &[], &[2.0])]).unwrap();
    assert!(path.exists());
}

#[test]
fn vtk_opens_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.vtu");
    let mesh = read("vtk/mixed_raw_none_be_32.vtu").unwrap();
    let u = mesh.point_field("displacement").unwrap().unwrap();
    let stress: Vec<f32> = (0..30).map(|i| i as f32 / 4.0).collect();
    let names = ["xx", "yy", "zz", "xy", "yz", "xz"];
    let point = OutField { name: "u", components: 3, component_names: &[], values: OutValues::F64(&u.values) };
    let cell = OutField { name: "stress", components: 6, component_names: &names, values: OutValues::F32(&stress) };
    write_vtu(&path, &mesh, &[point], &[cell]).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vtk_opens.py");
    let output = match std::process::Command::new("python3").arg(script).arg(&path).output() {
        Ok(output) if output.status.code() != Some(77) => output,
        _ => {
            eprintln!("skipped: no python3 with the vtk package");
            return;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["failures"], serde_json::json!([]));
    assert_eq!(seen["points"], 12);
    assert_eq!(seen["types"], serde_json::json!([10, 12, 13, 10, 24]));
    assert_eq!(seen["connectivity"][3], serde_json::json!([1, 2, 3, 4]));
    let total: f64 = mesh.points.iter().flatten().sum();
    assert!((seen["coordinates"].as_f64().unwrap() - total).abs() < 1e-9);
    let array = &seen["point_data"]["u"];
    assert_eq!((array["type"].as_str(), array["components"].as_u64()), (Some("double"), Some(3)));
    assert!((array["sum"].as_f64().unwrap() - u.values.iter().sum::<f64>()).abs() < 1e-9);
    let array = &seen["cell_data"]["stress"];
    assert_eq!((array["type"].as_str(), array["tuples"].as_u64()), (Some("float"), Some(5)));
    assert_eq!(array["component_names"], serde_json::json!(names));
    assert_eq!(array["sum"].as_f64(), Some(108.75));
    assert_eq!(seen["cell_ids"], "GlobalElementId");
    assert_eq!(seen["point_ids"], "GlobalNodeId");
    assert_eq!(seen["cell_data"]["GlobalElementId"]["sum"].as_f64(), Some(5018.0));
}

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
    samples.push(foreign(b"<?xml version=\"1.0\" encoding=\"latin1\"?>", b"Tr\xe4ger", b"W\xe4rme"));
    samples.push(foreign(b"", b"Tr\xe4ger", b"f"));
    samples
}

crate::formats::broken::never_panics!(samples(), assert_survives);
