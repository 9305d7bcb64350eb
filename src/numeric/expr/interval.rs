//! The error bound: for given variables, an interval that holds whatever a program may compute from them, in a given
//! arithmetic, in blocks or on a device.
//!
//! Every step's interval holds the exact result for all operands within theirs, widened by the step's own error, which
//! [`ulps`] states. So what an error is multiplied with on its way, a division by nearly zero or a difference of nearly
//! equal numbers, is found where it happens and not assumed; and where a comparison or a `floor` may go either way, both
//! ways are in the interval. Fused multiply-adds round less and stay within it.

use super::{Op, Operand, Program, Step, tree};
use crate::numeric::elementary::ULPS;

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// Blocks in f64.
    Double,
    /// Blocks in f32 or WGSL, whichever is worse; variables and numbers are rounded to f32 first.
    Single,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// If it is a number, at least this.
    pub low: f64,
    /// If it is a number, at most this.
    pub high: f64,
    /// Whether it may be no number: `0 / 0`, the root of what rounding made negative, the sine of what became infinite.
    pub nan: bool,
}

/// All numbers, or none.
const ANYTHING: Interval = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY, nan: true };

impl Interval {
    fn point(x: f64) -> Self {
        Self::new(x, x)
    }

    /// From `low` to `high`; what has an end that is no number may be anything.
    fn new(low: f64, high: f64) -> Self {
        if low.is_nan() || high.is_nan() { ANYTHING } else { Self { low, high, nan: false } }
    }

    fn around(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high), nan: self.nan || other.nan }
    }

    fn holds(self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    fn is_bounded(self) -> bool {
        self.low > f64::NEG_INFINITY && self.high < f64::INFINITY
    }

    /// The largest distance of `x` from any number in the interval; infinite when that has no limit.
    #[must_use]
    pub fn distance(self, x: f64) -> f64 {
        if x.is_nan() { f64::INFINITY } else { (self.high - x).max(x - self.low) }
    }
}

/// The largest error of `op` itself, in units in the last place of its result.
///
/// f64: sums, products, quotients and roots are rounded once; functions are taken to be within [`ULPS`], of which
/// [`crate::numeric::elementary`] says what is derived, measured and assumed. f32: WGSL allows a quotient 2.5
/// units and a root, as `1 / inverseSqrt(x)`, 4.5; the functions are those of `shaders/common/elementary.wgsl`, which
/// says where its figures come from. A power `a**b` adds to its figure what
/// [`POWER_ULPS`] says.
#[must_use]
pub fn ulps(op: Op, arithmetic: Arithmetic) -> f64 {
    match (op, arithmetic) {
        (Op::Add | Op::Subtract | Op::Multiply, _) | (Op::Divide | Op::Sqrt | Op::Modulo, Arithmetic::Double) => 0.5,
        (
            Op::Negate | Op::Not | Op::Where | Op::Min | Op::Max | Op::Abs | Op::Floor | Op::Ceil | Op::And | Op::Or,
            _,
        )
        | (Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual | Op::Equal | Op::NotEqual, _) => 0.0,
        (_, Arithmetic::Double) => ULPS,
        (Op::Divide, Arithmetic::Single) => 2.5,
        (Op::Sqrt, Arithmetic::Single) => 4.5,
        (Op::Modulo, Arithmetic::Single) => 2.0,
        (Op::Exp | Op::Log | Op::Log1p | Op::Sin | Op::Cos | Op::Expm1, Arithmetic::Single) => 4.0,
        (Op::Log2 | Op::Log10, Arithmetic::Single) => 6.0,
        (Op::Arctan | Op::Arctan2, Arithmetic::Single) => 8.0,
        (Op::Tan | Op::Cosh | Op::Power, Arithmetic::Single) => 12.0,
        (Op::Sinh | Op::Tanh | Op::Arcsin | Op::Arccos, Arithmetic::Single) => 16.0,
    }
}

/// What the error of `a**b` in WGSL grows by, in units in the last place, for each unit of `|b ln a|`: the relative error
/// of the logarithm and of its product.
pub const POWER_ULPS: f64 = 4.0;

impl Arithmetic {
    /// A unit in the last place of 1.
    fn epsilon(self) -> f64 {
        match self {
            Self::Double => f64::EPSILON,
            Self::Single => f64::from(f32::EPSILON),
        }
    }

    /// What a result that underflows may be off by: devices may flush to zero.
    fn least(self) -> f64 {
        match self {
            Self::Double => 8.0 * f64::from_bits(1),
            Self::Single => f64::from(f32::MIN_POSITIVE),
        }
    }

    fn largest(self) -> f64 {
        match self {
            Self::Double => f64::MAX,
            Self::Single => f64::from(f32::MAX),
        }
    }

    /// What a variable is once the kernel has it.
    fn variable(self, x: f64) -> Interval {
        match self {
            Self::Double => Interval::point(x),
            Self::Single => {
                let rounded = f64::from(x as f32);
                // A device may take a number below the normal ones for zero.
                if rounded.abs() < self.least() {
                    Interval::new(rounded.min(0.0), rounded.max(0.0))
                } else {
                    Interval::point(rounded)
                }
            }
        }
    }

    /// A number of the expression, which may be a folded one: what it is, or what it is rounded to.
    fn number(self, x: f64) -> Interval {
        self.variable(x).around(Interval::point(x))
    }

    /// The interval with the error of one operation: `ulps` of it, beside what computing the interval itself was off by.
    fn widened(self, of: Interval, ulps: f64) -> Interval {
        let relative = ulps * self.epsilon() + 8.0 * f64::EPSILON;
        let pad = |x: f64| x.abs() * relative + self.least();
        // Rounding does not change a sign.
        let low = if of.low >= 0.0 { (of.low - pad(of.low)).max(0.0) } else { of.low - pad(of.low) };
        let high = if of.high <= 0.0 { (of.high + pad(of.high)).min(0.0) } else { of.high + pad(of.high) };
        // What is too large becomes infinite, or the largest number.
        let largest = self.largest();
        let low = if low < -largest { f64::NEG_INFINITY } else { low.min(largest) };
        let high = if high > largest { f64::INFINITY } else { high.max(-largest) };
        Interval { low, high, nan: of.nan }
    }
}

impl Program {
    /// What the program may compute at `variables`. `space` is cleared and used.
    #[must_use]
    pub fn enclose(&self, variables: &[f64], arithmetic: Arithmetic, space: &mut Vec<Interval>) -> Interval {
        space.clear();
        let value = |operand: Operand, space: &[Interval]| match operand {
            Operand::Step(step) => space[step],
            Operand::Variable(variable) => arithmetic.variable(variables[variable]),
            Operand::Number(number) => arithmetic.number(number),
        };
        for step in &self.steps {
            let mut of = [Interval::point(0.0); 3];
            for (slot, operand) in of.iter_mut().zip(&step.of[..step.op.arity()]) {
                *slot = value(*operand, space);
            }
            space.push(enclose(step, of, arithmetic));
        }
        value(self.result, space)
    }
}

/// One step.
fn enclose(step: &Step, [a, b, c]: [Interval; 3], arithmetic: Arithmetic) -> Interval {
    let op = step.op;
    let used = &[a, b, c][..op.arity()];
    // Only the branch that is taken counts.
    if op == Op::Where {
        return match truth(a) {
            Some(true) => b,
            Some(false) => c,
            None => b.around(c),
        };
    }
    let own = ulps(op, arithmetic);
    let exact = match op {
        Op::Negate => Interval::new(-a.high, -a.low),
        Op::Not => decided(truth(a).map(|holds| !holds)),
        Op::Add => Interval::new(a.low + b.low, a.high + b.high),
        Op::Subtract => Interval::new(a.low - b.high, a.high - b.low),
        Op::Multiply if step.of[0] == step.of[1] => square(a),
        Op::Multiply => corners(a, b, times),
        Op::Divide if b.holds(0.0) => ANYTHING,
        Op::Divide => corners(a, b, |a, b| a / b),
        Op::Modulo => modulo(a, b, arithmetic),
        Op::Power => power(a, b, arithmetic),
        Op::Less => decided(less(a, b)),
        Op::Greater => decided(less(b, a)),
        Op::LessEqual => decided(less(b, a).map(|holds| !holds)),
        Op::GreaterEqual => decided(less(a, b).map(|holds| !holds)),
        Op::Equal => decided(equal(a, b)),
        Op::NotEqual => decided(equal(a, b).map(|same| !same)),
        Op::And => decided(match (truth(a), truth(b)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }),
        Op::Or => decided(match (truth(a), truth(b)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        }),
        // Either operand may win over one that is no number.
        Op::Min | Op::Max if a.nan || b.nan => a.around(b),
        Op::Min => Interval::new(a.low.min(b.low), a.high.min(b.high)),
        Op::Max => Interval::new(a.low.max(b.low), a.high.max(b.high)),
        Op::Abs | Op::Cosh => {
            let (low, high) = (a.low.abs(), a.high.abs());
            let least = if a.holds(0.0) { 0.0 } else { low.min(high) };
            let of = |x: f64| tree::apply(op, [x, 0.0, 0.0]);
            Interval::new(of(least), of(low.max(high)))
        }
        Op::Sin => wave(a, f64::sin, f64::cos),
        Op::Cos => wave(a, f64::cos, f64::sin),
        Op::Tan => {
            // Between two poles it rises.
            let period = |x: f64| (x / std::f64::consts::PI + 0.5).floor();
            let (low, high) = (a.low.tan(), a.high.tan());
            // Where it falls, rounding put the pole on the wrong side of an end.
            if period(a.low) == period(a.high) && low <= high { Interval::new(low, high) } else { ANYTHING }
        }
        Op::Arccos => Interval::new(a.high.min(1.0).acos(), a.low.max(-1.0).acos()),
        Op::Arctan2 => {
            const PI: f64 = std::f64::consts::PI;
            // Around the origin and across the cut it may be anything.
            if a.holds(0.0) && b.low <= 0.0 { Interval::new(-PI, PI) } else { corners(a, b, f64::atan2) }
        }
        // Of an argument that may be outside of the domain, the part inside counts.
        Op::Sqrt => rising(op, Interval::new(a.low.max(0.0), a.high)),
        Op::Log | Op::Log2 | Op::Log10 => rising(op, Interval::new(a.low.max(0.0), a.high)),
        Op::Log1p => rising(op, Interval::new(a.low.max(-1.0), a.high)),
        Op::Arcsin => rising(op, Interval::new(a.low.max(-1.0), a.high.min(1.0))),
        Op::Floor | Op::Ceil | Op::Exp | Op::Expm1 | Op::Arctan | Op::Sinh | Op::Tanh => rising(op, a),
        Op::Where => unreachable!("handled above"),
    };
    let rounded = match op {
        Op::Modulo | Op::Power => exact, // have their own way
        _ if own == 0.0 => exact,
        _ => arithmetic.widened(exact, own),
    };
    Interval { nan: may_be_nan(op, used, exact), ..rounded }
}

/// Whether `op` may give no number. Comparisons and conditions always give one; the others pass on what is none, and are
/// not trusted with infinite numbers.
fn may_be_nan(op: Op, of: &[Interval], exact: Interval) -> bool {
    let passed_on = of.iter().any(|operand| operand.nan);
    let infinite = of.iter().any(|operand| !operand.is_bounded());
    match op {
        Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual | Op::Equal | Op::NotEqual => false,
        Op::And | Op::Or | Op::Not => false,
        Op::Negate | Op::Abs | Op::Min | Op::Max => passed_on,
        Op::Sqrt | Op::Log | Op::Log2 | Op::Log10 => passed_on || infinite || of[0].low < 0.0,
        Op::Log1p => passed_on || infinite || of[0].low < -1.0,
        Op::Arcsin | Op::Arccos => passed_on || infinite || of[0].low < -1.0 || of[0].high > 1.0,
        _ => passed_on || infinite || exact.nan,
    }
}

/// A function that nowhere falls.
fn rising(op: Op, a: Interval) -> Interval {
    let of = |x: f64| tree::apply(op, [x, 0.0, 0.0]);
    Interval::new(of(a.low), of(a.high))
}

/// The extremes of a function that has them at the corners.
fn corners(a: Interval, b: Interval, f: impl Fn(f64, f64) -> f64) -> Interval {
    let all = [f(a.low, b.low), f(a.low, b.high), f(a.high, b.low), f(a.high, b.high)];
    let low = all.into_iter().fold(f64::INFINITY, f64::min);
    let high = all.into_iter().fold(f64::NEG_INFINITY, f64::max);
    if all.iter().any(|x| x.is_nan()) { ANYTHING } else { Interval::new(low, high) }
}

/// A product in which nothing of anything is nothing: an infinite end stands for large numbers.
fn times(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}

fn square(a: Interval) -> Interval {
    let (low, high) = (a.low * a.low, a.high * a.high);
    Interval::new(if a.holds(0.0) { 0.0 } else { low.min(high) }, low.max(high))
}

/// Sine or cosine, with its derivative up to sign: the value in the middle, and as far as the steepest slope can lead.
fn wave(a: Interval, f: fn(f64) -> f64, slope: fn(f64) -> f64) -> Interval {
    let (middle, reach) = (a.low / 2.0 + a.high / 2.0, a.high / 2.0 - a.low / 2.0);
    if reach >= 4.0 || !middle.is_finite() {
        return Interval::new(-1.0, 1.0);
    }
    let off = reach * (slope(middle).abs() + reach).min(1.0);
    Interval::new((f(middle) - off).max(-1.0), (f(middle) + off).min(1.0))
}

/// Whether a condition holds; `None` when that cannot be told.
fn truth(a: Interval) -> Option<bool> {
    match a {
        Interval { nan: true, .. } => None,
        Interval { low: 0.0, high: 0.0, .. } => Some(false),
        _ if a.holds(0.0) => None,
        _ => Some(true),
    }
}

fn less(a: Interval, b: Interval) -> Option<bool> {
    if a.nan || b.nan {
        None
    } else if a.high < b.low {
        Some(true)
    } else if a.low >= b.high {
        Some(false)
    } else {
        None
    }
}

fn equal(a: Interval, b: Interval) -> Option<bool> {
    if a.nan || b.nan {
        None
    } else if a.low == a.high && b.low == b.high && a.low == b.low {
        Some(true)
    } else if a.high < b.low || b.high < a.low {
        Some(false)
    } else {
        None
    }
}

fn decided(holds: Option<bool>) -> Interval {
    match holds {
        Some(true) => Interval::point(1.0),
        Some(false) => Interval::point(0.0),
        None => Interval::new(0.0, 1.0),
    }
}

/// Python's rest of a division. In f64 it is exact but for one rounding; in WGSL it is `a - b floor(a / b)`.
fn modulo(a: Interval, b: Interval, arithmetic: Arithmetic) -> Interval {
    if b.holds(0.0) || !(a.low.is_finite() && a.high.is_finite()) {
        return ANYTHING;
    }
    let quotient = corners(a, b, |a, b| a / b);
    let quotient = match arithmetic {
        Arithmetic::Double => quotient,
        Arithmetic::Single => arithmetic.widened(quotient, ulps(Op::Divide, arithmetic)),
    };
    let (first, last) = (quotient.low.floor(), quotient.high.floor());
    let size = a.low.abs().max(a.high.abs());
    let rounding = match arithmetic {
        Arithmetic::Double => 0.0,
        Arithmetic::Single => ulps(Op::Modulo, arithmetic) * arithmetic.epsilon() * size + arithmetic.least(),
    };
    let exact = if first == last && (first.abs() < 9e15 || a.low == a.high && b.low == b.high) {
        if a.low == a.high && b.low == b.high {
            Interval::point(tree::apply(Op::Modulo, [a.low, b.low, 0.0]))
        } else {
            let off = corners(b, Interval::point(first), times);
            Interval::new(a.low - off.high, a.high - off.low)
        }
    } else {
        // Either side of a jump.
        Interval::new(b.low.min(0.0), b.high.max(0.0))
    };
    let low = exact.low - rounding - (exact.low.abs() + b.low.abs()) * 2.0 * f64::EPSILON;
    let high = exact.high + rounding + (exact.high.abs() + b.high.abs()) * 2.0 * f64::EPSILON;
    arithmetic.widened(Interval::new(low, high), 0.5)
}

/// `a**b`.
fn power(a: Interval, b: Interval, arithmetic: Arithmetic) -> Interval {
    let own = |exact: Interval| {
        let grown = match arithmetic {
            Arithmetic::Double => 0.0,
            Arithmetic::Single => {
                let size = |x: f64| x.abs().max(f64::MIN_POSITIVE).ln().abs();
                let base =
                    if a.holds(0.0) { size(a.low).max(size(a.high)).max(88.0) } else { size(a.low).max(size(a.high)) };
                // Results beyond the range of f32 are 0 or infinite, however inexact.
                POWER_ULPS * (base * b.low.abs().max(b.high.abs())).min(104.0)
            }
        };
        arithmetic.widened(exact, ulps(Op::Power, arithmetic) + grown)
    };
    let whole = b.low == b.high && b.low.fract() == 0.0;
    if whole && a.low < 0.0 {
        let n = b.low;
        if n < 0.0 && a.holds(0.0) {
            return ANYTHING;
        }
        let ends = [a.low.powf(n), a.high.powf(n)];
        let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let even = n % 2.0 == 0.0;
        return own(Interval::new(if even && a.holds(0.0) { 0.0 } else { low }, high));
    }
    if a.low < 0.0 && b.low != b.high && a.high <= 0.0 {
        return ANYTHING;
    }
    // Of a base that may be outside of the domain, the part inside counts.
    let inside = Interval::new(a.low.max(0.0), a.high);
    if inside.high < 0.0 || (inside.low == 0.0 && b.low < 0.0) {
        return ANYTHING;
    }
    Interval { nan: a.low < 0.0, ..own(corners(inside, b, f64::powf)) }
}
