//! Sine and cosine of small arguments: near-minimax polynomials in `z = t^2`, from `scripts/trig-coefficients.py`.
//!
//! `sin t = t + t z S(z)`, `cos t = 1 + z (-1/2 + z D(z))`; a Horner chain each. The error of the rounded coefficients,
//! relative for the sine and absolute for the cosine, stands beside each set; it holds up to 1e-6 past the range.

use crate::simd::{mul_add, mul_add_f32};

/// `|t| <= pi/4`: 2^-57.1.
const SIN_QUARTER: [f64; 7] = [
    -0.16666666666666666,
    0.008333333333333323,
    -0.00019841269841254798,
    2.75573192140647e-06,
    -2.5052104881817535e-08,
    1.6058363161019652e-10,
    -7.578540117339458e-13,
];
/// `|t| <= pi/4`: 2^-59.9.
const COS_QUARTER: [f64; 6] = [
    0.0416666666666666,
    -0.0013888888888874138,
    2.480158728949175e-05,
    -2.755731435521712e-07,
    2.0875723680837415e-09,
    -1.1359669669908518e-11,
];
/// `|t| <= 1/2`: 2^-58.8.
const SIN_HALF: [f64; 6] = [
    -0.16666666666666666,
    0.008333333333333212,
    -0.00019841269840956916,
    2.7557318852337367e-06,
    -2.5051885102996313e-08,
    1.5993012443398083e-10,
];
/// `|t| <= 1/2`: 2^-61.8.
const COS_HALF: [f64; 5] =
    [0.04166666666666596, -0.0013888888888601042, 2.480158687819676e-05, -2.75570302235358e-07, 2.0783648525207537e-09];
/// `|t| <= pi/4`, f32: 2^-28.0. `shaders/sincos.wgsl` has the same.
pub(super) const SIN_SINGLE: [f32; 4] = [-1.666_666_7e-1, 8.333_329e-3, -1.983_931_3e-4, 2.718_121_3e-6];
/// `|t| <= pi/4`, f32: 2^-30.9. `shaders/sincos.wgsl` has the same.
pub(super) const COS_SINGLE: [f32; 3] = [4.166_664_6e-2, -1.388_736_8e-3, 2.443_845e-5];

/// `c[0] + c[1] z + c[2] z^2 ...`
#[inline(always)]
fn horner<const FMA: bool, const N: usize>(c: &[f64; N], z: f64) -> f64 {
    c[..N - 1].iter().rev().fold(c[N - 1], |sum, c| mul_add::<FMA>(sum, z, *c))
}

/// [`horner`] in single precision.
#[inline(always)]
fn horner_f32<const FMA: bool, const N: usize>(c: &[f32; N], z: f32) -> f32 {
    c[..N - 1].iter().rev().fold(c[N - 1], |sum, c| mul_add_f32::<FMA>(sum, z, *c))
}

/// `(sin, cos)` of `r + low` for `|r| <= pi/4` and `|low|` at most half a unit in the last place of `r`, or 2^-76: within
/// 0.97 and 0.88 ulp, fused or not.
///
/// In units of `u = 2^-53`. Sine: what is added to `r` is at most `z/6 <= 0.103` of it and errs by at most 5.1 u of itself
/// (z, r z, S, the product, the sum), that is 0.53 u of r; the polynomial adds 0.06 u, what `low` leaves out 0.02 u. In all
/// 0.67 u of the sine, which is 0.47 ulp at pi/4, less in every lower binade, and the last sum rounds by 0.5 ulp.
///
/// Cosine, one ulp being u: `1 - z/2` is kept in two parts, so only the rounding of `z` counts (0.25), the term of fourth
/// order (0.07), the polynomial (0.01), `r low` for `sin r low` (0.04) and the last sum (0.5).
#[inline(always)]
pub(crate) fn quarter<const FMA: bool>(r: f64, low: f64) -> (f64, f64) {
    let z = r * r;
    let half = 0.5 * z;
    let near = 1.0 - half;
    let lost = (1.0 - near) - half;
    let sin = r + mul_add::<FMA>(r * z, horner::<FMA, _>(&SIN_QUARTER, z), low * near);
    let cos = near + (lost + mul_add::<FMA>(z * z, horner::<FMA, _>(&COS_QUARTER, z), -(r * low)));
    (sin, cos)
}

/// `(sin, cos)` for `|t| <= 1/2` (1e-6 more do no harm): within 0.70 ulp each, fused or not. The sine of -0 is +0.
///
/// In units of `u = 2^-53`. Sine: what is added to `t` is at most `z/6 <= 0.042` of it and errs by 4.1 u of itself, 0.18 u of
/// the sine; the polynomial adds 0.02 u, the sum 0.5 ulp. Cosine: rounding `z` gives 0.06 u, `-1/2 + z D` 0.07 u, their
/// product, when it is rounded, 0.06 u, the polynomial 0.01 u, the sum 0.5 u.
#[inline(always)]
pub(crate) fn half<const FMA: bool>(t: f64) -> (f64, f64) {
    let z = t * t;
    let sin = mul_add::<FMA>(t * z, horner::<FMA, _>(&SIN_HALF, z), t);
    let cos = mul_add::<FMA>(z, mul_add::<FMA>(z, horner::<FMA, _>(&COS_HALF, z), -0.5), 1.0);
    (sin, cos)
}

/// [`half`] in single precision, for `|t| <= pi/4`: within 0.89 and 0.94 ulp when fused, or when `|t| <= 1/2`. Not fused,
/// the cosine is within 1.2 ulp above 1/2.
///
/// In units of `u = 2^-24`, at pi/4 and at 1/2. Sine: 4.1 u of `z/6` (0.33 and 0.18 ulp), the polynomial 0.06, the sum 0.5.
/// Cosine: rounding `z` 0.25 and 0.06, `-1/2 + z D` 0.18 and 0.07, the product, when it is rounded, 0.25 and 0.06, the
/// polynomial 0.01, the sum 0.5.
#[inline(always)]
pub(crate) fn quarter_f32<const FMA: bool>(t: f32) -> (f32, f32) {
    let z = t * t;
    let sin = mul_add_f32::<FMA>(t * z, horner_f32::<FMA, _>(&SIN_SINGLE, z), t);
    let cos = mul_add_f32::<FMA>(z, mul_add_f32::<FMA>(z, horner_f32::<FMA, _>(&COS_SINGLE, z), -0.5), 1.0);
    (sin, cos)
}
