//! The independent check: closed forms that share no shape function with the kernels.
//!
//! 1. Patch: with the displacement replaced by u = A x, every stress point of an element must have the stress C : sym(A),
//!    whatever the element's shape (that is what makes an element convergent).
//! 2. tet4: the gradient that maps the three edges of the undeformed onto those of the displacement field, found by
//!    elimination, against the outputs.
//! 3. Refined tet4: the parent's stress, against the outputs of its children.

#![expect(clippy::needless_range_loop, reason = "indices are those of the formulas")]

use super::bound::{self, Arithmetic};
use super::model::{Block, Model, NodeRow};
use super::seq::{self, MAX_POINTS, Matrix3};
use crate::formats::mesh::CellKind;
use crate::job::{Check, Output, Precision, Scalar};
use crate::numeric::tensor::{Stiffness, Tensor};

/// How many elements of each block are checked.
const SAMPLES: usize = 64;

/// A gradient without symmetry or zeros.
const AFFINE: Matrix3 = [[1.1e-3, -4e-4, 7e-4], [3e-4, -8e-4, 2e-4], [-6e-4, 9e-4, 5e-4]];

/// The stress that all children of one tetrahedron must have.
#[derive(Debug, Clone)]
pub(super) struct ParentSample {
    block: usize,
    first_child: usize,
    children: usize,
    levels: u32,
    stress: Tensor,
    bound: [f64; 7],
}

/// Evenly spread elements of a block, first and last included.
fn samples(count: usize) -> impl Iterator<Item = usize> {
    let n = count.min(SAMPLES);
    (0..n).map(move |i| if n < 2 { 0 } else { i * (count - 1) / (n - 1) })
}

/// Remembers the stress of some tetrahedra before they are refined.
pub(super) fn sample_parents(model: &Model, levels: u32) -> Vec<ParentSample> {
    let mut parents = Vec::new();
    // Thermal strain varies inside a parent, so its children differ.
    let blocks = model.blocks.iter().enumerate().filter(|(_, b)| b.tables.kind == CellKind::Tet4 && !model.thermal);
    for (index, block) in blocks {
        for element in samples(block.len()) {
            let (stress, bound) = reference(model, block, element, Precision::F64, [0.0; 6]);
            let children = 8_usize.pow(levels.min(10));
            parents.push(ParentSample {
                block: index,
                first_child: element * children,
                children,
                levels,
                stress: stress[0],
                bound: std::array::from_fn(|c| bound[c]),
            });
        }
    }
    parents
}

fn reference(
    model: &Model,
    block: &Block,
    element: usize,
    precision: Precision,
    noise: [f64; 6],
) -> ([Tensor; MAX_POINTS], Vec<f64>) {
    let tables = block.tables;
    let rows = model.rows(block, element);
    let material = &model.materials[block.material_of(element)];
    let mut stress = [[0.0; 6]; MAX_POINTS];
    seq::element(tables, &rows[..tables.nodes], material, model.thermal, &mut stress);
    let mut allowed = vec![0.0; 7 * tables.ips];
    let arithmetic = Arithmetic { precision, centre: model.centre, noise };
    bound::element(tables, &rows[..tables.nodes], material, model.thermal, arithmetic, &mut allowed);
    (stress, allowed)
}

/// The worst deviation so far, as a part of what is allowed.
struct Worst {
    ratio: f64,
    detail: String,
    compared: u64,
}

impl Worst {
    fn compare(&mut self, got: f64, expected: f64, allowed: f64, what: impl Fn() -> String) {
        let ratio = (got - expected).abs() / allowed;
        self.compared += 1;
        // NaN stays the worst.
        if ratio > self.ratio || (ratio.is_nan() && !self.ratio.is_nan()) {
            self.ratio = ratio;
            if ratio.is_nan() || ratio > 1.0 {
                self.detail = format!("{}: {got:e}, expected {expected:e}, allowed deviation {allowed:e}", what());
            }
        }
    }
}

/// All three checks; the error is the largest deviation as a part of its own rounding bound.
pub(super) fn check(model: &Model, parents: &[ParentSample], outputs: &[Output]) -> Check {
    let mut worst = Worst { ratio: 0.0, detail: String::new(), compared: 0 };
    for (block, output) in model.blocks.iter().zip(outputs) {
        for element in samples(block.len()) {
            patch(model, block, element, &mut worst);
            if block.tables.kind == CellKind::Tet4 && !model.thermal {
                edges(model, block, output, element, &mut worst);
            }
        }
    }
    for parent in parents {
        if let (Some(block), Some(output)) = (model.blocks.get(parent.block), outputs.get(parent.block)) {
            children(model, block, output, parent, &mut worst);
        }
    }
    Check {
        what: format!(
            "closed forms on {} values: affine patch{}{}; deviation as a part of the rounding bound",
            worst.compared,
            if model.blocks.iter().any(|b| b.tables.kind == CellKind::Tet4) { ", edge vectors of tet4" } else { "" },
            if parents.is_empty() { "" } else { ", parents of refined tet4" }
        ),
        error: worst.ratio,
        bound: 1.0,
        detail: worst.detail,
    }
}

fn patch(model: &Model, block: &Block, element: usize, worst: &mut Worst) {
    let tables = block.tables;
    let mut rows = model.rows(block, element);
    let rows = &mut rows[..tables.nodes];
    let material = &model.materials[block.material_of(element)];
    // u = A (x - x_0): rounding of these products is the noise that the bound has to know.
    let mut noise = [0.0_f64; 6];
    let first = rows[0];
    for row in rows.iter_mut() {
        let dx: [f64; 3] = std::array::from_fn(|i| row[i] - first[i]);
        for i in 0..3 {
            let terms: [f64; 3] = std::array::from_fn(|j| AFFINE[i][j] * dx[j]);
            row[3 + i] = terms.iter().sum();
            let size: f64 = terms.iter().map(|term| term.abs()).sum();
            noise[3 + i] = noise[3 + i].max(4.0 * f64::EPSILON * size);
        }
        row[6] = material.reference_temperature;
    }
    let mut stress = [[0.0; 6]; MAX_POINTS];
    seq::element(tables, rows, material, model.thermal, &mut stress);
    let mut allowed = vec![0.0; 7 * tables.ips];
    let arithmetic = Arithmetic { precision: Precision::F64, centre: [0.0; 6], noise };
    bound::element(tables, rows, material, model.thermal, arithmetic, &mut allowed);
    let expected =
        if tables.kind == CellKind::Truss2 { along_axis(rows, material) } else { material.stress(&strain(&AFFINE)) };
    for (ip, stress) in stress.iter().take(tables.ips).enumerate() {
        for c in 0..6 {
            worst.compare(stress[c], expected[c], allowed[c * tables.ips + ip], || {
                let label = model.cell_label(block.cells[element]);
                format!("affine patch, element {label} ({}), point {}, component {c}", tables.name, ip + 1)
            });
        }
    }
}

/// (A + A') / 2.
fn strain(a: &Matrix3) -> Tensor {
    let half = |i: usize, j: usize| 0.5 * (a[i][j] + a[j][i]);
    [a[0][0], a[1][1], a[2][2], half(0, 1), half(0, 2), half(1, 2)]
}

/// E (n . A n) n (x) n.
fn along_axis(rows: &[NodeRow], material: &Stiffness) -> Tensor {
    let d: [f64; 3] = std::array::from_fn(|i| rows[1][i] - rows[0][i]);
    let length = d[0].hypot(d[1].hypot(d[2]));
    let n = d.map(|x| x / length);
    let stretch: f64 = (0..3).map(|i| n[i] * (0..3).map(|j| AFFINE[i][j] * n[j]).sum::<f64>()).sum();
    let sigma = material.young * stretch;
    [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)].map(|(i, j)| sigma * n[i] * n[j])
}

/// The gradient H with H (x_a - x_0) = u_a - u_0 for the three edges, by elimination with row exchanges.
fn edges(model: &Model, block: &Block, output: &Output, element: usize, worst: &mut Worst) {
    let rows = model.rows(block, element);
    // Rows: edges; columns: dx | du. Solving X H' = U.
    let mut system: [[f64; 6]; 3] = std::array::from_fn(|a| std::array::from_fn(|i| rows[a + 1][i] - rows[0][i]));
    for k in 0..3 {
        let pivot = (k..3).max_by(|a, b| system[*a][k].abs().total_cmp(&system[*b][k].abs())).unwrap_or(k);
        system.swap(k, pivot);
        for a in (0..3).filter(|a| *a != k) {
            let factor = system[a][k] / system[k][k];
            let row = system[k];
            (0..6).for_each(|i| system[a][i] -= factor * row[i]);
        }
    }
    let h: Matrix3 = std::array::from_fn(|i| std::array::from_fn(|j| system[j][3 + i] / system[j][j]));
    let material = &model.materials[block.material_of(element)];
    let expected = material.stress(&strain(&h));
    let (_, allowed) = reference(model, block, element, precision_of(output), [0.0; 6]);
    // Elimination errs like the kernel does, a few times over.
    let (_, exact) = reference(model, block, element, Precision::F64, [0.0; 6]);
    for (c, expected) in expected.into_iter().enumerate() {
        worst.compare(output.value(c, element), expected, allowed[c] + 8.0 * exact[c], || {
            format!("edge vectors, element {}, component {c}", model.cell_label(block.cells[element]))
        });
    }
}

/// f32 columns may come from `mixed` or `f32`: the wider bound fits both.
fn precision_of(output: &Output) -> Precision {
    match output.specs().next().map(|spec| spec.scalar) {
        Some(Scalar::F32) => Precision::F32,
        _ => Precision::F64,
    }
}

fn children(model: &Model, block: &Block, output: &Output, parent: &ParentSample, worst: &mut Worst) {
    // First, last and one child in between.
    for child in [0, parent.children / 2 + 1, parent.children - 1] {
        let element = parent.first_child + child;
        if element >= block.len() {
            continue;
        }
        // Each level rounds each new node once, relative to its distance from the origin.
        let rows = model.rows(block, element);
        let size = |i: usize| rows[..4].iter().fold(0.0_f64, |m, row| m.max(row[i].abs()));
        let noise = std::array::from_fn(|i| 2.0 * f64::from(parent.levels) * f64::EPSILON * size(i));
        let (_, allowed) = reference(model, block, element, precision_of(output), noise);
        for c in 0..6 {
            worst.compare(output.value(c, element), parent.stress[c], allowed[c] + parent.bound[c], || {
                format!("parent of element {}, component {c}", model.cell_label(block.cells[element]))
            });
        }
    }
}
