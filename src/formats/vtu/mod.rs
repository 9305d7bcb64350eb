//! VTK XML unstructured grids (`.vtu`), as VTK, ParaView, meshio and ccx2paraview write them: text, base64 and raw arrays,
//! zlib, LZ4 and LZMA blocks, 32- and 64-bit headers, either byte order, any number of pieces.
//!
//! The format: <https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html>.

mod decode;
mod encoding;
mod write;
mod xml;

pub use write::{OutField, OutValues, write_vtu};

use self::decode::Decoder;
use self::encoding::{Cut, Tail, Text};
use self::xml::{DataArray, Piece, Section};
use super::ascii::shown;
use super::assemble::{Assembly, NamedArray, RawPiece, Topology};
use super::mesh::Mesh;
use super::numbers::{Bytes, NumberType, Origin, RawArray};
use super::source::Source;
use crate::error::{Error, Result};

/// Reads a `.vtu` file. Cells without a stress model are skipped with a warning when they are points, curves or surfaces.
/// Several pieces become one mesh, their points one after the other. Arrays of strings and `<FieldData>` are ignored. The
/// text is UTF-8, or Latin-1 where the file says so.
///
/// # Errors
/// [`Input`](crate::error::Error::Input) with line or byte for everything that is broken;
/// [`Resource`](crate::error::Error::Resource) when memory does not suffice.
pub fn read_vtu(source: &Source) -> Result<Mesh> {
    let Cut { text, tail } = encoding::cut(source)?;
    match text {
        Text::Plain(text) => read(source, text, tail),
        Text::Recoded(copy) => {
            let text = std::str::from_utf8(copy.bytes()).map_err(|error| Error::Internal(error.to_string()))?;
            read(&copy, text, tail)
        }
    }
}

/// Reads `text`, which lies in `source`, and what is appended to it.
fn read(source: &Source, text: &str, tail: Option<Tail<'_>>) -> Result<Mesh> {
    let document = xml::parse(source, text, tail)?;
    let mut decoder = Decoder::new(source, &document);
    let mut assembly = Assembly::new(source);
    for piece in &document.pieces {
        let raw = read_piece(source, &mut decoder, &mut assembly, piece)?;
        assembly.add(&raw)?;
    }
    assembly.finish()
}

fn read_piece<'a>(
    source: &Source,
    decoder: &mut Decoder<'a>,
    assembly: &mut Assembly<'_>,
    piece: &'a Piece<'a>,
) -> Result<RawPiece<'a>> {
    let origin = Origin::Text(piece.at);
    let missing = |what: &str| source.error(origin.place(source.bytes()), format!("the piece has no {what} array"));
    let (n_points, n_cells) = (piece.n_points, piece.n_cells);
    let points = match piece.points.arrays.first() {
        Some(array) => {
            let components = array.components.unwrap_or(3);
            if components != 3 {
                return Err(decoder.error(array, format!("points have {components} components; they need 3")));
            }
            let raw = decoder.decode(array, Some(count(source, origin, n_points, 3)?))?;
            RawArray { label: "the array of points".into(), ..raw }
        }
        None if n_points == 0 => empty("points", origin),
        None => return Err(missing("points")),
    };
    let mut cells = |name: &str, expected: Option<u64>| match piece.cells.find(name) {
        Some(array) => {
            let raw = decoder.decode(array, expected)?;
            if !raw.number.is_integer() {
                return Err(decoder.error(array, format!("'{name}' holds {}; it needs integers", raw.number.name())));
            }
            Ok(raw)
        }
        None if n_cells == 0 => Ok(empty(name, origin)),
        None => Err(missing(name)),
    };
    let types = cells("types", Some(n_cells))?;
    let ends = cells("offsets", Some(n_cells))?;
    let connectivity = cells("connectivity", if n_cells == 0 { Some(0) } else { None })?;
    let (point_fields, point_ids, _) = read_section(decoder, assembly, source, &piece.point_data, n_points)?;
    let (cell_fields, cell_ids, ghosts) = read_section(decoder, assembly, source, &piece.cell_data, n_cells)?;
    Ok(RawPiece {
        origin,
        n_points: points.len() / 3,
        n_cells: types.len(),
        points,
        types,
        topology: Topology::Ends { ends, connectivity },
        point_fields,
        cell_fields,
        point_ids,
        cell_ids,
        ghosts,
    })
}

type Fields<'a> = (Vec<NamedArray<'a>>, Option<RawArray<'a>>, Option<RawArray<'a>>);

/// The fields of a section over `n` points or cells, its global ids and its ghost array.
fn read_section<'a>(
    decoder: &mut Decoder<'a>,
    assembly: &mut Assembly<'_>,
    source: &Source,
    section: &'a Section<'a>,
    n: u64,
) -> Result<Fields<'a>> {
    let (mut fields, mut ids, mut ghosts) = (Vec::new(), None, None);
    for array in &section.arrays {
        if Decoder::number(array).is_none() {
            if array.number != "String" {
                let (name, number) = (shown(&array.name), shown(&array.number));
                assembly.warn(format!("array '{name}' has type '{number}', which is not read; it was left out"));
            }
            continue;
        }
        let components = components(decoder, array)?;
        let origin = Origin::Text(array.at);
        let values = decoder.decode(array, Some(count(source, origin, n, components as u64)?))?;
        let marked = section.global_ids.as_ref() == Some(&array.name);
        if marked && components == 1 && values.number.is_integer() {
            ids = Some(values);
        } else if array.name == "vtkGhostType" && components == 1 && values.number == NumberType::U8 {
            ghosts = Some(values);
        } else {
            fields.push(NamedArray { name: array.name.clone(), components, values });
        }
    }
    Ok((fields, ids, ghosts))
}

fn components(decoder: &Decoder<'_>, array: &DataArray<'_>) -> Result<usize> {
    let n = array.components.unwrap_or(1);
    usize::try_from(n)
        .ok()
        .filter(|n| (1..=1 << 20).contains(n))
        .ok_or_else(|| decoder.error(array, format!("array '{}' has NumberOfComponents {n}", shown(&array.name))))
}

/// `n * components`.
fn count(source: &Source, origin: Origin, n: u64, components: u64) -> Result<u64> {
    let why = || {
        source
            .error(origin.place(source.bytes()), format!("{n} times {components} values are more than any file holds"))
    };
    n.checked_mul(components).ok_or_else(why)
}

/// An array that may be missing because nothing is in it.
fn empty(name: &str, origin: Origin) -> RawArray<'static> {
    let bytes = Bytes::Borrowed(&[]);
    RawArray { label: name.into(), number: NumberType::U8, big_endian: false, bytes, origin }
}

#[cfg(test)]
mod tests;
