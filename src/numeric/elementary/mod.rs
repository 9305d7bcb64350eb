//! Elementary functions as straight-line code that compilers turn into vector loops.
//!
//! Each function has a range inside which fused multiply-adds give it in a few dozen instructions without a branch; outside
//! of it, and where multiply-add is not one instruction, the standard library's function is called. Which of the two a
//! value gets depends on the value alone, so that a result does not depend on its neighbours.
//!
//! Where the errors come from, in units in the last place of f64:
//!
//! | function | error | known by |
//! |---|---|---|
//! | sine, cosine | 1 | the bound that `numeric::trig` derives, whose functions they are everywhere |
//! | powers | 2 | the bound that `power.rs` derives |
//! | the other fast forms | 1 to 4, said at each | measured: the tests compare thousands of points with double-double arithmetic |
//! | the standard library's | 4 | assumed: no platform promises a figure, glibc's manual lists at most 3 for those used here |
//!
//! So [`ULPS`] is no proof for all of them. What a run relies on it for is checked in the run: `map` compares a sample of its
//! results with an evaluation in 31 digits.

mod exponential;
mod logarithm;
mod power;
mod trigonometric;

pub use exponential::{Cosh, Exp, Expm1, Sinh, Tanh};
pub use logarithm::{Log, Log1p, Log2, Log10};
pub use trigonometric::{Cos, Sin, Tan};

#[cfg(test)]
mod tests;

/// The largest error of any function here, in units in the last place of f64: derived, measured or assumed, as the table
/// above says.
pub const ULPS: f64 = 4.0;

/// A function of one number in both forms.
pub trait Function {
    /// Whether the fast form holds at `x`. NaN is never inside.
    fn inside(x: f64) -> bool;

    /// The function at an `x` that is inside, for code in which multiply-add is one instruction.
    fn fast(x: f64) -> f64;

    /// The function at any `x`, from the standard library.
    fn slow(x: f64) -> f64;
}

/// The function at `x`: fast where that holds and multiply-add is one instruction.
#[inline(always)]
#[must_use]
pub fn at<const FMA: bool, F: Function>(x: f64) -> f64 {
    if FMA && F::inside(x) { F::fast(x) } else { F::slow(x) }
}

/// Values that are looked at together: when all of them are inside, one loop without a branch.
const GROUP: usize = 64;

/// `out[k] = F(x[k])` for all `k`, in f64: `wide` and `narrow` go there and back.
#[inline(always)]
pub fn map<const FMA: bool, F: Function, T: Copy>(
    out: &mut [T],
    x: &[T],
    wide: impl Fn(T) -> f64,
    narrow: impl Fn(f64) -> T,
) {
    if !FMA {
        for (out, x) in out.iter_mut().zip(x) {
            *out = narrow(F::slow(wide(*x)));
        }
        return;
    }
    for (out, x) in out.chunks_mut(GROUP).zip(x.chunks(GROUP)) {
        if x.iter().fold(true, |all, x| all & F::inside(wide(*x))) {
            for (out, x) in out.iter_mut().zip(x) {
                *out = narrow(F::fast(wide(*x)));
            }
        } else {
            for (out, x) in out.iter_mut().zip(x) {
                *out = narrow(at::<FMA, F>(wide(*x)));
            }
        }
    }
}

/// `x^y`, within 1.5 units in the last place where the fast form holds, else the standard library's.
#[inline(always)]
#[must_use]
pub fn power<const FMA: bool>(x: f64, y: f64) -> f64 {
    if FMA && power::inside(x, y) { power::fast(x, y) } else { x.powf(y) }
}

/// `out[k] = x(k)^y(k)`.
#[inline(always)]
pub fn map_power<const FMA: bool, T: Copy>(
    out: &mut [T],
    x: impl Fn(usize) -> f64,
    y: impl Fn(usize) -> f64,
    narrow: impl Fn(f64) -> T,
) {
    for (group, out) in out.chunks_mut(GROUP).enumerate() {
        let start = group * GROUP;
        if FMA && (start..start + out.len()).fold(true, |all, k| all & power::inside(x(k), y(k))) {
            for (k, out) in (start..).zip(out) {
                *out = narrow(power::fast(x(k), y(k)));
            }
        } else {
            for (k, out) in (start..).zip(out) {
                *out = narrow(power::<FMA>(x(k), y(k)));
            }
        }
    }
}

/// `a` modulo `b` as Python has it: the rest of the division to the next lower whole number, with the sign of `b`.
#[inline(always)]
#[must_use]
pub fn modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}
