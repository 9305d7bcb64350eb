//! An expression in pairs of f64, about 31 digits, with functions of its own: the independent check.

use super::{Expr, Node, Op};
use crate::numeric::pair::Pair;

impl Expr {
    /// The value at `variables` to about 28 digits where nothing cancels; NaN where it has none, where an operand on the
    /// way is infinite, or where the reduction of an angle above 10^9 would lose digits.
    #[must_use]
    pub fn evaluate_precisely(&self, variables: &[f64]) -> Pair {
        let mut values: Vec<Pair> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            values.push(match *node {
                Node::Number(number) => number.into(),
                Node::Variable(variable) => variables[variable].into(),
                Node::Apply(op, of) => apply(op, of.map(|operand| values.get(operand).copied().unwrap_or(Pair::ZERO))),
            });
        }
        values.pop().expect("an expression has a node")
    }
}

fn apply(op: Op, [a, b, c]: [Pair; 3]) -> Pair {
    let truth = |holds: bool| if holds { Pair::ONE } else { Pair::ZERO };
    let half = || Pair::from(0.5);
    // What is not known stays so, through comparisons too; pairs have no arithmetic of infinite numbers.
    let used = if op == Op::Where { 1 } else { op.arity() };
    if [a, b, c][..used].iter().any(|operand| !operand.high.is_finite()) {
        return Pair::NAN;
    }
    match op {
        Op::Negate => -a,
        Op::Not => truth(a == Pair::ZERO),
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide => a / b,
        // A pair no longer holds the rest of a larger quotient.
        Op::Modulo if (a / b).high.abs() > 1e15 => Pair::NAN,
        Op::Modulo => a - (a / b).floor() * b,
        Op::Power => a.powf(b),
        Op::Less => truth(a < b),
        Op::LessEqual => truth(a <= b),
        Op::Greater => truth(a > b),
        Op::GreaterEqual => truth(a >= b),
        Op::Equal => truth(a == b),
        Op::NotEqual => truth(a != b),
        Op::And => truth(a != Pair::ZERO && b != Pair::ZERO),
        Op::Or => truth(a != Pair::ZERO || b != Pair::ZERO),
        Op::Where if a != Pair::ZERO => b,
        Op::Where => c,
        Op::Min if b < a => b,
        Op::Max if b > a => b,
        Op::Min | Op::Max => a,
        Op::Abs => a.abs(),
        Op::Floor => a.floor(),
        Op::Ceil => -(-a).floor(),
        Op::Sqrt => a.sqrt(),
        Op::Exp => a.exp(),
        Op::Expm1 => a.exp_m1(),
        Op::Log => a.ln(),
        Op::Log1p => a.ln_1p(),
        Op::Log2 => a.log2(),
        Op::Log10 => a.log10(),
        Op::Sin => a.sin_cos()[0],
        Op::Cos => a.sin_cos()[1],
        Op::Tan => {
            let [sine, cosine] = a.sin_cos();
            sine / cosine
        }
        Op::Arcsin => a.atan2(((Pair::ONE - a) * (Pair::ONE + a)).sqrt()),
        Op::Arccos => ((Pair::ONE - a) * (Pair::ONE + a)).sqrt().atan2(a),
        Op::Arctan => a.atan2(Pair::ONE),
        Op::Arctan2 => a.atan2(b),
        Op::Sinh => {
            // With t = e^|a| - 1 nothing cancels.
            let t = a.abs().exp_m1();
            let sinh = (t + t / (t + Pair::ONE)) * half();
            if a.high < 0.0 { -sinh } else { sinh }
        }
        Op::Cosh => (a.exp() + (-a).exp()) * half(),
        Op::Tanh => {
            let t = (a.abs() * 2.0.into()).exp_m1();
            let tanh = if t.high.is_infinite() { Pair::ONE } else { t / (t + 2.0.into()) };
            if a.high < 0.0 { -tanh } else { tanh }
        }
    }
}
