//! Elements whose shape gives no stress, and elements that are inside out.

use rayon::prelude::*;

use super::model::{Block, MAX_NODES, Model};
use crate::error::{Error, Result};
use crate::formats::mesh::CellKind;
use crate::numeric::elements::ElementTables;

/// A determinant below this part of the cube of the element's extent counts as zero: a cell 10^7 times thinner than
/// wide in two directions still passes.
const DEGENERATE: f64 = 1e-14;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Fine,
    Inverted,
    Twisted,
    Degenerate,
}

/// Checks every element; returns a warning for the inverted ones (all determinants negative: the stress is right all the
/// same). Wedges are exempt, files hold them in both orientations.
///
/// # Errors
/// [`Error::Model`] that names the first element without a meaningful Jacobian.
pub(super) fn check(model: &Model) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    for block in &model.blocks {
        // First bad element and first inverted one, with the number of inverted ones.
        let none = || (None::<(usize, Shape)>, None::<usize>, 0_usize);
        let earlier = |a: Option<(usize, Shape)>, b: Option<(usize, Shape)>| match (a, b) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        };
        let places = places(block.tables);
        let (bad, inverted, count) = (0..block.len())
            .into_par_iter()
            .with_min_len(4096)
            .fold(none, |(bad, inverted, count), element| match shape(model, block, element, &places) {
                Shape::Fine => (bad, inverted, count),
                Shape::Inverted => (bad, inverted.or(Some(element)), count + 1),
                worse => (bad.or(Some((element, worse))), inverted, count),
            })
            .reduce(none, |a, b| {
                let first = match (a.1, b.1) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                (earlier(a.0, b.0), first, a.2 + b.2)
            });
        let label = |element: usize| model.cell_label(block.cells[element]);
        let file = model.source.display();
        if let Some((element, shape)) = bad {
            let why = match shape {
                Shape::Degenerate => "has no volume (det J is 0)",
                _ => "is turned inside out in part (det J changes sign inside)",
            };
            let kind = block.tables.kind.name();
            return Err(Error::Model(format!(
                "{file}: element {} ({kind}) {why}; repair the mesh: its nodes may coincide or be in the wrong order",
                label(element)
            )));
        }
        if let Some(element) = inverted {
            warnings.push(format!(
                "{file}: element {} ({}) is inverted (det J is negative){}; its stress is the same, but check the node order",
                label(element),
                block.tables.kind.name(),
                if count > 1 { format!(", as are {} more", count - 1) } else { String::new() }
            ));
        }
    }
    Ok(warnings)
}

/// What element `element` is, by det J at `places`: the derivatives of the shape functions wherever J is used.
fn shape(model: &Model, block: &Block, element: usize, places: &[&[[f64; 3]]]) -> Shape {
    let kind = block.tables.kind;
    let mut edges = [[0.0; 3]; MAX_NODES];
    let edges = &mut edges[..block.tables.nodes];
    let nodes = block.nodes_of(element);
    let first = &model.nodes[nodes[0] as usize];
    let mut square = 0.0_f64;
    for (edge, node) in edges.iter_mut().zip(nodes).skip(1) {
        let row = &model.nodes[*node as usize];
        *edge = std::array::from_fn(|i| row[i] - first[i]);
        square = square.max(edge[0] * edge[0] + edge[1] * edge[1] + edge[2] * edge[2]);
    }
    // The largest distance from the first node.
    let extent = square.sqrt();
    if kind == CellKind::Truss2 {
        return if extent > 0.0 && extent.is_finite() { Shape::Fine } else { Shape::Degenerate };
    }
    let least = DEGENERATE * extent * extent * extent;
    let mut signs = [false; 2];
    let solid = places.iter().all(|dn| {
        let det = determinant(dn, edges);
        signs[usize::from(det < 0.0)] = true;
        det.abs() > least && det.is_finite()
    });
    match (solid, signs) {
        (false, _) => Shape::Degenerate,
        (true, [true, true]) => Shape::Twisted,
        (true, [false, true]) if !matches!(kind, CellKind::Wedge6 | CellKind::Wedge15) => Shape::Inverted,
        _ => Shape::Fine,
    }
}

/// Where J is used: at the points, and at the centre, where incompatible modes and the mixed precision's rotation are taken.
/// A linear tetrahedron has one J.
fn places(tables: &ElementTables) -> Vec<&[[f64; 3]]> {
    let points = (0..tables.points.len()).map(|p| tables.derivatives_at(p));
    let mut places: Vec<&[[f64; 3]]> = points.chain([&tables.centre[..]]).collect();
    places.dedup();
    places
}

/// det J, J = sum_a edge_a (x) dN_a.
fn determinant(dn: &[[f64; 3]], edges: &[[f64; 3]]) -> f64 {
    let mut j = [[0.0; 3]; 3];
    for (dn, edge) in dn.iter().zip(edges).skip(1) {
        for (row, x) in j.iter_mut().zip(edge) {
            (0..3).for_each(|k| row[k] += x * dn[k]);
        }
    }
    let minor = |a: usize, b: usize| j[1][a] * j[2][b] - j[1][b] * j[2][a];
    j[0][0] * minor(1, 2) + j[0][1] * minor(2, 0) + j[0][2] * minor(0, 1)
}
