//! Declared sizes, checked before memory is taken.

use super::encoder::{Encoder, Encoding, PLAIN, piece};
use super::*;

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
