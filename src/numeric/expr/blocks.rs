//! The CPU form: a program over blocks of values. Each step is one vector loop over a block that stays in the first-level
//! cache, so that reading the program costs little beside computing.

use bytemuck::Pod;

use super::{Op, Operand, Program, Step};
use crate::memory;
use crate::numeric::elementary::{self, Function};

/// Values of a block: 2 KiB of f64, so that the inputs, what is fetched ahead of them and some registers share a first-level
/// cache of 32 KiB. With twice as many a cheap expression over arrays in memory took 1.3 times as long.
pub const BLOCK: usize = 256;

/// A float that blocks are computed in. Functions are computed in f64 and rounded.
pub trait Real: Pod + PartialOrd + std::ops::Neg<Output = Self> {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Not a number.
    const NAN: Self;
    /// Rounded to this type.
    fn from_f64(value: f64) -> Self;
    /// Exactly this value.
    fn to_f64(self) -> f64;
    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The difference.
    fn minus(self, other: Self) -> Self;
    /// The product.
    fn times(self, other: Self) -> Self;
    /// The quotient.
    fn over(self, other: Self) -> Self;
    /// The square root.
    fn root(self) -> Self;
    /// Without its sign.
    fn magnitude(self) -> Self;
    /// The largest whole number that is not larger.
    fn floor(self) -> Self;
    /// The smallest whole number that is not smaller.
    fn ceil(self) -> Self;
}

macro_rules! real {
    ($float:ty) => {
        impl Real for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAN: Self = <$float>::NAN;
            #[inline(always)]
            #[allow(clippy::cast_possible_truncation, reason = "rounding is meant")]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn over(self, other: Self) -> Self {
                self / other
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn floor(self) -> Self {
                self.floor()
            }
            #[inline(always)]
            fn ceil(self) -> Self {
                self.ceil()
            }
        }
    };
}
real!(f32);
real!(f64);

/// A register, on cache lines of its own.
#[repr(align(64))]
struct Register<T>([T; BLOCK]);

/// A program with the registers that one thread needs for it.
pub struct Evaluator<'p, T> {
    program: &'p Program,
    registers: Vec<Box<Register<T>>>,
    /// Where a step writes while its operands are read.
    spare: Box<Register<T>>,
}

/// The inputs of the next block, fetched into the first-level cache a part at a time, between the steps of this one: fetched
/// all at once they would wait for each other, and not at all the steps would.
#[derive(Clone, Copy)]
pub struct Ahead<'a, T> {
    inputs: &'a [&'a [T]],
    parts: usize,
}

impl<T: Pod> Ahead<'_, T> {
    /// Begins to fetch part number `part`.
    #[inline(always)]
    pub fn fetch(self, part: usize) {
        for input in self.inputs {
            let each = input.len().div_ceil(self.parts);
            let end = input.len().min((part + 1) * each);
            memory::prefetch(&input[end.min(part * each)..end]);
        }
    }
}

/// The values of an operand in one block.
#[derive(Clone, Copy)]
enum Values<'a, T> {
    Each(&'a [T]),
    All(T),
}

impl<'p, T: Real> Evaluator<'p, T> {
    /// For `program`.
    #[must_use]
    pub fn new(program: &'p Program) -> Self {
        let register = || Box::new(Register([T::ZERO; BLOCK]));
        Self { program, registers: (0..program.registers).map(|_| register()).collect(), spare: register() }
    }

    /// `inputs` of the next block as they are fetched beside the steps of one, and in `more` parts after them.
    #[must_use]
    pub fn ahead<'a>(&self, inputs: &'a [&'a [T]], more: usize) -> Ahead<'a, T> {
        Ahead { inputs, parts: self.program.steps.len() + more }
    }

    /// The values at one block: `out[k]` from `variables[v][k]`. All slices have one length, at most [`BLOCK`]; of a
    /// variable that does not occur the slice may be empty. A part of `ahead` is fetched before each step.
    ///
    /// # Panics
    /// When a slice is too short or `out` too long.
    #[inline(always)]
    pub fn evaluate<const FMA: bool>(&mut self, variables: &[&[T]], out: &mut [T], ahead: Option<Ahead<'_, T>>) {
        let Self { program, registers, spare } = self;
        let n = out.len();
        assert!(n <= BLOCK, "a block has {BLOCK} values");
        let last = match program.result {
            Operand::Step(last) => last,
            Operand::Variable(variable) => return out.copy_from_slice(&variables[variable][..n]),
            Operand::Number(number) => return out.fill(T::from_f64(number)),
        };
        for (i, step) in program.steps.iter().enumerate() {
            if let Some(ahead) = ahead {
                ahead.fetch(i);
            }
            let values = |operand: Operand| match operand {
                Operand::Step(of) => Values::Each(&registers[program.steps[of].register].0[..n]),
                Operand::Variable(variable) => Values::Each(&variables[variable][..n]),
                Operand::Number(number) => Values::All(T::from_f64(number)),
            };
            if i == last {
                compute::<FMA, T>(step, values, out);
            } else {
                compute::<FMA, T>(step, values, &mut spare.0[..n]);
                std::mem::swap(spare, &mut registers[step.register]);
            }
        }
    }
}

/// One step over a block.
#[inline(always)]
fn compute<'a, const FMA: bool, T: Real>(step: &Step, values: impl Fn(Operand) -> Values<'a, T>, out: &mut [T]) {
    let a = values(step.of[0]);
    let b = || values(step.of[1]);
    let truth = |holds: bool| if holds { T::ONE } else { T::ZERO };
    match step.op {
        Op::Negate => unary(out, a, |a| -a),
        Op::Not => unary(out, a, |a| truth(a == T::ZERO)),
        Op::Add => binary(out, a, b(), T::plus),
        Op::Subtract => binary(out, a, b(), T::minus),
        Op::Multiply => binary(out, a, b(), T::times),
        Op::Divide => binary(out, a, b(), T::over),
        Op::Modulo => binary(out, a, b(), wide2(elementary::modulo)),
        Op::Power => power::<FMA, T>(out, a, b()),
        Op::Less => binary(out, a, b(), |a, b| truth(a < b)),
        Op::LessEqual => binary(out, a, b(), |a, b| truth(a <= b)),
        Op::Greater => binary(out, a, b(), |a, b| truth(a > b)),
        Op::GreaterEqual => binary(out, a, b(), |a, b| truth(a >= b)),
        Op::Equal => binary(out, a, b(), |a, b| truth(a == b)),
        Op::NotEqual => binary(out, a, b(), |a, b| truth(a != b)),
        Op::And => binary(out, a, b(), |a, b| truth((a != T::ZERO) & (b != T::ZERO))),
        Op::Or => binary(out, a, b(), |a, b| truth((a != T::ZERO) | (b != T::ZERO))),
        Op::Where => choose(out, a, b(), values(step.of[2])),
        // The sum is NaN where one of them is.
        Op::Min => binary(out, a, b(), |a, b| {
            if a < b {
                a
            } else if b <= a {
                b
            } else {
                a.plus(b)
            }
        }),
        Op::Max => binary(out, a, b(), |a, b| {
            if a > b {
                a
            } else if b >= a {
                b
            } else {
                a.plus(b)
            }
        }),
        Op::Abs => unary(out, a, T::magnitude),
        Op::Floor => unary(out, a, T::floor),
        Op::Ceil => unary(out, a, T::ceil),
        Op::Sqrt => unary(out, a, T::root),
        Op::Exp => function::<FMA, elementary::Exp, T>(out, a),
        Op::Expm1 => function::<FMA, elementary::Expm1, T>(out, a),
        Op::Log => function::<FMA, elementary::Log, T>(out, a),
        Op::Log1p => function::<FMA, elementary::Log1p, T>(out, a),
        Op::Log2 => function::<FMA, elementary::Log2, T>(out, a),
        Op::Log10 => function::<FMA, elementary::Log10, T>(out, a),
        Op::Sin => function::<FMA, elementary::Sin, T>(out, a),
        Op::Cos => function::<FMA, elementary::Cos, T>(out, a),
        Op::Tan => function::<FMA, elementary::Tan, T>(out, a),
        Op::Sinh => function::<FMA, elementary::Sinh, T>(out, a),
        Op::Cosh => function::<FMA, elementary::Cosh, T>(out, a),
        Op::Tanh => function::<FMA, elementary::Tanh, T>(out, a),
        Op::Arcsin => unary(out, a, wide(f64::asin)),
        Op::Arccos => unary(out, a, wide(f64::acos)),
        Op::Arctan => unary(out, a, wide(f64::atan)),
        Op::Arctan2 => binary(out, a, b(), wide2(f64::atan2)),
    }
}

/// A function of f64 as one of `T`.
#[inline(always)]
fn wide<T: Real>(f: impl Fn(f64) -> f64) -> impl Fn(T) -> T {
    move |a| T::from_f64(f(a.to_f64()))
}

/// The same of two numbers.
#[inline(always)]
fn wide2<T: Real>(f: impl Fn(f64, f64) -> f64) -> impl Fn(T, T) -> T {
    move |a, b| T::from_f64(f(a.to_f64(), b.to_f64()))
}

#[inline(always)]
fn unary<T: Real>(out: &mut [T], a: Values<'_, T>, f: impl Fn(T) -> T) {
    match a {
        Values::Each(a) => out.iter_mut().zip(a).for_each(|(out, a)| *out = f(*a)),
        Values::All(a) => out.fill(f(a)),
    }
}

#[inline(always)]
fn binary<T: Real>(out: &mut [T], a: Values<'_, T>, b: Values<'_, T>, f: impl Fn(T, T) -> T) {
    match (a, b) {
        (Values::Each(a), Values::Each(b)) => {
            out.iter_mut().zip(a).zip(b).for_each(|((out, a), b)| *out = f(*a, *b));
        }
        (Values::Each(a), Values::All(b)) => out.iter_mut().zip(a).for_each(|(out, a)| *out = f(*a, b)),
        (Values::All(a), Values::Each(b)) => out.iter_mut().zip(b).for_each(|(out, b)| *out = f(a, *b)),
        (Values::All(a), Values::All(b)) => out.fill(f(a, b)),
    }
}

#[inline(always)]
fn choose<T: Real>(out: &mut [T], condition: Values<'_, T>, a: Values<'_, T>, b: Values<'_, T>) {
    // One loop for each form of the two; a condition that is a number was decided when the program was made.
    let Values::Each(condition) = condition else { return };
    let pick = |c: T, a: T, b: T| if c != T::ZERO { a } else { b };
    match (a, b) {
        (Values::Each(a), Values::Each(b)) => {
            let each = out.iter_mut().zip(condition).zip(a).zip(b);
            each.for_each(|(((out, c), a), b)| *out = pick(*c, *a, *b));
        }
        (Values::Each(a), Values::All(b)) => {
            out.iter_mut().zip(condition).zip(a).for_each(|((out, c), a)| *out = pick(*c, *a, b));
        }
        (Values::All(a), Values::Each(b)) => {
            out.iter_mut().zip(condition).zip(b).for_each(|((out, c), b)| *out = pick(*c, a, *b));
        }
        (Values::All(a), Values::All(b)) => {
            out.iter_mut().zip(condition).for_each(|(out, c)| *out = pick(*c, a, b));
        }
    }
}

#[inline(always)]
fn power<const FMA: bool, T: Real>(out: &mut [T], a: Values<'_, T>, b: Values<'_, T>) {
    let n = out.len();
    match (a, b) {
        (Values::Each(a), Values::Each(b)) => {
            let (a, b) = (&a[..n], &b[..n]);
            elementary::map_power::<FMA, T>(out, |k| a[k].to_f64(), |k| b[k].to_f64(), T::from_f64);
        }
        (Values::Each(a), Values::All(b)) => {
            let (a, b) = (&a[..n], b.to_f64());
            elementary::map_power::<FMA, T>(out, |k| a[k].to_f64(), |_| b, T::from_f64);
        }
        (Values::All(a), Values::Each(b)) => {
            let (a, b) = (a.to_f64(), &b[..n]);
            elementary::map_power::<FMA, T>(out, |_| a, |k| b[k].to_f64(), T::from_f64);
        }
        (Values::All(a), Values::All(b)) => out.fill(T::from_f64(a.to_f64().powf(b.to_f64()))),
    }
}

#[inline(always)]
fn function<const FMA: bool, F: Function, T: Real>(out: &mut [T], a: Values<'_, T>) {
    match a {
        Values::Each(a) => elementary::map::<FMA, F, T>(out, a, T::to_f64, T::from_f64),
        Values::All(a) => out.fill(T::from_f64(F::slow(a.to_f64()))),
    }
}
