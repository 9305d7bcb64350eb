//! Elements whose shape gives no stress, and elements that are inside out.

use rayon::prelude::*;

use super::model::{Block, Model, NodeRow};
use super::seq::Point;
use crate::error::{Error, Result};
use crate::formats::mesh::CellKind;

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
        let (bad, inverted, count) = (0..block.len())
            .into_par_iter()
            .with_min_len(4096)
            .fold(none, |(bad, inverted, count), element| match shape(model, block, element) {
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

fn shape(model: &Model, block: &Block, element: usize) -> Shape {
    let tables = block.tables;
    let rows = model.rows(block, element);
    let rows = &rows[..tables.nodes];
    let extent = extent(rows);
    if tables.kind == CellKind::Truss2 {
        return if extent > 0.0 && extent.is_finite() { Shape::Fine } else { Shape::Degenerate };
    }
    let least = DEGENERATE * extent * extent * extent;
    let mut signs = [false; 2];
    let mut look = |dn: &[[f64; 3]]| {
        let det = Point::new(dn, rows).det;
        signs[usize::from(det < 0.0)] = true;
        det.abs() > least && det.is_finite()
    };
    // The centre is where incompatible modes and the mixed precision's rotation are taken.
    let solid = (0..tables.points.len()).all(|p| look(tables.derivatives_at(p))) && look(&tables.centre);
    match (solid, signs) {
        (false, _) => Shape::Degenerate,
        (true, [true, true]) => Shape::Twisted,
        (true, [false, true]) if !matches!(tables.kind, CellKind::Wedge6 | CellKind::Wedge15) => Shape::Inverted,
        _ => Shape::Fine,
    }
}

/// The largest distance from the first node.
fn extent(rows: &[NodeRow]) -> f64 {
    let distance = |row: &NodeRow| (row[0] - rows[0][0]).hypot((row[1] - rows[0][1]).hypot(row[2] - rows[0][2]));
    rows.iter().map(distance).fold(0.0, f64::max)
}
