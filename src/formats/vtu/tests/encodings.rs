//! Text that is not UTF-8.

use super::*;

/// A file with a raw appended array, whose bytes are 0 to 255 but for the numbers, and `text` in a comment and a name.
pub(super) fn foreign(declaration: &[u8], comment: &[u8], name: &[u8]) -> Vec<u8> {
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
