//! The reference: one element at a time, plain f64, written to be read.
//!
//! J = sum_a (x_a - x_0) (x) dN_a, G = sum_a (u_a - u_0) (x) dN_a, H = G J^-1,
//! stress = C : (sym(H) - alpha (T - T0)).

#![expect(clippy::needless_range_loop, reason = "indices are those of the formulas")]

use super::model::NodeRow;
use crate::formats::mesh::CellKind;
use crate::numeric::elements::{ElementTables, Integration};
use crate::numeric::tensor::{Stiffness, Tensor};

/// A 3x3 matrix by rows.
pub type Matrix3 = [[f64; 3]; 3];

/// Evaluation points of the largest element.
pub const MAX_POINTS: usize = 27;

/// Everything that one evaluation point gives: H = G adj / det.
#[derive(Debug, Clone, Copy, Default)]
pub struct Point {
    /// dx/dxi: component by row, local direction by column.
    pub j: Matrix3,
    /// du/dxi.
    pub g: Matrix3,
    /// Adjugate of `j`: `j * adj = det * 1`.
    pub adj: Matrix3,
    /// Determinant of `j`.
    pub det: f64,
}

impl Point {
    /// The point with the derivatives `dn` (one row per node) in the element with the nodes `rows`.
    #[must_use]
    pub fn new(dn: &[[f64; 3]], rows: &[NodeRow]) -> Self {
        let (mut j, mut g) = (Matrix3::default(), Matrix3::default());
        for (dn, row) in dn.iter().zip(rows).skip(1) {
            for i in 0..3 {
                for k in 0..3 {
                    j[i][k] += (row[i] - rows[0][i]) * dn[k];
                    g[i][k] += (row[i + 3] - rows[0][i + 3]) * dn[k];
                }
            }
        }
        let adj = adjugate(&j);
        let det = j[0][0] * adj[0][0] + j[1][0] * adj[0][1] + j[2][0] * adj[0][2];
        Self { j, g, adj, det }
    }

    /// H, the displacement gradient.
    #[must_use]
    pub fn gradient(&self) -> Matrix3 {
        self.numerator().map(|row| row.map(|n| n / self.det))
    }

    /// G adj: the displacement gradient times `det`.
    #[must_use]
    pub fn numerator(&self) -> Matrix3 {
        product(&self.g, &self.adj)
    }
}

/// The matrix with `m adjugate(m) = det(m) 1`.
#[must_use]
pub fn adjugate(m: &Matrix3) -> Matrix3 {
    std::array::from_fn(|k| {
        std::array::from_fn(|j| {
            let (a, b, c, d) = ((j + 1) % 3, (j + 2) % 3, (k + 1) % 3, (k + 2) % 3);
            m[a][c] * m[b][d] - m[a][d] * m[b][c]
        })
    })
}

/// The matrix product.
#[must_use]
pub fn product(a: &Matrix3, b: &Matrix3) -> Matrix3 {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// The symmetric part, as a tensor.
#[must_use]
pub fn symmetric(h: &Matrix3) -> Tensor {
    [h[0][0], h[1][1], h[2][2], 0.5 * (h[0][1] + h[1][0]), 0.5 * (h[0][2] + h[2][0]), 0.5 * (h[1][2] + h[2][1])]
}

/// The stress at each of the element's stress points, in `out[..tables.ips]`. `rows` are the element's nodes. A
/// degenerate element gives NaN or infinity.
pub fn element(tables: &ElementTables, rows: &[NodeRow], material: &Stiffness, thermal: bool, out: &mut [Tensor]) {
    let elastic = |h: &Matrix3, ip: usize| {
        let mut strain = symmetric(h);
        if thermal {
            let rise = temperature_rise(tables.temperature_at(ip), rows, material);
            (0..3).for_each(|i| strain[i] -= material.alpha[i] * rise);
        }
        material.stress(&strain)
    };
    if tables.kind == CellKind::Truss2 {
        out[0] = truss(tables, rows, material, thermal);
        return;
    }
    let mut points = [Point::default(); MAX_POINTS];
    let points = &mut points[..tables.points.len()];
    for (p, point) in points.iter_mut().enumerate() {
        *point = Point::new(tables.derivatives_at(p), rows);
    }
    if tables.ips == 1 && points.len() > 1 {
        out[0] = elastic(&volume_average(points), 0);
        return;
    }
    for (ip, point) in points.iter().enumerate() {
        out[ip] = elastic(&point.gradient(), ip);
    }
    if tables.integration == Integration::Incompatible {
        let modes = Incompatible::solve(tables, rows, points, material, &out[..points.len()]);
        for (ip, point) in points.iter().enumerate() {
            let more = material.stress(&symmetric(&modes.gradient(ip, point.det)));
            (0..6).for_each(|c| out[ip][c] += more[c]);
        }
    }
}

/// Temperature above the material's own, interpolated by the element's shape functions.
#[must_use]
pub fn temperature_rise(values: &[f64], rows: &[NodeRow], material: &Stiffness) -> f64 {
    values.iter().zip(rows).map(|(n, row)| n * (row[6] - material.reference_temperature)).sum()
}

/// The gradient averaged over the volume (Flanagan and Belytschko 1981): sum of G adj over sum of det. The 2x2x2 rule is
/// exact for both, its weights are 1.
#[must_use]
pub fn volume_average(points: &[Point]) -> Matrix3 {
    let mut sum = Matrix3::default();
    let volume: f64 = points.iter().map(|point| point.det).sum();
    for point in points {
        let n = point.numerator();
        (0..9).for_each(|i| sum[i / 3][i % 3] += n[i / 3][i % 3]);
    }
    sum.map(|row| row.map(|n| n / volume))
}

/// E (dx . du / L^2 - alpha (T - T0)) n (x) n, tension positive.
fn truss(tables: &ElementTables, rows: &[NodeRow], material: &Stiffness, thermal: bool) -> Tensor {
    let dx: [f64; 3] = std::array::from_fn(|i| rows[1][i] - rows[0][i]);
    let du: [f64; 3] = std::array::from_fn(|i| rows[1][i + 3] - rows[0][i + 3]);
    let square = dx[0] * dx[0] + dx[1] * dx[1] + dx[2] * dx[2];
    let mut strain = (dx[0] * du[0] + dx[1] * du[1] + dx[2] * du[2]) / square;
    if thermal {
        strain -= material.alpha[0] * temperature_rise(tables.temperature_at(0), rows, material);
    }
    let axial = material.young * strain;
    [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)].map(|(i, k)| axial * (dx[i] * dx[k] / square))
}

/// The incompatible modes of one hexahedron (Taylor, Beresford and Wilson 1976), condensed.
///
/// The modes 1 - xi_m^2 add H_p = (1 / det_p) sum_m s_mp a_m (x) r_m, with s_mp the sign of xi_m at point p and r_m row m
/// of the adjugate of the centre's J (constant factors go into a_m). They do no work against the stress,
/// sum_p s_mp sigma_p r_m = 0, which gives 9 equations: sum_n S_mn K(r_m, r_n) a_n = -sum_p s_mp sigma_p r_m with
/// S_mn = sum_p s_mp s_np / det_p and K from [`Stiffness::contract`]. The matrix is definite, so no row exchange is needed.
#[derive(Debug, Clone, Copy)]
pub struct Incompatible {
    /// Signs of the local coordinates, `[mode][point]`.
    pub signs: [[f64; 8]; 3],
    /// r_m by row.
    pub directions: Matrix3,
    /// The matrix, unknowns ordered 3 m + i.
    pub matrix: [[f64; 9]; 9],
    /// The amplitudes, 3 m + i.
    pub amplitude: [f64; 9],
}

impl Incompatible {
    /// The amplitudes that belong to the `stress` of the compatible displacement.
    #[must_use]
    pub fn solve(
        tables: &ElementTables,
        rows: &[NodeRow],
        points: &[Point],
        material: &Stiffness,
        stress: &[Tensor],
    ) -> Self {
        let signs = std::array::from_fn(|m| std::array::from_fn(|p| tables.points[p][m].signum()));
        let directions = Point::new(&tables.centre, rows).adj;
        let mut matrix = [[0.0; 9]; 9];
        let mut amplitude = [0.0; 9];
        for m in 0..3 {
            for n in 0..3 {
                let s: f64 = points.iter().enumerate().map(|(p, point)| signs[m][p] * signs[n][p] / point.det).sum();
                let k = material.contract(directions[m], directions[n]);
                (0..9).for_each(|e| matrix[3 * m + e / 3][3 * n + e % 3] = s * k[e / 3][e % 3]);
            }
            let mut sum = [0.0; 6];
            for (p, stress) in stress.iter().enumerate() {
                (0..6).for_each(|c| sum[c] += signs[m][p] * stress[c]);
            }
            let work = traction(&sum, &directions[m]);
            (0..3).for_each(|i| amplitude[3 * m + i] = -work[i]);
        }
        solve_definite(matrix, &mut amplitude);
        Self { signs, directions, matrix, amplitude }
    }

    /// What the modes add to the displacement gradient at `point`.
    #[must_use]
    pub fn gradient(&self, point: usize, det: f64) -> Matrix3 {
        std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let sum: f64 =
                    (0..3).map(|m| self.signs[m][point] * self.amplitude[3 * m + i] * self.directions[m][j]).sum();
                sum / det
            })
        })
    }
}

/// The tensor `s` times the vector `r`.
#[must_use]
pub fn traction(s: &Tensor, r: &[f64; 3]) -> [f64; 3] {
    [
        s[0] * r[0] + s[3] * r[1] + s[4] * r[2],
        s[3] * r[0] + s[1] * r[1] + s[5] * r[2],
        s[4] * r[0] + s[5] * r[1] + s[2] * r[2],
    ]
}

/// Solves `a x = b` for a symmetric definite `a` by L D L', `b` becoming `x`.
pub fn solve_definite(mut a: [[f64; 9]; 9], b: &mut [f64; 9]) {
    for k in 0..9 {
        for i in k + 1..9 {
            let factor = a[i][k] / a[k][k];
            for j in k + 1..=i {
                a[i][j] -= factor * a[j][k];
            }
            b[i] -= factor * b[k];
        }
    }
    for k in (0..9).rev() {
        let rest: f64 = (k + 1..9).map(|i| a[i][k] * b[i]).sum();
        b[k] = (b[k] - rest) / a[k][k];
    }
}
