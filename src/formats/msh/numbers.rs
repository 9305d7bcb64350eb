//! The numbers of a section, one after the other, as text or as bytes of either order.

use crate::error::{Error, Place, Result};
use crate::formats::text::{self, Text, excerpt};

/// How a file writes the numbers of its sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Words.
    Ascii,
    /// Bytes in little-endian order.
    Little,
    /// Bytes in big-endian order.
    Big,
}

/// A cursor that gives numbers.
pub(super) struct Numbers<'a> {
    /// The cursor, for the lines between the numbers.
    pub(super) text: Text<'a>,
    /// How numbers are written.
    pub(super) encoding: Encoding,
}

impl<'a> Numbers<'a> {
    /// An error here: the line of the last word, or the byte.
    pub(super) fn error(&self, why: impl Into<String>) -> Error {
        match self.encoding {
            Encoding::Ascii => self.text.error(why),
            _ => self.text.source().error(Place::Byte(self.text.offset() as u64), why),
        }
    }

    #[cold]
    fn ends(&self, what: &str) -> Error {
        self.error(format!("the file ends where {what} should stand; it is cut short"))
    }

    #[inline]
    fn word(&mut self, what: &str) -> Result<&'a [u8]> {
        match self.text.word() {
            Some(word) => Ok(word),
            None => Err(self.ends(what)),
        }
    }

    #[inline]
    fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let Some((bytes, _)) = self.text.rest().split_first_chunk::<N>() else { return Err(self.ends(what)) };
        let mut bytes = *bytes;
        self.text.skip(N);
        if self.encoding == Encoding::Big {
            bytes.reverse();
        }
        Ok(bytes)
    }

    /// A C `int`.
    #[inline]
    pub(super) fn int(&mut self, what: &str) -> Result<i64> {
        if self.encoding != Encoding::Ascii {
            return Ok(i64::from(i32::from_le_bytes(self.bytes(what)?)));
        }
        let word = self.word(what)?;
        text::parse_i64(word).ok_or_else(|| self.error(format!("{what} is not an integer: {}", excerpt(word))))
    }

    /// A C `int` that numbers or counts something.
    #[inline]
    pub(super) fn positive_int(&mut self, what: &str) -> Result<u64> {
        let value = self.int(what)?;
        u64::try_from(value).map_err(|_| self.error(format!("{what} is negative: {value}")))
    }

    /// A C `size_t`.
    #[inline]
    pub(super) fn size(&mut self, what: &str) -> Result<u64> {
        if self.encoding != Encoding::Ascii {
            return Ok(u64::from_le_bytes(self.bytes(what)?));
        }
        let word = self.word(what)?;
        text::parse_u64(word)
            .ok_or_else(|| self.error(format!("{what} is not a non-negative integer: {}", excerpt(word))))
    }

    /// A C `double`, finite.
    #[inline]
    pub(super) fn double(&mut self, what: &str) -> Result<f64> {
        self.any_double(what)?
    }

    /// A C `double`; of one that is not finite the error that it is where it must be.
    #[inline]
    pub(super) fn any_double(&mut self, what: &str) -> Result<Result<f64>> {
        if self.encoding != Encoding::Ascii {
            let value = f64::from_le_bytes(self.bytes(what)?);
            return Ok(if value.is_finite() {
                Ok(value)
            } else {
                Err(self.error(format!("{what} is not finite: {value}")))
            });
        }
        let word = self.word(what)?;
        match text::finite(word, what) {
            Ok(value) => Ok(Ok(value)),
            Err(why) if text::parse_f64(word).is_some() => Ok(Err(self.error(why))),
            Err(why) => Err(self.error(why)),
        }
    }

    /// Goes past a C `double` that nothing depends on, whatever its value: Gmsh leaves some unset.
    #[inline]
    pub(super) fn skip_double(&mut self, what: &str) -> Result<()> {
        match self.encoding {
            Encoding::Ascii => match self.word(what)? {
                word @ [b'$', ..] => Err(self.error(format!("{what} is not a number: {}", excerpt(word)))),
                _ => Ok(()),
            },
            _ => self.bytes::<8>(what).map(drop),
        }
    }

    /// `count` as a number of records that the rest of the file can hold, each of at least `ascii` or `binary` bytes.
    pub(super) fn count(&self, count: u64, ascii: u64, binary: u64, what: &str) -> Result<usize> {
        let each = if self.encoding == Encoding::Ascii { ascii } else { binary };
        let left = self.text.rest().len() as u64;
        if count.checked_mul(each).is_none_or(|needed| needed > left) {
            return Err(self
                .error(format!("{count} {what} are declared, but only {left} bytes are left; the file is cut short")));
        }
        Ok(count as usize)
    }

    /// The line `$End<section>`.
    pub(super) fn end(&mut self, section: &str) -> Result<()> {
        let found = self.text.word().unwrap_or_default();
        match found.strip_prefix(b"$End") {
            Some(name) if name == section.as_bytes() => {
                self.text.line();
                Ok(())
            }
            _ if found.is_empty() => {
                Err(self.text.error(format!("section ${section} is not closed; the file is cut short")))
            }
            _ => Err(self.error(format!(
                "expected $End{section}, found {}; the section holds more than its header declares",
                excerpt(found)
            ))),
        }
    }
}
