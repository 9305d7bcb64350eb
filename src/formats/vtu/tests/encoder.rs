//! Every encoding of the format, written by a small encoder of the tests' own.

use base64::Engine;

use std::io::Write as _;

use super::*;
use crate::formats::mesh::CellKind;

/// How a test file is encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding {
    pub(super) mode: Mode,
    pub(super) packing: Option<xml::Compressor>,
    pub(super) big: bool,
    pub(super) header64: bool,
    /// Bytes per block.
    pub(super) block: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Inline,
    AppendedRaw,
    AppendedBase64,
}

/// Writes small files in any encoding. An independent reading of the format: checked against the files by VTK above
/// only through the reader.
pub(super) struct Encoder {
    pub(super) encoding: Encoding,
    pub(super) appended: Vec<u8>,
}

impl Encoder {
    pub(super) fn word(&self, value: usize) -> Vec<u8> {
        let bytes = if self.encoding.header64 {
            (value as u64).to_le_bytes().to_vec()
        } else {
            (value as u32).to_le_bytes().to_vec()
        };
        if self.encoding.big { bytes.into_iter().rev().collect() } else { bytes }
    }

    /// Header and payload of an array.
    pub(super) fn pack(&self, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
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

    pub(super) fn array(&mut self, number: &str, extra: &str, values: &[f64]) -> String {
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

    pub(super) fn file(&self, pieces: &str) -> Vec<u8> {
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

pub(super) const PLAIN: Encoding =
    Encoding { mode: Mode::AppendedRaw, packing: None, big: false, header64: true, block: 64 };

/// A row of `n` tetrahedra on `n + 3` points, its field the squares, with arrays of the given types.
pub(super) fn row(encoding: Encoding, n: usize, real: &str, index: &str, kind: &str) -> Vec<u8> {
    let mut encoder = Encoder { encoding, appended: Vec::new() };
    let piece = piece(&mut encoder, n, real, index, kind);
    encoder.file(&piece)
}

pub(super) fn piece(encoder: &mut Encoder, n: usize, real: &str, index: &str, kind: &str) -> String {
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
