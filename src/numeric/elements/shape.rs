//! Shape functions, written once on dual numbers: a value and its three derivatives come from the same formula.

use std::ops::{Add, Mul, Sub};

use crate::formats::mesh::CellKind;

/// A value with its derivatives along the three local directions (forward-mode differentiation, exact up to rounding).
#[derive(Debug, Clone, Copy)]
struct Dual {
    value: f64,
    slope: [f64; 3],
}

impl Dual {
    fn constant(value: f64) -> Self {
        Self { value, slope: [0.0; 3] }
    }

    fn variable(value: f64, direction: usize) -> Self {
        let mut slope = [0.0; 3];
        slope[direction] = 1.0;
        Self { value, slope }
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, slope: std::array::from_fn(|k| self.slope[k] + other.slope[k]) }
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + other * Self::constant(-1.0)
    }
}

#[expect(clippy::suspicious_arithmetic_impl, reason = "the product rule has a sum")]
impl Mul for Dual {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            slope: std::array::from_fn(|k| self.slope[k] * other.value + self.value * other.slope[k]),
        }
    }
}

/// N at local coordinates `at`, one per node.
#[must_use]
pub fn values(kind: CellKind, at: [f64; 3]) -> Vec<f64> {
    evaluate(kind, at).iter().map(|n| n.value).collect()
}

/// dN/dxi at local coordinates `at`, one row per node.
#[must_use]
pub fn derivatives(kind: CellKind, at: [f64; 3]) -> Vec<[f64; 3]> {
    evaluate(kind, at).iter().map(|n| n.slope).collect()
}

const TET10_MIDSIDES: [[u8; 2]; 6] = [[0, 1], [1, 2], [2, 0], [0, 3], [1, 3], [2, 3]];
const HEX20_MIDSIDES: [[u8; 2]; 12] =
    [[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7]];
const WEDGE15_MIDSIDES: [[u8; 2]; 9] = [[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3], [0, 3], [1, 4], [2, 5]];

/// Number of corners, and the two corners of each node after them.
#[must_use]
pub fn corners(kind: CellKind) -> (usize, &'static [[u8; 2]]) {
    match kind {
        CellKind::Truss2 => (2, &[]),
        CellKind::Tet4 => (4, &[]),
        CellKind::Tet10 => (4, &TET10_MIDSIDES),
        CellKind::Hex8 => (8, &[]),
        CellKind::Hex20 => (8, &HEX20_MIDSIDES),
        CellKind::Wedge6 => (6, &[]),
        CellKind::Wedge15 => (6, &WEDGE15_MIDSIDES),
    }
}

/// Local coordinates of the corners.
#[must_use]
pub fn corner_coordinates(kind: CellKind) -> &'static [[f64; 3]] {
    match kind {
        CellKind::Truss2 => &[[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
        CellKind::Tet4 | CellKind::Tet10 => &[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        CellKind::Hex8 | CellKind::Hex20 => &HEX_CORNERS,
        CellKind::Wedge6 | CellKind::Wedge15 => {
            &[[0.0, 0.0, -1.0], [1.0, 0.0, -1.0], [0.0, 1.0, -1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
        }
    }
}

const HEX_CORNERS: [[f64; 3]; 8] = [
    [-1.0, -1.0, -1.0],
    [1.0, -1.0, -1.0],
    [1.0, 1.0, -1.0],
    [-1.0, 1.0, -1.0],
    [-1.0, -1.0, 1.0],
    [1.0, -1.0, 1.0],
    [1.0, 1.0, 1.0],
    [-1.0, 1.0, 1.0],
];

fn evaluate(kind: CellKind, at: [f64; 3]) -> Vec<Dual> {
    let [x, y, z] = std::array::from_fn(|k| Dual::variable(at[k], k));
    let number = Dual::constant;
    let (one, half, two, four) = (number(1.0), number(0.5), number(2.0), number(4.0));
    match kind {
        CellKind::Truss2 => vec![half * (one - x), half * (one + x)],
        CellKind::Tet4 => vec![one - x - y - z, x, y, z],
        CellKind::Tet10 => {
            let l = [one - x - y - z, x, y, z];
            let corner = l.iter().map(|l| *l * (two * *l - one));
            let middle = TET10_MIDSIDES.iter().map(|[a, b]| four * l[*a as usize] * l[*b as usize]);
            corner.chain(middle).collect()
        }
        CellKind::Hex8 => HEX_CORNERS.iter().map(|c| trilinear(*c, x, y, z)).collect(),
        CellKind::Hex20 => {
            let local = |c: &[f64; 3]| number(c[0]) * x + number(c[1]) * y + number(c[2]) * z - two;
            let corner = HEX_CORNERS.iter().map(|c| trilinear(*c, x, y, z) * local(c));
            // A mid-side node has one local coordinate 0: (1 - xi^2) in that direction replaces (1 + xi xi_a) / 2.
            let middle = HEX20_MIDSIDES.iter().map(|[a, b]| {
                let (a, b) = (HEX_CORNERS[*a as usize], HEX_CORNERS[*b as usize]);
                (0..3).fold(one, |product, k| {
                    let v = [x, y, z][k];
                    product * if a[k] == b[k] { half * (one + number(a[k]) * v) } else { one - v * v }
                })
            });
            corner.chain(middle).collect()
        }
        CellKind::Wedge6 => {
            let l = [one - x - y, x, y];
            let layer = |height: Dual| l.iter().map(move |l| half * *l * height);
            layer(one - z).chain(layer(one + z)).collect()
        }
        CellKind::Wedge15 => {
            let l = [one - x - y, x, y];
            let bubble = one - z * z;
            let corner = |height: Dual| l.iter().map(move |l| half * *l * ((two * *l - one) * height - bubble));
            let middle = |height: Dual| (0..3).map(move |i| two * l[i] * l[(i + 1) % 3] * height);
            let upright = l.iter().map(|l| *l * bubble);
            let (low, high) = (one - z, one + z);
            corner(low).chain(corner(high)).chain(middle(low)).chain(middle(high)).chain(upright).collect()
        }
    }
}

/// (1 + xi xi_a)(1 + eta eta_a)(1 + zeta zeta_a) / 8.
fn trilinear(corner: [f64; 3], x: Dual, y: Dual, z: Dual) -> Dual {
    let one = Dual::constant(1.0);
    let factor = |c: f64, v: Dual| one + Dual::constant(c) * v;
    Dual::constant(0.125) * factor(corner[0], x) * factor(corner[1], y) * factor(corner[2], z)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Corner coordinates, then the middle of each mid-side node's corners.
    fn node_coordinates(kind: CellKind) -> Vec<[f64; 3]> {
        let corner = corner_coordinates(kind);
        let middle =
            |[a, b]: &[u8; 2]| std::array::from_fn(|k| 0.5 * (corner[*a as usize][k] + corner[*b as usize][k]));
        corner.iter().copied().chain(corners(kind).1.iter().map(middle)).collect()
    }

    #[test]
    fn each_shape_function_is_one_at_its_node_and_zero_at_the_others() {
        for kind in CellKind::ALL {
            let nodes = node_coordinates(kind);
            assert_eq!(nodes.len(), kind.nodes());
            for (a, at) in nodes.iter().enumerate() {
                for (b, n) in values(kind, *at).iter().enumerate() {
                    let expected = if a == b { 1.0 } else { 0.0 };
                    assert!((n - expected).abs() < 1e-14, "{} N{b} at node {a}: {n}", kind.name());
                }
            }
        }
    }

    #[test]
    fn derivatives_match_central_differences() {
        let (at, h) = ([0.21, 0.13, 0.31], 1e-5);
        for kind in CellKind::ALL {
            let exact = derivatives(kind, at);
            for k in 0..3 {
                let shifted = |sign: f64| {
                    let mut to = at;
                    to[k] += sign * h;
                    values(kind, to)
                };
                let (up, down) = (shifted(1.0), shifted(-1.0));
                for a in 0..kind.nodes() {
                    let difference = (up[a] - down[a]) / (2.0 * h);
                    assert!((difference - exact[a][k]).abs() < 1e-9, "{} N{a},{k}", kind.name());
                }
            }
        }
    }
}
