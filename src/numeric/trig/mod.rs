//! Sine and cosine as vector code, for every f64 and f32: at most 1 ulp from the exact value, whatever the argument.
//!
//! A unit in the last place (ulp) is that of the exact value's binade. Where the error comes from is added up beside each part:
//! - `reduce` takes a multiple of pi/2 off, to `|r| <= pi/4` in two f64; its error is below 2^-60 ulp;
//! - `polynomial::quarter` then errs by at most 0.97 ulp (sine) and 0.88 ulp (cosine), on every instruction set;
//! - which of the two, and its sign, is chosen by the quadrant, exactly.
//!
//! f32 is computed in f64 and rounded: 0.5 ulp and 2^-28 of one. The tests compare with a reference in integers of 1408 bits
//! that shares no code with this one, and one that is ignored by default goes through all 2^32 numbers of f32.
//!
//! NaN and infinities give NaN; the sine of a zero is that zero; subnormal arguments are not flushed.

use crate::multiversion;

mod polynomial;
mod reduce;

#[cfg(test)]
mod exact;
#[cfg(test)]
mod tests;

pub(crate) use polynomial::{half, quarter_f32};
pub(crate) use reduce::reduce;

/// Numbers that are worked on at a time: four AVX-512 registers of f64, enough to hide the latency of a chain.
const LANES: usize = 32;

/// Sine and cosine of `N` numbers.
#[inline(always)]
pub(crate) fn sin_cos_block<const FMA: bool, const N: usize>(x: &[f64; N], sin: &mut [f64; N], cos: &mut [f64; N]) {
    let reduced = reduce::<FMA, N>(x);
    for i in 0..N {
        let (s, c) = polynomial::quarter::<FMA>(reduced.high[i], reduced.low[i]);
        let k = reduced.quadrant[i];
        let (s, c) = if k & 1 == 0 { (s, c) } else { (c, s) };
        let s = f64::from_bits(s.to_bits() ^ (k & 2) << 62);
        // A sum that is zero has lost its sign.
        sin[i] = if x[i] == 0.0 { x[i] } else { s };
        cos[i] = f64::from_bits(c.to_bits() ^ (k.wrapping_add(1) & 2) << 62);
    }
}

/// The largest magnitude of [`sin_cos_near`].
pub(crate) const NEAR: f64 = reduce::NEAR;

/// Sine and cosine of one number of at most [`NEAR`], without a branch: for loops of the caller's. The same bits as
/// [`sin_cos_block`], but for the sine of -0, which is +0.
#[inline(always)]
pub(crate) fn sin_cos_near<const FMA: bool>(x: f64) -> (f64, f64) {
    let (k, high, low) = reduce::near::<FMA>(x);
    let (s, c) = polynomial::quarter::<FMA>(high, low);
    let (s, c) = if k & 1 == 0 { (s, c) } else { (c, s) };
    (f64::from_bits(s.to_bits() ^ (k & 2) << 62), f64::from_bits(c.to_bits() ^ (k.wrapping_add(1) & 2) << 62))
}

#[inline(always)]
fn sin_cos_body<const FMA: bool>(x: &[f64], sin: &mut [f64], cos: &mut [f64]) {
    let lanes = x.chunks(LANES).zip(sin.chunks_mut(LANES)).zip(cos.chunks_mut(LANES));
    for ((x, sin), cos) in lanes {
        let (mut from, mut s, mut c) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        from[..x.len()].copy_from_slice(x);
        sin_cos_block::<FMA, LANES>(&from, &mut s, &mut c);
        sin.copy_from_slice(&s[..x.len()]);
        cos.copy_from_slice(&c[..x.len()]);
    }
}

#[inline(always)]
fn sin_cos_f32_body<const FMA: bool>(x: &[f32], sin: &mut [f32], cos: &mut [f32]) {
    let lanes = x.chunks(LANES).zip(sin.chunks_mut(LANES)).zip(cos.chunks_mut(LANES));
    for ((x, sin), cos) in lanes {
        let (mut from, mut s, mut c) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        from.iter_mut().zip(x).for_each(|(wide, x)| *wide = f64::from(*x));
        sin_cos_block::<FMA, LANES>(&from, &mut s, &mut c);
        sin.iter_mut().zip(&s).for_each(|(sin, s)| *sin = *s as f32);
        cos.iter_mut().zip(&c).for_each(|(cos, c)| *cos = *c as f32);
    }
}

multiversion!(
    fn sin_cos_any = sin_cos_body(x: &[f64], sin: &mut [f64], cos: &mut [f64]);
);
multiversion!(
    fn sin_cos_f32_any = sin_cos_f32_body(x: &[f32], sin: &mut [f32], cos: &mut [f32]);
);

/// Sine and cosine of each `x` (radians), within 1 ulp.
///
/// # Panics
/// When the slices do not have one length.
pub fn sin_cos(simd: crate::simd::Simd, x: &[f64], sin: &mut [f64], cos: &mut [f64]) {
    assert!(x.len() == sin.len() && x.len() == cos.len(), "arrays of one length");
    sin_cos_any(simd, x, sin, cos);
}

/// [`sin_cos`] in single precision, within 0.51 ulp.
///
/// # Panics
/// When the slices do not have one length.
pub fn sin_cos_f32(simd: crate::simd::Simd, x: &[f32], sin: &mut [f32], cos: &mut [f32]) {
    assert!(x.len() == sin.len() && x.len() == cos.len(), "arrays of one length");
    sin_cos_f32_any(simd, x, sin, cos);
}
