//! Tokens to a tree, by precedence climbing. Recursion is as deep as the text nests, which is limited.

use super::lex::{Lexer, Token};
use super::op::FUNCTIONS;
use super::{Expr, ExprError, MAX_DEPTH, MAX_NODES, MAX_TEXT, Node, Op};

/// Binary operators with their precedence; `**` stands apart since it binds to the right and tighter than a sign.
const BINARY: &[(&str, Op, u8)] = &[
    ("or", Op::Or, OR),
    ("||", Op::Or, OR),
    ("and", Op::And, AND),
    ("&&", Op::And, AND),
    ("<", Op::Less, COMPARE),
    ("<=", Op::LessEqual, COMPARE),
    (">", Op::Greater, COMPARE),
    (">=", Op::GreaterEqual, COMPARE),
    ("==", Op::Equal, COMPARE),
    ("!=", Op::NotEqual, COMPARE),
    ("|", Op::Or, BIT_OR),
    ("&", Op::And, BIT_AND),
    ("+", Op::Add, SUM),
    ("-", Op::Subtract, SUM),
    ("*", Op::Multiply, PRODUCT),
    ("/", Op::Divide, PRODUCT),
    ("%", Op::Modulo, PRODUCT),
];

const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARE: u8 = 4;
const BIT_OR: u8 = 5;
const BIT_AND: u8 = 6;
const SUM: u8 = 7;
const PRODUCT: u8 = 8;
const SIGN: u8 = 9;

/// Words of the language that no variable can be called.
pub const RESERVED: [&str; 3] = ["and", "or", "not"];

/// See [`Expr::parse`].
pub(super) fn parse(text: &str, names: &[&str]) -> Result<Expr, ExprError> {
    if text.len() > MAX_TEXT {
        let why = format!("the text is {} bytes long, {MAX_TEXT} are the limit", text.len());
        return Err(ExprError { column: MAX_TEXT + 1, why });
    }
    let mut lexer = Lexer::new(text);
    let (token, column) = lexer.next()?;
    let mut parser = Parser { lexer, token, column, names, nodes: Vec::new(), depth: 0 };
    if parser.token == Token::End {
        return Err(parser.error("there is no expression"));
    }
    let root = parser.binary(OR)?;
    if parser.token != Token::End {
        let before = parser.shown();
        return Err(parser.error(&format!("an operator is missing before {before}")));
    }
    debug_assert_eq!(root + 1, parser.nodes.len(), "the result is the last node");
    Ok(Expr { nodes: parser.nodes, names: names.iter().map(ToString::to_string).collect() })
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The token that comes next, and its column.
    token: Token<'t>,
    column: usize,
    names: &'t [&'t str],
    nodes: Vec<Node>,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn error(&self, why: &str) -> ExprError {
        ExprError { column: self.column, why: why.into() }
    }

    /// The next token, for a message.
    fn shown(&self) -> String {
        match &self.token {
            Token::Number(number) => format!("'{number}'"),
            Token::Name(name) => format!("'{name}'"),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::End => "the end".into(),
        }
    }

    fn advance(&mut self) -> Result<(), ExprError> {
        (self.token, self.column) = self.lexer.next()?;
        Ok(())
    }

    fn take(&mut self, symbol: &str) -> Result<bool, ExprError> {
        let found = self.token == Token::Symbol(lookup(symbol));
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn push(&mut self, node: Node) -> Result<usize, ExprError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(
                self.error(&format!("more than {MAX_NODES} numbers, variables and operations; use several runs"))
            );
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// The binary operator that comes next.
    fn operator(&self) -> Option<(Op, u8)> {
        let text = match self.token {
            Token::Symbol(symbol) => symbol,
            Token::Name(name) => name,
            _ => return None,
        };
        BINARY.iter().find(|(symbol, _, _)| *symbol == text).map(|(_, op, precedence)| (*op, *precedence))
    }

    /// An expression of operators that bind at least as tightly as `least`.
    fn binary(&mut self, least: u8) -> Result<usize, ExprError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(&format!("nested more than {MAX_DEPTH} deep")));
        }
        let mut left = self.unary()?;
        let mut compared = false;
        while let Some((op, precedence)) = self.operator().filter(|(_, precedence)| *precedence >= least) {
            if precedence == COMPARE && std::mem::replace(&mut compared, true) {
                return Err(self.error("comparisons do not chain; write (a < b) & (b < c)"));
            }
            compared &= precedence >= COMPARE;
            self.advance()?;
            let right = self.binary(precedence + 1)?;
            left = self.push(Node::Apply(op, [left, right, 0]))?;
        }
        if self.token == Token::Symbol("//") {
            return Err(self.error("there is no //; write floor(a / b)"));
        }
        if self.token == Token::Symbol("=") {
            return Err(self.error("one expression is computed, nothing is assigned; to compare write =="));
        }
        self.depth -= 1;
        Ok(left)
    }

    /// A sign or `not` and what it applies to, or a power.
    fn unary(&mut self) -> Result<usize, ExprError> {
        if self.token == Token::Name("not") || self.token == Token::Symbol("!") {
            let tight = self.token == Token::Symbol("!");
            self.advance()?;
            let of = self.binary(if tight { SIGN } else { NOT })?;
            return self.push(Node::Apply(Op::Not, [of, 0, 0]));
        }
        if self.take("+")? {
            return self.binary(SIGN);
        }
        if self.take("-")? {
            let of = self.binary(SIGN)?;
            return self.push(Node::Apply(Op::Negate, [of, 0, 0]));
        }
        if self.take("~")? {
            let of = self.binary(SIGN)?;
            return self.push(Node::Apply(Op::Not, [of, 0, 0]));
        }
        let base = self.primary()?;
        if self.take("**")? || self.take("^")? {
            // To the right, and a sign may stand there: 2**-1.
            let exponent = self.binary(SIGN)?;
            return self.push(Node::Apply(Op::Power, [base, exponent, 0]));
        }
        Ok(base)
    }

    /// A number, a variable, a constant, a call, or anything in parentheses.
    fn primary(&mut self) -> Result<usize, ExprError> {
        let column = self.column;
        match self.token {
            Token::Number(number) => {
                self.advance()?;
                self.push(Node::Number(number))
            }
            Token::Name(name) => {
                self.advance()?;
                if self.token == Token::Symbol("(") {
                    return self.call(name, column);
                }
                let constant = [("pi", std::f64::consts::PI), ("e", std::f64::consts::E)];
                if let Some(variable) = self.names.iter().position(|known| *known == name) {
                    self.push(Node::Variable(variable))
                } else if let Some((_, value)) = constant.into_iter().find(|(known, _)| *known == name) {
                    self.push(Node::Number(value))
                } else if FUNCTIONS.iter().any(|f| f.names.contains(&name)) {
                    Err(ExprError { column, why: format!("{name} is a function; write {name}(...)") })
                } else if RESERVED.contains(&name) {
                    Err(ExprError { column, why: format!("a value is missing before '{name}'") })
                } else {
                    Err(ExprError {
                        column,
                        why: format!("unknown name '{name}'; there are: {}", self.names.join(", ")),
                    })
                }
            }
            Token::Symbol("(") => {
                self.advance()?;
                let inner = self.binary(OR)?;
                self.close(column)?;
                Ok(inner)
            }
            _ => {
                let found = self.shown();
                Err(self.error(&format!("a number, a variable or a function is expected, not {found}")))
            }
        }
    }

    /// The parenthesis that closes the one in `column`.
    fn close(&mut self, column: usize) -> Result<(), ExprError> {
        if self.take(")")? {
            return Ok(());
        }
        let found = self.shown();
        Err(self.error(&format!("expected an operator or the ')' for the '(' in column {column}, not {found}")))
    }

    /// The arguments of the function `name`, which stands in `column`; its parenthesis comes next.
    fn call(&mut self, name: &str, column: usize) -> Result<usize, ExprError> {
        let Some(function) = FUNCTIONS.iter().find(|f| f.names.contains(&name)) else {
            let known: Vec<_> = FUNCTIONS.iter().map(|f| f.names[0]).collect();
            let why = match self.names.contains(&name) {
                true => format!("{name} is a variable and cannot be called; an operator may be missing"),
                false => format!("unknown function '{name}'; there are: {}", known.join(", ")),
            };
            return Err(ExprError { column, why });
        };
        let opened = self.column;
        self.advance()?;
        let (mut of, mut count) = ([0; 3], 0);
        if self.token != Token::Symbol(")") {
            loop {
                let argument = self.binary(OR)?;
                if let Some(slot) = of.get_mut(count) {
                    *slot = argument;
                }
                count += 1;
                if !self.take(",")? {
                    break;
                }
            }
        }
        self.close(opened)?;
        if count != function.arity {
            let takes = crate::units::plural("argument", function.arity as u64);
            let why = format!("{name} takes {} {takes}, here are {count}", function.arity);
            return Err(ExprError { column, why });
        }
        self.push(Node::Apply(function.op, of))
    }
}

/// The static text of a symbol.
fn lookup(symbol: &str) -> &'static str {
    ["+", "-", "~", "**", "^", "(", ")", ","].into_iter().find(|known| *known == symbol).unwrap_or("")
}
