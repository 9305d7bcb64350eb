//! How far rounding may take the sum of a block from the reference.
//!
//! # Derivation
//! `f(t) = sin t cos t = sin(2 t) / 2` has the derivative `cos 2 t`, and step `k` adds at most `c u |t_k|`, with `c u` the
//! relative error of one step. To first order the error of `t_n` is the sum over `k` of `c u |t_k|` times the derivatives of
//! the steps after it. Two inequalities for `0 < y < pi/2`:
//! - `cos y <= (sin y / y)^3` (Mitrinovic and Adamovic). With `y = 2 t_j` the derivative of a step is at most
//!   `(t_(j+1) / t_j)^3`, and those of all steps after `k` are together at most `(t_n / t_k)^3`;
//! - `1 / sin^2 y >= 1 / y^2 + 1/3` (its Laurent series has positive terms), that is `1 / f(t)^2 >= 1 / t^2 + 4/3`. So
//!   `1 / t_k^2 <= v - 4 (n - k) / 3` for `v = 1 / t_n^2`, and with `|t_1| <= 1/2`: `v >= 4 + 4 (n - 1) / 3`.
//!
//! The sum is then at most `c u |t_n|^3 sum_k 1 / t_k^2 <= c u n (v^(-1/2) - 2 (n - 1) / 3 v^(-3/2))`, which is largest at
//! `v = 2 (n - 1)`, or at the least `v` when that is more: `0.47 c u sqrt n` for large `n`. The second order: a derivative
//! is taken beside the exact `t_k` by at most the whole error `e`, which changes it by a share of
//! `2 e tan 2 |t_k| <= 8 e |t_k|`, all of them by a factor of at most `exp(8 e sum |t_k|)`. And no derivative is above 1, so
//! `c u sum |t_k|` bounds the error as well, to every order: the smaller of the two counts, with
//! `sum |t_k| <= 1/2 + 3/2 (sqrt(4 + 4 (n - 1) / 3) - 2)` from the integral.
//!
//! One step, in units of the unit roundoff `u` (2^-53, 2^-24; 1 ulp is at most 2 u of the value):
//! - f64: sine 0.97 ulp and cosine 0.88 ulp at worst ([`crate::numeric::trig`]), and the product: 4.7 u, 5 with the
//!   second order. The reference has the library's sine and cosine, each within 1 ulp, and the product: 5 u. Together 10 u.
//! - f32, on the processor: the first step is computed in f64 and rounded once. The others have a sine within 0.74 ulp, a
//!   cosine within 0.71 ulp of a value above 0.87, and the product: 3.3 u. WGSL may round either way and need not fuse,
//!   which doubles every part: 6.6 u, counted as 8. Its first step has an argument that was rounded once, at most pi/4:
//!   1/2 u; and a sine within 0.89, a cosine within 1.2 ulp of a value above 0.7: 4.5 u, doubled 9 u, of at most 1/2.
//!   Counted as 10 u and 1/2 u more, without what later steps take off. Wherever a number is flushed to zero the smallest
//!   normal one is added, eight times a step.
//!
//! The sum of `m` values in any order: `(m - 1) u m |t_n|`, doubled in f32 for WGSL, and once more in f64 for the reference.

use crate::job::Precision;

/// Unit roundoff of f64.
const U: f64 = f64::EPSILON / 2.0;

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
        let least = 4.0 + (n - 1.0) * 4.0 / 3.0;
        let v = least.max(2.0 * (n - 1.0));
        let damped = n * (v.powf(-0.5) - (n - 1.0) * 2.0 / 3.0 * v.powf(-1.5));
        let all = 0.5 + 1.5 * (least.sqrt() - 2.0);
        let steps = |relative: f64| (relative * damped * (8.0 * relative * damped * all).exp()).min(relative * all);
        let last = largest(iterations);
        let (element, sum) = match precision {
            Precision::F32 => {
                let u = f64::from(f32::EPSILON) / 2.0;
                // The first step: its argument's error, and what it errs by more than the others, of at most 1/2.
                let first = 0.5 * u + (10.0 - 8.0) * u * 0.5;
                let flushed = 8.0 * n * f64::from(f32::MIN_POSITIVE);
                (first + steps(8.0 * u + 5.0 * U) + flushed, (2.0 * u + U) * last)
            }
            _ => (steps(10.0 * U) + 8.0 * n * f64::MIN_POSITIVE, 2.0 * U * last),
        };
        Self { element, sum }
    }

    /// The bound of the sum of `m` elements.
    pub(super) fn of(&self, m: usize) -> f64 {
        let m = m as f64;
        m * self.element + m * (m - 1.0).max(0.0) * self.sum
    }
}
