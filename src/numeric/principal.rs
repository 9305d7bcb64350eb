//! Eigenvalues of symmetric 3x3 tensors, many side by side: Jacobi rotations without a branch, which become vector code.
//!
//! A rotation in the plane of the axes `p` and `q` makes the component `o = a_pq` zero:
//! `t = 2 o / (|d| + sqrt(d^2 + 4 o^2))` with the sign of `d = a_qq - a_pp`, `c = 1 / sqrt(1 + t^2)`, `s = t c` (Golub and
//! Van Loan, Matrix Computations, 8.5.2). Each sweep of three squares the size of what is beside the diagonal, so four
//! or five do; they are accurate to rounding also where eigenvalues are equal. A tensor is scaled by a power of two first,
//! so that no square leaves the range of f64.

use super::tensor::Tensor;
use crate::multiversion;

/// Tensors that are rotated side by side: their components take 3 KiB of the first-level cache.
pub const LANES: usize = 64;

/// The components of [`LANES`] tensors in [`Tensor`]'s order, one component after the other.
pub type Lanes = [[f64; LANES]; 6];

/// What is beside the diagonal is nothing below this part of the largest component.
const NOTHING: f64 = 1e-18;

/// The most sweeps: more than any finite tensor needs.
const SWEEPS: usize = 8;

/// The eigenvalues, largest first: accurate to rounding also where they are equal. NaN when a component is not finite.
#[must_use]
pub fn principal(s: &Tensor) -> [f64; 3] {
    eigenvalues(&s.map(|x| [x])).map(|[x]| x)
}

#[inline(always)]
fn lanes_body<const FMA: bool>(s: &Lanes) -> [[f64; LANES]; 3] {
    eigenvalues(s)
}

multiversion!(
    /// [`principal`] of each lane: the largest ones, the middle ones, the smallest ones. A lane beside one that needs more
    /// sweeps gets them, too: they move its values by what is below 1e-18 of its largest component.
    pub fn principal_lanes = lanes_body(s: &Lanes) -> [[f64; LANES]; 3];
);

#[inline(always)]
fn eigenvalues<const L: usize>(s: &[[f64; L]; 6]) -> [[f64; L]; 3] {
    let (mut finite, mut back) = ([true; L], [1.0; L]);
    let [mut xx, mut yy, mut zz, mut xy, mut xz, mut yz] = *s;
    for l in 0..L {
        let size = s.iter().fold(0.0, |most: f64, x| if x[l].abs() > most { x[l].abs() } else { most });
        finite[l] = s.iter().fold(true, |all, x| all & (x[l].abs() <= f64::MAX));
        let factor = reciprocal_power(size);
        back[l] = 1.0 / factor;
        for x in [&mut xx, &mut yy, &mut zz, &mut xy, &mut xz, &mut yz] {
            x[l] *= factor;
        }
    }
    for _ in 0..SWEEPS {
        let mut beside = 0.0;
        for l in 0..L {
            let most = xy[l].abs() + xz[l].abs() + yz[l].abs();
            beside = if most > beside { most } else { beside };
        }
        // Scaled, the largest component is 1 at least.
        if beside <= NOTHING {
            break;
        }
        rotate(&mut xx, &mut yy, &mut xy, &mut xz, &mut yz);
        rotate(&mut xx, &mut zz, &mut xz, &mut xy, &mut yz);
        rotate(&mut yy, &mut zz, &mut yz, &mut xy, &mut xz);
    }
    let mut sorted = [[0.0; L]; 3];
    for l in 0..L {
        let scale = if finite[l] { back[l] } else { f64::NAN };
        let (a, b) = larger_first(xx[l] * scale, yy[l] * scale);
        let (b, c) = larger_first(b, zz[l] * scale);
        let (a, b) = larger_first(a, b);
        [sorted[0][l], sorted[1][l], sorted[2][l]] = [a, b, c];
    }
    sorted
}

#[inline(always)]
fn larger_first(a: f64, b: f64) -> (f64, f64) {
    if a < b { (b, a) } else { (a, b) }
}

/// The power of two that brings `size` to 1 and above, below 2; for zero and what is close to it a large one.
#[inline(always)]
fn reciprocal_power(size: f64) -> f64 {
    const EXPONENT: u64 = 0x7ff << 52;
    // The exponents of x and of the power add up to twice the bias; clamped, the power and its reciprocal are normal.
    let exponent = (size.to_bits() & EXPONENT).clamp(1 << 52, 0x7fd << 52);
    f64::from_bits((0x7fe << 52) - exponent)
}

/// Makes `o`, the component between the axes of `p` and `q`, zero. `x` and `y` are those between a third axis and these two.
#[inline(always)]
fn rotate<const L: usize>(p: &mut [f64; L], q: &mut [f64; L], o: &mut [f64; L], x: &mut [f64; L], y: &mut [f64; L]) {
    for l in 0..L {
        let (d, b) = (q[l] - p[l], 2.0 * o[l]);
        let divisor = d.abs() + (d * d + b * b).sqrt();
        let t = if divisor > 0.0 { b * 1.0_f64.copysign(d) / divisor } else { 0.0 };
        let c = 1.0 / (1.0 + t * t).sqrt();
        let s = t * c;
        let step = t * o[l];
        (p[l], q[l], o[l]) = (p[l] - step, q[l] + step, 0.0);
        (x[l], y[l]) = (c * x[l] - s * y[l], s * x[l] + c * y[l]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::Simd;

    #[test]
    fn known_tensors() {
        assert_eq!(principal(&[0.0, 0.0, 0.0, 2.0, 0.0, 0.0]), [2.0, 0.0, -2.0]);
        assert_eq!(principal(&[0.0; 6]), [0.0; 3]);
        assert_eq!(principal(&[1.0, 3.0, -2.0, 0.0, 0.0, 0.0]), [3.0, 1.0, -2.0]);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for c in 0..6 {
                let mut s = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
                s[c] = bad;
                assert!(principal(&s).iter().all(|x| x.is_nan()), "{s:?}");
            }
        }
        // All ones: 3, 0, 0, whatever the unit.
        for size in [1e-320, 1e-300, 1e-160, 1.0, 1e160, 5e307] {
            let [a, b, c] = principal(&[size; 6]).map(|x| x / size);
            assert!((a - 3.0).abs() < 1e-14 && b.abs() < 1e-14 && c.abs() < 1e-14, "{size:e}: {a} {b} {c}");
        }
    }

    #[test]
    fn powers_are_the_nearest() {
        for (size, power) in [(1.0, 1.0), (1.9, 1.0), (2.0, 0.5), (0.75, 2.0)] {
            assert_eq!(reciprocal_power(size), power);
        }
        for size in [0.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, f64::NAN] {
            let power = reciprocal_power(size);
            assert!(power.is_normal() && (1.0 / power).is_normal(), "{size:e}: {power:e}");
        }
        assert!((1.0..2.0).contains(&(f64::MAX * reciprocal_power(f64::MAX) / 2.0)));
    }

    proptest! {
        #[test]
        fn three_invariants_stay_and_lanes_agree(
            mut s in proptest::array::uniform6(-1.0..1.0_f64), close in any::<bool>(), lane in 0..LANES,
        ) {
            if close {
                // A double eigenvalue, rotated a little.
                s = [1.0, 1.0, 2.0, 1e-9 * s[3], 1e-9 * s[4], 0.0];
            }
            let [a, b, c] = principal(&s);
            prop_assert!(a >= b && b >= c);
            let trace = s[0] + s[1] + s[2];
            let squares = s[..3].iter().map(|x| x * x).sum::<f64>() + 2.0 * s[3..].iter().map(|x| x * x).sum::<f64>();
            let det = s[0] * (s[1] * s[2] - s[5] * s[5]) - s[3] * (s[3] * s[2] - s[5] * s[4])
                + s[4] * (s[3] * s[5] - s[1] * s[4]);
            prop_assert!((a + b + c - trace).abs() < 4e-15 * squares.sqrt().max(1.0));
            prop_assert!((a * a + b * b + c * c - squares).abs() < 8e-15 * squares.max(1.0));
            prop_assert!((a * b * c - det).abs() < 1e-14 * squares.max(1.0).powf(1.5));
            // Beside others that need more sweeps the eigenvalues are as accurate, and nothing mixes.
            let mut lanes: Lanes = std::array::from_fn(|c| std::array::from_fn(|l| (l * 7 + c) as f64));
            (0..6).for_each(|c| lanes[c][lane] = s[c]);
            for simd in Simd::available() {
                let found = principal_lanes(simd, &lanes);
                for (found, one) in found.iter().zip([a, b, c]) {
                    prop_assert!((found[lane] - one).abs() < 4e-15 * squares.sqrt().max(1.0), "{simd:?}");
                }
            }
        }
    }
}
