//! Argument reduction: `x = k pi/2 + r` with a whole `k` and `|r| <= pi/4`, `r` as the sum of two f64.
//!
//! Up to [`NEAR`] by Cody and Waite's method (W. J. Cody, W. Waite, "Software manual for the elementary functions", 1980):
//! `k` times a part of pi/2 is taken off exactly, then `k` times the next part. Beyond it by Payne and Hanek's (M. Payne,
//! R. Hanek, "Radian reduction for trigonometric functions", SIGNUM Newsletter 18, 1983): `x 2/pi` modulo 4 is computed from
//! those bits of 2/pi alone that matter, in integers.
//!
//! How close a double comes to a multiple of pi/2 is known: no finite one other than 0 leaves less than 2^-60.9 (J.-M. Muller,
//! "Elementary functions", on the reduction of arguments; 6381956970095103 2^797 is the closest), which both ways hold.

use crate::simd::mul_add;

/// The largest magnitude that [`near`] reduces.
pub(super) const NEAR: f64 = (1_u64 << 30) as f64;

/// pi/2 is the sum of these within 2^-162: each is the double nearest to what the ones before it leave.
const HALF_PI: [f64; 3] = [std::f64::consts::FRAC_PI_2, 6.123_233_995_736_766e-17, -1.497_384_904_859_169_8e-33];

/// A whole number of at most 51 bits that is added to this, 1.5 2^52, stands in the last bits of the sum, and what is not
/// whole is rounded to the nearest: on every instruction set.
const WHOLE: f64 = 6_755_399_441_055_744.0;

/// 64 zeros and the first 1344 bits of 2/pi, highest word first.
const TWO_OVER_PI: [u64; 22] = [
    0x0000_0000_0000_0000,
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_6bab,
    0xf0cf_bc20_9af4_361d,
    0xa9e3_9161_5ee6_1b08,
];

/// What is left of `N` arguments: `x = k pi/2 + high + low`.
pub(crate) struct Reduced<const N: usize> {
    /// `k`; its two last bits are right.
    pub(crate) quadrant: [u64; N],
    /// `|high| <= pi/4 + 1e-6`; NaN for what is not finite.
    pub(crate) high: [f64; N],
    /// At most half a unit in the last place of `high`.
    pub(crate) low: [f64; N],
}

/// Reduces `N` numbers, near ones by vector code.
#[inline(always)]
pub(crate) fn reduce<const FMA: bool, const N: usize>(x: &[f64; N]) -> Reduced<N> {
    let mut reduced = Reduced { quadrant: [0; N], high: [0.0; N], low: [0.0; N] };
    for (i, x) in x.iter().enumerate() {
        (reduced.quadrant[i], reduced.high[i], reduced.low[i]) = near::<FMA>(*x);
    }
    if x.iter().fold(false, |some, x| some | (x.abs() > NEAR)) {
        for (i, x) in x.iter().enumerate().filter(|(_, x)| x.abs() > NEAR) {
            (reduced.quadrant[i], reduced.high[i], reduced.low[i]) = far(*x);
        }
    }
    reduced
}

/// Reduces a number of at most [`NEAR`]; NaN gives NaN.
///
/// `x - k p1` is exact: `k p1` and `x` are multiples of 2^-53 (or `k` is 0), and their difference is below 1. `k p2` is a
/// product in two parts, the sum with it keeps what it loses; only the last two sums round, by 2^-53 of terms below 2^-53
/// of `r` or 2^-75, and 2^-132 is lost beyond `p3`: nothing next to 2^-53 of `r >= 2^-61`.
#[inline(always)]
pub(super) fn near<const FMA: bool>(x: f64) -> (u64, f64, f64) {
    let [p1, p2, p3] = HALF_PI;
    let shifted = x * std::f64::consts::FRAC_2_PI + WHOLE;
    let k = shifted - WHOLE;
    let (product, lost) = two_product::<FMA>(k, p1);
    let rest = (x - product) - lost;
    let (product, lost) = two_product::<FMA>(k, p2);
    let high = rest - product;
    // Knuth's sum of two numbers and what it lost.
    let back = high - rest;
    let error = (rest - (high - back)) - (product + back);
    (shifted.to_bits(), high, (error - lost) - k * p3)
}

/// `a b` and what the rounded product lost, exactly (for numbers far from overflow and underflow).
#[inline(always)]
fn two_product<const FMA: bool>(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    if FMA {
        return (product, mul_add::<FMA>(a, b, -product));
    }
    // Dekker's product of Veltkamp's halves.
    let halves = |x: f64| {
        let scaled = 134_217_729.0 * x;
        let upper = scaled - (scaled - x);
        (upper, x - upper)
    };
    let ((a1, a2), (b1, b2)) = (halves(a), halves(b));
    (product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2)
}

/// Reduces any number from 1 on, of either sign; NaN for what is not finite.
///
/// With `x = m 2^e`, `m` of 53 bits, the bits of 2/pi of weight 2^(2-e) and more give multiples of 4. The next 256 give
/// `x 2/pi` modulo 4 within 2^-201: 2 bits before the point, and a fraction which is at least 2^-61.6 away from a whole number.
#[cold]
#[inline(never)]
fn far(x: f64) -> (u64, f64, f64) {
    if !x.is_finite() {
        return (0, f64::NAN, 0.0);
    }
    let bits = x.to_bits();
    let m = bits & ((1 << 52) - 1) | 1 << 52;
    // Bit 1 of 2/pi has the place 64; the first that is needed is bit e - 1.
    let place = ((bits >> 52) & 0x7ff) as usize - (1075 - 62);
    let (word, shift) = (place / 64, place % 64);
    let (mut product, mut carry) = ([0_u64; 4], 0);
    for i in (0..4).rev() {
        let window = TWO_OVER_PI[word + i] << shift | TWO_OVER_PI[word + i + 1] >> 1 >> (63 - shift);
        let sum = u128::from(m) * u128::from(window) + carry;
        (product[i], carry) = (sum as u64, sum >> 64);
    }
    let [a, b, c, d] = product;
    let mut quadrant = a >> 62;
    let mut fraction = u128::from(a << 2 | b >> 62) << 64 | u128::from(b << 2 | c >> 62);
    let mut below = c << 2 | d >> 62;
    // To the nearest whole number: from above when the fraction is at least a half.
    let upper = fraction >> 127 == 1;
    if upper {
        quadrant += 1;
        (fraction, below) = (!fraction, !below);
    }
    // 2^-60.9 / (pi/2) leaves at most 62 leading zeros.
    let zeros = fraction.leading_zeros().min(63);
    fraction = fraction << zeros | u128::from(below >> 1 >> (63 - zeros));
    let scale = |power: u32| f64::from_bits(u64::from(1023 - power) << 52);
    let first = (fraction >> 75) as f64 * scale(53 + zeros);
    let second = (fraction << 53 >> 75) as f64 * scale(106 + zeros);
    let [p1, p2, _] = HALF_PI;
    let (product, lost) = two_product::<false>(first, p1);
    let rest = lost + (first * p2 + second * p1);
    let high = product + rest;
    let low = rest - (high - product);
    if upper == (x > 0.0) { (quadrant_of(x, quadrant), -high, -low) } else { (quadrant_of(x, quadrant), high, low) }
}

/// `-k` for a negative number.
fn quadrant_of(x: f64, quadrant: u64) -> u64 {
    if x < 0.0 { quadrant.wrapping_neg() } else { quadrant }
}
