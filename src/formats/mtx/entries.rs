//! The lines of a coordinate file, in parallel.

use rayon::prelude::*;

use super::{Field, Storage, decimal, words};
use crate::error::{Error, Place, Result};
use crate::formats::source::Source;
use crate::formats::text::{excerpt, finite, parse_i64, parse_u64};

/// Text that one task parses: about 1 ms of work.
const TASK: usize = 1 << 20;

/// The shape of the lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Rows there may be.
    pub(crate) rows: usize,
    /// Columns there may be.
    pub(crate) columns: usize,
    /// What follows row and column.
    pub(crate) field: Field,
    /// Which entries there may be.
    pub(crate) storage: Storage,
}

/// The entries of one part of the text, counted from 0.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Where the part begins in the file.
    pub(crate) start: usize,
    /// Row and column of each entry.
    pub(crate) places: Vec<[u32; 2]>,
    /// Its value.
    pub(crate) values: Vec<f64>,
}

impl Part {
    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

/// A line that is wrong.
struct Wrong {
    at: usize,
    why: String,
}

/// All entries of the file from byte `start` on, in file order. Lines are blank, comments (`%`), or entries.
///
/// # Errors
/// [`Error::Input`] with the first wrong line; [`Error::Resource`] when the entries do not fit in memory.
pub(crate) fn parse_entries(source: &Source, start: usize, layout: Layout) -> Result<Vec<Part>> {
    let bytes = source.bytes();
    let mut ranges = Vec::with_capacity((bytes.len() - start) / TASK + 1);
    let mut at = start;
    while at < bytes.len() {
        let from = (at + TASK).min(bytes.len());
        let end = memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |n| from + n + 1);
        ranges.push(at..end);
        at = end;
    }
    let parsed: Vec<Result<Part, Wrong>> = ranges.into_par_iter().map(|range| part(bytes, range, layout)).collect();
    parsed.into_iter().collect::<Result<_, Wrong>>().map_err(|Wrong { at, why }| {
        if at == usize::MAX {
            return Error::Resource(why);
        }
        let line = memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64 + 1;
        source.error(Place::Line(line), why)
    })
}

fn part(bytes: &[u8], range: std::ops::Range<usize>, layout: Layout) -> Result<Part, Wrong> {
    // A line holds at most one entry, so the lines bound the memory.
    let lines = memchr::memchr_iter(b'\n', &bytes[range.clone()]).count() + 1;
    let mut part = Part { start: range.start, places: Vec::new(), values: Vec::new() };
    let room = part.places.try_reserve_exact(lines).and_then(|()| part.values.try_reserve_exact(lines));
    room.map_err(|_| Wrong { at: usize::MAX, why: format!("{lines} entries do not fit into memory") })?;
    let mut at = range.start;
    while at < range.end {
        let (row, column, value, end) = match quick(bytes, at, layout.field) {
            Some(entry) => entry,
            None => {
                let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n + 1);
                match slow(&bytes[at..end], layout).map_err(|why| Wrong { at, why })? {
                    Some((row, column, value)) => (row, column, value, end),
                    None => {
                        at = end;
                        continue;
                    }
                }
            }
        };
        // Counted from 1: zero wraps around and is refused as too large.
        let place = [row.wrapping_sub(1), column.wrapping_sub(1)];
        if place[0] >= layout.rows as u64 || place[1] >= layout.columns as u64 || !in_storage(place, layout.storage) {
            return Err(Wrong { at, why: refuse(row, column, layout) });
        }
        part.places.push(place.map(|index| index as u32));
        part.values.push(value);
        at = end;
    }
    Ok(part)
}

#[inline(always)]
fn in_storage(place: [u64; 2], storage: Storage) -> bool {
    match storage {
        Storage::General => true,
        Storage::Symmetric => place[0] >= place[1],
        Storage::SkewSymmetric => place[0] > place[1],
    }
}

fn refuse(row: u64, column: u64, layout: Layout) -> String {
    let Layout { rows, columns, storage, .. } = layout;
    if row == 0 || column == 0 {
        return format!("entry ({row}, {column}): rows and columns are counted from 1");
    }
    if row > rows as u64 || column > columns as u64 {
        return format!("entry ({row}, {column}) is outside the {rows} x {columns} matrix");
    }
    match storage {
        Storage::SkewSymmetric if row == column => {
            format!("entry ({row}, {column}) is on the diagonal, which is zero in a skew-symmetric matrix")
        }
        _ => format!(
            "entry ({row}, {column}) is above the diagonal; a {} file stores the lower triangle only",
            if storage == Storage::Symmetric { "symmetric" } else { "skew-symmetric" }
        ),
    }
}

/// A line of the usual form; `None` for any other, which [`slow`] reads.
#[inline(always)]
fn quick(bytes: &[u8], at: usize, field: Field) -> Option<(u64, u64, f64, usize)> {
    let (row, at) = decimal::index(bytes, blanks(bytes, at)?)?;
    let (column, end) = decimal::index(bytes, gap(bytes, at)?)?;
    let (value, mut at) = match field {
        Field::Real => decimal::real(bytes, gap(bytes, end)?)?,
        Field::Pattern => (1.0, end),
        Field::Integer => return None,
    };
    at = blanks(bytes, at)?;
    if bytes.get(at) == Some(&b'\r') {
        at += 1;
    }
    (bytes.get(at) == Some(&b'\n')).then_some((row, column, value, at + 1))
}

/// Past spaces and tabs.
#[inline(always)]
fn blanks(bytes: &[u8], mut at: usize) -> Option<usize> {
    while matches!(bytes.get(at)?, b' ' | b'\t') {
        at += 1;
    }
    Some(at)
}

/// Past at least one space or tab.
#[inline(always)]
fn gap(bytes: &[u8], at: usize) -> Option<usize> {
    let next = blanks(bytes, at)?;
    (next > at).then_some(next)
}

/// Any line: row, column and value, or `None` for a blank one or a comment.
#[cold]
fn slow(line: &[u8], layout: Layout) -> Result<Option<(u64, u64, f64)>, String> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"%") {
        return Ok(None);
    }
    let mut words = words(line);
    let mut index = |name: &str| {
        let word = words.next().ok_or_else(|| format!("the line has no {name}: {}", excerpt(line)))?;
        parse_u64(word).ok_or_else(|| format!("{name} is not a whole number from 1 on: {}", excerpt(word)))
    };
    let (row, column) = (index("row")?, index("column")?);
    let value = match layout.field {
        Field::Pattern => 1.0,
        field => {
            let word = words.next().ok_or_else(|| format!("entry ({row}, {column}) has no value"))?;
            let what = format!("entry ({row}, {column})");
            if field == Field::Integer { integer(word, &what)? } else { finite(word, &what)? }
        }
    };
    match words.next() {
        Some(word) => Err(format!("{} follows entry ({row}, {column}); one entry a line", excerpt(word))),
        None => Ok(Some((row, column, value))),
    }
}

/// A whole number that f64 holds.
pub(super) fn integer(word: &[u8], what: &str) -> Result<f64, String> {
    let value = parse_i64(word).ok_or_else(|| format!("{what} is not a whole number: {}", excerpt(word)))?;
    let wide = value as f64;
    if wide as i128 != i128::from(value) {
        return Err(format!("{what} is more than f64 holds exactly: {}", excerpt(word)));
    }
    Ok(wide)
}
