//! Expressions over real variables, as NumPy and NumExpr users write them: `sqrt(x*x + y*y) * 0.5`.
//!
//! ```text
//! text -> parse -> Expr (a tree) -> evaluate, in f64: the reference
//!                                -> Program (each value once, constants folded)
//!                                     -> blocks (vector code), wgsl (text), interval (the error bound)
//! ```
//!
//! The language: numbers (`0.5`, `1e6`, `1_000_000`), variables, `pi` and `e`, and from the loosest to the tightest
//! ```text
//! or   and   not   < <= > >= == !=   |   &   + -   * / %   unary - + ~   ** (or ^)
//! ```
//! as in Python: `-x**2` is `-(x**2)`, `2**3**2` is `2**(3**2)`, `2**-1` is `0.5`, and `x % y` has the sign of `y`. All
//! values are numbers; a comparison gives 1 or 0, and `and`, `or`, `not` (or `&`, `|`, `~`) take what is not 0 as true.
//! Both branches of `where(c, a, b)` are computed. Chained comparisons are refused, since NumPy does not have them.

use std::fmt;

mod blocks;
mod interval;
mod lex;
mod op;
mod parse;
mod precise;
mod program;
mod tree;
mod wgsl;

pub use blocks::{BLOCK, Evaluator, Real};
pub use interval::{Arithmetic, Interval, POWER_ULPS, ulps};
pub use op::{FUNCTIONS, Function, Op};
pub use parse::RESERVED;
pub use program::{Operand, Program, Step};
pub use wgsl::FUNCTIONS_WGSL;

#[cfg(test)]
mod tests;

/// The most values (numbers, variables and operations) of an expression.
pub const MAX_NODES: usize = 1000;

/// The deepest nesting of parentheses, calls and signs.
pub const MAX_DEPTH: usize = 100;

/// The longest text, in bytes.
pub const MAX_TEXT: usize = 16 << 10;

/// A value of an [`Expr`]: where it comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// A number: of the text, not negative and finite, or one that a variable was fixed to.
    Number(f64),
    /// The variable with this index.
    Variable(usize),
    /// An operation on earlier nodes; only the first [`Op::arity`] count.
    Apply(Op, [usize; 3]),
}

/// A parsed expression: nodes in an order in which operands come first; the last one is the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    nodes: Vec<Node>,
    names: Vec<String>,
}

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expression, column {column}: {why}")]
pub struct ExprError {
    /// The character that the error is about, counted from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub why: String,
}

impl Expr {
    /// Parses `text`; its variables are `names`, which may hide `pi` and `e`.
    ///
    /// # Errors
    /// [`ExprError`] with the column of the first thing that is wrong. No text makes it panic, recurse without bound or
    /// take memory without bound.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, ExprError> {
        parse::parse(text, names)
    }

    /// Its nodes, operands first, the result last.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The names of the variables, as [`Expr::parse`] was given them.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether the variable with this index occurs.
    #[must_use]
    pub fn uses(&self, variable: usize) -> bool {
        self.nodes.contains(&Node::Variable(variable))
    }

    /// The value at `variables`, node by node in f64: the reference. `space` is cleared and used.
    #[must_use]
    pub fn evaluate(&self, variables: &[f64], space: &mut Vec<f64>) -> f64 {
        tree::evaluate(self, variables, space)
    }

    /// Makes the variable `name` the number `value`, in all its places.
    pub fn fix(&mut self, name: &str, value: f64) {
        if let Some(variable) = self.names.iter().position(|known| known == name) {
            for node in self.nodes.iter_mut().filter(|node| **node == Node::Variable(variable)) {
                *node = Node::Number(value);
            }
        }
    }

    /// Numbers the variables as in `names`.
    ///
    /// # Panics
    /// When a variable that occurs is not among them.
    pub fn rename(&mut self, names: &[String]) {
        for node in &mut self.nodes {
            if let Node::Variable(variable) = node {
                let name = &self.names[*variable];
                *variable = names.iter().position(|known| known == name).expect("a variable that occurs stays");
            }
        }
        self.names = names.to_vec();
    }

    fn write(&self, node: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nodes[node] {
            Node::Number(number) => write!(f, "{number:?}"),
            Node::Variable(variable) => f.write_str(&self.names[variable]),
            Node::Apply(op, of) => match (op.symbol(), op.arity()) {
                (Some(symbol), 1) => {
                    write!(f, "({symbol}")?;
                    self.write(of[0], f)?;
                    f.write_str(")")
                }
                (Some(symbol), _) => {
                    f.write_str("(")?;
                    self.write(of[0], f)?;
                    write!(f, " {symbol} ")?;
                    self.write(of[1], f)?;
                    f.write_str(")")
                }
                (None, arity) => {
                    write!(f, "{}(", op.name())?;
                    for (i, operand) in of[..arity].iter().enumerate() {
                        f.write_str(if i > 0 { ", " } else { "" })?;
                        self.write(*operand, f)?;
                    }
                    f.write_str(")")
                }
            },
        }
    }
}

/// With every operation in parentheses; it parses back to the same tree.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An expression has at most MAX_NODES nodes, which bounds the recursion.
        self.write(self.nodes.len() - 1, f)
    }
}
