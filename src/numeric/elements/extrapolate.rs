//! From stress points to corners: the inverse of the interpolation that the points can carry, least squares where
//! there are more points than that.

use super::{Integration, shape};
use crate::formats::mesh::CellKind;

/// `B(corners) (B'B)^-1 B'` for the basis `B` of the element, rows by corner, columns by stress point.
///
/// | element | basis |
/// |---|---|
/// | one stress point | constant |
/// | tet10 | linear (4 points) |
/// | hex8, hex20 reduced | trilinear (8 points) |
/// | hex20 | the 20 shape functions, least squares (27 points) |
/// | wedge6 | linear through the thickness (2 points) |
/// | wedge15 | linear in the plane, least-squares linear through the thickness (9 points) |
pub(super) fn to_corners(kind: CellKind, integration: Integration, stations: &[[f64; 3]]) -> Vec<f64> {
    let basis = |at: &[f64; 3]| match (kind, integration) {
        _ if stations.len() == 1 => vec![1.0],
        (CellKind::Hex20, Integration::Full) => shape::values(CellKind::Hex20, *at),
        (CellKind::Hex8 | CellKind::Hex20, _) => shape::values(CellKind::Hex8, *at),
        (CellKind::Wedge6, _) => vec![0.5 * (1.0 - at[2]), 0.5 * (1.0 + at[2])],
        (CellKind::Wedge15, _) => shape::values(CellKind::Wedge6, *at),
        (CellKind::Tet4 | CellKind::Tet10, _) => shape::values(CellKind::Tet4, *at),
        (CellKind::Truss2, _) => vec![1.0],
    };
    let rows: Vec<Vec<f64>> = stations.iter().map(basis).collect();
    let n = rows[0].len();
    let gram = (0..n).map(|i| (0..n).map(|j| rows.iter().map(|row| row[i] * row[j]).sum()).collect()).collect();
    let right = (0..n).map(|i| rows.iter().map(|row| row[i]).collect()).collect();
    let fit = solve(gram, right);
    shape::corner_coordinates(kind)
        .iter()
        .flat_map(|corner| {
            let at_corner = basis(corner);
            let fit = &fit;
            (0..stations.len())
                .map(move |ip| at_corner.iter().zip(fit).map(|(b, row)| b * row[ip]).sum())
                .collect::<Vec<f64>>()
        })
        .collect()
}

/// `matrix^-1 right` by elimination with row exchanges; the Gram matrices here are small and well conditioned.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = matrix.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| matrix[*i][k].abs().total_cmp(&matrix[*j][k].abs())).unwrap_or(k);
        matrix.swap(k, pivot);
        right.swap(k, pivot);
        assert!(matrix[k][k] != 0.0, "the stress points of an element determine its fit");
        for i in (0..n).filter(|i| *i != k) {
            let factor = matrix[i][k] / matrix[k][k];
            let (matrix_k, right_k) = (matrix[k].clone(), right[k].clone());
            matrix[i].iter_mut().zip(matrix_k).for_each(|(a, b)| *a -= factor * b);
            right[i].iter_mut().zip(right_k).for_each(|(a, b)| *a -= factor * b);
        }
    }
    for (row, diagonal) in right.iter_mut().zip(matrix.iter().enumerate().map(|(k, row)| row[k])) {
        row.iter_mut().for_each(|value| *value /= diagonal);
    }
    right
}
