//! The text of a `.vtu` file: what stands before `<AppendedData`, whose content need not be text, as UTF-8.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::xml::not_vtk;
use crate::error::{Error, Place, Result};
use crate::formats::ascii::{place_in, shown};
use crate::formats::source::{Source, memory_limit};

/// A file cut before `<AppendedData`.
pub(super) struct Cut<'a> {
    pub text: Text<'a>,
    pub tail: Option<Tail<'a>>,
}

/// What stands before.
pub(super) enum Text<'a> {
    /// As the file has it.
    Plain(&'a str),
    /// Written anew, in UTF-8, with as many lines.
    Recoded(Source),
}

/// `<AppendedData` and all behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail<'a> {
    pub bytes: &'a [u8],
    /// Where it begins in the file.
    pub at: usize,
}

/// Cuts the file. Whatever it declares, text that is UTF-8 stays as it is; only other text costs a copy.
///
/// # Errors
/// [`Error::Input`] for text that is neither UTF-8 nor declared as one of [`is_latin`], unless only comments hold it;
/// [`Error::Resource`] when a copy needs too much memory.
pub(super) fn cut(source: &Source) -> Result<Cut<'_>> {
    const TAG: &str = "<AppendedData";
    let bytes = source.bytes();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if [b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<"].iter().any(|start| bytes.starts_with(*start)) {
        return Err(source.error(Place::Byte(0), "is UTF-16 text; save it as UTF-8"));
    }
    let (text, broken) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let valid = &bytes[..error.valid_up_to()];
            (std::str::from_utf8(valid).unwrap_or_default(), Some(error.valid_up_to()))
        }
    };
    let tail = |at: usize| Tail { bytes: &bytes[at..], at: at + place_in(source, bytes).unwrap_or(0) };
    match (text.find(TAG), broken) {
        (Some(at), _) => Ok(Cut { text: Text::Plain(&text[..at]), tail: Some(tail(at)) }),
        (None, None) => Ok(Cut { text: Text::Plain(text), tail: None }),
        (None, Some(broken)) => {
            let at = memchr::memmem::find(&bytes[broken..], TAG.as_bytes()).map(|at| broken + at);
            let copy = recoded(source, &bytes[..at.unwrap_or(bytes.len())], text)?;
            Ok(Cut { text: Text::Recoded(Source::from_bytes(&source.path, copy.into_bytes())), tail: at.map(tail) })
        }
    }
}

/// `text` as UTF-8; `start` is its beginning as far as it is UTF-8 already.
fn recoded(source: &Source, text: &[u8], start: &str) -> Result<String> {
    let limit = memory_limit();
    if text.len() as u64 > limit {
        return Err(Error::memory(&format!("writing {} anew in UTF-8", source.path.display()), limit));
    }
    match declared(start) {
        Some(name) if is_latin(&name) => Ok(text.iter().map(|&byte| character(byte)).collect()),
        Some(name) if !name.eq_ignore_ascii_case("utf-8") => {
            let why = format!("is text in {}, which is not read; write it in UTF-8", shown(&name));
            Err(source.error(Place::Line(1), why))
        }
        _ => String::from_utf8(without_comments(text)).map_err(|error| {
            let at = place_in(source, text).unwrap_or(0) + error.utf8_error().valid_up_to();
            let why = if memchr::memmem::find(text, b"<VTKFile").is_some() {
                "the file is damaged, or has to declare what they are in its first line: \
                 <?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>"
            } else {
                not_vtk(source)
            };
            source.error(Place::Byte(at as u64), format!("holds bytes that are not UTF-8 text; {why}"))
        }),
    }
}

/// The encoding that the XML declaration names.
fn declared(start: &str) -> Option<String> {
    match Reader::from_str(start).read_event() {
        Ok(Event::Decl(declaration)) => Some(declaration.encoding()?.ok()?.into_owned()),
        _ => None,
    }
}

/// Whether a byte of this encoding is a character: Latin-1, Windows-1252, which agrees with it but for control
/// characters, and ASCII, which is part of both.
fn is_latin(name: &str) -> bool {
    const NAMES: [&str; 7] = ["iso88591", "latin1", "l1", "windows1252", "cp1252", "usascii", "ascii"];
    let name: String =
        name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).take(16).collect();
    NAMES.contains(&name.as_str())
}

/// The character of a byte in Windows-1252. As browsers do, Latin-1 is read as it: nobody means its control characters.
fn character(byte: u8) -> char {
    const FROM_0X80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', //
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => FROM_0X80[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// `text` with question marks for what is not ASCII in its comments.
fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    let mut at = 0;
    while let Some(open) = memchr::memmem::find(&text[at..], b"<!--").map(|open| at + open) {
        let close = memchr::memmem::find(&text[open..], b"-->").map_or(text.len(), |close| open + close);
        text[open..close].iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
        at = close;
    }
    text
}
