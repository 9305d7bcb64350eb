//! `$Entities`, `$Nodes` and `$Elements` of both versions.

use std::collections::HashMap;

use crate::error::Result;
use crate::formats::build::IdMap;
use crate::formats::text::{excerpt, parse_u64};

use super::Parts;
use super::numbers::{Encoding, Numbers};
use super::types::{GmshType, Use, gmsh_type};

/// Nodes of the largest cell, hex20.
const MAX_NODES: usize = 20;

/// `$Entities`, MSH 4.1: the first physical group of each model entity.
pub(super) fn entities(numbers: &mut Numbers<'_>, groups: &mut HashMap<(i64, i64), i64>) -> Result<()> {
    let mut counts = [0; 4];
    for count in &mut counts {
        *count = numbers.size("the number of entities")?;
    }
    for (dimension, n) in (0i64..).zip(counts) {
        for _ in 0..n {
            let tag = numbers.int("an entity number")?;
            for _ in 0..if dimension == 0 { 3 } else { 6 } {
                numbers.double("an entity's box")?;
            }
            for i in 0..numbers.size("the number of physical groups")? {
                let group = numbers.int("a physical group number")?;
                if i == 0 {
                    groups.insert((dimension, tag), group.saturating_abs());
                }
            }
            if dimension > 0 {
                for _ in 0..numbers.size("the number of bounding entities")? {
                    numbers.int("a bounding entity")?;
                }
            }
        }
    }
    numbers.end("Entities")
}

/// `$Nodes`, MSH 2: `number x y z` for each. `$ParametricNodes` (Mesh.SaveParametric) go on with the dimension and number of
/// the model entity and the place on it: one coordinate on a curve, two on a surface, none on a point or in a volume.
pub(super) fn nodes_2(numbers: &mut Numbers<'_>, parts: &mut Parts<'_>, parametric: bool) -> Result<()> {
    let declared = {
        // The count is text in binary files too.
        let line = numbers.text.line().unwrap_or_default();
        text_count(numbers, line, "nodes")?
    };
    let (ascii, binary) = if parametric { (12, 36) } else { (8, 28) };
    let n = numbers.count(declared, ascii, binary, "nodes")?;
    let mut ids = Vec::with_capacity(n);
    let mut points = Vec::with_capacity(n);
    for _ in 0..n {
        ids.push(numbers.positive_int("a node number")?);
        points.push(point(numbers)?);
        if parametric {
            let dimension = numbers.int("an entity dimension")?;
            numbers.int("an entity number")?;
            for _ in 0..match dimension {
                0 | 3 => 0,
                1 | 2 => dimension,
                _ => return Err(numbers.error(format!("an entity dimension must be 0 to 3, found {dimension}"))),
            } {
                numbers.skip_double("a parametric coordinate")?;
            }
        }
    }
    let section = if parametric { "ParametricNodes" } else { "Nodes" };
    set_points(numbers, parts, section, ids, points)
}

/// `$Nodes`, MSH 4.1: blocks of numbers, then coordinates.
pub(super) fn nodes_4(numbers: &mut Numbers<'_>, parts: &mut Parts<'_>) -> Result<()> {
    let blocks = numbers.size("the number of node blocks")?;
    let declared = numbers.size("the number of nodes")?;
    let n = numbers.count(declared, 8, 32, "nodes")?;
    for what in ["the smallest node number", "the largest node number"] {
        numbers.size(what)?;
    }
    let mut ids: Vec<u64> = Vec::with_capacity(n);
    let mut points = Vec::with_capacity(n);
    for _ in 0..blocks {
        let dimension = numbers.int("an entity dimension")?;
        numbers.int("an entity number")?;
        let parameters = match numbers.int("the parametric flag")? {
            0 => 0,
            1 if (0..=3).contains(&dimension) => dimension,
            flag => return Err(numbers.error(format!("the parametric flag must be 0 or 1, found {flag}"))),
        };
        let in_block = numbers.size("the number of nodes in a block")?;
        if in_block > (n - ids.len()) as u64 {
            return Err(numbers.error(format!("more nodes in the blocks than the {n} that the section declares")));
        }
        for _ in 0..in_block {
            ids.push(numbers.size("a node number")?);
        }
        for _ in 0..in_block {
            points.push(point(numbers)?);
            for _ in 0..parameters {
                numbers.skip_double("a parametric coordinate")?;
            }
        }
    }
    if ids.len() != n {
        return Err(numbers.error(format!("{n} nodes are declared, but the blocks hold {}", ids.len())));
    }
    set_points(numbers, parts, "Nodes", ids, points)
}

#[inline]
fn point(numbers: &mut Numbers<'_>) -> Result<[f64; 3]> {
    Ok([numbers.double("x of a node")?, numbers.double("y of a node")?, numbers.double("z of a node")?])
}

fn set_points(
    numbers: &mut Numbers<'_>,
    parts: &mut Parts<'_>,
    section: &str,
    ids: Vec<u64>,
    points: Vec<[f64; 3]>,
) -> Result<()> {
    numbers.end(section)?;
    parts.builder.set_points(ids, points).map_err(|(_, why)| numbers.error(why))
}

/// `$Elements`, MSH 2: `number type tags... nodes...`; binary files group elements under `type count tags`.
pub(super) fn elements_2(numbers: &mut Numbers<'_>, parts: &mut Parts<'_>) -> Result<()> {
    let line = numbers.text.line().unwrap_or_default();
    let declared = text_count(numbers, line, "elements")?;
    let n = numbers.count(declared, 6, 8, "elements")?;
    let mut done = 0;
    while done < n {
        let (type_number, follow, n_tags, first) = if numbers.encoding == Encoding::Ascii {
            let id = numbers.positive_int("an element number")?;
            let type_number = numbers.int("an element type")?;
            (type_number, 1, numbers.positive_int("the number of tags")?, Some(id))
        } else {
            let type_number = numbers.int("an element type")?;
            let follow = numbers.positive_int("the number of elements that follow")?;
            (type_number, follow, numbers.positive_int("the number of tags")?, None)
        };
        if follow == 0 || follow > (n - done) as u64 {
            return Err(numbers.error(format!("{follow} elements follow where {} are left", n - done)));
        }
        let kind = known_type(numbers, type_number)?;
        for _ in 0..follow {
            let id = match first {
                Some(id) => id,
                None => numbers.positive_int("an element number")?,
            };
            let mut group = 0;
            for i in 0..n_tags {
                let tag = numbers.int("a tag of an element")?;
                if i == 0 {
                    group = tag;
                }
            }
            element(numbers, parts, kind, id, group, Numbers::positive_int)?;
        }
        done += follow as usize;
    }
    numbers.end("Elements")
}

/// `$Elements`, MSH 4.1: blocks of one type, `number nodes...` for each element.
pub(super) fn elements_4(numbers: &mut Numbers<'_>, parts: &mut Parts<'_>) -> Result<()> {
    let blocks = numbers.size("the number of element blocks")?;
    let declared = numbers.size("the number of elements")?;
    let n = numbers.count(declared, 4, 16, "elements")?;
    for what in ["the smallest element number", "the largest element number"] {
        numbers.size(what)?;
    }
    let mut left = n as u64;
    for _ in 0..blocks {
        let dimension = numbers.int("an entity dimension")?;
        let entity = numbers.int("an entity number")?;
        let type_number = numbers.int("an element type")?;
        let in_block = numbers.size("the number of elements in a block")?;
        if in_block > left {
            return Err(numbers.error(format!("more elements in the blocks than the {n} that the section declares")));
        }
        left -= in_block;
        let kind = known_type(numbers, type_number)?;
        let group = parts.groups.get(&(dimension, entity)).copied().unwrap_or(0);
        if numbers.encoding == Encoding::Ascii || parts.known.is_some() {
            for _ in 0..in_block {
                let id = numbers.size("an element number")?;
                element(numbers, parts, kind, id, group, Numbers::size)?;
            }
        } else {
            block_of_bytes(numbers, parts, kind, in_block, group)?;
        }
    }
    if left > 0 {
        return Err(numbers.error(format!("{n} elements are declared, but the blocks hold {}", n as u64 - left)));
    }
    numbers.end("Elements")
}

/// One block of `$Elements`, MSH 4.1, binary: `n` records of eight-byte numbers.
fn block_of_bytes(numbers: &mut Numbers<'_>, parts: &mut Parts<'_>, kind: GmshType, n: u64, group: i64) -> Result<()> {
    let record = 8 * (1 + kind.nodes);
    let n = numbers.count(n, 0, record as u64, "elements")?;
    let bytes = &numbers.text.rest()[..n * record];
    let number = match numbers.encoding {
        Encoding::Big => |bytes: &[u8; 8]| u64::from_be_bytes(*bytes),
        _ => |bytes: &[u8; 8]| u64::from_le_bytes(*bytes),
    };
    parts.physical.resize(parts.physical.len() + n, as_group(group));
    match kind.role {
        Use::Cell { kind: cell, order } => {
            let fill = |map: &IdMap, i: usize, nodes: &mut [u32]| {
                let (words, _) = bytes[i * record..][..record].as_chunks::<8>();
                let id = number(&words[0]);
                for (i, word) in words[1..].iter().enumerate() {
                    let node = number(word);
                    let index = map.get(node).ok_or_else(|| unknown_node(id, node))?;
                    nodes[order.get(i).map_or(i, |&to| to as usize)] = index;
                }
                Ok(id)
            };
            parts.builder.add_many(cell, n, fill)?.map_err(|why| numbers.error(why))?;
        }
        role => {
            for record in bytes.chunks_exact(record) {
                let (words, _) = record.as_chunks::<8>();
                parts.builder.skip(kind.name, role == Use::Skipped { surface: true }, number(&words[0]))?;
            }
        }
    }
    numbers.text.skip(n * record);
    Ok(())
}

/// Group numbers are C ints in both versions.
fn as_group(group: i64) -> i32 {
    i32::try_from(group).unwrap_or(0)
}

fn unknown_node(element: u64, node: u64) -> String {
    format!("element {element} refers to node {node}, which $Nodes does not have")
}

fn known_type(numbers: &Numbers<'_>, number: i64) -> Result<GmshType> {
    let Some(kind) = gmsh_type(number) else {
        return Err(numbers.error(format!("element type {number} is not known")));
    };
    if kind.role == Use::Refused {
        return Err(numbers.error(format!(
            "{} (element type {number}) have no stress model; mesh with tetrahedra, hexahedra or prisms of order 1 or 2 \
             (Mesh.SecondOrderIncomplete=1)",
            kind.name
        )));
    }
    Ok(kind)
}

/// The nodes of one element, in VTK's order.
#[inline]
fn element<'a>(
    numbers: &mut Numbers<'a>,
    parts: &mut Parts<'_>,
    kind: GmshType,
    id: u64,
    group: i64,
    node: impl Fn(&mut Numbers<'a>, &str) -> Result<u64>,
) -> Result<()> {
    if parts.knows(id) {
        for _ in 0..kind.nodes {
            node(numbers, "a node of an element")?;
        }
        return Ok(());
    }
    parts.physical.push(as_group(group));
    let Use::Cell { kind: cell, order } = kind.role else {
        for _ in 0..kind.nodes {
            node(numbers, "a node of an element")?;
        }
        return parts.builder.skip(kind.name, kind.role == Use::Skipped { surface: true }, id);
    };
    let mut nodes = [0u32; MAX_NODES];
    for i in 0..kind.nodes {
        let number = node(numbers, "a node of an element")?;
        let Some(index) = parts.builder.node(number) else {
            return Err(numbers.error(unknown_node(id, number)));
        };
        nodes[order.get(i).map_or(i, |&to| to as usize)] = index;
    }
    parts.builder.add(cell, id)?.copy_from_slice(&nodes[..kind.nodes]);
    Ok(())
}

/// A count that stands alone on a line of text, in binary files too.
fn text_count(numbers: &Numbers<'_>, line: &[u8], what: &str) -> Result<u64> {
    parse_u64(line.trim_ascii()).ok_or_else(|| {
        let found = excerpt(line);
        numbers.text.error(format!("the number of {what} is not a non-negative integer: {found}"))
    })
}
