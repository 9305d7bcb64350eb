//! From node rows to lanes: the gather, which is what binds.
//!
//! A row is one cache line, so an element touches `nodes` lines. The rows of four elements (of eight in f64 where vectors
//! have eight) are transposed in registers, then the first node's are subtracted: one or two shuffles for each vector,
//! where single loads and stores would cost twice the time of everything else.

use std::marker::PhantomData;

use super::core::{adjugate, product, zero_matrix};
use super::vector::{Halves, Lanes, Vector};
use crate::workloads::stress::model::NodeRow;

/// How node data become the core's vectors.
pub(super) trait Mode {
    /// A node row.
    type Node: Copy;
    /// The core's vector.
    type Vector: Vector;
    /// Differences of as many elements, in the precision in which they are formed.
    type Wide: Lanes;

    /// Fills `into` for the elements of `cells`, see [`gather`], which has checked the points.
    ///
    /// # Safety
    /// Every point of `cells` is in `nodes`.
    unsafe fn differences(nodes: &[Self::Node], cells: &[u32], into: &mut [[Self::Wide; 6]]);

    /// The differences as the core takes them: `wide` itself, or `into` filled from it. `centre` holds dN/dxi at the
    /// element's centre.
    fn narrow<'d>(
        wide: &'d [[Self::Wide; 6]],
        centre: &[[<Self::Vector as Lanes>::Real; 3]],
        into: &'d mut [[Self::Vector; 6]],
    ) -> &'d [[Self::Vector; 6]];
}

/// f64 throughout.
pub(super) struct Double<V>(PhantomData<V>);
/// Differences in f64, less the element's rotation; the rest in f32.
pub(super) struct Mixed<V>(PhantomData<V>);
/// Rows already rounded to f32.
pub(super) struct Single<V>(PhantomData<V>);

impl<V: Vector<Real = f64>> Mode for Double<V> {
    type Node = NodeRow;
    type Vector = V;
    type Wide = V;
    #[inline(always)]
    unsafe fn differences(nodes: &[NodeRow], cells: &[u32], into: &mut [[Self::Wide; 6]]) {
        // SAFETY: by the caller's contract.
        unsafe { differences_f64::<V, Self::Wide>(nodes, cells, into) };
    }
    #[inline(always)]
    fn narrow<'d>(wide: &'d [[V; 6]], _centre: &[[f64; 3]], _into: &'d mut [[V; 6]]) -> &'d [[V; 6]] {
        wide
    }
}

impl<V: Vector<Real = f32>> Mode for Single<V> {
    type Node = [f32; 8];
    type Vector = V;
    type Wide = V;
    #[inline(always)]
    unsafe fn differences(nodes: &[[f32; 8]], cells: &[u32], into: &mut [[V; 6]]) {
        let n = into.len();
        for (quad, cells) in cells.chunks_exact(4 * n).enumerate() {
            // SAFETY: by the caller's contract.
            let row = |l: usize, a: usize| unsafe { nodes.get_unchecked(cells[l * n + a] as usize) };
            let first = quad_f32([row(0, 0), row(1, 0), row(2, 0), row(3, 0)], &Default::default());
            for a in 1..n {
                let difference = quad_f32([row(0, a), row(1, a), row(2, a), row(3, a)], &first);
                put(&difference, &mut into[a], quad);
            }
        }
    }
    #[inline(always)]
    fn narrow<'d>(wide: &'d [[V; 6]], _centre: &[[f32; 3]], _into: &'d mut [[V; 6]]) -> &'d [[V; 6]] {
        wide
    }
}

impl<V: Halves> Mode for Mixed<V> {
    type Node = NodeRow;
    type Vector = V;
    type Wide = [V::Half; 2];
    #[inline(always)]
    unsafe fn differences(nodes: &[NodeRow], cells: &[u32], into: &mut [[Self::Wide; 6]]) {
        // SAFETY: by the caller's contract.
        unsafe { differences_f64::<V, Self::Wide>(nodes, cells, into) };
    }
    /// Slender bodies turn far more than they stretch, and f32 would round the turn: the rotation at the element's centre
    /// is estimated in f32, then subtracted in f64, `du - W dx` with `W` skew. The strain, the symmetric part, does not
    /// see it.
    #[inline(always)]
    fn narrow<'d>(wide: &'d [[[V::Half; 2]; 6]], centre: &[[f32; 3]], into: &'d mut [[V; 6]]) -> &'d [[V; 6]] {
        for (into, wide) in into.iter_mut().zip(wide).skip(1) {
            for c in 0..6 {
                into[c] = V::join(wide[c]);
            }
        }
        let [xy, xz, yz] = rotation(into, centre);
        let (xy, xz, yz) = (xy.halves(), xz.halves(), yz.halves());
        for (into, [x, y, z, u, v, w]) in into.iter_mut().zip(wide).skip(1) {
            let mut turned = [[V::Half::zero(); 2]; 3];
            for h in 0..2 {
                turned[0][h] = (-xy[h]).fma(y[h], (-xz[h]).fma(z[h], u[h]));
                turned[1][h] = xy[h].fma(x[h], (-yz[h]).fma(z[h], v[h]));
                turned[2][h] = xz[h].fma(x[h], yz[h].fma(y[h], w[h]));
            }
            for c in 0..3 {
                into[3 + c] = V::join(turned[c]);
            }
        }
        into
    }
}

/// [`Mode::differences`] of f64 rows, eight elements at a time where vectors of `V`'s level have eight values.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn differences_f64<V: Vector, W: Lanes<Real = f64>>(nodes: &[NodeRow], cells: &[u32], into: &mut [[W; 6]]) {
    let n = into.len();
    #[cfg(target_arch = "x86_64")]
    if V::AVX512 {
        for (eight, cells) in cells.chunks_exact(8 * n).enumerate() {
            // SAFETY: the CPU has AVX-512 wherever V is used; the points are in `nodes`.
            unsafe { x86::differences_of_eight(nodes, cells, eight, into) };
        }
        return;
    }
    for (quad, cells) in cells.chunks_exact(4 * n).enumerate() {
        // SAFETY: by the caller's contract.
        let row = |l: usize, a: usize| unsafe { nodes.get_unchecked(cells[l * n + a] as usize) };
        let first = quad_f64::<V>([row(0, 0), row(1, 0), row(2, 0), row(3, 0)], &Default::default());
        for a in 1..n {
            let difference = quad_f64::<V>([row(0, a), row(1, a), row(2, a), row(3, a)], &first);
            put(&difference, &mut into[a], quad);
        }
    }
}

/// Six components of four elements.
type Quad<T> = [[T; 4]; 6];

/// The six components of four rows less `base`, component by row, element by column.
#[inline(always)]
fn quad_f64<V: Vector>(rows: [&NodeRow; 4], base: &Quad<f64>) -> Quad<f64> {
    #[cfg(target_arch = "x86_64")]
    if V::AVX2 {
        // SAFETY: the CPU has AVX2 wherever V is used.
        return unsafe { x86::quad_f64(rows, base) };
    }
    std::array::from_fn(|c| std::array::from_fn(|l| rows[l][c] - base[c][l]))
}

/// The same of f32 rows.
#[inline(always)]
fn quad_f32(rows: [&[f32; 8]; 4], base: &Quad<f32>) -> Quad<f32> {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: SSE is part of x86-64's baseline.
        unsafe { x86::quad_f32(rows, base) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::array::from_fn(|c| std::array::from_fn(|l| rows[l][c] - base[c][l]))
}

/// Writes the components of the `quad`th four elements.
#[inline(always)]
fn put<W: Lanes>(difference: &Quad<W::Real>, into: &mut [W; 6], quad: usize) {
    for c in 0..6 {
        into[c].lanes_mut()[4 * quad..4 * quad + 4].copy_from_slice(&difference[c]);
    }
}

/// W_xy, W_xz, W_yz of the displacement gradient at the element's centre; 0 where it has none. A truss turns about
/// dx (x) du.
#[inline(always)]
fn rotation<V: Vector>(d: &[[V; 6]], centre: &[[V::Real; 3]]) -> [V; 3] {
    let half = V::number(0.5);
    let (twice, divisor) = if let [_, [x, y, z, u, v, w]] = d {
        let square = z.fma(*z, y.fma(*y, *x * *x));
        // (du dx' - dx du') / L^2 takes the whole lateral part of du away.
        let twice = [u.fma(*y, -(*x * *v)), u.fma(*z, -(*x * *w)), v.fma(*z, -(*y * *w))];
        (twice, half * square)
    } else {
        let (mut j, mut g) = (zero_matrix::<V>(), zero_matrix::<V>());
        for i in 0..3 {
            if let [_, a, b, c] = d {
                // A tetrahedron's edges.
                (j[i], g[i]) = ([a[i], b[i], c[i]], [a[3 + i], b[3 + i], c[3 + i]]);
            } else {
                for (d, dn) in d.iter().zip(centre).skip(1) {
                    for k in 0..3 {
                        j[i][k] = d[i].scale_add(dn[k], j[i][k]);
                        g[i][k] = d[3 + i].scale_add(dn[k], g[i][k]);
                    }
                }
            }
        }
        let (adj, det) = adjugate(&j);
        let n = product(&g, &adj);
        ([n[0][1] - n[1][0], n[0][2] - n[2][0], n[1][2] - n[2][1]], det)
    };
    let factor = half / divisor;
    [(twice[0] * factor).finite_or_zero(), (twice[1] * factor).finite_or_zero(), (twice[2] * factor).finite_or_zero()]
}

/// Fills `into` (`[node][component]`; node 0's stay zero) for as many cells as there are lanes.
///
/// # Panics
/// When `cells` has not as many points as that, or one that is not in `nodes`.
#[inline(always)]
pub(super) fn gather<M: Mode>(nodes: &[M::Node], cells: &[u32], into: &mut [[M::Wide; 6]]) {
    let n = into.len();
    assert!(cells.len() == M::Vector::W * n, "one cell for each lane");
    // One check for all, in vector instructions.
    let most = cells.iter().fold(0, |most, point| most.max(*point));
    assert!((most as usize) < nodes.len(), "point {most} of {}", nodes.len());
    // SAFETY: the largest index was checked above.
    unsafe { M::differences(nodes, cells, into) };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::vector::Lanes;
    use super::NodeRow;

    /// # Safety
    /// The CPU has SSE2: every x86-64 has.
    #[inline(always)]
    unsafe fn two(row: &[f64; 8], at: usize) -> __m128d {
        let two: &[f64] = &row[at..at + 2];
        // SAFETY: the slice has two values.
        unsafe { _mm_loadu_pd(two.as_ptr()) }
    }

    /// # Safety
    /// The CPU has SSE: every x86-64 has.
    #[inline(always)]
    unsafe fn four(row: &[f32], at: usize) -> __m128 {
        let four: &[f32] = &row[at..at + 4];
        // SAFETY: the slice has four values.
        unsafe { _mm_loadu_ps(four.as_ptr()) }
    }

    /// Two values of each of two rows. The second comes by an insertion from memory, which is no shuffle.
    ///
    /// # Safety
    /// The CPU has AVX.
    #[inline(always)]
    unsafe fn beside(low: &[f64; 8], high: &[f64; 8], at: usize) -> __m256d {
        // SAFETY: the caller vouches for AVX.
        unsafe { _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(two(low, at)), two(high, at)) }
    }

    /// Two components at a time: with rows 0 and 2, rows 1 and 3 side by side, one unpacking for each component puts all
    /// four in order.
    ///
    /// # Safety
    /// The CPU has AVX2; for speed the caller is compiled for it.
    #[inline(always)]
    pub(super) unsafe fn quad_f64(rows: [&[f64; 8]; 4], base: &[[f64; 4]; 6]) -> [[f64; 4]; 6] {
        let mut all = [[0.0; 4]; 6];
        for at in [0, 2, 4] {
            // SAFETY: the caller vouches for AVX2; each part of `base` and `all` has four values.
            unsafe {
                let (even, odd) = (beside(rows[0], rows[2], at), beside(rows[1], rows[3], at));
                let (low, high) = (_mm256_unpacklo_pd(even, odd), _mm256_unpackhi_pd(even, odd));
                let low = _mm256_sub_pd(low, _mm256_loadu_pd(base[at].as_ptr()));
                let high = _mm256_sub_pd(high, _mm256_loadu_pd(base[at + 1].as_ptr()));
                _mm256_storeu_pd(all[at].as_mut_ptr(), low);
                _mm256_storeu_pd(all[at + 1].as_mut_ptr(), high);
            }
        }
        all
    }

    /// Four values of each of two rows.
    ///
    /// # Safety
    /// The CPU has AVX-512.
    #[inline(always)]
    unsafe fn halves(low: &NodeRow, high: &NodeRow) -> __m512d {
        // SAFETY: the caller vouches for AVX-512; a row has eight values.
        unsafe {
            let low = _mm512_castpd256_pd512(_mm256_loadu_pd(low.as_ptr()));
            _mm512_insertf64x4::<1>(low, _mm256_loadu_pd(high.as_ptr()))
        }
    }

    /// Values 4 and 5 of each of four rows.
    ///
    /// # Safety
    /// The CPU has AVX-512.
    #[inline(always)]
    unsafe fn quarters(rows: [&NodeRow; 4]) -> __m512d {
        // SAFETY: the caller vouches for AVX-512.
        unsafe {
            let all = _mm512_castpd128_pd512(two(rows[0], 4));
            let all = _mm512_insertf64x2::<1>(all, two(rows[1], 4));
            let all = _mm512_insertf64x2::<2>(all, two(rows[2], 4));
            _mm512_insertf64x2::<3>(all, two(rows[3], 4))
        }
    }

    /// The six components of eight rows. Parts of rows come together by insertions from memory, which are no shuffles, in
    /// the order in which one or two shuffles a component put all eight where they belong.
    ///
    /// # Safety
    /// The CPU has AVX-512; for speed the caller is compiled for it.
    #[inline(always)]
    unsafe fn eight(rows: [&NodeRow; 8]) -> [__m512d; 6] {
        const EVEN: i32 = 0b10_00_10_00;
        const ODD: i32 = 0b11_01_11_01;
        // SAFETY: the caller vouches for AVX-512.
        unsafe {
            let (r02, r13) = (halves(rows[0], rows[2]), halves(rows[1], rows[3]));
            let (r46, r57) = (halves(rows[4], rows[6]), halves(rows[5], rows[7]));
            // [x0 x1 z0 z1 x2 x3 z2 z3] and so on.
            let (xz03, yu03) = (_mm512_unpacklo_pd(r02, r13), _mm512_unpackhi_pd(r02, r13));
            let (xz47, yu47) = (_mm512_unpacklo_pd(r46, r57), _mm512_unpackhi_pd(r46, r57));
            let even = quarters([rows[0], rows[2], rows[4], rows[6]]);
            let odd = quarters([rows[1], rows[3], rows[5], rows[7]]);
            [
                _mm512_shuffle_f64x2::<EVEN>(xz03, xz47),
                _mm512_shuffle_f64x2::<EVEN>(yu03, yu47),
                _mm512_shuffle_f64x2::<ODD>(xz03, xz47),
                _mm512_shuffle_f64x2::<ODD>(yu03, yu47),
                _mm512_unpacklo_pd(even, odd),
                _mm512_unpackhi_pd(even, odd),
            ]
        }
    }

    /// The differences of eight elements, which become the `part`th eight of `into`.
    ///
    /// # Safety
    /// The CPU has AVX-512; for speed the caller is compiled for it. Every point of `cells` is in `nodes`.
    #[inline(always)]
    pub(super) unsafe fn differences_of_eight<W: Lanes<Real = f64>>(
        nodes: &[NodeRow],
        cells: &[u32],
        part: usize,
        into: &mut [[W; 6]],
    ) {
        let n = into.len();
        // SAFETY: by the caller's contract; a destination has eight values.
        unsafe {
            let first = eight(node(nodes, cells, n, 0));
            for a in 1..n {
                let own = eight(node(nodes, cells, n, a));
                for c in 0..6 {
                    let to = &mut into[a][c].lanes_mut()[8 * part..8 * part + 8];
                    _mm512_storeu_pd(to.as_mut_ptr(), _mm512_sub_pd(own[c], first[c]));
                }
            }
        }
    }

    /// The rows of node `a` of eight elements with `n` nodes each.
    ///
    /// # Safety
    /// Every point of `cells` is in `nodes`.
    #[inline(always)]
    unsafe fn node<'r>(nodes: &'r [NodeRow], cells: &[u32], n: usize, a: usize) -> [&'r NodeRow; 8] {
        assert!(cells.len() == 8 * n && a < n, "eight elements");
        // SAFETY: by the caller's contract.
        let row = |l: usize| unsafe { nodes.get_unchecked(cells[l * n + a] as usize) };
        [row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)]
    }

    /// # Safety
    /// The CPU has SSE: every x86-64 has.
    #[inline(always)]
    pub(super) unsafe fn quad_f32(rows: [&[f32; 8]; 4], base: &[[f32; 4]; 6]) -> [[f32; 4]; 6] {
        // SAFETY: SSE is in the baseline; a __m128 has the layout of [f32; 4].
        unsafe {
            let (a, b, c, d) = (four(rows[0], 0), four(rows[1], 0), four(rows[2], 0), four(rows[3], 0));
            let (low01, high01) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
            let (low23, high23) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
            let last01 = _mm_unpacklo_ps(four(rows[0], 4), four(rows[1], 4));
            let last23 = _mm_unpacklo_ps(four(rows[2], 4), four(rows[3], 4));
            std::mem::transmute::<[__m128; 6], [[f32; 4]; 6]>([
                _mm_sub_ps(_mm_movelh_ps(low01, low23), four(&base[0], 0)),
                _mm_sub_ps(_mm_movehl_ps(low23, low01), four(&base[1], 0)),
                _mm_sub_ps(_mm_movelh_ps(high01, high23), four(&base[2], 0)),
                _mm_sub_ps(_mm_movehl_ps(high23, high01), four(&base[3], 0)),
                _mm_sub_ps(_mm_movelh_ps(last01, last23), four(&base[4], 0)),
                _mm_sub_ps(_mm_movehl_ps(last23, last01), four(&base[5], 0)),
            ])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector::portable;
    use super::*;

    fn check<M: Mode>(nodes: &[M::Node], expected: impl Fn(usize, usize) -> f64, connectivity: &[u32])
    where
        <M::Wide as Lanes>::Real: Into<f64>,
    {
        for start in [0, 2] {
            let cells: Vec<u32> =
                (0..M::Vector::W).flat_map(|l| connectivity[2 * ((start + l) % 5)..][..2].to_vec()).collect();
            let mut into = [[M::Wide::zero(); 6]; 2];
            gather::<M>(nodes, &cells, &mut into);
            for c in 0..6 {
                for (l, got) in into[1][c].lanes().iter().enumerate() {
                    assert_eq!((*got).into(), expected((start + l) % 5, c), "{c} {l}");
                }
            }
        }
    }

    #[test]
    fn every_transposition_is_the_plain_one() {
        let rows: [[f64; 8]; 5] = std::array::from_fn(|r| std::array::from_fn(|c| (10 * r + c * c) as f64 + 0.125));
        let single = rows.map(|row| row.map(|x| x as f32));
        let connectivity: Vec<u32> = vec![0, 1, 1, 2, 2, 3, 4, 0, 3, 1];
        let expected = |l: usize, c: usize| {
            let pair = &connectivity[2 * l..][..2];
            rows[pair[1] as usize][c] - rows[pair[0] as usize][c]
        };
        check::<Double<portable::F64>>(&rows, expected, &connectivity);
        check::<Mixed<portable::F32>>(&rows, expected, &connectivity);
        check::<Single<portable::F32>>(&single, expected, &connectivity);
        #[cfg(target_arch = "x86_64")]
        {
            use super::super::vector::{avx2, avx512};
            use crate::simd::Simd;
            if Simd::detect() >= Simd::Avx2 {
                check::<Double<avx2::F64>>(&rows, expected, &connectivity);
                check::<Mixed<avx2::F32>>(&rows, expected, &connectivity);
                check::<Single<avx2::F32>>(&single, expected, &connectivity);
            }
            if Simd::detect() >= Simd::Avx512 {
                check::<Double<avx512::F64>>(&rows, expected, &connectivity);
                check::<Mixed<avx512::F32>>(&rows, expected, &connectivity);
                check::<Single<avx512::F32>>(&single, expected, &connectivity);
            }
        }
    }
}
