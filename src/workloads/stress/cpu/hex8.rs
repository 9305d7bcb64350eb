//! The 8-node hexahedron. A column of J at an integration point is a weighted sum of the four edges along that direction,
//! with 4 different sets of weights for the 8 points: 288 multiply-adds where the sum over nodes takes 1008.

use super::core::{Material, Matrix, adjugate, product, symmetric, with_mises, zero_matrix};
use super::lanes::{Lanes, Real};
use super::stage::Differences;
use super::write::Staged;
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
type Columns<T, const W: usize> = [[[Lanes<T, W>; 6]; 4]; 3];

#[inline(always)]
fn columns<const FMA: bool, T: Real, const W: usize>(d: &Differences<T, 8, W>, weights: &Weights<T>) -> Columns<T, W> {
    let mut all = [[[Lanes::zero(); 6]; 4]; 3];
    for k in 0..3 {
        for c in 0..6 {
            let edge: [Lanes<T, W>; 4] = std::array::from_fn(|e| {
                let [low, high] = EDGES[k][e];
                if low == 0 { d[high][c] } else { d[high][c] - d[low][c] }
            });
            for column in 0..4 {
                let w = &weights[k][column];
                let sum = edge[0] * Lanes::splat(w[0]);
                let sum = edge[1].scale_add::<FMA>(w[1], sum);
                let sum = edge[2].scale_add::<FMA>(w[2], sum);
                all[k][column][c] = edge[3].scale_add::<FMA>(w[3], sum);
            }
        }
    }
    all
}

#[inline(always)]
fn pick<T: Real, const W: usize>(columns: &Columns<T, W>, point: usize) -> (Matrix<T, W>, Matrix<T, W>) {
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

/// Full integration. `free[ip]` is the thermal strain.
#[inline(always)]
pub(super) fn full<const FMA: bool, T: Real, const W: usize>(
    d: &Differences<T, 8, W>,
    weights: &Weights<T>,
    material: &Material<T, W>,
    free: Option<&[[Lanes<T, W>; 3]; 8]>,
    out: &mut Staged<T, 8, W>,
) {
    let columns = columns::<FMA, T, W>(d, weights);
    for p in 0..8 {
        let (stress, _) = point_stress::<FMA, T, W>(&columns, p, material, free.map(|free| &free[p]));
        out.put(p, &with_mises::<FMA, T, W>(stress));
    }
}

/// Stress of the compatible displacement at point `p`, and 1 / det.
#[inline(always)]
fn point_stress<const FMA: bool, T: Real, const W: usize>(
    columns: &Columns<T, W>,
    p: usize,
    material: &Material<T, W>,
    free: Option<&[Lanes<T, W>; 3]>,
) -> ([Lanes<T, W>; 6], Lanes<T, W>) {
    let (j, g) = pick(columns, p);
    let (adj, det) = adjugate::<FMA, T, W>(&j);
    let inverse = Lanes::splat(T::from_f64(1.0)) / det;
    let mut strain = symmetric(&product::<FMA, T, W>(&g, &adj), inverse);
    if let Some(free) = free {
        (0..3).for_each(|i| strain[i] = strain[i] - free[i]);
    }
    (material.stress::<FMA>(&strain), inverse)
}

/// One point with the volume average of the gradient.
#[inline(always)]
pub(super) fn reduced<const FMA: bool, T: Real, const W: usize>(
    d: &Differences<T, 8, W>,
    weights: &Weights<T>,
    material: &Material<T, W>,
    free: Option<&[[Lanes<T, W>; 3]; 1]>,
    out: &mut Staged<T, 1, W>,
) {
    let columns = columns::<FMA, T, W>(d, weights);
    let (mut sum, mut volume) = (zero_matrix::<T, W>(), Lanes::zero());
    for p in 0..8 {
        let (j, g) = pick(&columns, p);
        let (adj, det) = adjugate::<FMA, T, W>(&j);
        volume = volume + det;
        for i in 0..3 {
            for k in 0..3 {
                let partial = g[i][0].fma::<FMA>(adj[0][k], sum[i][k]);
                let partial = g[i][1].fma::<FMA>(adj[1][k], partial);
                sum[i][k] = g[i][2].fma::<FMA>(adj[2][k], partial);
            }
        }
    }
    let mut strain = symmetric(&sum, Lanes::splat(T::from_f64(1.0)) / volume);
    if let Some(free) = free {
        (0..3).for_each(|i| strain[i] = strain[i] - free[0][i]);
    }
    out.put(0, &with_mises::<FMA, T, W>(material.stress::<FMA>(&strain)));
}

/// Full integration with the nine incompatible modes of [`crate::workloads::stress::seq::Incompatible`].
#[inline(always)]
pub(super) fn incompatible<const FMA: bool, T: Real, const W: usize>(
    d: &Differences<T, 8, W>,
    (weights, centre): (&Weights<T>, &[[T; 3]; 8]),
    material: &Material<T, W>,
    free: Option<&[[Lanes<T, W>; 3]; 8]>,
    out: &mut Staged<T, 8, W>,
) {
    let columns = columns::<FMA, T, W>(d, weights);
    let mut stress = [[Lanes::zero(); 6]; 8];
    let mut inverse = [Lanes::zero(); 8];
    for p in 0..8 {
        (stress[p], inverse[p]) = point_stress::<FMA, T, W>(&columns, p, material, free.map(|free| &free[p]));
    }
    let directions = centre_adjugate::<FMA, T, W>(d, centre);
    let amplitude = amplitudes::<FMA, T, W>(&directions, &stress, &inverse, material);
    for p in 0..8 {
        // sum_m s_mp a_m (x) r_m.
        let mut h = zero_matrix::<T, W>();
        for m in 0..3 {
            let sign = Lanes::splat(sign::<T>(m, p));
            for i in 0..3 {
                let a = amplitude[3 * m + i] * sign;
                for j in 0..3 {
                    h[i][j] = a.fma::<FMA>(directions[m][j], h[i][j]);
                }
            }
        }
        let more = material.stress::<FMA>(&symmetric(&h, inverse[p]));
        let total = std::array::from_fn(|c| stress[p][c] + more[c]);
        out.put(p, &with_mises::<FMA, T, W>(total));
    }
}

/// The sign of local coordinate `m` at point `p`: x changes fastest.
#[inline(always)]
fn sign<T: Real>(m: usize, p: usize) -> T {
    T::from_f64(if p >> m & 1 == 0 { -1.0 } else { 1.0 })
}

/// The adjugate of J at the element's centre.
#[inline(always)]
fn centre_adjugate<const FMA: bool, T: Real, const W: usize>(
    d: &Differences<T, 8, W>,
    centre: &[[T; 3]; 8],
) -> Matrix<T, W> {
    let mut j = zero_matrix::<T, W>();
    for a in 1..8 {
        for i in 0..3 {
            for k in 0..3 {
                j[i][k] = d[a][i].scale_add::<FMA>(centre[a][k], j[i][k]);
            }
        }
    }
    adjugate::<FMA, T, W>(&j).0
}

/// The nine amplitudes, 3 m + i.
#[inline(always)]
fn amplitudes<const FMA: bool, T: Real, const W: usize>(
    r: &Matrix<T, W>,
    stress: &[[Lanes<T, W>; 6]; 8],
    inverse: &[Lanes<T, W>; 8],
    material: &Material<T, W>,
) -> [Lanes<T, W>; 9] {
    let mut matrix = [[Lanes::zero(); 9]; 9];
    let mut right = [Lanes::zero(); 9];
    for m in 0..3 {
        for n in 0..=m {
            let mut s = Lanes::zero();
            for p in 0..8 {
                s = inverse[p].scale_add::<FMA>(sign::<T>(m, p) * sign::<T>(n, p), s);
            }
            contract::<FMA, T, W>(material, &r[m], &r[n], |i, j, k| matrix[3 * m + i][3 * n + j] = s * k);
        }
        let mut sum = [Lanes::zero(); 6];
        for (p, stress) in stress.iter().enumerate() {
            for c in 0..6 {
                sum[c] = stress[c].scale_add::<FMA>(sign::<T>(m, p), sum[c]);
            }
        }
        let dot =
            |a: usize, b: usize, c: usize| -sum[c].fma::<FMA>(r[m][2], sum[b].fma::<FMA>(r[m][1], sum[a] * r[m][0]));
        (right[3 * m], right[3 * m + 1], right[3 * m + 2]) = (dot(0, 3, 4), dot(3, 1, 5), dot(4, 5, 2));
    }
    solve_definite::<FMA, T, W>(&mut matrix, &mut right);
    right
}

/// Hands out K_ij of [`crate::numeric::tensor::Stiffness::contract`].
#[inline(always)]
fn contract<const FMA: bool, T: Real, const W: usize>(
    material: &Material<T, W>,
    r: &[Lanes<T, W>; 3],
    s: &[Lanes<T, W>; 3],
    mut set: impl FnMut(usize, usize, Lanes<T, W>),
) {
    const NORMAL: [[usize; 3]; 3] = [[0, 3, 4], [3, 1, 5], [4, 5, 2]];
    const SHEAR: [[usize; 3]; 3] = [[9, 0, 1], [0, 9, 2], [1, 2, 9]];
    let half = Lanes::splat(T::from_f64(0.5));
    for i in 0..3 {
        for k in 0..3 {
            let direct = material.normal[NORMAL[i][k]] * r[i] * s[k];
            let value = if i == k {
                let (a, b) = ((i + 1) % 3, (i + 2) % 3);
                let first = (half * material.shear[SHEAR[i][a]] * r[a]).fma::<FMA>(s[a], direct);
                (half * material.shear[SHEAR[i][b]] * r[b]).fma::<FMA>(s[b], first)
            } else {
                (half * material.shear[SHEAR[i][k]] * r[k]).fma::<FMA>(s[i], direct)
            };
            set(i, k, value);
        }
    }
}

/// L D L' on the lower triangle; `b` becomes the solution.
#[inline(always)]
fn solve_definite<const FMA: bool, T: Real, const W: usize>(a: &mut [[Lanes<T, W>; 9]; 9], b: &mut [Lanes<T, W>; 9]) {
    let one = Lanes::splat(T::from_f64(1.0));
    let mut reciprocal = [one; 9];
    for k in 0..9 {
        reciprocal[k] = one / a[k][k];
        for i in k + 1..9 {
            let factor = -(a[i][k] * reciprocal[k]);
            for j in k + 1..=i {
                a[i][j] = factor.fma::<FMA>(a[j][k], a[i][j]);
            }
            b[i] = factor.fma::<FMA>(b[k], b[i]);
        }
    }
    for k in (0..9).rev() {
        let mut rest = b[k];
        for i in k + 1..9 {
            rest = (-a[i][k]).fma::<FMA>(b[i], rest);
        }
        b[k] = rest * reciprocal[k];
    }
}
