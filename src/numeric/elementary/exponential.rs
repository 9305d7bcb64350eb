//! `exp` and what is made of it.
//!
//! `x = k ln 2 + r` with `|r| <= ln 2 / 2`; `e^r - 1` is its Taylor sum to `r^13`, whose rest is below 2^-57; `e^x` is
//! scaled by `2^k` exactly, since no result here leaves the normal range.

use super::Function;

/// Adding it leaves a number's whole part in the low bits: 1.5 * 2^52.
pub(super) const MAGIC: f64 = 6_755_399_441_055_744.0;

const LOG2_E: f64 = std::f64::consts::LOG2_E;
/// ln 2, and what that leaves out.
const LN_2: f64 = std::f64::consts::LN_2;
const LN_2_LOW: f64 = 2.319_046_813_846_299_6e-17;

/// 1/2!, 1/3! ... 1/13!, each rounded.
const TAYLOR: [f64; 12] = [
    0.5,
    1.666_666_666_666_666_6e-1,
    4.166_666_666_666_666_4e-2,
    8.333_333_333_333_333e-3,
    1.388_888_888_888_889e-3,
    1.984_126_984_126_984e-4,
    2.480_158_730_158_73e-5,
    2.755_731_922_398_589_3e-6,
    2.755_731_922_398_589e-7,
    2.505_210_838_544_172e-8,
    2.087_675_698_786_81e-9,
    1.605_904_383_682_161_3e-10,
];

/// The largest argument of the fast forms: results stay normal numbers.
const LARGEST: f64 = 708.0;

/// `e^r - 1` and `2^k` for `x = k ln 2 + r`, `|x| <= 709`.
#[inline(always)]
pub(super) fn parts(x: f64) -> (f64, f64) {
    let shifted = x.mul_add(LOG2_E, MAGIC);
    let k = shifted - MAGIC;
    let r = (-k).mul_add(LN_2_LOW, (-k).mul_add(LN_2, x));
    let sum = TAYLOR.iter().rev().skip(1).fold(TAYLOR[11], |sum, c| sum.mul_add(r, *c));
    let less_one = sum.mul_add(r * r, r);
    // The low bits of `shifted` are k; they go to the exponent.
    (less_one, f64::from_bits((shifted.to_bits() << 52).wrapping_add(1.0f64.to_bits())))
}

/// `e^x`, within 1 unit in the last place for `|x| <= 708`.
pub struct Exp;

impl Function for Exp {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= LARGEST
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let (less_one, scale) = parts(x);
        (1.0 + less_one) * scale
    }
    fn slow(x: f64) -> f64 {
        x.exp()
    }
}

/// `e^x - 1` for `|x| <= 708`.
#[inline(always)]
fn expm1(x: f64) -> f64 {
    let (less_one, scale) = parts(x);
    less_one.mul_add(scale, scale - 1.0)
}

/// `e^x - 1`, within 2 units in the last place for `|x| <= 708`.
pub struct Expm1;

impl Function for Expm1 {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= LARGEST
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        expm1(x)
    }
    fn slow(x: f64) -> f64 {
        x.exp_m1()
    }
}

/// The hyperbolic sine, `(t + t / (t + 1)) / 2` with `t = e^|x| - 1`; within 4 units in the last place.
pub struct Sinh;

impl Function for Sinh {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= LARGEST
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let t = expm1(x.abs());
        (0.5 * (t + t / (t + 1.0))).copysign(x)
    }
    fn slow(x: f64) -> f64 {
        x.sinh()
    }
}

/// The hyperbolic cosine, `(e + 1 / e) / 2` with `e = e^|x|`; within 2 units in the last place.
pub struct Cosh;

impl Function for Cosh {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= LARGEST
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let e = Exp::fast(x.abs());
        0.5 * (e + 1.0 / e)
    }
    fn slow(x: f64) -> f64 {
        x.cosh()
    }
}

/// The hyperbolic tangent, `t / (t + 2)` with `t = e^(2 |x|) - 1`; within 4 units in the last place. From 20 on it is 1
/// in f64.
pub struct Tanh;

impl Function for Tanh {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= f64::MAX
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let t = expm1(2.0 * x.abs().min(20.0));
        (t / (t + 2.0)).copysign(x)
    }
    fn slow(x: f64) -> f64 {
        x.tanh()
    }
}
