//! The arithmetic of one evaluation point for `W` elements: gradient, strain, stress, von Mises. The names follow `seq`.

use super::lanes::{Lanes, Real};
use crate::numeric::tensor::Stiffness;

/// Material constants of `W` elements.
#[derive(Clone, Copy)]
pub(super) struct Material<T, const W: usize> {
    /// C11, C22, C33, C12, C13, C23.
    pub(super) normal: [Lanes<T, W>; 6],
    /// 2 G12, 2 G13, 2 G23.
    pub(super) shear: [Lanes<T, W>; 3],
    /// E of trusses.
    pub(super) young: Lanes<T, W>,
}

impl<T: Real, const W: usize> Material<T, W> {
    /// The same material for all.
    #[inline(always)]
    pub(super) fn uniform(material: &Stiffness) -> Self {
        Self {
            normal: material.normal.map(|c| Lanes::splat(T::from_f64(c))),
            shear: material.shear.map(|c| Lanes::splat(T::from_f64(c))),
            young: Lanes::splat(T::from_f64(material.young)),
        }
    }

    /// Element `l`'s material is `pick(l)`.
    #[inline(always)]
    pub(super) fn each<'s>(pick: impl Fn(usize) -> &'s Stiffness) -> Self {
        let mut all = Self { normal: [Lanes::zero(); 6], shear: [Lanes::zero(); 3], young: Lanes::zero() };
        for l in 0..W {
            let material = pick(l);
            for c in 0..6 {
                all.normal[c].0[l] = T::from_f64(material.normal[c]);
            }
            for c in 0..3 {
                all.shear[c].0[l] = T::from_f64(material.shear[c]);
            }
            all.young.0[l] = T::from_f64(material.young);
        }
        all
    }

    /// C : e.
    #[inline(always)]
    pub(super) fn stress<const FMA: bool>(&self, e: &[Lanes<T, W>; 6]) -> [Lanes<T, W>; 6] {
        let [c11, c22, c33, c12, c13, c23] = self.normal;
        let row = |a: Lanes<T, W>, b: Lanes<T, W>, c: Lanes<T, W>| c.fma::<FMA>(e[2], b.fma::<FMA>(e[1], a * e[0]));
        [
            row(c11, c12, c13),
            row(c12, c22, c23),
            row(c13, c23, c33),
            self.shear[0] * e[3],
            self.shear[1] * e[4],
            self.shear[2] * e[5],
        ]
    }
}

/// `[component][local direction]`.
pub(super) type Matrix<T, const W: usize> = [[Lanes<T, W>; 3]; 3];

#[inline(always)]
pub(super) fn zero_matrix<T: Real, const W: usize>() -> Matrix<T, W> {
    [[Lanes::zero(); 3]; 3]
}

/// Adjugate and determinant of `j`.
#[inline(always)]
pub(super) fn adjugate<const FMA: bool, T: Real, const W: usize>(j: &Matrix<T, W>) -> (Matrix<T, W>, Lanes<T, W>) {
    let mut adj = zero_matrix();
    for k in 0..3 {
        for i in 0..3 {
            let (a, b, c, d) = ((i + 1) % 3, (i + 2) % 3, (k + 1) % 3, (k + 2) % 3);
            adj[k][i] = j[a][c].fma::<FMA>(j[b][d], -(j[a][d] * j[b][c]));
        }
    }
    let det = j[2][0].fma::<FMA>(adj[0][2], j[1][0].fma::<FMA>(adj[0][1], j[0][0] * adj[0][0]));
    (adj, det)
}

/// `a b`.
#[inline(always)]
pub(super) fn product<const FMA: bool, T: Real, const W: usize>(a: &Matrix<T, W>, b: &Matrix<T, W>) -> Matrix<T, W> {
    let mut out = zero_matrix();
    for i in 0..3 {
        for j in 0..3 {
            out[i][j] = a[i][2].fma::<FMA>(b[2][j], a[i][1].fma::<FMA>(b[1][j], a[i][0] * b[0][j]));
        }
    }
    out
}

/// The symmetric part of `h`, times `factor`.
#[inline(always)]
pub(super) fn symmetric<T: Real, const W: usize>(h: &Matrix<T, W>, factor: Lanes<T, W>) -> [Lanes<T, W>; 6] {
    let half = factor * Lanes::splat(T::from_f64(0.5));
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
pub(super) fn with_mises<const FMA: bool, T: Real, const W: usize>(s: [Lanes<T, W>; 6]) -> [Lanes<T, W>; 7] {
    let (a, b, c) = (s[0] - s[1], s[1] - s[2], s[2] - s[0]);
    let direct = c.fma::<FMA>(c, b.fma::<FMA>(b, a * a));
    let shear = s[5].fma::<FMA>(s[5], s[4].fma::<FMA>(s[4], s[3] * s[3]));
    let half = Lanes::splat(T::from_f64(0.5));
    let three = Lanes::splat(T::from_f64(3.0));
    [s[0], s[1], s[2], s[3], s[4], s[5], direct.fma::<FMA>(half, three * shear).root()]
}
