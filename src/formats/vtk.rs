//! Legacy VTK files (`.vtk`) with an unstructured grid: versions up to 4.2 (cells with their counts inline) and 5.x
//! (offsets and connectivity), text and binary (always big-endian).
//!
//! The format: <https://docs.vtk.org/en/latest/vtk_file_formats/vtk_legacy_file_format.html>.

use super::ascii::{numbers, shown};
use super::assemble::{Assembly, NamedArray, RawPiece, Topology};
use super::mesh::Mesh;
use super::numbers::{Bytes, NumberType, Origin, RawArray};
use super::source::Source;
use crate::error::{Error, Place, Result};

/// Reads a legacy `.vtk` file. Cells without a stress model are skipped with a warning when they are points, curves or
/// surfaces. Strings, lookup tables and fields of the data set itself are ignored.
///
/// # Errors
/// [`Error::Input`] with line or byte for everything that is broken; [`Error::Resource`] when memory does not suffice.
pub fn read_legacy(source: &Source) -> Result<Mesh> {
    let mut reader = Reader { source, bytes: source.bytes(), at: 0, binary: false };
    reader.head()?;
    let mut grid = Grid::default();
    let mut assembly = Assembly::new(source);
    while let Some(keyword) = reader.keyword() {
        reader.section(&keyword, &mut grid, &mut assembly)?;
    }
    assembly.add(&grid.piece(source)?)?;
    assembly.finish()
}

/// What an array is spread over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Over {
    /// The data set: fields that are not read.
    #[default]
    Nothing,
    /// Points.
    Points,
    /// Cells.
    Cells,
}

/// What has been read so far.
#[derive(Default)]
struct Grid<'a> {
    points: Option<RawArray<'a>>,
    types: Option<RawArray<'a>>,
    topology: Option<Topology<'a>>,
    over: Over,
    n: usize,
    point_fields: Vec<NamedArray<'a>>,
    cell_fields: Vec<NamedArray<'a>>,
    point_ids: Option<RawArray<'a>>,
    cell_ids: Option<RawArray<'a>>,
    ghosts: Option<RawArray<'a>>,
}

impl<'a> Grid<'a> {
    fn piece(self, source: &Source) -> Result<RawPiece<'a>> {
        let missing = |what: &str| source.error(Place::Whole, format!("has no {what}; the file may be cut off"));
        let points = self.points.ok_or_else(|| missing("POINTS"))?;
        let types = self.types.ok_or_else(|| missing("CELL_TYPES"))?;
        let topology = self.topology.ok_or_else(|| missing("CELLS"))?;
        let (n_points, n_cells) = (points.len() / 3, types.len());
        if let Topology::Ends { ends, .. } = &topology
            && ends.len() != n_cells
        {
            let why = format!("CELLS describes {} cells, CELL_TYPES {n_cells}; the two must agree", ends.len());
            return Err(source.error(types.origin.place(source.bytes()), why));
        }
        for (fields, n, what) in [(&self.point_fields, n_points, "points"), (&self.cell_fields, n_cells, "cells")] {
            if let Some(field) = fields.iter().find(|field| Some(field.values.len()) != n.checked_mul(field.components))
            {
                let count = field.values.len() / field.components;
                let why = format!("{} is given for {count} {what}; the file has {n}", field.values.label);
                return Err(source.error(field.values.origin.place(source.bytes()), why));
            }
        }
        let fits = |ids: &RawArray, n: usize| ids.len() == n;
        Ok(RawPiece {
            origin: points.origin,
            n_points,
            n_cells,
            point_fields: self.point_fields,
            cell_fields: self.cell_fields,
            point_ids: self.point_ids.filter(|ids| fits(ids, n_points)),
            cell_ids: self.cell_ids.filter(|ids| fits(ids, n_cells)),
            ghosts: self.ghosts.filter(|ghosts| fits(ghosts, n_cells)),
            points,
            types,
            topology,
        })
    }

    /// Puts an array where it belongs.
    fn add(&mut self, name: String, components: usize, values: RawArray<'a>) {
        match self.over {
            Over::Nothing => {}
            Over::Cells if name == "vtkGhostType" && components == 1 => self.ghosts = Some(values),
            Over::Points => self.point_fields.push(NamedArray { name, components, values }),
            Over::Cells => self.cell_fields.push(NamedArray { name, components, values }),
        }
    }
}

/// Walks through the file.
struct Reader<'a> {
    source: &'a Source,
    bytes: &'a [u8],
    at: usize,
    binary: bool,
}

impl<'a> Reader<'a> {
    fn head(&mut self) -> Result<()> {
        if !self.bytes.starts_with(b"# vtk DataFile Version") {
            let hint =
                if self.bytes.trim_ascii_start().starts_with(b"<") { "; rename it to .vtu if it is XML" } else { "" };
            return Err(self.source.error(Place::Line(1), format!("is not a legacy VTK file{hint}")));
        }
        self.line();
        self.line();
        let start = self.at;
        self.binary = match self.keyword().as_deref() {
            Some("ASCII") => false,
            Some("BINARY") => true,
            other => {
                let other = other.unwrap_or("nothing");
                return Err(self.error(start, format!("expected ASCII or BINARY, found '{}'", shown(other))));
            }
        };
        let start = self.at;
        match (self.keyword().as_deref(), self.keyword().as_deref()) {
            (Some("DATASET"), Some("UNSTRUCTURED_GRID")) => Ok(()),
            (Some("DATASET"), Some(other)) => {
                let other = shown(other);
                Err(self.error(start, format!("holds a {other}, not an UNSTRUCTURED_GRID; convert it to one")))
            }
            _ => Err(self.error(start, "has no DATASET line")),
        }
    }

    fn section(&mut self, keyword: &str, grid: &mut Grid<'a>, assembly: &mut Assembly<'_>) -> Result<()> {
        let start = self.at;
        match keyword {
            "POINTS" => {
                let n = self.count("number of points")?;
                let number = self.number_type()?;
                grid.points = Some(self.values("the array of points", number, n, 3)?);
            }
            "CELLS" => grid.topology = Some(self.cells()?),
            "CELL_TYPES" => {
                let n = self.count("number of cells")?;
                grid.types = Some(self.values("CELL_TYPES", NumberType::I32, n, 1)?);
            }
            "POINT_DATA" => (grid.over, grid.n) = (Over::Points, self.count("number of points")?),
            "CELL_DATA" => (grid.over, grid.n) = (Over::Cells, self.count("number of cells")?),
            "METADATA" => self.skip_metadata(),
            "FIELD" => self.field(grid, assembly)?,
            "LOOKUP_TABLE" => {
                self.word();
                let n = self.count("size of the lookup table")?;
                let number = if self.binary { NumberType::U8 } else { NumberType::F32 };
                self.values("LOOKUP_TABLE", number, n, 4)?;
            }
            "COLOR_SCALARS" => {
                let name = self.name()?;
                let components = self.components()?;
                let number = if self.binary { NumberType::U8 } else { NumberType::F32 };
                let values = self.values(&label(&name), number, grid.n, components)?;
                grid.add(name, components, values);
            }
            "SCALARS" => {
                let name = self.name()?;
                let number = self.number_type()?;
                let rest = self.rest_of_line();
                let components = if rest.trim_ascii().is_empty() { 1 } else { self.components()? };
                if self.peek() == Some("LOOKUP_TABLE".into()) {
                    self.word();
                    self.word();
                }
                let values = self.values(&label(&name), number, grid.n, components)?;
                grid.add(name, components, values);
            }
            "TEXTURE_COORDINATES" => {
                let name = self.name()?;
                let components = self.components()?;
                let number = self.number_type()?;
                let values = self.values(&label(&name), number, grid.n, components)?;
                grid.add(name, components, values);
            }
            "VECTORS" | "NORMALS" | "TENSORS" | "TENSORS6" | "EDGE_FLAGS" => {
                let components = match keyword {
                    "TENSORS" => 9,
                    "TENSORS6" => 6,
                    "EDGE_FLAGS" => 1,
                    _ => 3,
                };
                let name = self.name()?;
                let number = self.number_type()?;
                let values = self.values(&label(&name), number, grid.n, components)?;
                grid.add(name, components, values);
            }
            "GLOBAL_IDS" => {
                let name = self.name()?;
                let number = self.number_type()?;
                let ids = self.values(&label(&name), number, grid.n, 1)?;
                match grid.over {
                    Over::Points => grid.point_ids = Some(ids),
                    Over::Cells => grid.cell_ids = Some(ids),
                    Over::Nothing => {}
                }
            }
            other => {
                let why = format!("expected a section like CELLS or POINT_DATA, found '{}'", shown(other));
                return Err(self.error(start.saturating_sub(1), why));
            }
        }
        Ok(())
    }

    /// `CELLS n size` and inline counts, or `CELLS n+1 size` and `OFFSETS type`, `CONNECTIVITY type`.
    fn cells(&mut self) -> Result<Topology<'a>> {
        let n = self.count("number of cells")?;
        let size = self.count("size of the cell list")?;
        if self.peek() != Some("OFFSETS".into()) {
            return Ok(Topology::Counted(self.values("CELLS", NumberType::I32, size, 1)?));
        }
        self.word();
        let number = self.whole_type()?;
        let ends = self.values("OFFSETS", number, n, 1)?;
        if !ends.is_empty() && ends.u64_at(0) != 0 {
            let why = format!("the first of the OFFSETS is {}, not 0", ends.show(0));
            return Err(self.source.error(ends.origin.place(self.bytes), why));
        }
        let start = self.at;
        if self.keyword().as_deref() != Some("CONNECTIVITY") {
            return Err(self.error(start, "expected CONNECTIVITY after the OFFSETS"));
        }
        let number = self.whole_type()?;
        let connectivity = self.values("CONNECTIVITY", number, size, 1)?;
        Ok(Topology::Ends { ends: ends.without_first(), connectivity })
    }

    /// `FIELD name n`, then n arrays of `name components tuples type`.
    fn field(&mut self, grid: &mut Grid<'a>, assembly: &mut Assembly<'_>) -> Result<()> {
        self.word();
        let n_arrays = self.count("number of arrays")?;
        for _ in 0..n_arrays {
            while self.peek() == Some("METADATA".into()) {
                self.skip_metadata();
            }
            let start = self.at;
            let name = self.name()?;
            if name == "NULL_ARRAY" {
                continue;
            }
            let components = self.count("number of components")?;
            let tuples = self.count("number of values")?;
            let kind = self.keyword().unwrap_or_default();
            match kind.as_str() {
                "STRING" | "UTF8_STRING" => self.skip_strings(components.saturating_mul(tuples))?,
                "BIT" if self.binary => {
                    let n = components.saturating_mul(tuples).div_ceil(8);
                    self.values(&label(&name), NumberType::U8, n, 1)?;
                }
                _ => {
                    let number = self.known_type(start, &kind)?;
                    let values = self.values(&label(&name), number, tuples, components)?;
                    if grid.over == Over::Nothing || components == 0 {
                        continue;
                    }
                    if tuples == grid.n {
                        grid.add(name, components, values);
                    } else {
                        let why =
                            format!("array '{}' has {tuples} values, not {}; it was left out", shown(&name), grid.n);
                        assembly.warn(why);
                    }
                }
            }
        }
        Ok(())
    }

    /// `components * n` values, after the rest of the line in a binary file.
    fn values(&mut self, label: &str, number: NumberType, n: usize, components: usize) -> Result<RawArray<'a>> {
        let short =
            |have: usize| format!("{label} asks for {n} x {components} values, but {have} follow; the file is cut off");
        let label_owned = label.to_string();
        let count = n.checked_mul(components);
        if self.binary {
            self.line();
            let start = self.at;
            let left = self.bytes.len() - start;
            let n_bytes = count.and_then(|count| count.checked_mul(number.size())).filter(|n_bytes| *n_bytes <= left);
            let n_bytes =
                n_bytes.ok_or_else(|| self.source.error(Place::Byte(start as u64), short(left / number.size())))?;
            self.at += n_bytes;
            let bytes = Bytes::Borrowed(&self.bytes[start..self.at]);
            return Ok(RawArray { label: label_owned, number, big_endian: true, bytes, origin: Origin::Binary(start) });
        }
        let start = self.at;
        // A value takes a digit and, but for the last, a space.
        let most = (self.bytes.len() - start).div_ceil(2);
        let count = count.filter(|count| *count <= most).ok_or_else(|| self.error(start, short(most)))?;
        let parsed = numbers(self.source, &self.bytes[start..], number, count)?;
        self.at += parsed.end;
        let have = parsed.bytes.len() / number.size();
        if have < count {
            return Err(self.error(self.at, short(have)));
        }
        let bytes = Bytes::Owned(parsed.bytes, 0);
        Ok(RawArray { label: label_owned, number, big_endian: false, bytes, origin: Origin::Text(start + 1) })
    }

    /// Information about an array: lines up to an empty one.
    fn skip_metadata(&mut self) {
        self.line();
        while self.at < self.bytes.len() && !self.line().trim_ascii().is_empty() {}
    }

    /// Strings: one a line, or each with its length in front, whose first two bits say how many bytes that takes.
    fn skip_strings(&mut self, n: usize) -> Result<()> {
        self.line();
        for _ in 0..n {
            if self.at >= self.bytes.len() {
                return Err(self.error(self.at, "the file ends within an array of strings"));
            }
            if !self.binary {
                self.line();
                continue;
            }
            let first = self.bytes[self.at];
            let size = match first >> 6 {
                3 => 1,
                2 => 2,
                1 => 4,
                _ => 8,
            };
            let cut_off = || self.source.error(Place::Byte(self.at as u64), "the file ends within an array of strings");
            let head = self.bytes[self.at..].get(..size).ok_or_else(cut_off)?;
            let length = head.iter().fold(0u64, |all, byte| all << 8 | u64::from(*byte)) & ((1 << (size * 8 - 2)) - 1);
            let end = usize::try_from(length).ok().and_then(|length| (self.at + size).checked_add(length));
            self.at = end.filter(|end| *end <= self.bytes.len()).ok_or_else(cut_off)?;
        }
        Ok(())
    }

    fn number_type(&mut self) -> Result<NumberType> {
        let start = self.at;
        let kind = self.keyword().unwrap_or_default();
        self.known_type(start, &kind)
    }

    fn whole_type(&mut self) -> Result<NumberType> {
        let start = self.at;
        let number = self.number_type()?;
        if number.is_integer() {
            Ok(number)
        } else {
            Err(self.error(start, "cells need an integer type, e.g. vtktypeint64"))
        }
    }

    fn known_type(&self, start: usize, kind: &str) -> Result<NumberType> {
        Ok(match kind {
            "BIT" | "UNSIGNED_CHAR" | "VTKTYPEUINT8" => NumberType::U8,
            "CHAR" | "SIGNED_CHAR" | "VTKTYPEINT8" => NumberType::I8,
            "SHORT" | "VTKTYPEINT16" => NumberType::I16,
            "UNSIGNED_SHORT" | "VTKTYPEUINT16" => NumberType::U16,
            // VTK writes its index type as int in these files.
            "INT" | "VTKIDTYPE" | "VTKTYPEINT32" => NumberType::I32,
            "UNSIGNED_INT" | "VTKTYPEUINT32" => NumberType::U32,
            "LONG" | "LONG_LONG" | "VTKTYPEINT64" => NumberType::I64,
            "UNSIGNED_LONG" | "UNSIGNED_LONG_LONG" | "VTKTYPEUINT64" => NumberType::U64,
            "FLOAT" => NumberType::F32,
            "DOUBLE" => NumberType::F64,
            other => return Err(self.error(start + 1, format!("unknown number type '{}'", shown(other)))),
        })
    }

    fn count(&mut self, what: &str) -> Result<usize> {
        let start = self.at;
        let word = self.word().unwrap_or_default();
        let count = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
        count.ok_or_else(|| self.error(start + 1, format!("expected the {what}, found '{}'", shown(word))))
    }

    fn components(&mut self) -> Result<usize> {
        let start = self.at;
        let n = self.count("number of components")?;
        if n == 0 { Err(self.error(start + 1, "an array has 0 components")) } else { Ok(n) }
    }

    /// An array's name, in which VTK writes odd characters as `%20`.
    fn name(&mut self) -> Result<String> {
        let start = self.at;
        let word = self.word().ok_or_else(|| self.error(start, "the file ends where an array's name should stand"))?;
        let mut name = Vec::with_capacity(word.len());
        let mut rest = word;
        while let Some((first, tail)) = rest.split_first() {
            let code = (*first == b'%').then(|| std::str::from_utf8(tail.get(..2)?).ok()).flatten();
            match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
                Some(byte) => {
                    name.push(byte);
                    rest = &tail[2..];
                }
                None => {
                    name.push(*first);
                    rest = tail;
                }
            }
        }
        Ok(String::from_utf8_lossy(&name).into_owned())
    }

    /// The next word; `None` at the end.
    fn word(&mut self) -> Option<&'a [u8]> {
        let start = self.at + self.bytes[self.at..].iter().position(|c| !c.is_ascii_whitespace())?;
        let length = self.bytes[start..].iter().position(u8::is_ascii_whitespace);
        self.at = length.map_or(self.bytes.len(), |n| start + n);
        Some(&self.bytes[start..self.at])
    }

    /// The next word in capital letters, which is how VTK compares them.
    fn keyword(&mut self) -> Option<String> {
        self.word().map(|word| String::from_utf8_lossy(&word[..word.len().min(64)]).to_ascii_uppercase())
    }

    /// The next keyword, which stays.
    fn peek(&mut self) -> Option<String> {
        let at = self.at;
        let keyword = self.keyword();
        self.at = at;
        keyword
    }

    /// What is left of this line, which stays.
    fn rest_of_line(&self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        &rest[..rest.iter().position(|c| *c == b'\n').unwrap_or(rest.len())]
    }

    /// What is left of this line, passed with its end.
    fn line(&mut self) -> &'a [u8] {
        let line = self.rest_of_line();
        self.at = (self.at + line.len() + 1).min(self.bytes.len());
        line
    }

    fn error(&self, at: usize, why: impl Into<String>) -> Error {
        self.source.error(Place::line_of(self.bytes, at), why)
    }
}

fn label(name: &str) -> String {
    format!("array '{}'", shown(name))
}

#[cfg(test)]
mod tests;
