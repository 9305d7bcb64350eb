//! Logarithms, after Sun's fdlibm (`e_log.c`, `e_log10.c`): `x = 2^k m` with `m` from `sqrt(1/2)` to `sqrt(2)`, `f = m - 1`
//! and, with `s = f / (2 + f)`, `log m = f - f^2 / 2 + s (f^2 / 2 + R(s^2))`.

use super::Function;
use super::exponential::MAGIC;

/// The bits of `sqrt(1/2)`, from where mantissas are counted.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
const ONE: u64 = 0x3ff0_0000_0000_0000;
const EXPONENT: u64 = 0xfff0_0000_0000_0000;

/// ln 2 in two parts; the first has 32 trailing zeros, so that its product with an exponent is exact.
pub(super) const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
pub(super) const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// log10 2 in the same way.
const LOG10_2_HIGH: f64 = 3.010_299_205_780_029_3e-1;
const LOG10_2_LOW: f64 = 7.508_597_826_552_624e-8;
/// 1 / ln 2 and 1 / ln 10, each with what it leaves out.
const LOG2_E: [f64; 2] = [std::f64::consts::LOG2_E, 2.035_527_374_093_103_3e-17];
const LOG10_E: [f64; 2] = [std::f64::consts::LOG10_E, 1.098_319_650_216_765e-17];

/// fdlibm's `Lg1 .. Lg7`: `R(z) = z (L1 + z (L2 + ...))`, off by less than 2^-58.45.
const L: [f64; 7] = [
    6.666_666_666_666_735e-1,
    3.999_999_999_940_942e-1,
    2.857_142_874_366_239e-1,
    2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1,
    1.531_383_769_920_937_3e-1,
    1.479_819_860_511_658_6e-1,
];

/// The exponent `k` and `f = m - 1` of a positive normal number.
#[inline(always)]
pub(super) fn split(x: f64) -> (f64, f64) {
    // Counted from the root of 1/2, with a bias that keeps everything positive.
    let from_root = x.to_bits().wrapping_sub(ROOT_HALF).wrapping_add(ONE);
    let biased = from_root >> 52;
    let mantissa = x.to_bits().wrapping_sub(from_root & EXPONENT).wrapping_add(ONE);
    // 1023 + k as a float, by way of the low bits of a large one: there is no conversion of 64-bit integers before AVX-512.
    let k = f64::from_bits(MAGIC.to_bits() + biased) - (MAGIC + 1023.0);
    (k, f64::from_bits(mantissa) - 1.0)
}

/// `f^2 / 2` and `s (f^2 / 2 + R)`.
#[inline(always)]
fn series(f: f64) -> (f64, f64) {
    let s = f / (2.0 + f);
    let z = s * s;
    let sum = L.iter().rev().skip(1).fold(L[6], |sum, c| sum.mul_add(z, *c));
    let half_square = 0.5 * f * f;
    (half_square, s * sum.mul_add(z, half_square))
}

/// Whether `x` is a positive normal number.
#[inline(always)]
fn normal(x: f64) -> bool {
    (f64::MIN_POSITIVE..=f64::MAX).contains(&x)
}

/// The natural logarithm, within 1 unit in the last place of positive normal numbers.
pub struct Log;

impl Function for Log {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        normal(x)
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        log_plus(x, 0.0)
    }
    fn slow(x: f64) -> f64 {
        x.ln()
    }
}

/// `log x + small`, for a `small` that is below a rounding of the result.
#[inline(always)]
fn log_plus(x: f64, small: f64) -> f64 {
    let (k, f) = split(x);
    let (half_square, rest) = series(f);
    k.mul_add(LN_2_HIGH, f - (half_square - (rest + k.mul_add(LN_2_LOW, small))))
}

/// `log(1 + x)`, within 2 units in the last place for `x` above -1, and normal.
///
/// With `u` the rounded `1 + x`, it is `log u` and `(1 + x - u) / u`.
pub struct Log1p;

impl Function for Log1p {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        // From 1e16 on the sum no longer sees the 1, and all is well; the end is where u would overflow.
        (-1.0 + f64::EPSILON..=f64::MAX).contains(&x) & (x.abs() >= f64::MIN_POSITIVE)
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let u = 1.0 + x;
        // What the sum lost: two_sum, whichever of the two is larger.
        let back = u - 1.0;
        let lost = (1.0 - (u - back)) + (x - back);
        log_plus(u, lost / u)
    }
    fn slow(x: f64) -> f64 {
        x.ln_1p()
    }
}

/// The logarithm to base 2, within 2 units in the last place of positive normal numbers; exact at powers of two.
pub struct Log2;

impl Function for Log2 {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        normal(x)
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let (k, f) = split(x);
        let (half_square, rest) = series(f);
        scaled(k, f - (half_square - rest), LOG2_E)
    }
    fn slow(x: f64) -> f64 {
        x.log2()
    }
}

/// The logarithm to base 10, within 2 units in the last place of positive normal numbers.
pub struct Log10;

impl Function for Log10 {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        normal(x)
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let (k, f) = split(x);
        let (half_square, rest) = series(f);
        let mantissa = scaled(0.0, f - (half_square - rest), LOG10_E);
        k.mul_add(LOG10_2_HIGH, k.mul_add(LOG10_2_LOW, mantissa))
    }
    fn slow(x: f64) -> f64 {
        x.log10()
    }
}

/// `whole + log (high + low)`, the product without its rounding.
#[inline(always)]
fn scaled(whole: f64, log: f64, [high, low]: [f64; 2]) -> f64 {
    let product = log * high;
    let lost = log.mul_add(high, -product) + log * low;
    whole + product + lost
}
