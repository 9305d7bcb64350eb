//! How far rounding may take the sum of a block from the reference.
//!
//! # Derivation
//! `f(t) = sin t cos t = sin(2 t) / 2` has the derivative `cos 2 t`: no step makes an error larger. So the error of `t_n` is at
//! most the sum of what each step adds, `sum_k c u |t_k|`, with `c u` the relative error of one step.
//!
//! The sum of the `|t_k|`: `1 / sin^2 y >= 1 / y^2 + 1/3` (its Laurent series has positive terms), that is
//! `1 / f(t)^2 >= 1 / t^2 + 4/3`. With `|t_1| <= 1/2` it follows that `|t_k| <= (4 + 4 (k - 1) / 3)^(-1/2)`, and the
//! integral bounds the sum: `sum_{k <= n} |t_k| <= 1/2 + 3/2 (sqrt(4 + 4 (n - 1) / 3) - 2)`.
//!
//! One step, in units of the unit roundoff `u` (2^-53, 2^-24; 1 ulp is at most 2 u of the value):
//! - f64: sine 0.97 ulp and cosine 0.88 ulp at worst ([`crate::numeric::trig`]), and the product: 4.7 u, 5 with the second
//!   order. The reference has the library's sine and cosine, each within 1 ulp, and the product: 5 u. Together 10 u.
//! - f32, on the processor: the first step is computed in f64 and rounded once. The others have a sine within 0.74 ulp, a cosine
//!   within 0.71 ulp of a value above 0.87, and the product: 3.3 u. WGSL may round either way and need not fuse, which
//!   doubles every part: 6.6 u, counted as 8. Its first step has an argument that was rounded once, at most pi/4: 1/2 u;
//!   and a sine within 0.89, a cosine within 1.2 ulp of a value above 0.7: 4.5 u, doubled 9 u, of at most 1/2. Counted
//!   as 10 u and 1/2 u more. Wherever a number is flushed to zero the smallest normal one is added, eight times a step.
//!
//! The sum of `m` values in any order: `(m - 1) u m |t_n|`, doubled in f32 for WGSL, and once more in f64 for the reference.

use crate::job::Precision;

/// Unit roundoff of f64.
const U: f64 = f64::EPSILON / 2.0;

/// Errors of the second order, and of the errors in the bounds on `|t_k|`.
const SECOND_ORDER: f64 = 1.0 + 1e-4;

/// The bound of one element after all iterations, and of the sum over elements.
pub(super) struct Bound {
    /// Of one element.
    element: f64,
    /// Of the sum of two elements.
    sum: f64,
}

/// The largest `|t_k|` that any element can have after `k >= 1` iterations.
pub(super) fn largest(k: u32) -> f64 {
    (4.0 + f64::from(k - 1) * 4.0 / 3.0).powf(-0.5)
}

impl Bound {
    pub(super) fn new(precision: Precision, iterations: u32) -> Self {
        let n = f64::from(iterations);
        let all = 0.5 + 1.5 * ((4.0 + (n - 1.0) * 4.0 / 3.0).sqrt() - 2.0);
        let (first, last) = (0.5, largest(iterations));
        let (element, sum) = match precision {
            Precision::F32 => {
                let u = f64::from(f32::EPSILON) / 2.0;
                let steps = 0.5 * u + 10.0 * u * first + 8.0 * u * (all - first);
                let flushed = 8.0 * n * f64::from(f32::MIN_POSITIVE);
                (steps + flushed + 5.0 * U * all, (2.0 * u + U) * last)
            }
            _ => (10.0 * U * all + 8.0 * n * f64::MIN_POSITIVE, 2.0 * U * last),
        };
        Self { element: element * SECOND_ORDER, sum: sum * SECOND_ORDER }
    }

    /// The bound of the sum of `m` elements.
    pub(super) fn of(&self, m: usize) -> f64 {
        let m = m as f64;
        m * self.element + m * (m - 1.0).max(0.0) * self.sum
    }
}
