//! Sine, cosine and tangent: [`trig`]'s vector code where it takes no detour.

use super::Function;
use crate::numeric::trig;

/// The sine, within 1 unit in the last place for `|x| <= 2^30`.
pub struct Sin;

impl Function for Sin {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= trig::NEAR
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        trig::near::<true>(x).0
    }
    fn slow(x: f64) -> f64 {
        x.sin()
    }
}

/// The cosine, within 1 unit in the last place for `|x| <= 2^30`.
pub struct Cos;

impl Function for Cos {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= trig::NEAR
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        trig::near::<true>(x).1
    }
    fn slow(x: f64) -> f64 {
        x.cos()
    }
}

/// The tangent, within 3 units in the last place for `|x| <= 2^30`.
pub struct Tan;

impl Function for Tan {
    #[inline(always)]
    fn inside(x: f64) -> bool {
        x.abs() <= trig::NEAR
    }
    #[inline(always)]
    fn fast(x: f64) -> f64 {
        let (sine, cosine) = trig::near::<true>(x);
        sine / cosine
    }
    fn slow(x: f64) -> f64 {
        x.tan()
    }
}
