//! What the text readers share: a cursor over lines and words that knows its place, and numbers as old programs write
//! them.

use crate::error::{Error, Place, Result};
use crate::formats::source::Source;

/// A cursor over the bytes of a text file. Lines end in LF or CRLF. The line number is only counted when an error asks
/// for it.
#[derive(Debug, Clone)]
pub(crate) struct Text<'a> {
    source: &'a Source,
    bytes: &'a [u8],
    at: usize,
    /// Where the last line or word began: the place that errors name.
    mark: usize,
}

impl<'a> Text<'a> {
    /// A cursor at the first byte; a UTF-8 byte order mark is skipped.
    ///
    /// # Errors
    /// [`Error::Input`] for UTF-16.
    pub(crate) fn new(source: &'a Source) -> Result<Self> {
        let bytes = source.bytes();
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(source.error(Place::Whole, "is UTF-16 text; save it as UTF-8 or ASCII"));
        }
        let at = if bytes.starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
        Ok(Self { source, bytes, at, mark: at })
    }

    /// The file.
    pub(crate) fn source(&self) -> &'a Source {
        self.source
    }

    /// Offset of the next byte.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Goes to byte `offset`.
    pub(crate) fn go_to(&mut self, offset: usize) {
        self.at = offset.min(self.bytes.len());
    }

    /// Where the last line or word began.
    pub(crate) fn mark(&self) -> usize {
        self.mark
    }

    /// The bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Goes `n` bytes on, at most to the end.
    pub(crate) fn skip(&mut self, n: usize) {
        self.at = self.at.saturating_add(n).min(self.bytes.len());
    }

    /// The next line without its end; `None` at the end of the file.
    pub(crate) fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        self.mark = self.at;
        if rest.is_empty() {
            return None;
        }
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at = (self.at + length + 1).min(self.bytes.len());
        let line = &rest[..length];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The next word, over line ends; `None` at the end of the file.
    #[inline]
    pub(crate) fn word(&mut self) -> Option<&'a [u8]> {
        let bytes = self.bytes;
        let mut start = self.at;
        while start < bytes.len() && bytes[start] <= b' ' {
            start += 1;
        }
        let mut end = start;
        while end < bytes.len() && bytes[end] > b' ' {
            end += 1;
        }
        self.mark = start;
        self.at = end;
        (end > start).then(|| &bytes[start..end])
    }

    /// An error at the line where the last line or word began.
    pub(crate) fn error(&self, why: impl Into<String>) -> Error {
        self.error_at(self.mark, why)
    }

    /// An error at the line that holds byte `offset`.
    pub(crate) fn error_at(&self, offset: usize, why: impl Into<String>) -> Error {
        let before = &self.bytes[..offset.min(self.bytes.len())];
        let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
        self.source.error(Place::Line(line), why)
    }
}

/// A decimal number; the exponent may be marked by Fortran's `D`. `None` for anything else, infinity for an overflow.
#[inline]
pub(crate) fn parse_f64(word: &[u8]) -> Option<f64> {
    if let Ok(value) = fast_float2::parse::<f64, _>(word) {
        return Some(value);
    }
    let place = word.iter().position(|b| matches!(b, b'd' | b'D'))?;
    let mut copy = [0u8; 64];
    let copy = copy.get_mut(..word.len())?;
    copy.copy_from_slice(word);
    copy[place] = b'e';
    fast_float2::parse::<f64, _>(&*copy).ok()
}

/// A finite decimal number, or what is wrong with `word`.
#[inline]
pub(crate) fn finite(word: &[u8], what: &str) -> Result<f64, String> {
    match parse_f64(word) {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(format!("{what} is not finite: {}", excerpt(word))),
        None => Err(format!("{what} is not a number: {}", excerpt(word))),
    }
}

/// An unsigned integer without sign; `None` when it is something else or exceeds 64 bits.
#[inline]
pub(crate) fn parse_u64(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for &byte in word {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// A signed integer; `None` when it is something else or exceeds 64 bits.
#[inline]
pub(crate) fn parse_i64(word: &[u8]) -> Option<i64> {
    match word.split_first() {
        Some((b'-', digits)) => 0i64.checked_sub_unsigned(parse_u64(digits)?),
        Some((b'+', digits)) => parse_u64(digits)?.try_into().ok(),
        _ => parse_u64(word)?.try_into().ok(),
    }
}

/// `bytes` in quotes for a message: at most 40 characters, nothing unprintable.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(160)]);
    let mut text: String = shown.chars().take(40).map(|c| if c.is_control() { '?' } else { c }).collect();
    if shown.chars().count() > 40 {
        text.push_str("...");
    }
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_words_know_their_place() {
        let source = Source::from_bytes("a.txt", b"\xef\xbb\xbfone two\r\n\r\n three".to_vec());
        let mut text = Text::new(&source).unwrap();
        assert_eq!(text.line(), Some(&b"one two"[..]));
        assert_eq!(text.line(), Some(&b""[..]));
        assert_eq!(text.word(), Some(&b"three"[..]));
        assert_eq!(text.error("no").to_string(), "a.txt:3: no");
        assert_eq!((text.word(), text.line()), (None, None));
        assert!(Text::new(&Source::from_bytes("a", vec![0xff, 0xfe, 0, 0])).is_err());
    }

    #[test]
    fn numbers_as_old_programs_write_them() {
        assert_eq!(parse_f64(b"1.5D-3"), Some(1.5e-3));
        assert_eq!(parse_f64(b"-2d0"), Some(-2.0));
        assert_eq!(parse_f64(b"1e999"), Some(f64::INFINITY));
        assert_eq!(parse_f64(b"1."), Some(1.0));
        assert_eq!(parse_f64(b"1.5x"), None);
        assert_eq!(parse_f64(b""), None);
        assert_eq!(parse_f64(b"d"), None);
        assert_eq!(parse_f64(&[b'd'; 100]), None);
        assert_eq!(finite(b"nan", "x").unwrap_err(), "x is not finite: `nan`");
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"-1"), None);
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_i64(b"9223372036854775808"), None);
        assert_eq!(parse_i64(b"+7"), Some(7));
    }

    #[test]
    fn an_excerpt_is_short_and_printable() {
        assert_eq!(excerpt(b"a\x07b"), "`a?b`");
        assert_eq!(excerpt(&[b'x'; 100]).len(), 45);
    }
}
