//! An expression as a list of steps: constants folded, every value computed once, small powers multiplied out, and a
//! register for each value that is still needed. What blocks, WGSL and the error bound all work from.

use std::collections::HashMap;

use super::{Expr, Node, Op, tree};

/// Where an operand comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand {
    /// The result of this step.
    Step(usize),
    /// The variable with this index.
    Variable(usize),
    /// A number.
    Number(f64),
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// What is computed.
    pub op: Op,
    /// From what; only the first [`Op::arity`] count.
    pub of: [Operand; 3],
    /// Where a block evaluator keeps the result until its last use; it may be that of an operand that nobody needs any
    /// more.
    pub register: usize,
}

/// The steps of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// In order. Every step but the last is used by a later one.
    pub steps: Vec<Step>,
    /// What the expression is: usually the last step.
    pub result: Operand,
    /// How many registers the steps share.
    pub registers: usize,
}

/// Whole powers up to this one are products, as NumPy users write `x**2` for `x*x`: at most six of them.
const LARGEST_PRODUCT: i32 = 16;

impl Program {
    /// Of `expr`.
    #[must_use]
    pub fn new(expr: &Expr) -> Self {
        Self::build(expr, true)
    }

    /// Of `expr` with what is made of numbers alone left as steps: the error bound of this one counts how far those are
    /// from exact, as a comparison with exact arithmetic must.
    #[must_use]
    pub fn unfolded(expr: &Expr) -> Self {
        Self::build(expr, false)
    }

    fn build(expr: &Expr, fold: bool) -> Self {
        let mut builder = Builder { fold, ..Builder::default() };
        let mut values: Vec<Operand> = Vec::with_capacity(expr.nodes().len());
        for node in expr.nodes() {
            values.push(match *node {
                Node::Number(number) => Operand::Number(number),
                Node::Variable(variable) => Operand::Variable(variable),
                Node::Apply(op, of) => {
                    let mut operands = [Operand::Number(0.0); 3];
                    for (operand, node) in operands.iter_mut().zip(&of[..op.arity()]) {
                        *operand = values[*node];
                    }
                    builder.apply(op, operands)
                }
            });
        }
        let result = values.pop().expect("an expression has a node");
        finish(builder.steps, result)
    }

    /// Floating-point operations of one evaluation, about.
    #[must_use]
    pub fn flops(&self) -> f64 {
        self.steps.iter().map(|step| step.op.flops()).sum()
    }

    /// Whether a step, or the result, reads the variable with this index.
    #[must_use]
    pub fn uses(&self, variable: usize) -> bool {
        self.operands().any(|operand| *operand == Operand::Variable(variable))
    }

    fn operands(&self) -> impl Iterator<Item = &Operand> + '_ {
        self.steps.iter().flat_map(|step| &step.of[..step.op.arity()]).chain([&self.result])
    }

    /// Every number that occurs.
    pub fn numbers(&self) -> impl Iterator<Item = f64> + '_ {
        self.operands().filter_map(|operand| match operand {
            Operand::Number(number) => Some(*number),
            _ => None,
        })
    }
}

/// An operand as a key: equal keys are equal values. Zero and minus zero differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Step(usize),
    Variable(usize),
    Number(u64),
}

fn key(operand: Operand) -> Key {
    match operand {
        Operand::Step(step) => Key::Step(step),
        Operand::Variable(variable) => Key::Variable(variable),
        Operand::Number(number) => Key::Number(number.to_bits()),
    }
}

#[derive(Default)]
struct Builder {
    fold: bool,
    steps: Vec<Step>,
    known: HashMap<(Op, [Key; 3]), usize>,
}

impl Builder {
    /// `op` of `of`: folded, simplified, or a step that may be there already.
    fn apply(&mut self, op: Op, of: [Operand; 3]) -> Operand {
        let mut numbers = [0.0; 3];
        let constant = of[..op.arity()].iter().zip(&mut numbers).all(|(operand, slot)| match operand {
            Operand::Number(number) => {
                *slot = *number;
                true
            }
            _ => false,
        });
        if constant && self.fold {
            return Operand::Number(tree::apply(op, numbers));
        }
        match (op, of) {
            (Op::Power, [base, Operand::Number(exponent), _]) => self.power(base, exponent),
            (Op::Where, [Operand::Number(condition), a, b]) => {
                if condition != 0.0 {
                    a
                } else {
                    b
                }
            }
            _ => self.step(op, of),
        }
    }

    fn step(&mut self, op: Op, of: [Operand; 3]) -> Operand {
        let mut keys = of.map(key);
        if op.commutes() {
            keys[..2].sort_unstable();
        }
        let next = self.steps.len();
        let step = *self.known.entry((op, keys)).or_insert(next);
        if step == next {
            self.steps.push(Step { op, of, register: 0 });
        }
        Operand::Step(step)
    }

    /// `base ** exponent` for a number that is known.
    fn power(&mut self, base: Operand, exponent: f64) -> Operand {
        const NONE: Operand = Operand::Number(0.0);
        if exponent == 0.5 {
            return self.step(Op::Sqrt, [base, NONE, NONE]);
        }
        if exponent == 0.0 {
            return Operand::Number(1.0);
        }
        if exponent.fract() != 0.0 || exponent.abs() > f64::from(LARGEST_PRODUCT) {
            return self.step(Op::Power, [base, Operand::Number(exponent), NONE]);
        }
        // By squares, from the lowest bit.
        let (mut left, mut square, mut product) = (exponent.abs() as u32, base, None);
        loop {
            if left & 1 == 1 {
                product = Some(match product {
                    Some(product) => self.step(Op::Multiply, [product, square, NONE]),
                    None => square,
                });
            }
            left >>= 1;
            if left == 0 {
                break;
            }
            square = self.step(Op::Multiply, [square, square, NONE]);
        }
        let product = product.expect("the exponent is not 0");
        if exponent < 0.0 { self.step(Op::Divide, [Operand::Number(1.0), product, NONE]) } else { product }
    }
}

/// Leaves out steps that nobody needs and gives registers to the others.
fn finish(steps: Vec<Step>, result: Operand) -> Program {
    // From the back: a step is needed when the result or a needed step uses it.
    let mut needed = vec![false; steps.len()];
    let mark = |operand: &Operand, needed: &mut Vec<bool>| {
        if let Operand::Step(step) = operand {
            needed[*step] = true;
        }
    };
    mark(&result, &mut needed);
    for (i, step) in steps.iter().enumerate().rev() {
        if needed[i] {
            step.of[..step.op.arity()].iter().for_each(|operand| mark(operand, &mut needed));
        }
    }
    let mut place = vec![0; steps.len()];
    let mut kept: Vec<Step> = Vec::new();
    let moved = |operand: Operand, place: &[usize]| match operand {
        Operand::Step(step) => Operand::Step(place[step]),
        other => other,
    };
    for (i, step) in steps.into_iter().enumerate().filter(|(i, _)| needed[*i]) {
        place[i] = kept.len();
        kept.push(Step { of: step.of.map(|operand| moved(operand, &place)), ..step });
    }
    let result = moved(result, &place);
    let mut last_use = vec![usize::MAX; kept.len()];
    for (i, step) in kept.iter().enumerate() {
        for operand in &step.of[..step.op.arity()] {
            if let Operand::Step(of) = operand {
                last_use[*of] = i;
            }
        }
    }
    let (mut free, mut registers): (Vec<usize>, usize) = (Vec::new(), 0);
    for i in 0..kept.len() {
        let step = kept[i];
        let mut done: Vec<usize> = Vec::new();
        for operand in &step.of[..step.op.arity()] {
            if let Operand::Step(of) = operand
                && last_use[*of] == i
                && !done.contains(of)
            {
                done.push(*of);
                free.push(kept[*of].register);
            }
        }
        kept[i].register = free.pop().unwrap_or_else(|| {
            registers += 1;
            registers - 1
        });
    }
    Program { steps: kept, result, registers }
}
