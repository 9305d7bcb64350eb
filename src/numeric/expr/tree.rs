//! The reference: an expression node by node in f64, with the standard library's functions. Shares no code with the
//! other forms.

use super::{Expr, Node, Op};

/// See [`Expr::evaluate`]. `values` is space for the nodes' values, cleared first.
pub(super) fn evaluate(expr: &Expr, variables: &[f64], values: &mut Vec<f64>) -> f64 {
    values.clear();
    for node in &expr.nodes {
        values.push(match *node {
            Node::Number(number) => number,
            Node::Variable(variable) => variables[variable],
            Node::Apply(op, of) => apply(op, of.map(|operand| values.get(operand).copied().unwrap_or(0.0))),
        });
    }
    values.last().copied().expect("an expression has a node")
}

/// One operation in f64; only the first [`Op::arity`] operands count.
pub(super) fn apply(op: Op, [a, b, c]: [f64; 3]) -> f64 {
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    match op {
        Op::Negate => -a,
        Op::Not => truth(a == 0.0),
        Op::Add => a + b,
        Op::Subtract => a - b,
        Op::Multiply => a * b,
        Op::Divide => a / b,
        Op::Modulo => {
            // Python's: the sign of the divisor.
            let rest = a % b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        }
        Op::Power => a.powf(b),
        Op::Less => truth(a < b),
        Op::LessEqual => truth(a <= b),
        Op::Greater => truth(a > b),
        Op::GreaterEqual => truth(a >= b),
        Op::Equal => truth(a == b),
        Op::NotEqual => truth(a != b),
        Op::And => truth(a != 0.0 && b != 0.0),
        Op::Or => truth(a != 0.0 || b != 0.0),
        Op::Where => {
            if a != 0.0 {
                b
            } else {
                c
            }
        }
        // NaN wins, as NumPy's minimum and maximum have it.
        Op::Min | Op::Max if a.is_nan() || b.is_nan() => f64::NAN,
        Op::Min => a.min(b),
        Op::Max => a.max(b),
        Op::Abs => a.abs(),
        Op::Floor => a.floor(),
        Op::Ceil => a.ceil(),
        Op::Sqrt => a.sqrt(),
        Op::Exp => a.exp(),
        Op::Expm1 => a.exp_m1(),
        Op::Log => a.ln(),
        Op::Log1p => a.ln_1p(),
        Op::Log2 => a.log2(),
        Op::Log10 => a.log10(),
        Op::Sin => a.sin(),
        Op::Cos => a.cos(),
        Op::Tan => a.tan(),
        Op::Arcsin => a.asin(),
        Op::Arccos => a.acos(),
        Op::Arctan => a.atan(),
        Op::Arctan2 => a.atan2(b),
        Op::Sinh => a.sinh(),
        Op::Cosh => a.cosh(),
        Op::Tanh => a.tanh(),
    }
}
