//! The XML of a `.vtu` file: its pieces and where each array's data are. No array is decoded here.

use std::borrow::Cow;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::encoding::Tail;
use crate::error::{Error, Place, Result};
use crate::formats::ascii::{place_in, shown};
use crate::formats::source::Source;

/// What follows `_` in `<AppendedData>`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appended<'a> {
    /// The bytes after the underscore, the closing tags left out.
    pub bytes: &'a [u8],
    /// Where they begin in the file.
    pub at: usize,
    /// Whether they are base64 text (else raw).
    pub base64: bool,
}

/// How arrays are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressor {
    /// zlib streams.
    Zlib,
    /// LZ4 blocks without a frame.
    Lz4,
    /// xz streams.
    Lzma,
}

/// A `.vtu` file taken apart.
#[derive(Debug)]
pub(super) struct Document<'a> {
    /// `byte_order`.
    pub big_endian: bool,
    /// Whether `header_type` is UInt64 (else UInt32).
    pub header64: bool,
    /// `compressor`.
    pub compressor: Option<Compressor>,
    /// `<AppendedData>`.
    pub appended: Option<Appended<'a>>,
    /// Every `<Piece>`.
    pub pieces: Vec<Piece<'a>>,
}

/// A `<Piece>`.
#[derive(Debug, Default)]
pub(super) struct Piece<'a> {
    /// Byte offset of its tag.
    pub at: usize,
    /// `NumberOfPoints`.
    pub n_points: u64,
    /// `NumberOfCells`.
    pub n_cells: u64,
    /// The arrays of `<PointData>`.
    pub point_data: Section<'a>,
    /// The arrays of `<CellData>`.
    pub cell_data: Section<'a>,
    /// The arrays of `<Points>`: one.
    pub points: Section<'a>,
    /// The arrays of `<Cells>`.
    pub cells: Section<'a>,
}

/// A group of arrays.
#[derive(Debug, Default)]
pub(super) struct Section<'a> {
    /// Name of the array that the `GlobalIds` attribute marks.
    pub global_ids: Option<String>,
    /// Its arrays.
    pub arrays: Vec<DataArray<'a>>,
}

impl<'a> Section<'a> {
    /// The array `name`.
    #[must_use]
    pub(super) fn find(&self, name: &str) -> Option<&DataArray<'a>> {
        self.arrays.iter().find(|array| array.name == name)
    }
}

/// Where an array's data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Numbers as text in the element.
    Ascii,
    /// Base64 in the element.
    Binary,
    /// In `<AppendedData>`, from this offset on (bytes if raw, characters if base64).
    Appended(u64),
}

/// A `<DataArray>`.
#[derive(Debug)]
pub(super) struct DataArray<'a> {
    /// Byte offset of its tag.
    pub at: usize,
    /// `Name`.
    pub name: String,
    /// `type`.
    pub number: String,
    /// `NumberOfComponents`, where it is given.
    pub components: Option<u64>,
    /// `format`.
    pub format: Format,
    /// Its own text, without that of nested elements.
    pub texts: Vec<&'a [u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    File,
    Grid,
    Piece,
    PointData,
    CellData,
    Points,
    Cells,
    DataArray,
    Other,
}

/// Takes the file apart: `text`, which lies in `source`, and what is appended.
///
/// # Errors
/// [`Error::Input`] with the line: no XML, not an UnstructuredGrid, cut off, unknown byte order, header type, compressor
/// or encoding.
pub(super) fn parse<'a>(source: &'a Source, text: &'a str, tail: Option<Tail<'a>>) -> Result<Document<'a>> {
    let begin = place_in(source, text.as_bytes()).unwrap_or(0);
    let mut parser = Parser {
        source,
        stack: Vec::new(),
        document: Document { big_endian: false, header64: false, compressor: None, appended: None, pieces: Vec::new() },
        seen_root: false,
    };
    let mut reader = Reader::from_str(text);
    loop {
        let start = begin + reader.buffer_position() as usize;
        match reader.read_event() {
            Ok(Event::Start(tag)) => parser.open(&tag, start)?,
            Ok(Event::Empty(tag)) => {
                parser.open(&tag, start)?;
                parser.stack.pop();
            }
            Ok(Event::End(_)) => {
                parser.stack.pop();
            }
            Ok(Event::Text(words)) => parser.text(words.into_inner()),
            Ok(Event::CData(words)) => parser.text(words.into_inner()),
            Ok(Event::GeneralRef(_)) if parser.stack.last().is_some_and(|(e, _)| *e == Element::DataArray) => {
                return Err(parser.error(start, "an XML entity stands among the numbers"));
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => {
                let at = start.max(reader.error_position() as usize);
                return Err(parser.error(at, format!("broken XML: {error}; the file may be cut off or not be a .vtu")));
            }
        }
    }
    if !parser.seen_root {
        return Err(source.error(Place::Line(1), not_vtk(source)));
    }
    if let Some(tail) = tail {
        parser.document.appended = Some(appended(source, begin + text.len(), tail)?);
    } else if let Some((_, at)) = parser.stack.last() {
        let why = format!(
            "the file ends early: the element opened on line {} is not closed; copy or write the file again",
            line_number(source, *at)
        );
        return Err(parser.error(source.bytes().len(), why));
    }
    if parser.document.pieces.is_empty() {
        return Err(source.error(Place::Whole, "has no <Piece> with points and cells"));
    }
    Ok(parser.document)
}

struct Parser<'a> {
    source: &'a Source,
    stack: Vec<(Element, usize)>,
    document: Document<'a>,
    seen_root: bool,
}

impl<'a> Parser<'a> {
    fn error(&self, at: usize, why: impl Into<String>) -> Error {
        self.source.error(Place::line_of(self.source.bytes(), at), why)
    }

    fn open(&mut self, tag: &BytesStart<'_>, at: usize) -> Result<()> {
        let parent = self.stack.last().map(|(element, _)| *element);
        let name = tag.name();
        let element = match (parent, name.as_ref()) {
            (None, "VTKFile") => Element::File,
            (None, other) => {
                let why = format!("the root element is <{}>, not <VTKFile>; {}", shown(other), not_vtk(self.source));
                return Err(self.error(at, why));
            }
            (Some(Element::File), "UnstructuredGrid") => Element::Grid,
            (Some(Element::Grid), "Piece") => Element::Piece,
            (Some(Element::Piece), "PointData") => Element::PointData,
            (Some(Element::Piece), "CellData") => Element::CellData,
            (Some(Element::Piece), "Points") => Element::Points,
            (Some(Element::Piece), "Cells") => Element::Cells,
            (Some(Element::PointData | Element::CellData | Element::Points | Element::Cells), "DataArray") => {
                Element::DataArray
            }
            _ => Element::Other,
        };
        self.stack.push((element, at));
        let tag = Tag { source: self.source, tag, at };
        match element {
            Element::File => {
                self.seen_root = true;
                self.file(&tag)
            }
            Element::Piece => {
                let piece = Piece {
                    at,
                    n_points: tag.count("NumberOfPoints")?.unwrap_or(0),
                    n_cells: tag.count("NumberOfCells")?.unwrap_or(0),
                    ..Piece::default()
                };
                self.document.pieces.push(piece);
                Ok(())
            }
            Element::PointData | Element::CellData => {
                let ids = tag.get("GlobalIds")?;
                let piece = self.document.pieces.last_mut().expect("the parent is a piece");
                let section = if element == Element::PointData { &mut piece.point_data } else { &mut piece.cell_data };
                section.global_ids = ids;
                Ok(())
            }
            Element::DataArray => {
                let array = tag.array()?;
                self.section(parent).arrays.push(array);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The section that `parent` opened in the last piece.
    fn section(&mut self, parent: Option<Element>) -> &mut Section<'a> {
        let piece = self.document.pieces.last_mut().expect("an array stands in a piece");
        match parent {
            Some(Element::PointData) => &mut piece.point_data,
            Some(Element::CellData) => &mut piece.cell_data,
            Some(Element::Points) => &mut piece.points,
            _ => &mut piece.cells,
        }
    }

    fn file(&mut self, tag: &Tag<'_>) -> Result<()> {
        match tag.get("type")?.as_deref() {
            Some("UnstructuredGrid") => {}
            Some("PUnstructuredGrid") => {
                return Err(tag.error("is a list of files (PUnstructuredGrid); name one of the .vtu files it lists"));
            }
            Some(other) => {
                let why =
                    format!("holds a {}, not an UnstructuredGrid; convert it to one, e.g. with ParaView", shown(other));
                return Err(tag.error(why));
            }
            None => return Err(tag.error("<VTKFile> has no type")),
        }
        self.document.big_endian = match tag.get("byte_order")?.as_deref() {
            None | Some("LittleEndian") => false,
            Some("BigEndian") => true,
            Some(other) => return Err(tag.error(format!("unknown byte_order '{}'", shown(other)))),
        };
        self.document.header64 = match tag.get("header_type")?.as_deref() {
            None | Some("UInt32") => false,
            Some("UInt64") => true,
            Some(other) => return Err(tag.error(format!("unknown header_type '{}'", shown(other)))),
        };
        self.document.compressor = match tag.get("compressor")?.as_deref() {
            None | Some("") => None,
            Some("vtkZLibDataCompressor") => Some(Compressor::Zlib),
            Some("vtkLZ4DataCompressor") => Some(Compressor::Lz4),
            Some("vtkLZMADataCompressor") => Some(Compressor::Lzma),
            Some(other) => {
                return Err(
                    tag.error(format!("unknown compressor '{}'; write the file with zlib, LZ4 or LZMA", shown(other)))
                );
            }
        };
        Ok(())
    }

    fn text(&mut self, words: Cow<'a, str>) {
        // The slice reader borrows; an owned text would be one that it changed, which it does not do.
        if let (Some((Element::DataArray, _)), Cow::Borrowed(words)) = (self.stack.last(), words) {
            let parent = self.stack.iter().rev().nth(1).map(|(element, _)| *element);
            if !words.trim_ascii().is_empty() {
                let section = self.section(parent);
                section.arrays.last_mut().expect("its tag was pushed").texts.push(words.as_bytes());
            }
        }
    }
}

/// A tag with the means to say where it stands.
struct Tag<'t> {
    source: &'t Source,
    tag: &'t BytesStart<'t>,
    at: usize,
}

impl Tag<'_> {
    fn error(&self, why: impl Into<String>) -> Error {
        self.source.error(Place::line_of(self.source.bytes(), self.at), why)
    }

    fn get(&self, name: &str) -> Result<Option<String>> {
        // The check for repeated names would cost the square of their number.
        for attribute in self.tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.error(format!("broken XML attribute: {error}")))?;
            if attribute.key.as_ref() == name {
                // VTK itself writes `&` and `<` as they are: a value that does not unescape is taken literally.
                let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
                return Ok(Some(value.map_or_else(|_| attribute.value.to_string(), |value| value.into_owned())));
            }
        }
        Ok(None)
    }

    fn count(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(name)? else { return Ok(None) };
        let count = text.trim().parse();
        count.map(Some).map_err(|_| self.error(format!("{name} is '{}', not a whole number", shown(&text))))
    }

    fn array<'a>(&self) -> Result<DataArray<'a>> {
        let name = self.get("Name")?.unwrap_or_default();
        let format = match self.get("format")?.as_deref() {
            None | Some("ascii") => Format::Ascii,
            Some("binary") => Format::Binary,
            Some("appended") => {
                let offset = self.count("offset")?;
                let missing = || self.error(format!("array '{}' is appended but has no offset", shown(&name)));
                Format::Appended(offset.ok_or_else(missing)?)
            }
            Some(other) => return Err(self.error(format!("unknown array format '{}'", shown(other)))),
        };
        let number = self.get("type")?.unwrap_or_default();
        let components = self.count("NumberOfComponents")?;
        Ok(DataArray { at: self.at, name, number, components, format, texts: Vec::new() })
    }
}

/// Reads `<AppendedData encoding="..."> _` at the start of `tail`, byte `at` of `source`, and cuts the closing tags off its
/// end.
fn appended<'a>(source: &'a Source, at: usize, tail: Tail<'a>) -> Result<Appended<'a>> {
    let Tail { bytes: tail, at: start } = tail;
    let error = |why: &str| source.error(Place::line_of(source.bytes(), at), why.to_string());
    let close =
        tail.iter().position(|byte| *byte == b'>').ok_or_else(|| error("the file ends within <AppendedData"))?;
    let tag = std::str::from_utf8(&tail[..=close]).map_err(|_| error("broken XML in <AppendedData"))?;
    let encoding = match Reader::from_str(tag).read_event() {
        Ok(Event::Start(tag)) => Tag { source, tag: &tag, at }.get("encoding")?,
        _ => return Err(error("broken XML in <AppendedData")),
    };
    let base64 = match encoding.as_deref() {
        Some("raw") => false,
        None | Some("base64") => true,
        Some(other) => return Err(error(&format!("unknown encoding '{}' of the appended data", shown(other)))),
    };
    let data = tail[close + 1..].trim_ascii_start();
    let data = data.strip_prefix(b"_").ok_or_else(|| error("the appended data do not start with an underscore"))?;
    // The closing tags stand within the last bytes of a complete file.
    const CLOSING: &[u8] = b"</AppendedData";
    let last = data.len().saturating_sub(256);
    let end = data[last..].windows(CLOSING.len()).rposition(|window| window == CLOSING).map(|n| last + n);
    let at = start + (tail.len() - data.len());
    Ok(Appended { bytes: &data[..end.unwrap_or(data.len())], at, base64 })
}

fn line_number(source: &Source, at: usize) -> u64 {
    match Place::line_of(source.bytes(), at) {
        Place::Line(line) => line,
        _ => 0,
    }
}

/// What a file without `<VTKFile>` might be.
pub(super) fn not_vtk(source: &Source) -> &'static str {
    if source.bytes().starts_with(b"# vtk DataFile") {
        "this is a legacy VTK file; rename it to .vtk"
    } else {
        "this is not a VTK XML file (.vtu)"
    }
}
