//! Text to tokens, each with the column where it begins.

use super::ExprError;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'t> {
    Number(f64),
    Name(&'t str),
    /// An operator, a parenthesis or a comma.
    Symbol(&'static str),
    End,
}

/// Longest first, so that `**` is not two `*`.
const SYMBOLS: [&str; 24] = [
    "**", "<=", ">=", "==", "!=", "&&", "||", "//", "+", "-", "*", "/", "%", "^", "<", ">", "&", "|", "~", "!", "=",
    "(", ")", ",",
];

pub(super) struct Lexer<'t> {
    text: &'t str,
    /// Byte offset of what was not read yet.
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The column of a byte offset, counted in characters from 1.
    fn column(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }

    /// The next token and its column.
    pub(super) fn next(&mut self) -> Result<(Token<'t>, usize), ExprError> {
        let rest = &self.text[self.at..];
        let rest = rest.trim_start();
        self.at = self.text.len() - rest.len();
        let column = self.column(self.at);
        let Some(first) = rest.chars().next() else { return Ok((Token::End, column)) };
        let fail = |why: String| Err(ExprError { column, why });
        if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            let length = number_length(rest.as_bytes());
            let digits: String = rest[..length].chars().filter(|c| *c != '_').collect();
            self.at += length;
            return match digits.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok((Token::Number(number), column)),
                Ok(_) => fail(format!("{} is beyond the range of a float64", &rest[..length])),
                Err(_) => fail(format!("'{}' is not a number", &rest[..length])),
            };
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            self.at += length;
            return Ok((Token::Name(&rest[..length]), column));
        }
        match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => {
                self.at += symbol.len();
                Ok((Token::Symbol(symbol), column))
            }
            None => fail(format!("'{}' has no meaning here", first.escape_debug())),
        }
    }
}

/// Bytes of the number that `text` begins with: `12`, `1_000.5`, `.5`, `1.`, `2e-3`.
fn number_length(text: &[u8]) -> usize {
    let digits = |from: usize| text[from..].iter().take_while(|b| b.is_ascii_digit() || **b == b'_').count();
    let mut at = digits(0);
    if text.get(at) == Some(&b'.') {
        at += 1 + digits(at + 1);
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}
