//! The 8-node hexahedron. A column of J at an integration point is a weighted sum of the four edges along that direction,
//! with 4 different sets of weights for the 8 points: 288 multiply-adds where the sum over nodes takes 1008.

use super::Group;
use super::core::{Material, Matrix, adjugate, product, symmetric, with_mises, zero_matrix};
use super::vector::{Real, Vector};
use super::write::Sink;
use crate::numeric::elements::ElementTables;

/// The edges along each local direction, from the lower to the upper node.
const EDGES: [[[usize; 2]; 4]; 3] =
    [[[0, 1], [3, 2], [4, 5], [7, 6]], [[0, 3], [1, 2], [4, 7], [5, 6]], [[0, 4], [1, 5], [2, 6], [3, 7]]];

/// Which of the four columns along direction `k` point `p` (x fastest) uses: its other two coordinates.
const COLUMN: [[usize; 8]; 3] = [[0, 0, 1, 1, 2, 2, 3, 3], [0, 1, 0, 1, 2, 3, 2, 3], [0, 1, 2, 3, 0, 1, 2, 3]];

/// The first point that uses each column.
const POINT: [[usize; 4]; 3] = [[0, 2, 4, 6], [0, 1, 4, 5], [0, 1, 2, 3]];

/// `[direction][column][edge]`, from the element's tables.
pub(super) type Weights<T> = [[[T; 4]; 4]; 3];

#[inline(always)]
pub(super) fn weights<T: Real>(tables: &ElementTables) -> Weights<T> {
    let weight = |k: usize, column: usize, edge: usize| {
        T::from_f64(tables.derivatives_at(POINT[k][column])[EDGES[k][edge][1]][k])
    };
    std::array::from_fn(|k| std::array::from_fn(|c| std::array::from_fn(|e| weight(k, c, e))))
}

/// The columns of J (components 0..3) and G (3..6): `[direction][column][component]`.
type Columns<V> = [[[V; 6]; 4]; 3];

#[inline(always)]
fn columns<V: Vector>(d: &[[V; 6]], weights: &Weights<V::Real>) -> Columns<V> {
    let mut all = [[[V::zero(); 6]; 4]; 3];
    for k in 0..3 {
        for c in 0..6 {
            let mut edge = [V::zero(); 4];
            for e in 0..4 {
                let [low, high] = EDGES[k][e];
                edge[e] = d[high][c] - d[low][c];
            }
            for column in 0..4 {
                let w = &weights[k][column];
                let sum = edge[0] * V::splat(w[0]);
                let sum = edge[1].scale_add(w[1], sum);
                let sum = edge[2].scale_add(w[2], sum);
                all[k][column][c] = edge[3].scale_add(w[3], sum);
            }
        }
    }
    all
}

#[inline(always)]
fn pick<V: Vector>(columns: &Columns<V>, point: usize) -> (Matrix<V>, Matrix<V>) {
    let (mut j, mut g) = (zero_matrix(), zero_matrix());
    for k in 0..3 {
        let column = &columns[k][COLUMN[k][point]];
        for i in 0..3 {
            j[i][k] = column[i];
            g[i][k] = column[3 + i];
        }
    }
    (j, g)
}

/// Full integration.
#[inline(always)]
pub(super) fn full<V: Vector>(group: &Group<'_, V>, out: &mut impl Sink<V>) {
    let columns = columns(group.differences, &group.numbers.weights);
    for p in 0..8 {
        let (stress, _) = point_stress(group, &columns, p);
        out.put(p, &with_mises(stress));
    }
}

/// Stress of the compatible displacement at point `p`, and 1 / det.
#[inline(always)]
fn point_stress<V: Vector>(group: &Group<'_, V>, columns: &Columns<V>, p: usize) -> ([V; 6], V) {
    let (j, g) = pick(columns, p);
    let (adj, det) = adjugate(&j);
    let inverse = V::number(1.0) / det;
    let strain = group.elastic(symmetric(&product(&g, &adj), inverse), p);
    (group.material.stress(&strain), inverse)
}

/// One point with the volume average of the gradient.
#[inline(always)]
pub(super) fn reduced<V: Vector>(group: &Group<'_, V>, out: &mut impl Sink<V>) {
    let columns = columns(group.differences, &group.numbers.weights);
    let (mut sum, mut volume) = (zero_matrix::<V>(), V::zero());
    for p in 0..8 {
        let (j, g) = pick(&columns, p);
        let (adj, det) = adjugate(&j);
        volume = volume + det;
        for i in 0..3 {
            for k in 0..3 {
                let partial = g[i][0].fma(adj[0][k], sum[i][k]);
                let partial = g[i][1].fma(adj[1][k], partial);
                sum[i][k] = g[i][2].fma(adj[2][k], partial);
            }
        }
    }
    let strain = group.elastic(symmetric(&sum, V::number(1.0) / volume), 0);
    out.put(0, &with_mises(group.material.stress(&strain)));
}

/// Full integration with the nine incompatible modes of [`crate::workloads::stress::seq::Incompatible`].
#[inline(always)]
pub(super) fn incompatible<V: Vector>(group: &Group<'_, V>, out: &mut impl Sink<V>) {
    let columns = columns(group.differences, &group.numbers.weights);
    let mut stress = [[V::zero(); 6]; 8];
    let mut inverse = [V::zero(); 8];
    for p in 0..8 {
        (stress[p], inverse[p]) = point_stress(group, &columns, p);
    }
    let directions = centre_adjugate(group.differences, &group.numbers.centre);
    let amplitude = amplitudes(&directions, &stress, &inverse, group.material);
    for p in 0..8 {
        // sum_m s_mp a_m (x) r_m.
        let mut h = zero_matrix::<V>();
        for m in 0..3 {
            let sign = V::number(sign(m, p));
            for i in 0..3 {
                let a = amplitude[3 * m + i] * sign;
                for j in 0..3 {
                    h[i][j] = a.fma(directions[m][j], h[i][j]);
                }
            }
        }
        let mut total = group.material.stress(&symmetric(&h, inverse[p]));
        for c in 0..6 {
            total[c] = stress[p][c] + total[c];
        }
        out.put(p, &with_mises(total));
    }
}

/// The sign of local coordinate `m` at point `p`: x changes fastest.
#[inline(always)]
fn sign(m: usize, p: usize) -> f64 {
    if p >> m & 1 == 0 { -1.0 } else { 1.0 }
}

/// The adjugate of J at the element's centre.
#[inline(always)]
fn centre_adjugate<V: Vector>(d: &[[V; 6]], centre: &[[V::Real; 3]]) -> Matrix<V> {
    let mut j = zero_matrix::<V>();
    for (d, dn) in d.iter().zip(centre).skip(1) {
        for i in 0..3 {
            for k in 0..3 {
                j[i][k] = d[i].scale_add(dn[k], j[i][k]);
            }
        }
    }
    adjugate(&j).0
}

/// The nine amplitudes, 3 m + i.
#[inline(always)]
fn amplitudes<V: Vector>(r: &Matrix<V>, stress: &[[V; 6]; 8], inverse: &[V; 8], material: &Material<V>) -> [V; 9] {
    let mut matrix = [[V::zero(); 9]; 9];
    let mut right = [V::zero(); 9];
    for m in 0..3 {
        for n in 0..=m {
            let mut s = V::zero();
            for p in 0..8 {
                s = inverse[p].fma(V::number(sign(m, p) * sign(n, p)), s);
            }
            let k = contract(material, &r[m], &r[n]);
            for i in 0..3 {
                for j in 0..3 {
                    matrix[3 * m + i][3 * n + j] = s * k[i][j];
                }
            }
        }
        let mut sum = [V::zero(); 6];
        for (p, stress) in stress.iter().enumerate() {
            for c in 0..6 {
                sum[c] = stress[c].fma(V::number(sign(m, p)), sum[c]);
            }
        }
        for (i, [a, b, c]) in [[0, 3, 4], [3, 1, 5], [4, 5, 2]].into_iter().enumerate() {
            right[3 * m + i] = -sum[c].fma(r[m][2], sum[b].fma(r[m][1], sum[a] * r[m][0]));
        }
    }
    solve_definite(&mut matrix, &mut right);
    right
}

/// K_ij of [`crate::numeric::tensor::Stiffness::contract`].
#[inline(always)]
fn contract<V: Vector>(material: &Material<V>, r: &[V; 3], s: &[V; 3]) -> Matrix<V> {
    const NORMAL: [[usize; 3]; 3] = [[0, 3, 4], [3, 1, 5], [4, 5, 2]];
    const SHEAR: [[usize; 3]; 3] = [[9, 0, 1], [0, 9, 2], [1, 2, 9]];
    let half = V::number(0.5);
    let mut out = zero_matrix();
    for i in 0..3 {
        for k in 0..3 {
            let direct = material.normal[NORMAL[i][k]] * r[i] * s[k];
            out[i][k] = if i == k {
                let (a, b) = ((i + 1) % 3, (i + 2) % 3);
                let first = (half * material.shear[SHEAR[i][a]] * r[a]).fma(s[a], direct);
                (half * material.shear[SHEAR[i][b]] * r[b]).fma(s[b], first)
            } else {
                (half * material.shear[SHEAR[i][k]] * r[k]).fma(s[i], direct)
            };
        }
    }
    out
}

/// L D L' on the lower triangle; `b` becomes the solution.
#[inline(always)]
fn solve_definite<V: Vector>(a: &mut [[V; 9]; 9], b: &mut [V; 9]) {
    let one = V::number(1.0);
    let mut reciprocal = [one; 9];
    for k in 0..9 {
        reciprocal[k] = one / a[k][k];
        for i in k + 1..9 {
            let factor = -(a[i][k] * reciprocal[k]);
            for j in k + 1..=i {
                a[i][j] = factor.fma(a[j][k], a[i][j]);
            }
            b[i] = factor.fma(b[k], b[i]);
        }
    }
    for k in (0..9).rev() {
        let mut rest = b[k];
        for i in k + 1..9 {
            rest = (-a[i][k]).fma(b[i], rest);
        }
        b[k] = rest * reciprocal[k];
    }
}
