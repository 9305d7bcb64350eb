//! How far rounding may take a stress from the reference: a first-order bound from the same sums with absolute values.
//!
//! # Derivation
//! `u` is the unit roundoff (2^-53, 2^-24). A sum of n products in any order, fused or not, errs by at most `n u` times the
//! sum of the absolute products. With `|.|~` for "the same expression with absolute values":
//!
//! 1. Differences to the first node. f64: `|d(dx)| <= u |dx|`. Mixed: `3 u |dx| + 4 u^2 (|x_a| + |x_0|)`, which covers both
//!    the f64 difference rounded to f32 and hi/lo pairs (the pair drops at most `u^2 |x|`, the difference of the hi parts,
//!    of the lo parts and their sum round once each). F32: each centred coordinate was rounded,
//!    `u (|x_a| + |x_0|) + u |dx|`. The same for displacements.
//!
//!    Mixed takes the rotation W at the element's centre away before f32 rounds it: `du' = du - W dx`, with any skew W
//!    that agrees with the exact one to 2^-12, so |H - W| takes the place of |H| below. It may do so in f64, in pairs of f32,
//!    or in fixed-point numbers of 30 bits: `|d(du')| <= 3 u |du'| + 2^-27 (max |du| + 2 max |W| max |dx|)` (seven units in the last place: one for
//!    du, two products with two for dx and one for their own), and the last term also covers the choice of W,
//!    `u 2^-12 |W| |dx|` in every later step.
//! 2. `dJ <= sum_a |dN_a| (d(dx_a) + (n + 3) u |dx_a|)`: n - 1 products and sums, the rounded table, and one more
//!    difference for code that sums along edges. `dG` likewise.
//! 3. `H = G adj(J) / det(J)` moves by `(dG + |H| dJ) |J^-1| / (1 - r)` with `r` the norm of `|J^-1| dJ`. Evaluating it adds
//!    `(6 u (|G| adj~) + 5 u det~ |H|) / |det| + 6 u |H|`: a cofactor 2u, forming the inverse first 1u, product and three
//!    terms 3u; the determinant 2u + 1u + 2u; a WGSL division 2.5 ulp = 5u, and a product.
//! 4. The volume average divides sums over 8 points: 7 more sums in each, and
//!    `d(adj) <= dJ |J| + |J| dJ`, `d(det) <= sum |adj| dJ`.
//! 5. Stress: `|C| (dH + u |H|) + 5 u |C| |e|` (rounded constants, product, sums, or lambda tr + 2 mu e), thermal strain
//!    `(n + 4) u |alpha| (|T|~ + |T0|)`, and u for the result when it is stored.
//! 6. von Mises is a seminorm, so it moves by at most its value for the largest differences of the errors; its own
//!    evaluation errs by 17u (differences 1u, squares 2u + 1u, six terms 5u, halved by the root, whose WGSL error is 12u).
//! 7. Incompatible modes: `A a = b`, `da <= |A^-1| (db + (dA + 32 u sqrt(A_ii A_jj)) |a|)`, the backward error of
//!    L D L' for a definite matrix; `dA`, `db` follow from `det`, the centre's adjugate and the compatible stress.
//!
//! Underflow adds the smallest normal number wherever a product may flush to zero. The reference itself is computed in
//! f64: its own error doubles the bound for f64 and is below 2^-16 of it otherwise.

use super::model::{MAX_NODES, NodeRow};
use super::seq::{self, Incompatible, MAX_POINTS, Matrix3, Point, product, traction};
use crate::formats::mesh::CellKind;
use crate::job::Precision;
use crate::numeric::elements::{ElementTables, Integration, tables as tables_of};
use crate::numeric::tensor::{Stiffness, Tensor, mises};

/// What was computed with which data.
#[derive(Debug, Clone, Copy)]
pub struct Arithmetic {
    /// The precision of the core.
    pub precision: Precision,
    /// What is subtracted from node data before they become f32: [`super::model::Model::centre`].
    pub centre: [f64; 6],
    /// Largest absolute error that coordinates and displacements already have.
    pub noise: [f64; 6],
}

#[derive(Debug, Clone, Copy)]
struct Unit {
    u: f64,
    tiny: f64,
    data: Arithmetic,
    /// Error that taking the rotation away leaves in displacement differences.
    turn: f64,
}

impl Unit {
    fn new(data: Arithmetic) -> Self {
        match data.precision {
            Precision::F64 | Precision::Integer => {
                Self { u: f64::EPSILON / 2.0, tiny: f64::MIN_POSITIVE, data, turn: 0.0 }
            }
            Precision::Mixed | Precision::F32 => {
                Self { u: f64::from(f32::EPSILON) / 2.0, tiny: f64::from(f32::MIN_POSITIVE), data, turn: 0.0 }
            }
        }
    }

    /// Error of the difference of component `i` (0..6) between node `a` and node 0.
    fn difference(&self, a: &NodeRow, first: &NodeRow, i: usize) -> f64 {
        let d = (a[i] - first[i]).abs();
        let centre = self.data.centre[i];
        let size = (a[i] - centre).abs() + (first[i] - centre).abs();
        let u = self.u;
        self.tiny
            + 2.0 * self.data.noise[i]
            + if i < 3 { 0.0 } else { self.turn }
            + match self.data.precision {
                Precision::F64 | Precision::Integer => u * d,
                Precision::Mixed => 3.0 * u * d + 4.0 * u * u * size,
                Precision::F32 => u * d + u * size,
            }
    }
}

/// One evaluation point with the errors of what the kernel computes there.
#[derive(Clone, Copy, Default)]
struct Fuzzy {
    at: Point,
    dj: Matrix3,
    dg: Matrix3,
    /// Absolute-value adjugate and determinant.
    adj: Matrix3,
    det: f64,
}

/// What each node adds to the error of J (0..3) and of G (3..6), per derivative: the error of its difference to node 0, and
/// that of its product and of the sum. The same at every point of an element.
fn shares(rows: &[NodeRow], unit: &Unit) -> [[f64; 6]; MAX_NODES] {
    let sums = (rows.len() + 3) as f64 * unit.u;
    let mut shares = [[0.0; 6]; MAX_NODES];
    for (share, row) in shares.iter_mut().zip(rows).skip(1) {
        for (i, share) in share.iter_mut().enumerate() {
            *share = unit.difference(row, &rows[0], i) + sums * (row[i] - rows[0][i]).abs();
        }
    }
    shares
}

impl Fuzzy {
    fn new(dn: &[[f64; 3]], rows: &[NodeRow], shares: &[[f64; 6]; MAX_NODES], unit: &Unit) -> Self {
        let at = Point::new(dn, rows);
        let (mut dj, mut dg) = (Matrix3::default(), Matrix3::default());
        for (dn, share) in dn.iter().zip(shares).skip(1) {
            for i in 0..3 {
                for k in 0..3 {
                    dj[i][k] += share[i] * dn[k].abs() + unit.tiny;
                    dg[i][k] += share[i + 3] * dn[k].abs() + unit.tiny;
                }
            }
        }
        let adj = absolute_adjugate(&at.j, &at.j);
        let j = absolute(&at.j);
        let det = j[0][0] * adj[0][0] + j[1][0] * adj[0][1] + j[2][0] * adj[0][2];
        Self { at, dj, dg, adj, det }
    }

    /// Error of the determinant, its own rounding included.
    fn d_det(&self, unit: &Unit) -> f64 {
        let adj = absolute(&self.at.adj);
        let moved: f64 = (0..9).map(|e| adj[e / 3][e % 3] * self.dj[e % 3][e / 3]).sum();
        moved + 5.0 * unit.u * self.det + 4.0 * unit.tiny
    }

    /// Error of the adjugate, its own rounding included.
    fn d_adj(&self, unit: &Unit) -> Matrix3 {
        let (a, b) = (absolute_adjugate(&self.dj, &self.at.j), absolute_adjugate(&self.at.j, &self.dj));
        each(|i, j| a[i][j] + b[i][j] + 3.0 * unit.u * self.adj[i][j] + 2.0 * unit.tiny)
    }

    /// The displacement gradient and its error.
    fn gradient(&self, unit: &Unit) -> (Matrix3, Matrix3) {
        let (det, u) = (self.at.det.abs(), unit.u);
        let h = self.at.gradient();
        let inverse = absolute(&self.at.adj).map(|row| row.map(|x| x / det));
        let (abs_h, abs_g) = (absolute(&h), absolute(&self.at.g));
        let turned = product(&abs_h, &self.dj);
        let moved = product(&each(|i, j| self.dg[i][j] + turned[i][j]), &inverse);
        let evaluated = product(&abs_g, &self.adj);
        let growth = 1.0 / (1.0 - self.relative_change(&inverse));
        let flushed = unit.tiny * (16.0 + 8.0 * largest(&abs_g)) / det;
        let error = each(|i, j| {
            growth * moved[i][j]
                + (6.0 * u * evaluated[i][j] + 5.0 * u * self.det * abs_h[i][j]) / det
                + 6.0 * u * abs_h[i][j]
                + flushed
        });
        (h, error)
    }

    /// The norm of |J^-1| dJ, capped where first order means nothing any more (F32 on cells far smaller than the model).
    fn relative_change(&self, inverse: &Matrix3) -> f64 {
        let change = product(inverse, &self.dj);
        change.iter().map(|row| row.iter().sum::<f64>()).fold(0.0, f64::max).min(0.9)
    }
}

/// The bound for each value of one element, columns (six components, von Mises) one after the other:
/// `into[column * ips + ip]`. `rows` are the element's nodes.
pub fn element(
    tables: &ElementTables,
    rows: &[NodeRow],
    material: &Stiffness,
    thermal: bool,
    arithmetic: Arithmetic,
    into: &mut [f64],
) {
    assert!(rows.len() == tables.nodes && rows.len() <= MAX_NODES, "one row per node");
    let mut unit = Unit::new(arithmetic);
    let mut stress = [[0.0; 6]; MAX_POINTS];
    seq::element(tables, rows, material, thermal, &mut stress);
    let mut turned = [[0.0; 8]; MAX_NODES];
    let turned = &mut turned[..rows.len()];
    turned.copy_from_slice(rows);
    if arithmetic.precision == Precision::Mixed {
        unit.turn = take_rotation(tables, turned);
    }
    let rows = &*turned;
    let mut error = [[0.0; 6]; MAX_POINTS];
    if tables.kind == CellKind::Truss2 {
        error[0] = truss(rows, material, thermal.then(|| heat(tables, rows, material, 0, &unit)), &stress[0], &unit);
    } else {
        let shares = shares(rows, &unit);
        let points: Vec<Fuzzy> =
            (0..tables.points.len()).map(|p| Fuzzy::new(tables.derivatives_at(p), rows, &shares, &unit)).collect();
        let magnitude = magnitude(material);
        let strain_error = |h: &Matrix3, dh: &Matrix3, ip: usize| {
            let (size, mut moved) = (seq::symmetric(&absolute(h)), seq::symmetric(dh));
            let mut elastic = size;
            (0..6).for_each(|c| moved[c] += unit.u * size[c]);
            if thermal {
                let (free, d_free) = heat(tables, rows, material, ip, &unit);
                (0..3).for_each(|c| (elastic[c], moved[c]) = (elastic[c] + free[c], moved[c] + d_free[c]));
            }
            (0..6).for_each(|c| moved[c] += 5.0 * unit.u * elastic[c] + unit.tiny);
            magnitude.stress(&moved)
        };
        if tables.ips == 1 && points.len() > 1 {
            let (h, dh) = average(&points, &unit);
            error[0] = strain_error(&h, &dh, 0);
        } else {
            for (ip, point) in points.iter().enumerate() {
                let (h, dh) = point.gradient(&unit);
                error[ip] = strain_error(&h, &dh, ip);
            }
        }
        if tables.integration == Integration::Incompatible {
            incompatible(tables, rows, material, thermal, &points, &unit, &mut error);
        }
    }
    // The reference's own error.
    let twice = if arithmetic.precision == Precision::F64 { 2.0 } else { 1.0 + 2.0_f64.powi(-16) };
    for ip in 0..tables.ips {
        let (s, mut e) = (&stress[ip], error[ip]);
        (0..6).for_each(|c| e[c] = twice * (e[c] + unit.u * s[c].abs()) + unit.tiny);
        let moved = largest_mises(&e);
        for c in 0..6 {
            into[c * tables.ips + ip] = e[c];
        }
        let flushed = (12.0 * unit.tiny).sqrt();
        into[6 * tables.ips + ip] = moved + twice * 17.0 * unit.u * (mises(s) + moved) + flushed;
    }
}

/// Subtracts the rotation at the element's centre (of a truss: about dx (x) du) from the displacements, and returns the
/// error that this may leave in their differences.
pub(super) fn take_rotation(tables: &ElementTables, rows: &mut [NodeRow]) -> f64 {
    let first = rows[0];
    let h = if tables.kind == CellKind::Truss2 {
        let d: [f64; 6] = std::array::from_fn(|i| rows[1][i] - first[i]);
        let square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
        each(|i, j| 2.0 * d[3 + i] * d[j] / square)
    } else {
        Point::new(&tables.centre, rows).gradient()
    };
    let w = each(|i, j| {
        let w = 0.5 * (h[i][j] - h[j][i]);
        if w.is_finite() { w } else { 0.0 }
    });
    let (mut x, mut u) = (0.0_f64, 0.0_f64);
    for row in rows.iter_mut() {
        let d: [f64; 6] = std::array::from_fn(|i| row[i] - first[i]);
        x = d[..3].iter().fold(x, |m, d| m.max(d.abs()));
        u = d[3..].iter().fold(u, |m, d| m.max(d.abs()));
        for i in 0..3 {
            row[3 + i] -= w[i][0] * d[0] + w[i][1] * d[1] + w[i][2] * d[2];
        }
    }
    2.0_f64.powi(-27) * (u + 2.0 * largest(&absolute(&w)) * x)
}

/// The largest von Mises stress of a tensor whose components are at most `e` in absolute value.
fn largest_mises(e: &Tensor) -> f64 {
    let [a, b, c] = [e[0] + e[1], e[1] + e[2], e[2] + e[0]];
    (0.5 * (a * a + b * b + c * c) + 3.0 * (e[3] * e[3] + e[4] * e[4] + e[5] * e[5])).sqrt()
}

/// Free thermal strain in absolute value, and its error.
fn heat(
    tables: &ElementTables,
    rows: &[NodeRow],
    material: &Stiffness,
    ip: usize,
    unit: &Unit,
) -> ([f64; 3], [f64; 3]) {
    let values = tables.temperature_at(ip);
    let reference = material.reference_temperature.abs();
    let size: f64 = values.iter().zip(rows).map(|(n, row)| n.abs() * (row[6].abs() + reference)).sum();
    let rise = seq::temperature_rise(values, rows, material).abs();
    let terms = (rows.len() + 4) as f64 * unit.u;
    let alpha = material.alpha.map(f64::abs);
    (alpha.map(|a| a * rise), alpha.map(|a| a * terms * size))
}

/// The averaged gradient and its error (step 4).
fn average(points: &[Fuzzy], unit: &Unit) -> (Matrix3, Matrix3) {
    let exact: Vec<Point> = points.iter().map(|point| point.at).collect();
    let h = seq::volume_average(&exact);
    let volume: f64 = exact.iter().map(|point| point.det).sum();
    let (mut dn, mut dv) = (Matrix3::default(), 0.0);
    for point in points {
        let abs_g = absolute(&point.at.g);
        let turned = product(&point.dg, &absolute(&point.at.adj));
        let bent = product(&abs_g, &point.d_adj(unit));
        let evaluated = product(&abs_g, &point.adj);
        let terms = 13.0 * unit.u;
        (0..9).for_each(|e| {
            let (i, j) = (e / 3, e % 3);
            dn[i][j] += turned[i][j] + bent[i][j] + terms * evaluated[i][j] + 16.0 * unit.tiny;
        });
        dv += point.d_det(unit) + 7.0 * unit.u * point.det;
    }
    let growth = 1.0 / (1.0 - (dv / volume.abs()).min(0.9));
    let error = each(|i, j| growth * (dn[i][j] + h[i][j].abs() * dv) / volume.abs() + 6.0 * unit.u * h[i][j].abs());
    (h, error)
}

/// Adds the error of the incompatible modes' stress (step 7) to that of the compatible stress in `error`.
fn incompatible(
    tables: &ElementTables,
    rows: &[NodeRow],
    material: &Stiffness,
    thermal: bool,
    points: &[Fuzzy],
    unit: &Unit,
    error: &mut [Tensor; MAX_POINTS],
) {
    let u = unit.u;
    let exact: Vec<Point> = points.iter().map(|point| point.at).collect();
    let mut stress = [[0.0; 6]; MAX_POINTS];
    let compatible = tables_of(tables.kind, Integration::Full).unwrap_or(tables);
    seq::element(compatible, rows, material, thermal, &mut stress);
    let modes = Incompatible::solve(tables, rows, &exact, material, &stress[..points.len()]);
    let centre = Fuzzy::new(&tables.centre, rows, &shares(rows, unit), unit);
    let (r, dr) = (absolute(&modes.directions), centre.d_adj(unit));
    let magnitude = magnitude(material);
    let d_det: Vec<f64> = points.iter().map(|point| point.d_det(unit)).collect();
    let size_s: f64 = exact.iter().map(|point| 1.0 / point.det.abs()).sum();
    let moved_s: f64 = exact.iter().zip(&d_det).map(|(point, d)| d / (point.det * point.det)).sum();
    let ds = moved_s + 16.0 * u * size_s;
    let amplitude = modes.amplitude.map(f64::abs);
    let mut right = [0.0; 9];
    for m in 0..3 {
        let signs = &modes.signs[m];
        for n in 0..3 {
            let s: f64 = exact.iter().enumerate().map(|(p, at)| signs[p] * modes.signs[n][p] / at.det).sum();
            let k = absolute(&material.contract(modes.directions[m], modes.directions[n]));
            let size = magnitude.contract(r[m], r[n]);
            let (left, turned) = (magnitude.contract(dr[m], r[n]), magnitude.contract(r[m], dr[n]));
            for e in 0..9 {
                let (i, j) = (e / 3, e % 3);
                let dk = left[i][j] + turned[i][j] + 7.0 * u * size[i][j];
                let diagonal = modes.matrix[3 * m + i][3 * m + i] * modes.matrix[3 * n + j][3 * n + j];
                let da = ds * k[i][j] + (s.abs() + ds) * dk + u * s.abs() * k[i][j] + 32.0 * u * diagonal.abs().sqrt();
                right[3 * m + i] += da * amplitude[3 * n + j];
            }
        }
        for (stress, error) in stress.iter().zip(error.iter()).take(points.len()) {
            let size = stress.map(f64::abs);
            let (a, b) = (traction(error, &r[m]), traction(&size, &dr[m]));
            let c = traction(&size, &r[m]);
            (0..3).for_each(|i| right[3 * m + i] += a[i] + b[i] + 12.0 * u * c[i]);
        }
    }
    let mut d_amplitude = [0.0; 9];
    for column in 0..9 {
        let mut inverse = [0.0; 9];
        inverse[column] = 1.0;
        seq::solve_definite(modes.matrix, &mut inverse);
        (0..9).for_each(|row| d_amplitude[row] += inverse[row].abs() * right[column]);
    }
    for (p, point) in exact.iter().enumerate() {
        let (det, part) = (point.det.abs(), d_det[p] / point.det.abs() + 7.0 * u);
        let dh = each(|i, j| {
            let terms = (0..3).map(|m| {
                let (a, da) = (amplitude[3 * m + i], d_amplitude[3 * m + i]);
                da * (r[m][j] + dr[m][j]) + a * dr[m][j] + (4.0 * u + part) * a * r[m][j]
            });
            terms.sum::<f64>() / det
        });
        let h = absolute(&modes.gradient(p, point.det));
        let strain = seq::symmetric(&each(|i, j| dh[i][j] + 6.0 * u * h[i][j]));
        let more = magnitude.stress(&strain);
        (0..6).for_each(|c| error[p][c] += more[c]);
    }
}

fn truss(
    rows: &[NodeRow],
    material: &Stiffness,
    thermal: Option<([f64; 3], [f64; 3])>,
    stress: &Tensor,
    unit: &Unit,
) -> Tensor {
    let u = unit.u;
    let d = |i: usize| (rows[1][i] - rows[0][i]).abs();
    let square: f64 = (0..3).map(|i| d(i) * d(i)).sum();
    let error: [f64; 6] = std::array::from_fn(|i| unit.difference(&rows[1], &rows[0], i));
    let size = (0..3).map(|i| d(i) * d(i + 3)).sum::<f64>() / square;
    let moved = (0..3).map(|i| error[i] * d(i + 3) + d(i) * error[i + 3]).sum::<f64>() / square;
    let d_square = 2.0 * (0..3).map(|i| d(i) * error[i]).sum::<f64>() / square + 4.0 * u;
    let (free, d_free) = thermal.map_or((0.0, 0.0), |(free, d_free)| (free[0], d_free[0]));
    let strain = moved + (4.0 * u + d_square + 6.0 * u) * size + d_free + u * (size + free);
    let axial = stress[0] + stress[1] + stress[2];
    let d_axial = material.young * (strain + 3.0 * u * (size + free) + unit.tiny);
    [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)].map(|(i, k)| {
        let direction = d(i) * d(k) / square;
        let turned = (error[i] * d(k) + d(i) * error[k]) / square + (d_square + 8.0 * u) * direction;
        d_axial * (direction + turned) + axial.abs() * turned
    })
}

/// The stiffness with absolute constants: |C|.
fn magnitude(material: &Stiffness) -> Stiffness {
    Stiffness { normal: material.normal.map(f64::abs), shear: material.shear.map(f64::abs), ..*material }
}

/// |adjugate| with every product in absolute value: the left factors from `a`, the right ones from `b`.
fn absolute_adjugate(a: &Matrix3, b: &Matrix3) -> Matrix3 {
    let (a, b) = (absolute(a), absolute(b));
    each(|k, j| {
        let (p, q, r, s) = ((j + 1) % 3, (j + 2) % 3, (k + 1) % 3, (k + 2) % 3);
        a[p][r] * b[q][s] + a[p][s] * b[q][r]
    })
}

fn absolute(m: &Matrix3) -> Matrix3 {
    m.map(|row| row.map(f64::abs))
}

fn largest(m: &Matrix3) -> f64 {
    m.iter().flatten().fold(0.0, |most, x| most.max(*x))
}

fn each(mut value: impl FnMut(usize, usize) -> f64) -> Matrix3 {
    let mut m = Matrix3::default();
    for (i, row) in m.iter_mut().enumerate() {
        for (j, entry) in row.iter_mut().enumerate() {
            *entry = value(i, j);
        }
    }
    m
}
