//! Sine, cosine and tangent, after Sun's fdlibm (`k_sin.c`, `k_cos.c`).
//!
//! `x = k pi/2 + r` with pi/2 in three parts (Cody and Waite): with fused multiply-adds the first product is taken off
//! exactly, and what is left of `r` below its last place goes along as a second number.

use super::Function;
use super::exponential::MAGIC;

const TWO_OVER_PI: f64 = std::f64::consts::FRAC_2_PI;
/// pi/2, each part what the ones before leave out.
const HALF_PI: [f64; 3] = [std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17, -1.497_384_904_859_169_8e-33];

/// The largest argument of the fast forms: `k` times the third part is then below what counts.
const LARGEST: f64 = 1_048_576.0;

/// fdlibm's `S1 .. S6` and `C1 .. C6`, for `|r| <= pi/4`.
const S: [f64; 6] = [
    -1.666_666_666_666_663_2e-1,
    8.333_333_333_322_49e-3,
    -1.984_126_982_985_795e-4,
    2.755_731_370_707_006_8e-6,
    -2.505_076_025_340_686_3e-8,
    1.589_690_995_211_55e-10,
];
const C: [f64; 6] = [
    4.166_666_666_666_66e-2,
    -1.388_888_888_887_411e-3,
    2.480_158_728_947_673e-5,
    -2.755_731_435_139_066_3e-7,
    2.087_572_321_298_175e-9,
    -1.135_964_755_778_819_5e-11,
];

/// The sine and cosine of `x`, up to signs and order, and the bits of `k`.
#[inline(always)]
fn both(x: f64) -> (f64, f64, u64) {
    let shifted = x.mul_add(TWO_OVER_PI, MAGIC);
    let k = shifted - MAGIC;
    let first = (-k).mul_add(HALF_PI[0], x);
    // The second product and its rounding, and the difference and its: near a multiple of pi/2 all of them count.
    let second = k * HALF_PI[1];
    let r = first - second;
    let back = r - first;
    let lost = (first - (r - back)) - (second + back);
    let low = (-k).mul_add(HALF_PI[2], lost - k.mul_add(HALF_PI[1], -second));
    let z = r * r;
    let polynomial = |c: &[f64]| c.iter().rev().skip(1).fold(c[c.len() - 1], |sum, c| sum.mul_add(z, *c));
    let cube = z * r;
    let sine = r - ((z * (0.5 * low - cube * polynomial(&S[1..])) - low) - cube * S[0]);
    let half = 0.5 * z;
    let most = 1.0 - half;
    let cosine = most + (((1.0 - most) - half) + (z * z).mul_add(polynomial(&C), -(r * low)));
    (sine, cosine, shifted.to_bits())
}

/// One of the two, with the sign that `quarter` turns give.
#[inline(always)]
fn choose(sine: f64, cosine: f64, quarter: u64) -> f64 {
    let value = if quarter & 1 == 0 { sine } else { cosine };
    f64::from_bits(value.to_bits() ^ (quarter & 2) << 62)
}

/// The sine, within 1 unit in the last place for `|x| <= 2^20`.
pub struct Sin;

impl Function for Sin {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= LARGEST
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let (sine, cosine, k) = both(x);
        choose(sine, cosine, k)
    }
    fn slow(x: f64) -> f64 {
        x.sin()
    }
}

/// The cosine, within 1 unit in the last place for `|x| <= 2^20`.
pub struct Cos;

impl Function for Cos {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= LARGEST
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let (sine, cosine, k) = both(x);
        choose(sine, cosine, k.wrapping_add(1))
    }
    fn slow(x: f64) -> f64 {
        x.cos()
    }
}

/// The tangent, within 3 units in the last place for `|x| <= 2^20`.
pub struct Tan;

impl Function for Tan {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= LARGEST
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let (sine, cosine, k) = both(x);
        choose(sine, cosine, k) / choose(sine, cosine, k.wrapping_add(1))
    }
    fn slow(x: f64) -> f64 {
        x.tan()
    }
}
