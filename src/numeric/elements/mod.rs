//! Finite elements as plain tables: integration points, derivatives of the shape functions, extrapolation to the
//! corners. Everything that evaluates an element (reference, SIMD code, shader) reads the same tables.
//!
//! Conventions are those of CalculiX and Abaqus: node order, integration points with x fastest and the lowest
//! coordinate first, tetrahedra and triangles on the unit simplex, everything else on [-1, 1].

use std::sync::LazyLock;

use serde::Serialize;

use crate::formats::mesh::CellKind;

mod extrapolate;
pub mod shape;

/// How an element is integrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Integration {
    /// All points: C3D4, C3D6, C3D8, C3D10, C3D15, C3D20, T3D2.
    Full,
    /// Fewer points: C3D20R (2x2x2), C3D8R (one point with the volume average of the gradient).
    Reduced,
    /// C3D8I: full integration and nine incompatible modes, condensed in each element.
    Incompatible,
}

impl Integration {
    /// The name in options and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Reduced => "reduced",
            Self::Incompatible => "incompatible",
        }
    }
}

/// Every element there is, in the order in which blocks are kept.
pub const VARIANTS: [(CellKind, Integration, &str); 10] = [
    (CellKind::Truss2, Integration::Full, "truss2"),
    (CellKind::Tet4, Integration::Full, "tet4"),
    (CellKind::Tet10, Integration::Full, "tet10"),
    (CellKind::Hex8, Integration::Full, "hex8"),
    (CellKind::Hex8, Integration::Reduced, "hex8_reduced"),
    (CellKind::Hex8, Integration::Incompatible, "hex8_incompatible"),
    (CellKind::Hex20, Integration::Full, "hex20"),
    (CellKind::Hex20, Integration::Reduced, "hex20_reduced"),
    (CellKind::Wedge6, Integration::Full, "wedge6"),
    (CellKind::Wedge15, Integration::Full, "wedge15"),
];

/// One element as data.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementTables {
    /// The element's one name: kernel, entry point, report row.
    pub name: &'static str,
    /// Its cell kind.
    pub kind: CellKind,
    /// Its integration.
    pub integration: Integration,
    /// Nodes of one element.
    pub nodes: usize,
    /// Corner nodes; they come first.
    pub corners: usize,
    /// Stress points that it reports. Differs from `points.len()` for the reduced hexahedron alone: 1, while its
    /// gradient is averaged over 8 points.
    pub ips: usize,
    /// Local coordinates of the points where the gradient is evaluated.
    pub points: Vec<[f64; 3]>,
    /// Quadrature weight of each of `points`.
    pub weights: Vec<f64>,
    /// `derivatives[point * nodes + node]`: dN/dxi, the three local directions.
    pub derivatives: Vec<[f64; 3]>,
    /// dN/dxi at the element's centre, one row per node: what incompatible modes are scaled with.
    pub centre: Vec<[f64; 3]>,
    /// `values[ip * nodes + node]`: N at the reported stress points, for their position.
    pub values: Vec<f64>,
    /// `temperature[ip * nodes + node]`: weights of the nodal temperatures at the reported stress points. Thermal strain
    /// must not vary faster than the element's own strain, or it would show up as stress that is not there; so, as in
    /// CalculiX (measured on single clamped elements), the 8-node hexahedron takes its mean temperature, the fully
    /// integrated 20-node one the trilinear function through the values at the 2x2x2 Gauss points, and the others use
    /// their shape functions.
    pub temperature: Vec<f64>,
    /// `extrapolation[corner * ips + ip]`: from stress points to corners.
    pub extrapolation: Vec<f64>,
    /// The two corners of each node after the corners.
    pub midsides: &'static [[u8; 2]],
}

impl ElementTables {
    /// The derivatives at `point`, one row per node.
    #[must_use]
    pub fn derivatives_at(&self, point: usize) -> &[[f64; 3]] {
        &self.derivatives[point * self.nodes..][..self.nodes]
    }

    /// The weights of the nodal temperatures at stress point `ip`.
    #[must_use]
    pub fn temperature_at(&self, ip: usize) -> &[f64] {
        &self.temperature[ip * self.nodes..][..self.nodes]
    }

    /// The shape functions at stress point `ip`.
    #[must_use]
    pub fn values_at(&self, ip: usize) -> &[f64] {
        &self.values[ip * self.nodes..][..self.nodes]
    }
}

/// The tables of an element; `None` when the kind does not come in this integration.
#[must_use]
pub fn tables(kind: CellKind, integration: Integration) -> Option<&'static ElementTables> {
    static ALL: LazyLock<Vec<ElementTables>> =
        LazyLock::new(|| VARIANTS.iter().map(|(kind, integration, name)| build(*kind, *integration, name)).collect());
    ALL.iter().find(|tables| tables.kind == kind && tables.integration == integration)
}

fn build(kind: CellKind, integration: Integration, name: &'static str) -> ElementTables {
    let (points, weights) = quadrature(kind, integration);
    let averaged = kind == CellKind::Hex8 && integration == Integration::Reduced;
    let stations = if averaged { vec![[0.0; 3]] } else { points.clone() };
    let (corners, midsides) = shape::corners(kind);
    ElementTables {
        name,
        kind,
        integration,
        nodes: kind.nodes(),
        corners,
        ips: stations.len(),
        derivatives: points.iter().flat_map(|at| shape::derivatives(kind, *at)).collect(),
        centre: shape::derivatives(kind, [0.0; 3]),
        temperature: stations.iter().flat_map(|at| temperature_weights(kind, integration, *at)).collect(),
        values: stations.iter().flat_map(|at| shape::values(kind, *at)).collect(),
        extrapolation: extrapolate::to_corners(kind, integration, &stations),
        points,
        weights,
        midsides,
    }
}

/// See [`ElementTables::temperature`].
fn temperature_weights(kind: CellKind, integration: Integration, at: [f64; 3]) -> Vec<f64> {
    match (kind, integration) {
        (CellKind::Hex8, _) => vec![0.125; 8],
        (CellKind::Hex20, Integration::Full) => {
            // The trilinear function that is 1 at one Gauss point and 0 at the other seven is the 8-node shape function
            // of an element whose corners are those points.
            let root = 3.0_f64.sqrt();
            let gauss = shape::corner_coordinates(CellKind::Hex8).iter().map(|corner| corner.map(|x| x / root));
            let linear = shape::values(CellKind::Hex8, at.map(|x| x * root));
            let mut weights = vec![0.0; kind.nodes()];
            for (share, point) in linear.iter().zip(gauss) {
                for (weight, value) in weights.iter_mut().zip(shape::values(kind, point)) {
                    *weight += share * value;
                }
            }
            weights
        }
        _ => shape::values(kind, at),
    }
}

/// Points and weights in CalculiX's order.
fn quadrature(kind: CellKind, integration: Integration) -> (Vec<[f64; 3]>, Vec<f64>) {
    let third = 1.0_f64 / 3.0;
    let two: [(f64, f64); 2] = [(-third.sqrt(), 1.0), (third.sqrt(), 1.0)];
    let edge = 0.6_f64.sqrt();
    let three: [(f64, f64); 3] = [(-edge, 5.0 / 9.0), (0.0, 8.0 / 9.0), (edge, 5.0 / 9.0)];
    let cube = |line: &[(f64, f64)]| {
        let mut rule = Vec::new();
        for (z, wz) in line {
            for (y, wy) in line {
                rule.extend(line.iter().map(|(x, wx)| ([*x, *y, *z], wx * wy * wz)));
            }
        }
        rule
    };
    let prism = |triangle: &[[f64; 2]], weight: f64, line: &[(f64, f64)]| {
        line.iter().flat_map(|(z, wz)| triangle.iter().map(move |[r, s]| ([*r, *s, *z], weight * wz))).collect()
    };
    let rule: Vec<([f64; 3], f64)> = match (kind, integration) {
        (CellKind::Truss2, _) => vec![([0.0; 3], 2.0)],
        (CellKind::Tet4, _) => vec![([0.25; 3], 1.0 / 6.0)],
        (CellKind::Tet10, _) => {
            let (a, b) = ((5.0 - 5.0_f64.sqrt()) / 20.0, (5.0 + 3.0 * 5.0_f64.sqrt()) / 20.0);
            [[a, a, a], [b, a, a], [a, b, a], [a, a, b]].map(|at| (at, 1.0 / 24.0)).to_vec()
        }
        (CellKind::Hex8, _) | (CellKind::Hex20, Integration::Reduced) => cube(&two),
        (CellKind::Hex20, _) => cube(&three),
        (CellKind::Wedge6, _) => prism(&[[third, third]], 0.5, &two),
        (CellKind::Wedge15, _) => {
            let (a, b) = (1.0 / 6.0, 2.0 / 3.0);
            prism(&[[a, a], [b, a], [a, b]], 1.0 / 6.0, &three)
        }
    };
    rule.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = &'static ElementTables> {
        VARIANTS.iter().map(|(kind, integration, _)| tables(*kind, *integration).unwrap())
    }

    #[test]
    fn a_uniform_temperature_is_that_at_every_stress_point() {
        for tables in all() {
            for ip in 0..tables.ips {
                let sum: f64 = tables.temperature_at(ip).iter().sum();
                assert!((sum - 1.0).abs() < 1e-14, "{} {ip}: {sum}", tables.name);
            }
        }
    }

    #[test]
    fn the_20_node_hexahedron_takes_temperatures_as_calculix_does() {
        // sigma / (E alpha) that CalculiX 2.20 prints at the first stress point of a clamped C3D20 cube with one hot node.
        let measured = [
            -0.08873, -0.24037, -0.05963, -0.24037, -0.24037, -0.05963, -0.01127, -0.05963, 0.524866, 0.066667,
            0.066667, 0.524866, 0.066667, 0.008468, 0.008468, 0.066667, 0.524866, 0.066667, 0.008468, 0.066667,
        ];
        let tables = tables(CellKind::Hex20, Integration::Full).unwrap();
        for (weight, measured) in tables.temperature_at(0).iter().zip(measured) {
            assert!((weight - measured).abs() < 6e-6, "{weight} for {measured}");
        }
    }

    #[test]
    fn shape_functions_sum_to_one_and_their_derivatives_to_zero() {
        for t in all() {
            for ip in 0..t.ips {
                let sum: f64 = t.values_at(ip).iter().sum();
                assert!((sum - 1.0).abs() < 1e-14, "{} {sum}", t.name);
            }
            for point in 0..t.points.len() {
                for k in 0..3 {
                    let sum: f64 = t.derivatives_at(point).iter().map(|d| d[k]).sum();
                    assert!(sum.abs() < 1e-14, "{} {sum}", t.name);
                }
            }
        }
    }

    #[test]
    fn weights_sum_to_the_reference_volume() {
        for t in all() {
            let expected = match t.kind {
                CellKind::Truss2 => 2.0,
                CellKind::Tet4 | CellKind::Tet10 => 1.0 / 6.0,
                CellKind::Hex8 | CellKind::Hex20 => 8.0,
                CellKind::Wedge6 | CellKind::Wedge15 => 1.0,
            };
            let sum: f64 = t.weights.iter().sum();
            assert!((sum - expected).abs() < 1e-13, "{} {sum}", t.name);
        }
    }

    #[test]
    fn the_published_counts_and_first_points() {
        let counts: Vec<_> = all().map(|t| (t.name, t.nodes, t.points.len(), t.ips)).collect();
        let expected = [
            ("truss2", 2, 1, 1),
            ("tet4", 4, 1, 1),
            ("tet10", 10, 4, 4),
            ("hex8", 8, 8, 8),
            ("hex8_reduced", 8, 8, 1),
            ("hex8_incompatible", 8, 8, 8),
            ("hex20", 20, 27, 27),
            ("hex20_reduced", 20, 8, 8),
            ("wedge6", 6, 2, 2),
            ("wedge15", 15, 9, 9),
        ];
        assert_eq!(counts, expected);
        let hex20 = tables(CellKind::Hex20, Integration::Full).unwrap();
        assert_eq!(hex20.points[0], [-0.6_f64.sqrt(); 3]);
        assert_eq!(hex20.points[1], [0.0, -0.6_f64.sqrt(), -0.6_f64.sqrt()]);
        assert!(tables(CellKind::Tet4, Integration::Reduced).is_none());
    }

    #[test]
    fn extrapolation_reproduces_what_the_points_can_carry() {
        // Linear in z everywhere (constant where there is one point), read back at the corners.
        for t in all() {
            let field = |at: &[f64; 3]| if t.ips == 1 { 2.0 } else { 2.0 + 3.0 * at[2] };
            let at_ips: Vec<f64> = t.points.iter().take(t.ips).map(field).collect();
            for (corner, at) in shape::corner_coordinates(t.kind).iter().enumerate() {
                let row = &t.extrapolation[corner * t.ips..][..t.ips];
                let value: f64 = row.iter().zip(&at_ips).map(|(w, f)| w * f).sum();
                assert!((value - field(at)).abs() < 1e-12, "{} corner {corner}: {value}", t.name);
            }
        }
    }
}
