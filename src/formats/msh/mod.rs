//! Gmsh meshes, MSH 2.2 and 4.1, as text or bytes of either order (Gmsh reference manual, "MSH file format").
//!
//! Kept are nodes (without parametric coordinates), elements, node and element views. Node numbers may be sparse and in any
//! order. The physical group of an element becomes the cell field [`PHYSICAL`]. Everything else is skipped by its end tag. A
//! view that Gmsh appends to a file brings the mesh once more: nodes and elements that are known are not taken twice.

mod data;
mod numbers;
mod sections;
mod types;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::error::{Place, Result};
use crate::formats::build::{IdMap, MeshBuilder};
use crate::formats::mesh::{Field, Mesh};
use crate::formats::source::Source;
use crate::formats::text::{Text, excerpt, parse_f64, parse_i64};

use numbers::{Encoding, Numbers};

/// The cell field of physical group numbers, 0 for none, by the name that meshio gives it.
pub const PHYSICAL: &str = "gmsh:physical";

/// How often a file may bring the same mesh: each time costs a look at all of it.
const MAX_REPEATS: usize = 100;

/// What the sections of one file fill.
struct Parts<'a> {
    builder: MeshBuilder<'a>,
    /// The nodes were read.
    nodes: bool,
    /// Elements of earlier sections, when there are any.
    known: Option<IdMap>,
    /// How many sections of nodes or elements there were.
    sections: usize,
    /// The physical group of a model entity, by dimension and number.
    groups: HashMap<(i64, i64), i64>,
    /// The physical group of each element.
    physical: Vec<i32>,
    on_points: data::Views,
    on_cells: data::Views,
}

/// Reads a Gmsh mesh with its views.
///
/// Lines are trusses where the mesh has neither surfaces nor solids, edges (skipped, counted in a warning) otherwise.
/// A view that misses a node of a cell is left out with a warning; of several time steps the last stays.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line (text) or byte (binary): another version, a section that
/// is not closed or shorter than it declares, an element that refers to a node that is not there, a value that is not
/// finite, a solid without a stress model (pyramids, 27-node hexahedra), no element with a stress model.
pub fn read_msh(source: &Source) -> Result<Mesh> {
    let mut text = Text::new(source)?;
    first_line(&mut text)?;
    let (encoding, major) = format(&mut text)?;
    let mut numbers = Numbers { text, encoding };
    let mut parts = Parts {
        builder: MeshBuilder::new(source),
        nodes: false,
        known: None,
        sections: 0,
        groups: HashMap::new(),
        physical: Vec::new(),
        on_points: data::Views::default(),
        on_cells: data::Views::default(),
    };
    while let Some(line) = numbers.text.line() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        parts.sections += usize::from(matches!(line, b"$Nodes" | b"$ParametricNodes" | b"$Elements"));
        if parts.sections > 2 * MAX_REPEATS {
            return Err(numbers.text.error(format!("the mesh is repeated more than {MAX_REPEATS} times")));
        }
        let Some(name) = line.strip_prefix(b"$").filter(|name| !name.starts_with(b"End")) else {
            return Err(numbers.text.error(format!("expected the start of a section, found {}", excerpt(line))));
        };
        match (name, major) {
            (b"MeshFormat", _) => {
                if (numbers.encoding, major) != format(&mut numbers.text)? {
                    return Err(numbers.text.error("a second $MeshFormat that differs from the first"));
                }
            }
            (b"Entities", 4) => sections::entities(&mut numbers, &mut parts.groups)?,
            (b"Nodes", _) => {
                if major == 4 {
                    sections::nodes_4(&mut numbers, &mut parts)?;
                } else {
                    sections::nodes_2(&mut numbers, &mut parts, false)?;
                }
                parts.nodes = true;
            }
            (b"ParametricNodes", 2) => {
                sections::nodes_2(&mut numbers, &mut parts, true)?;
                parts.nodes = true;
            }
            (b"Elements", _) if !parts.nodes => return Err(numbers.text.error("$Elements stands before $Nodes")),
            (b"Elements", _) => {
                parts.know_elements();
                if major == 4 {
                    sections::elements_4(&mut numbers, &mut parts)?;
                } else {
                    sections::elements_2(&mut numbers, &mut parts)?;
                }
            }
            (b"NodeData", _) => parts.on_points.read(&mut numbers, "NodeData")?,
            (b"ElementData", _) => parts.on_cells.read(&mut numbers, "ElementData")?,
            _ => {
                if name == b"ElementNodeData" {
                    parts.builder.warn("$ElementNodeData views are not read".into());
                }
                skip(&mut numbers, name)?;
            }
        }
    }
    finish(parts, source)
}

fn finish(mut parts: Parts<'_>, source: &Source) -> Result<Mesh> {
    if !parts.nodes {
        return Err(source.error(Place::Whole, "has no $Nodes section; the file may be cut short"));
    }
    parts.builder.drop_edges("lines", true);
    let physical = std::mem::take(&mut parts.physical);
    let (on_points, warning) = parts.on_points.finish("node");
    let (on_cells, another) = parts.on_cells.finish("element");
    warning.into_iter().chain(another).for_each(|warning| parts.builder.warn(warning));
    let mut mesh = parts.builder.finish(on_points, on_cells)?;
    if physical.iter().any(|&group| group != 0) {
        let values = physical.into_iter().map(f64::from).collect();
        mesh.cell_fields.push(Field { name: PHYSICAL.into(), components: 1, values });
    }
    Ok(mesh)
}

impl Parts<'_> {
    /// Notes which elements there are, before a section adds to them. Numbers that come twice tell nothing.
    fn know_elements(&mut self) {
        let ids = self.builder.cell_ids();
        self.known = if ids.is_empty() { None } else { IdMap::new(ids).ok() };
    }

    /// Whether an earlier section had element `id`.
    fn knows(&self, id: u64) -> bool {
        self.known.as_ref().is_some_and(|known| known.get(id).is_some())
    }
}

/// The line `$MeshFormat` that begins a file.
fn first_line(text: &mut Text<'_>) -> Result<()> {
    let first = loop {
        match text.line().map(<[u8]>::trim_ascii) {
            Some(b"") => {}
            Some(line) => break line,
            None => return Err(text.error("the file is empty")),
        }
    };
    if first == b"$NOD" {
        return Err(text.error("MSH version 1 is not read; convert it: gmsh FILE -save -format msh41"));
    }
    if first != b"$MeshFormat" {
        return Err(text.error(format!("is not a Gmsh mesh: expected $MeshFormat, found {}", excerpt(first))));
    }
    Ok(())
}

/// What follows `$MeshFormat`: how numbers are written, and the version before the point.
fn format(text: &mut Text<'_>) -> Result<(Encoding, u8)> {
    let line = text.line().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let [version, kind, size] = words[..] else {
        return Err(text.error(format!("expected `version file-type data-size`, found {}", excerpt(line))));
    };
    let major = match parse_f64(version) {
        Some(version) if (2.0..3.0).contains(&version) => 2,
        Some(4.1) => 4,
        Some(version) => {
            let why = format!("MSH version {version} is not read; convert it: gmsh FILE -save -format msh41");
            return Err(text.error(why));
        }
        None => return Err(text.error(format!("the version is not a number: {}", excerpt(version)))),
    };
    if size != b"8" {
        return Err(text.error(format!("data-size {} is not read; save the mesh with data-size 8", excerpt(size))));
    }
    let encoding = match parse_i64(kind) {
        Some(0) => Encoding::Ascii,
        Some(1) => {
            let one = text.rest().first_chunk::<4>().copied().unwrap_or_default();
            text.skip(4);
            match (i32::from_le_bytes(one), i32::from_be_bytes(one)) {
                (1, _) => Encoding::Little,
                (_, 1) => Encoding::Big,
                _ => return Err(text.error("the byte order mark after the format line is missing")),
            }
        }
        _ => return Err(text.error(format!("file-type must be 0 or 1, found {}", excerpt(kind)))),
    };
    let mut numbers = Numbers { text: text.clone(), encoding };
    numbers.end("MeshFormat")?;
    *text = numbers.text;
    Ok((encoding, major))
}

/// Goes past `$End<name>`.
fn skip(numbers: &mut Numbers<'_>, name: &[u8]) -> Result<()> {
    let end = [b"$End", name].concat();
    match memchr::memmem::find(numbers.text.rest(), &end) {
        Some(at) => {
            numbers.text.skip(at);
            numbers.text.line();
            Ok(())
        }
        None => {
            let why = format!("section ${} is not closed", excerpt(name).trim_matches('`'));
            Err(numbers.text.error(why))
        }
    }
}
