//! The operations: names, number of operands, what they cost.

/// An operation on one, two or three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it; `FUNCTIONS` describes those that are called by name")]
pub enum Op {
    Negate,
    Not,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    Or,
    Where,
    Min,
    Max,
    Abs,
    Floor,
    Ceil,
    Sqrt,
    Exp,
    Expm1,
    Log,
    Log1p,
    Log2,
    Log10,
    Sin,
    Cos,
    Tan,
    Arcsin,
    Arccos,
    Arctan,
    Arctan2,
    Sinh,
    Cosh,
    Tanh,
}

/// An operation that is called by name.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// The operation.
    pub op: Op,
    /// Its names, NumPy's first.
    pub names: &'static [&'static str],
    /// Number of operands.
    pub arity: usize,
}

const fn function(op: Op, names: &'static [&'static str], arity: usize) -> Function {
    Function { op, names, arity }
}

/// Every function, by the names that NumPy, NumExpr and C give it.
pub const FUNCTIONS: &[Function] = &[
    function(Op::Where, &["where"], 3),
    function(Op::Min, &["minimum", "min"], 2),
    function(Op::Max, &["maximum", "max"], 2),
    function(Op::Power, &["power", "pow"], 2),
    function(Op::Abs, &["abs", "fabs", "absolute"], 1),
    function(Op::Floor, &["floor"], 1),
    function(Op::Ceil, &["ceil"], 1),
    function(Op::Sqrt, &["sqrt"], 1),
    function(Op::Exp, &["exp"], 1),
    function(Op::Expm1, &["expm1"], 1),
    function(Op::Log, &["log", "ln"], 1),
    function(Op::Log1p, &["log1p"], 1),
    function(Op::Log2, &["log2"], 1),
    function(Op::Log10, &["log10"], 1),
    function(Op::Sin, &["sin"], 1),
    function(Op::Cos, &["cos"], 1),
    function(Op::Tan, &["tan"], 1),
    function(Op::Arcsin, &["arcsin", "asin"], 1),
    function(Op::Arccos, &["arccos", "acos"], 1),
    function(Op::Arctan, &["arctan", "atan"], 1),
    function(Op::Arctan2, &["arctan2", "atan2"], 2),
    function(Op::Sinh, &["sinh"], 1),
    function(Op::Cosh, &["cosh"], 1),
    function(Op::Tanh, &["tanh"], 1),
];

impl Op {
    /// Number of operands.
    #[must_use]
    pub fn arity(self) -> usize {
        match self {
            Op::Negate | Op::Not => 1,
            _ => FUNCTIONS.iter().find(|f| f.op == self).map_or(2, |f| f.arity),
        }
    }

    /// How it is written between (or before) its operands; `None` for one that is called by name.
    #[must_use]
    pub fn symbol(self) -> Option<&'static str> {
        Some(match self {
            Op::Negate => "-",
            Op::Not => "~",
            Op::Add => "+",
            Op::Subtract => "-",
            Op::Multiply => "*",
            Op::Divide => "/",
            Op::Modulo => "%",
            Op::Power => "**",
            Op::Less => "<",
            Op::LessEqual => "<=",
            Op::Greater => ">",
            Op::GreaterEqual => ">=",
            Op::Equal => "==",
            Op::NotEqual => "!=",
            Op::And => "&",
            Op::Or => "|",
            _ => return None,
        })
    }

    /// The name it is called by; its symbol when it has none.
    #[must_use]
    pub fn name(self) -> &'static str {
        let called = FUNCTIONS.iter().find(|f| f.op == self).map(|f| f.names[0]);
        called.or(self.symbol()).unwrap_or("?")
    }

    /// Whether the operands may change places.
    pub(super) fn commutes(self) -> bool {
        matches!(self, Op::Add | Op::Multiply | Op::Min | Op::Max | Op::Equal | Op::NotEqual | Op::And | Op::Or)
    }

    /// Floating-point operations, about: what the cost model counts.
    #[must_use]
    pub fn flops(self) -> f64 {
        match self {
            Op::Exp | Op::Log | Op::Log2 | Op::Log10 | Op::Sin | Op::Cos => 20.0,
            Op::Expm1 | Op::Log1p | Op::Tan | Op::Arctan | Op::Sinh | Op::Cosh | Op::Tanh => 40.0,
            Op::Power | Op::Arctan2 | Op::Arcsin | Op::Arccos => 60.0,
            Op::Modulo => 5.0,
            _ => 1.0,
        }
    }
}
