//! Numbers as text, separated by white space, into the bytes of a [`NumberType`].

use rayon::prelude::*;

use super::numbers::NumberType;
use super::source::Source;
use crate::error::{Error, Place, Result};

/// Text that one task parses: about 1 ms of work.
const TASK: usize = 256 << 10;

/// Values as little-endian bytes, and where in the text the parser stopped.
#[derive(Debug)]
pub struct Parsed {
    /// `number.size()` bytes per value.
    pub bytes: Vec<u8>,
    /// One past the last byte of text that was read.
    pub end: usize,
}

/// A word that is not a number of the type that was asked for.
#[derive(Debug)]
struct Wrong {
    start: usize,
    end: usize,
}

/// Reads at most `limit` values from `text`. `nan` and `inf` are read as such: refusing them is up to the conversion,
/// which can say where they belong.
///
/// # Errors
/// [`Error::Input`] with the line of a word that is not a number, or not one of this type.
pub fn numbers(source: &Source, text: &[u8], number: NumberType, limit: usize) -> Result<Parsed> {
    parse(text, number, limit).map_err(|wrong| refuse(source, text, number, &wrong))
}

/// Reads all values of `text`, in parallel when it is long.
///
/// # Errors
/// As [`numbers`].
pub fn all_numbers(source: &Source, text: &[u8], number: NumberType) -> Result<Vec<u8>> {
    if text.len() <= TASK {
        return numbers(source, text, number, usize::MAX).map(|parsed| parsed.bytes);
    }
    let mut parts = Vec::with_capacity(text.len() / TASK + 1);
    let mut rest = text;
    while rest.len() > TASK {
        let cut = rest[TASK..].iter().position(u8::is_ascii_whitespace).map_or(rest.len(), |n| TASK + n);
        let (part, tail) = rest.split_at(cut);
        parts.push(part);
        rest = tail;
    }
    parts.push(rest);
    let parsed: Vec<Vec<u8>> = parts
        .par_iter()
        .map(|part| numbers(source, part, number, usize::MAX).map(|parsed| parsed.bytes))
        .collect::<Result<_>>()?;
    Ok(parsed.concat())
}

fn parse(text: &[u8], number: NumberType, limit: usize) -> Result<Parsed, Wrong> {
    macro_rules! whole {
        ($type:ty) => {
            each_word(text, limit, size_of::<$type>(), |word, into| {
                let value: $type = std::str::from_utf8(word).ok()?.parse().ok()?;
                into.extend_from_slice(&value.to_le_bytes());
                Some(())
            })
        };
    }
    macro_rules! float {
        ($type:ty) => {
            each_word(text, limit, size_of::<$type>(), |word, into| {
                let value: $type = fast_float2::parse(word).ok()?;
                into.extend_from_slice(&value.to_le_bytes());
                Some(())
            })
        };
    }
    match number {
        NumberType::I8 => whole!(i8),
        NumberType::U8 => whole!(u8),
        NumberType::I16 => whole!(i16),
        NumberType::U16 => whole!(u16),
        NumberType::I32 => whole!(i32),
        NumberType::U32 => whole!(u32),
        NumberType::I64 => whole!(i64),
        NumberType::U64 => whole!(u64),
        NumberType::F32 => float!(f32),
        NumberType::F64 => float!(f64),
    }
}

#[inline(always)]
fn each_word(
    text: &[u8],
    limit: usize,
    size: usize,
    mut take: impl FnMut(&[u8], &mut Vec<u8>) -> Option<()>,
) -> Result<Parsed, Wrong> {
    // A value takes at least one digit and one space.
    let mut bytes = Vec::with_capacity((text.len() / 2 + 1).min(limit).saturating_mul(size).min(text.len()));
    let (mut at, mut count) = (0, 0);
    while count < limit {
        let Some(skip) = text[at..].iter().position(|c| !c.is_ascii_whitespace()) else { break };
        let start = at + skip;
        let end = text[start..].iter().position(u8::is_ascii_whitespace).map_or(text.len(), |n| start + n);
        take(&text[start..end], &mut bytes).ok_or(Wrong { start, end })?;
        at = end;
        count += 1;
    }
    Ok(Parsed { bytes, end: at })
}

/// `text` is a part of the source's bytes, so that the word's line can be counted.
fn refuse(source: &Source, text: &[u8], number: NumberType, wrong: &Wrong) -> Error {
    let word = &text[wrong.start..wrong.end];
    let kind = if number.is_integer() { "a whole number" } else { "a number" };
    let place =
        place_in(source, text).map_or(Place::Whole, |start| Place::line_of(source.bytes(), start + wrong.start));
    source.error(place, format!("'{}' is not {kind} of type {}", shown(word), number.name()))
}

/// Where `part` starts in the source's bytes; `None` when it lies elsewhere.
#[must_use]
pub fn place_in(source: &Source, part: &[u8]) -> Option<usize> {
    let start = (part.as_ptr() as usize).checked_sub(source.bytes().as_ptr() as usize)?;
    (start + part.len() <= source.bytes().len()).then_some(start)
}

/// A text from the file as a message may show it.
#[must_use]
pub fn shown(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    String::from_utf8_lossy(&text[..text.len().min(40)]).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, number: NumberType) -> Result<Vec<u8>> {
        let source = Source::from_bytes("t.vtu", text.as_bytes().to_vec());
        let text = source.bytes().to_vec();
        assert!(text == source.bytes());
        all_numbers(&source, source.bytes(), number)
    }

    #[test]
    fn words_become_bytes() {
        assert_eq!(all(" 1\n-2\t3 ", NumberType::I8).unwrap(), [1, 254, 3]);
        assert_eq!(all("0.5", NumberType::F32).unwrap(), 0.5f32.to_le_bytes());
        assert_eq!(all("18446744073709551615", NumberType::U64).unwrap(), [255; 8]);
        assert!(all("", NumberType::F64).unwrap().is_empty());
        let nan = all("nan", NumberType::F64).unwrap();
        assert!(f64::from_le_bytes(nan.try_into().unwrap()).is_nan());
    }

    #[test]
    fn wrong_words_are_named_with_their_line() {
        for (text, number) in [("1 2\n256", NumberType::U8), ("0\n1.5", NumberType::I64), ("0\nx", NumberType::F64)] {
            let error = all(text, number).unwrap_err().to_string();
            assert!(error.starts_with("t.vtu:2: '"), "{error}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_words() {
        let text: String = (0..200_000).map(|i| format!("{i}\n")).collect();
        let bytes = all(&text, NumberType::U32).unwrap();
        let values: Vec<u32> = bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
        assert!(values.iter().enumerate().all(|(i, v)| i as u32 == *v) && values.len() == 200_000);
        let broken = text.replace("\n190000\n", "\n19x\n");
        assert!(all(&broken, NumberType::U32).unwrap_err().to_string().starts_with("t.vtu:190001: '19x'"));
    }

    #[test]
    fn a_limit_stops_the_parser() {
        let source = Source::from_bytes("t", b"1 2 3 rest".to_vec());
        let parsed = numbers(&source, source.bytes(), NumberType::I32, 3).unwrap();
        assert_eq!((parsed.bytes.len(), parsed.end), (12, 5));
    }
}
