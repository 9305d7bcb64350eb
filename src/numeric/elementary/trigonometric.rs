//! Sine, cosine and tangent from `numeric::trig`, whose near arguments need no branch.

use super::Function;
use crate::numeric::trig::{NEAR, near, sin_cos_block};

/// Sine and cosine of any number.
fn anywhere(x: f64) -> (f64, f64) {
    let (mut sine, mut cosine) = ([0.0], [0.0]);
    sin_cos_block::<false, 1>(&[x], &mut sine, &mut cosine);
    (sine[0], cosine[0])
}

/// The sine, within 1 unit in the last place.
pub struct Sin;

impl Function for Sin {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= NEAR
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        near::<true>(x).0
    }
    fn slow(x: f64) -> f64 {
        anywhere(x).0
    }
}

/// The cosine, within 1 unit in the last place.
pub struct Cos;

impl Function for Cos {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= NEAR
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        near::<true>(x).1
    }
    fn slow(x: f64) -> f64 {
        anywhere(x).1
    }
}

/// The tangent, within 3 units in the last place: the quotient of the two.
pub struct Tan;

impl Function for Tan {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= NEAR
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let (sine, cosine) = near::<true>(x);
        sine / cosine
    }
    fn slow(x: f64) -> f64 {
        let (sine, cosine) = anywhere(x);
        sine / cosine
    }
}
