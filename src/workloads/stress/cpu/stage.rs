//! From node rows to lanes: the gather, which is what binds.
//!
//! A row is one cache line, so an element touches `nodes` lines. Differences to the first node are formed on whole rows
//! (four components at a time), then four elements' rows are transposed in registers: two shuffles for each vector of
//! four, where single loads and stores would cost twice the time of everything else.

use super::core::{adjugate, product, zero_matrix};
use super::lanes::{Lanes, Real};
use crate::workloads::stress::model::NodeRow;

/// How node data become the core's numbers.
pub(super) trait Mode {
    /// A node row.
    type Node: Copy;
    /// The number type of differences.
    type Wide: Real;
    /// The core's number type.
    type Real: Real;

    /// Differences `rows[l] - first[l]` of the four components from `at` on, transposed: component by row, element by
    /// column. On x86-64 `FMA` must only be true in code that is compiled for AVX2.
    fn quad<const FMA: bool>(rows: [&Self::Node; 4], first: [&Self::Node; 4], at: usize) -> [[Self::Wide; 4]; 4];

    /// The differences as the core takes them: `wide` itself, or `into` filled from it. `centre` holds dN/dxi at the
    /// element's centre.
    fn narrow<'d, const FMA: bool, const N: usize, const W: usize>(
        wide: &'d Differences<Self::Wide, N, W>,
        centre: &[[Self::Real; 3]; N],
        into: &'d mut Differences<Self::Real, N, W>,
    ) -> &'d Differences<Self::Real, N, W>;
}

/// f64 throughout.
pub(super) struct Double;
/// Differences in f64, less the element's rotation; the rest in f32.
pub(super) struct Mixed;
/// Rows already rounded to f32.
pub(super) struct Single;

impl Mode for Double {
    type Node = NodeRow;
    type Wide = f64;
    type Real = f64;
    #[inline(always)]
    fn quad<const FMA: bool>(rows: [&NodeRow; 4], first: [&NodeRow; 4], at: usize) -> [[f64; 4]; 4] {
        #[cfg(target_arch = "x86_64")]
        if FMA {
            // SAFETY: on x86-64 `multiversion!` sets FMA only in functions compiled for AVX2 and FMA, which it enters
            // after checking the CPU.
            return unsafe { x86::quad_f64(rows, first, at) };
        }
        std::array::from_fn(|c| std::array::from_fn(|l| rows[l][at + c] - first[l][at + c]))
    }
    #[inline(always)]
    fn narrow<'d, const FMA: bool, const N: usize, const W: usize>(
        wide: &'d Differences<f64, N, W>,
        _centre: &[[f64; 3]; N],
        _into: &'d mut Differences<f64, N, W>,
    ) -> &'d Differences<f64, N, W> {
        wide
    }
}

impl Mode for Single {
    type Node = [f32; 8];
    type Wide = f32;
    type Real = f32;
    #[inline(always)]
    fn quad<const FMA: bool>(rows: [&[f32; 8]; 4], first: [&[f32; 8]; 4], at: usize) -> [[f32; 4]; 4] {
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: SSE is part of x86-64's baseline.
            unsafe { x86::quad_f32(rows, first, at) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        std::array::from_fn(|c| std::array::from_fn(|l| rows[l][at + c] - first[l][at + c]))
    }
    #[inline(always)]
    fn narrow<'d, const FMA: bool, const N: usize, const W: usize>(
        wide: &'d Differences<f32, N, W>,
        _centre: &[[f32; 3]; N],
        _into: &'d mut Differences<f32, N, W>,
    ) -> &'d Differences<f32, N, W> {
        wide
    }
}

impl Mode for Mixed {
    type Node = NodeRow;
    type Wide = f64;
    type Real = f32;
    #[inline(always)]
    fn quad<const FMA: bool>(rows: [&NodeRow; 4], first: [&NodeRow; 4], at: usize) -> [[f64; 4]; 4] {
        Double::quad::<FMA>(rows, first, at)
    }
    /// Slender bodies turn far more than they stretch, and f32 would round the turn: the rotation at the element's centre
    /// is estimated in f32, then subtracted in f64, `du - W dx` with `W` skew. The strain, the symmetric part, does not
    /// see it.
    #[inline(always)]
    fn narrow<'d, const FMA: bool, const N: usize, const W: usize>(
        wide: &'d Differences<f64, N, W>,
        centre: &[[f32; 3]; N],
        into: &'d mut Differences<f32, N, W>,
    ) -> &'d Differences<f32, N, W> {
        for a in 1..N {
            for c in 0..6 {
                into[a][c] = wide[a][c].convert();
            }
        }
        let rotation = rotation::<FMA, f32, N, W>(into, centre).map(Lanes::convert::<f64>);
        for a in 1..N {
            let [x, y, z, u, v, w] = &wide[a];
            let minus = rotation.map(|r| -r);
            into[a][3] = minus[0].fma::<FMA>(*y, minus[1].fma::<FMA>(*z, *u)).convert();
            into[a][4] = rotation[0].fma::<FMA>(*x, minus[2].fma::<FMA>(*z, *v)).convert();
            into[a][5] = rotation[1].fma::<FMA>(*x, rotation[2].fma::<FMA>(*y, *w)).convert();
        }
        into
    }
}

/// W_xy, W_xz, W_yz of the displacement gradient at the element's centre; 0 where it has none. A truss turns about
/// dx (x) du.
#[inline(always)]
fn rotation<const FMA: bool, T: Real, const N: usize, const W: usize>(
    d: &Differences<T, N, W>,
    centre: &[[T; 3]; N],
) -> [Lanes<T, W>; 3] {
    let half = Lanes::splat(T::from_f64(0.5));
    let (twice, divisor) = if N == 2 {
        let [x, y, z, u, v, w] = &d[1];
        let square = z.fma::<FMA>(*z, y.fma::<FMA>(*y, *x * *x));
        let minor = |a: &Lanes<T, W>, b: &Lanes<T, W>, c: &Lanes<T, W>, e: &Lanes<T, W>| a.fma::<FMA>(*b, -(*c * *e));
        // (du dx' - dx du') / L^2: takes the whole lateral part of du away.
        ([minor(u, y, x, v), minor(u, z, x, w), minor(v, z, y, w)], half * square)
    } else {
        let (mut j, mut g) = (zero_matrix::<T, W>(), zero_matrix::<T, W>());
        for i in 0..3 {
            for k in 0..3 {
                if N == 4 {
                    (j[i][k], g[i][k]) = (d[k + 1][i], d[k + 1][3 + i]);
                } else {
                    for a in 1..N {
                        j[i][k] = d[a][i].scale_add::<FMA>(centre[a][k], j[i][k]);
                        g[i][k] = d[a][3 + i].scale_add::<FMA>(centre[a][k], g[i][k]);
                    }
                }
            }
        }
        let (adj, det) = adjugate::<FMA, T, W>(&j);
        let n = product::<FMA, T, W>(&g, &adj);
        ([n[0][1] - n[1][0], n[0][2] - n[2][0], n[1][2] - n[2][1]], det)
    };
    let factor = half / divisor;
    twice.map(|w| (w * factor).finite_or_zero())
}

/// Differences of `W` elements, `[node][component]`; node 0's are zero and not written.
pub(super) type Differences<T, const N: usize, const W: usize> = [[Lanes<T, W>; 6]; N];

/// Fills `into` for the elements `start..start + W` of `connectivity`; past the last element the last one repeats.
#[inline(always)]
pub(super) fn gather<const FMA: bool, M: Mode, const N: usize, const W: usize>(
    nodes: &[M::Node],
    connectivity: &[u32],
    start: usize,
    into: &mut Differences<M::Wide, N, W>,
) {
    let last = connectivity.len() / N - 1;
    for quad in 0..W / 4 {
        let elements: [&[u32]; 4] = std::array::from_fn(|l| {
            let element = (start + 4 * quad + l).min(last);
            &connectivity[element * N..][..N]
        });
        let first = elements.map(|element| &nodes[element[0] as usize]);
        for a in 1..N {
            let rows = elements.map(|element| &nodes[element[a] as usize]);
            let low = M::quad::<FMA>(rows, first, 0);
            let high = M::quad::<FMA>(rows, first, 4);
            for c in 0..4 {
                into[a][c].0[4 * quad..4 * quad + 4].copy_from_slice(&low[c]);
            }
            for c in 0..2 {
                into[a][4 + c].0[4 * quad..4 * quad + 4].copy_from_slice(&high[c]);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128, __m256d, _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_sub_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
        _mm256_loadu_pd, _mm256_permute2f128_pd, _mm256_sub_pd, _mm256_unpackhi_pd, _mm256_unpacklo_pd,
    };

    /// # Safety
    /// The CPU has AVX2; for speed the caller is compiled for it.
    #[inline(always)]
    pub(super) unsafe fn quad_f64(rows: [&[f64; 8]; 4], first: [&[f64; 8]; 4], at: usize) -> [[f64; 4]; 4] {
        let load = |row: &[f64; 8]| {
            let four: &[f64] = &row[at..at + 4];
            // SAFETY: the slice has four values.
            unsafe { _mm256_loadu_pd(four.as_ptr()) }
        };
        // SAFETY: the caller vouches for AVX2; a __m256d has the layout of [f64; 4].
        unsafe {
            let d: [__m256d; 4] = std::array::from_fn(|l| _mm256_sub_pd(load(rows[l]), load(first[l])));
            let (even01, odd01) = (_mm256_unpacklo_pd(d[0], d[1]), _mm256_unpackhi_pd(d[0], d[1]));
            let (even23, odd23) = (_mm256_unpacklo_pd(d[2], d[3]), _mm256_unpackhi_pd(d[2], d[3]));
            std::mem::transmute::<[__m256d; 4], [[f64; 4]; 4]>([
                _mm256_permute2f128_pd::<0x20>(even01, even23),
                _mm256_permute2f128_pd::<0x20>(odd01, odd23),
                _mm256_permute2f128_pd::<0x31>(even01, even23),
                _mm256_permute2f128_pd::<0x31>(odd01, odd23),
            ])
        }
    }

    /// # Safety
    /// The CPU has SSE: every x86-64 has.
    #[inline(always)]
    pub(super) unsafe fn quad_f32(rows: [&[f32; 8]; 4], first: [&[f32; 8]; 4], at: usize) -> [[f32; 4]; 4] {
        let load = |row: &[f32; 8]| {
            let four: &[f32] = &row[at..at + 4];
            // SAFETY: the slice has four values.
            unsafe { _mm_loadu_ps(four.as_ptr()) }
        };
        // SAFETY: SSE is in the baseline; a __m128 has the layout of [f32; 4].
        unsafe {
            let d: [__m128; 4] = std::array::from_fn(|l| _mm_sub_ps(load(rows[l]), load(first[l])));
            let (low01, high01) = (_mm_unpacklo_ps(d[0], d[1]), _mm_unpackhi_ps(d[0], d[1]));
            let (low23, high23) = (_mm_unpacklo_ps(d[2], d[3]), _mm_unpackhi_ps(d[2], d[3]));
            std::mem::transmute::<[__m128; 4], [[f32; 4]; 4]>([
                _mm_movelh_ps(low01, low23),
                _mm_movehl_ps(low23, low01),
                _mm_movelh_ps(high01, high23),
                _mm_movehl_ps(high23, high01),
            ])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::simd::Simd;

    #[test]
    fn every_transposition_is_the_plain_one() {
        let rows: [[f64; 8]; 5] = std::array::from_fn(|r| std::array::from_fn(|c| (10 * r + c * c) as f64 + 0.125));
        let single = rows.map(|row| row.map(|x| x as f32));
        let connectivity: Vec<u32> = vec![0, 1, 1, 2, 2, 3, 4, 0, 3, 1];
        let expected = |l: usize, c: usize| {
            let pair = &connectivity[2 * l.min(4)..][..2];
            rows[pair[1] as usize][c] - rows[pair[0] as usize][c]
        };
        let mut double = [[Lanes::<f64, 8>::zero(); 6]; 2];
        let mut mixed = [[Lanes::<f64, 8>::zero(); 6]; 2];
        let mut narrow = [[Lanes::<f32, 8>::zero(); 6]; 2];
        for vector in [false, Simd::detect() >= Simd::Avx2 || cfg!(target_arch = "aarch64")] {
            if vector {
                gather::<true, Double, 2, 8>(&rows, &connectivity, 0, &mut double);
                gather::<true, Mixed, 2, 8>(&rows, &connectivity, 0, &mut mixed);
                gather::<true, Single, 2, 8>(&single, &connectivity, 0, &mut narrow);
            } else {
                gather::<false, Double, 2, 8>(&rows, &connectivity, 0, &mut double);
                gather::<false, Mixed, 2, 8>(&rows, &connectivity, 0, &mut mixed);
                gather::<false, Single, 2, 8>(&single, &connectivity, 0, &mut narrow);
            }
            for c in 0..6 {
                for l in 0..8 {
                    assert_eq!(double[1][c].0[l], expected(l, c), "{vector} {c} {l}");
                    assert_eq!(mixed[1][c].0[l], expected(l, c));
                    assert_eq!(f64::from(narrow[1][c].0[l]), expected(l, c));
                }
            }
        }
    }
}
