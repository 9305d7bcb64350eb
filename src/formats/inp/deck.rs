//! A deck as keywords and data lines: comments and blank lines are dropped, letter case and blanks in keywords do not
//! count, a keyword line that ends in a comma goes on.

use crate::error::{Error, Result};
use crate::formats::source::Source;
use crate::formats::text::{Text, excerpt, finite, parse_u64};

use super::origins::Origins;

/// A keyword line: `*ELEMENT, TYPE=C3D8, ELSET=E1`.
#[derive(Debug, Clone)]
pub(super) struct Keyword {
    /// In capitals, without blanks and star: `SOLIDSECTION`.
    pub(super) name: String,
    parameters: Vec<(String, String)>,
    /// Byte offset of its line, for messages.
    pub(super) offset: usize,
}

impl Keyword {
    /// The value of a parameter as written (quotes removed), empty for a bare one.
    pub(super) fn get(&self, parameter: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| name == parameter).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter in capitals without blanks: `ENGINEERINGCONSTANTS`.
    pub(super) fn word(&self, parameter: &str) -> Option<String> {
        self.get(parameter).map(|value| capitals(value.as_bytes()))
    }
}

/// In capitals, without blanks.
fn capitals(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect()
}

/// A name for comparison: letter case does not count.
pub(super) fn label(name: &str) -> String {
    name.trim().trim_matches('"').to_ascii_uppercase()
}

/// A cursor over a deck.
pub(super) struct Deck<'a> {
    text: Text<'a>,
    origins: Origins,
}

impl<'a> Deck<'a> {
    /// At the start of a deck in one file.
    pub(super) fn new(source: &'a Source) -> Result<Self> {
        Self::of(source, Origins::default())
    }

    /// At the start of a deck whose lines come from several files.
    pub(super) fn of(source: &'a Source, origins: Origins) -> Result<Self> {
        Ok(Self { text: Text::new(source)?, origins })
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> usize {
        self.text.offset()
    }

    /// Goes to byte `offset`.
    pub(super) fn go_to(&mut self, offset: usize) {
        self.text.go_to(offset);
    }

    /// An error at the line that was read last.
    pub(super) fn error(&self, why: impl Into<String>) -> Error {
        self.error_at(self.text.mark(), why)
    }

    /// An error at the line of `offset`.
    pub(super) fn error_at(&self, offset: usize, why: impl Into<String>) -> Error {
        self.origins.error(self.text.source(), offset, why)
    }

    /// The next data line of this keyword; `None` before the next keyword or at the end.
    #[inline]
    pub(super) fn data(&mut self) -> Option<&'a [u8]> {
        loop {
            let before = self.text.clone();
            let line = self.text.line()?.trim_ascii();
            if line.first() == Some(&b'*') {
                if line.starts_with(b"**") {
                    continue;
                }
                self.text = before;
                return None;
            }
            if !line.is_empty() {
                return Some(line);
            }
        }
    }

    /// The next keyword; data lines before it are skipped. `None` at the end.
    pub(super) fn keyword(&mut self) -> Result<Option<Keyword>> {
        while self.data().is_some() {}
        let offset = self.text.offset();
        let Some(line) = self.text.line() else { return Ok(None) };
        let mut whole = line.trim_ascii().to_vec();
        while whole.ends_with(b",") {
            let Some(more) = self.data() else { break };
            whole.extend_from_slice(more);
        }
        let mut parts = split_unquoted(&whole[1..]);
        let name = capitals(parts.next().unwrap_or_default());
        if name.is_empty() {
            return Err(self.error_at(offset, format!("a keyword without a name: {}", excerpt(&whole))));
        }
        let parameters = parts
            .filter(|part| !part.trim_ascii().is_empty())
            .map(|part| {
                let (key, value) = match part.iter().position(|&b| b == b'=') {
                    Some(at) => (&part[..at], &part[at + 1..]),
                    None => (part, &[][..]),
                };
                (capitals(key), String::from_utf8_lossy(value).trim().trim_matches('"').to_string())
            })
            .collect();
        Ok(Some(Keyword { name, parameters, offset }))
    }

    /// All numbers of the data lines up to the next keyword, line after line; empty fields are `None`.
    pub(super) fn numbers(&mut self, what: &str) -> Result<Vec<Vec<Option<f64>>>> {
        let mut lines = Vec::new();
        while let Some(line) = self.data() {
            let mut values = Vec::new();
            for field in fields(line) {
                values.push(if field.is_empty() { None } else { Some(self.number(field, what)?) });
            }
            while values.last() == Some(&None) {
                values.pop();
            }
            lines.push(values);
        }
        Ok(lines)
    }

    /// A finite number.
    #[inline]
    pub(super) fn number(&self, field: &[u8], what: &str) -> Result<f64> {
        finite(field, what).map_err(|why| self.error(why))
    }

    /// A node or element number.
    #[inline]
    pub(super) fn id(&self, field: &[u8], what: &str) -> Result<u64> {
        parse_u64(field).ok_or_else(|| self.error(format!("{what} is not a positive integer: {}", excerpt(field))))
    }
}

/// The comma-separated fields of a data line, without blanks around them.
#[inline]
pub(super) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

fn split_unquoted(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    line.split(move |&b| {
        quoted ^= b == b'"';
        b == b',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_ignore_case_blanks_comments_and_line_ends() {
        let source = Source::from_bytes(
            "a.inp",
            b"** head\r\n*Solid  Section, ElSet = \"a, b\",\r\n** between\r\n material=Steel , nolabel\r\n1., ,\r\n\r\n** c\r\n2\r\n*END"
                .to_vec(),
        );
        let mut deck = Deck::new(&source).unwrap();
        let keyword = deck.keyword().unwrap().unwrap();
        assert_eq!(keyword.name, "SOLIDSECTION");
        assert_eq!(keyword.get("ELSET"), Some("a, b"));
        assert_eq!(keyword.get("MATERIAL"), Some("Steel"));
        assert_eq!(keyword.get("NOLABEL"), Some(""));
        assert_eq!(deck.numbers("x").unwrap(), vec![vec![Some(1.0)], vec![Some(2.0)]]);
        assert_eq!(deck.keyword().unwrap().unwrap().name, "END");
        assert!(deck.keyword().unwrap().is_none());
    }
}
