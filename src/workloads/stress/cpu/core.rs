//! The arithmetic of one evaluation point for `W` elements: gradient, strain, stress, von Mises. The names follow `seq`.

use super::vector::{Real, Vector};
use crate::numeric::tensor::Stiffness;

/// Material constants of `W` elements.
#[derive(Clone, Copy)]
pub(super) struct Material<V> {
    /// C11, C22, C33, C12, C13, C23.
    pub(super) normal: [V; 6],
    /// 2 G12, 2 G13, 2 G23.
    pub(super) shear: [V; 3],
    /// E of trusses.
    pub(super) young: V,
}

impl<V: Vector> Material<V> {
    /// The same material for all.
    #[inline(always)]
    pub(super) fn uniform(material: &Stiffness) -> Self {
        let mut all = Self { normal: [V::zero(); 6], shear: [V::zero(); 3], young: V::number(material.young) };
        for c in 0..6 {
            all.normal[c] = V::number(material.normal[c]);
        }
        for c in 0..3 {
            all.shear[c] = V::number(material.shear[c]);
        }
        all
    }

    /// Gives element `l` its own material.
    #[inline(always)]
    pub(super) fn set(&mut self, l: usize, material: &Stiffness) {
        for c in 0..6 {
            self.normal[c].lanes_mut()[l] = V::Real::from_f64(material.normal[c]);
        }
        for c in 0..3 {
            self.shear[c].lanes_mut()[l] = V::Real::from_f64(material.shear[c]);
        }
        self.young.lanes_mut()[l] = V::Real::from_f64(material.young);
    }

    /// C : e.
    #[inline(always)]
    pub(super) fn stress(&self, e: &[V; 6]) -> [V; 6] {
        let [c11, c22, c33, c12, c13, c23] = self.normal;
        [
            c13.fma(e[2], c12.fma(e[1], c11 * e[0])),
            c23.fma(e[2], c22.fma(e[1], c12 * e[0])),
            c33.fma(e[2], c23.fma(e[1], c13 * e[0])),
            self.shear[0] * e[3],
            self.shear[1] * e[4],
            self.shear[2] * e[5],
        ]
    }
}

/// `[component][local direction]`.
pub(super) type Matrix<V> = [[V; 3]; 3];

#[inline(always)]
pub(super) fn zero_matrix<V: Vector>() -> Matrix<V> {
    [[V::zero(); 3]; 3]
}

/// Adjugate and determinant of `j`.
#[inline(always)]
pub(super) fn adjugate<V: Vector>(j: &Matrix<V>) -> (Matrix<V>, V) {
    let mut adj = zero_matrix();
    for k in 0..3 {
        for i in 0..3 {
            let (a, b, c, d) = ((i + 1) % 3, (i + 2) % 3, (k + 1) % 3, (k + 2) % 3);
            adj[k][i] = j[a][c].fma(j[b][d], -(j[a][d] * j[b][c]));
        }
    }
    let det = j[2][0].fma(adj[0][2], j[1][0].fma(adj[0][1], j[0][0] * adj[0][0]));
    (adj, det)
}

/// `a b`.
#[inline(always)]
pub(super) fn product<V: Vector>(a: &Matrix<V>, b: &Matrix<V>) -> Matrix<V> {
    let mut out = zero_matrix();
    for i in 0..3 {
        for j in 0..3 {
            out[i][j] = a[i][2].fma(b[2][j], a[i][1].fma(b[1][j], a[i][0] * b[0][j]));
        }
    }
    out
}

/// The symmetric part of `h`, times `factor`.
#[inline(always)]
pub(super) fn symmetric<V: Vector>(h: &Matrix<V>, factor: V) -> [V; 6] {
    let half = factor * V::number(0.5);
    [
        h[0][0] * factor,
        h[1][1] * factor,
        h[2][2] * factor,
        (h[0][1] + h[1][0]) * half,
        (h[0][2] + h[2][0]) * half,
        (h[1][2] + h[2][1]) * half,
    ]
}

/// Six components with their von Mises stress.
#[inline(always)]
pub(super) fn with_mises<V: Vector>(s: [V; 6]) -> [V; 7] {
    let (a, b, c) = (s[0] - s[1], s[1] - s[2], s[2] - s[0]);
    let direct = c.fma(c, b.fma(b, a * a));
    let shear = s[5].fma(s[5], s[4].fma(s[4], s[3] * s[3]));
    let half = V::number(0.5);
    let three = V::number(3.0);
    [s[0], s[1], s[2], s[3], s[4], s[5], direct.fma(half, three * shear).root()]
}
