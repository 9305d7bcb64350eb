//! CalculiX results as text (`.frd`, cgx manual "Result format"): nodes, elements, displacements, temperatures.
//!
//! Columns are fixed and numbers may touch. CalculiX writes them with C's `%12.5E`, which takes 13 columns when the
//! exponent has three digits; such lines are split at their decimal points instead.

use crate::error::{Place, Result};
use crate::formats::build::MeshBuilder;
use crate::formats::mesh::{CellKind, Mesh};
use crate::formats::nodal::{NodalResult, attach};
use crate::formats::source::Source;
use crate::formats::text::{Text, excerpt, parse_f64, parse_i64, parse_u64};

/// Width of a value.
const VALUE: usize = 12;

/// Reads the displacements of the last step, and its temperatures (`NDTEMP`) where the file has them.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line: a binary file, a block that is cut short, what is not a
/// finite number, no displacement block, a node with a displacement and no temperature.
pub fn read_frd(source: &Source) -> Result<NodalResult> {
    let mut frd = Frd::default();
    frd.read(source, false)?;
    let why = "has no displacements; ask for them in the deck: *NODE FILE with U on the next line";
    frd.result(source)?.ok_or_else(|| source.error(Place::Whole, why))
}

/// Reads the mesh, with displacement and temperature as [`read_frd`] where the file has them. Lines are trusses where
/// the mesh has neither surfaces nor solids. Materials and integration are not in the file.
///
/// # Errors
/// As [`read_frd`]; an element of unknown type or with a node that is not there; no element with a stress model.
pub fn read_frd_mesh(source: &Source) -> Result<Mesh> {
    let mut frd = Frd::default();
    frd.read(source, true)?;
    let mut builder = MeshBuilder::new(source);
    let (ids, points) = std::mem::take(&mut frd.nodes);
    builder.set_points(ids, points).map_err(|(_, why)| source.error(Place::Whole, why))?;
    for element in &frd.elements {
        let shape = element.shape;
        let nodes = &frd.element_nodes[element.first..][..shape.nodes];
        let Some(kind) = shape.kind else {
            builder.skip(shape.name, shape.surface, element.id)?;
            continue;
        };
        let mut indices = [0u32; 20];
        for (i, &node) in nodes.iter().enumerate() {
            indices[shape.order.get(i).map_or(i, |&to| to as usize)] = builder.node(node).ok_or_else(|| {
                let why = format!("element {} refers to node {node}, which the file does not have", element.id);
                source.error(Place::Whole, why)
            })?;
        }
        builder.add(kind, element.id)?.copy_from_slice(&indices[..shape.nodes]);
    }
    builder.drop_edges("2-node beams", true);
    let mut mesh = builder.finish(Vec::new(), Vec::new())?;
    if let Some(result) = frd.result(source)? {
        attach(&mut mesh, &result)?;
    }
    Ok(mesh)
}

/// An element type of cgx.
#[derive(Debug, Clone, Copy)]
struct Shape {
    name: &'static str,
    nodes: usize,
    kind: Option<CellKind>,
    surface: bool,
    /// Node `i` of the file is node `order[i]` of VTK, empty where the orders agree.
    order: &'static [u8],
}

/// cgx lists the nodes on the vertical edges before those of the top.
const HEX20: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 12, 13, 14, 15];
const WEDGE15: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 9, 10, 11];

fn shape(number: i64) -> Option<Shape> {
    let cell =
        |name, kind: CellKind, order| Shape { name, nodes: kind.nodes(), kind: Some(kind), surface: false, order };
    let other = |name, nodes, surface| Shape { name, nodes, kind: None, surface, order: &[] };
    Some(match number {
        1 => cell("he8", CellKind::Hex8, &[]),
        2 => cell("pe6", CellKind::Wedge6, &[]),
        3 => cell("te4", CellKind::Tet4, &[]),
        4 => cell("he20", CellKind::Hex20, HEX20),
        5 => cell("pe15", CellKind::Wedge15, WEDGE15),
        6 => cell("te10", CellKind::Tet10, &[]),
        7 => other("3-node triangles", 3, true),
        8 => other("6-node triangles", 6, true),
        9 => other("4-node quadrangles", 4, true),
        10 => other("8-node quadrangles", 8, true),
        11 => cell("be2", CellKind::Truss2, &[]),
        12 => other("3-node beams", 3, false),
        _ => return None,
    })
}

struct Element {
    id: u64,
    shape: Shape,
    /// Where its nodes begin in `element_nodes`.
    first: usize,
}

/// One nodal dataset.
#[derive(Default)]
struct Dataset<const N: usize> {
    ids: Vec<u64>,
    values: Vec<[f64; N]>,
}

/// The contents of a file.
#[derive(Default)]
struct Frd {
    nodes: (Vec<u64>, Vec<[f64; 3]>),
    elements: Vec<Element>,
    element_nodes: Vec<u64>,
    displacement: Option<Dataset<3>>,
    temperature: Option<Dataset<1>>,
}

impl Frd {
    /// Reads all blocks, the mesh only if asked for.
    fn read(&mut self, source: &Source, mesh: bool) -> Result<()> {
        let mut text = Text::new(source)?;
        let mut known = false;
        while let Some(line) = text.line() {
            let (key, code) = (column(line, 0, 5), line.get(5).copied().unwrap_or(b' '));
            match (key, code) {
                (b"2", b'C') => {
                    let id = id_width(&text, line)?;
                    let block = dataset(&mut text, id, "nodes")?;
                    if mesh {
                        self.nodes = (block.ids, block.values);
                    }
                }
                (b"3", b'C') if mesh => {
                    let id = id_width(&text, line)?;
                    self.elements(&mut text, id)?;
                }
                (b"3", b'C') => {
                    id_width(&text, line)?;
                    while !ends(&mut text, "elements")?.1 {}
                }
                (b"100", b'C') => {
                    let id = id_width(&text, line)?;
                    self.results(&mut text, id)?;
                }
                (b"1", _) => {}
                (b"9999", _) => return Ok(()),
                (b"", _) if line.trim_ascii().is_empty() => {}
                _ if !known => return Err(text.error(format!("is not a CalculiX .frd file: {}", excerpt(line)))),
                _ => return Err(text.error(format!("expected a block, found {}", excerpt(line)))),
            }
            known = true;
        }
        Err(source.error(Place::Whole, "the last line, 9999, is missing: the file is cut short"))
    }

    fn elements(&mut self, text: &mut Text<'_>, id_width: usize) -> Result<()> {
        let mut left = 0;
        loop {
            let (line, end) = ends(text, "elements")?;
            let bad = |text: &Text<'_>| text.error(format!("not a line of the element block: {}", excerpt(line)));
            match column(line, 0, 3) {
                _ if left > 0 && (end || column(line, 0, 3) != b"-2") => {
                    let id = self.elements.last().map_or(0, |element| element.id);
                    return Err(text.error(format!("element {id}: {left} nodes miss")));
                }
                _ if end => return Ok(()),
                b"-1" => {
                    let id = parse_u64(column(line, 3, id_width)).ok_or_else(|| bad(text))?;
                    let number = parse_i64(column(line, 3 + id_width, 5)).ok_or_else(|| bad(text))?;
                    let shape = shape(number)
                        .ok_or_else(|| text.error(format!("element {id}: element type {number} is not known")))?;
                    self.elements.push(Element { id, shape, first: self.element_nodes.len() });
                    left = shape.nodes;
                }
                b"-2" => {
                    for field in line[3.min(line.len())..].chunks(id_width).map(<[u8]>::trim_ascii) {
                        if field.is_empty() {
                            continue;
                        }
                        left = left.checked_sub(1).ok_or_else(|| text.error("more nodes than the element has"))?;
                        self.element_nodes.push(parse_u64(field).ok_or_else(|| bad(text))?);
                    }
                }
                _ => return Err(bad(text)),
            }
        }
    }

    /// A nodal results block after its header: keeps the displacements and temperatures, skips the others.
    fn results(&mut self, text: &mut Text<'_>, id_width: usize) -> Result<()> {
        let Some(header) = text.line() else { return Err(text.error("a result block is cut short")) };
        let name = header.strip_prefix(b" -4").map(|rest| rest.trim_ascii_start());
        let Some(name) = name.map(|rest| rest.split(|b| *b == b' ').next().unwrap_or_default()) else {
            return Err(text.error(format!("expected the name of a result (-4), found {}", excerpt(header))));
        };
        match name {
            b"DISP" => self.displacement = Some(dataset(text, id_width, "displacements")?),
            b"NDTEMP" => self.temperature = Some(dataset(text, id_width, "temperatures")?),
            _ => while !ends(text, "results")?.1 {},
        }
        Ok(())
    }

    fn result(self, source: &Source) -> Result<Option<NodalResult>> {
        let Some(Dataset { ids, values: displacement }) = self.displacement else { return Ok(None) };
        let temperature = match self.temperature {
            None => None,
            // CalculiX lists the same nodes for both.
            Some(block) if block.ids == ids => Some(block.values.into_iter().map(|[value]| value).collect()),
            Some(block) => {
                let known: std::collections::HashMap<u64, f64> =
                    block.ids.into_iter().zip(block.values.into_iter().map(|[value]| value)).collect();
                let value = |id| {
                    let why = || format!("node {id} has a displacement, but no temperature (NDTEMP)");
                    known.get(id).copied().ok_or_else(|| source.error(Place::Whole, why()))
                };
                Some(ids.iter().map(value).collect::<Result<_>>()?)
            }
        };
        Ok(Some(NodalResult { source: source.path.clone(), ids, displacement, temperature }))
    }
}

/// Reads the `-1` lines up to `-3`; other lines (`-5` components, `-2` more components) are skipped.
fn dataset<const N: usize>(text: &mut Text<'_>, id_width: usize, what: &str) -> Result<Dataset<N>> {
    let mut block = Dataset { ids: Vec::new(), values: Vec::new() };
    loop {
        let (line, end) = ends(text, what)?;
        match column(line, 0, 3) {
            _ if end => return Ok(block),
            b"-1" => {
                let id = column(line, 3, id_width);
                let id = parse_u64(id).ok_or_else(|| text.error(format!("not a node number: {}", excerpt(id))))?;
                let mut values = [0.0; N];
                if !split(&line[(3 + id_width).min(line.len())..], &mut values) {
                    return Err(text.error(format!("expected {N} finite numbers for node {id}: {}", excerpt(line))));
                }
                block.ids.push(id);
                block.values.push(values);
            }
            b"-2" | b"-5" | b"-6" => {}
            _ => return Err(text.error(format!("not a line of the {what}: {}", excerpt(line)))),
        }
    }
}

/// The next line of a block, and whether it is its end (`-3`).
fn ends<'a>(text: &mut Text<'a>, what: &str) -> Result<(&'a [u8], bool)> {
    match text.line() {
        Some(line) => Ok((line, column(line, 0, 3) == b"-3")),
        None => Err(text.error(format!("the block of {what} has no end (-3); the file is cut short"))),
    }
}

/// Width of node and element numbers in the block that `header` starts, by the format in its columns 74 and 75.
fn id_width(text: &Text<'_>, header: &[u8]) -> Result<usize> {
    match column(header, 73, 2) {
        b"" | b"0" => Ok(5),
        b"1" => Ok(10),
        b"2" | b"3" => Err(text.error("binary .frd files are not read; use *NODE FILE in place of *NODE OUTPUT")),
        other => Err(text.error(format!("unknown format {}", excerpt(other)))),
    }
}

/// Columns `start..start + width`, as far as the line goes, without blanks around.
#[inline]
fn column(line: &[u8], start: usize, width: usize) -> &[u8] {
    line[start.min(line.len())..(start + width).min(line.len())].trim_ascii()
}

/// Up to six values of a line; true if `values` could be filled with finite numbers. More values may follow.
fn split(line: &[u8], values: &mut [f64]) -> bool {
    let line = line.trim_ascii_end();
    let number = |field: &[u8]| parse_f64(field.trim_ascii()).filter(|value| value.is_finite());
    // Fixed columns, if the whole line keeps to them: what a long exponent leaves over has no point.
    let mut n = 0;
    let fits = line.chunks(VALUE).all(|field| {
        let value = number(field).filter(|_| field.contains(&b'.'));
        if let (Some(slot), Some(value)) = (values.get_mut(n), value) {
            *slot = value;
        }
        n += 1;
        value.is_some()
    });
    if fits {
        return n >= values.len();
    }
    // One digit, maybe a sign, before each point.
    let starts: Vec<usize> = memchr::memchr_iter(b'.', line)
        .map(|point| {
            let digit = point.saturating_sub(1);
            if digit > 0 && matches!(line[digit - 1], b'-' | b'+') { digit - 1 } else { digit }
        })
        .chain([line.len()])
        .collect();
    let mut fields = starts.windows(2).map(|pair| line.get(pair[0]..pair[1]).and_then(number));
    line[..starts[0]].trim_ascii().is_empty()
        && values.iter_mut().all(|slot| match fields.next().flatten() {
            Some(value) => {
                *slot = value;
                true
            }
            None => false,
        })
        && fields.all(|value| value.is_some())
}

#[cfg(test)]
#[path = "frd_tests.rs"]
mod tests;
