//! The lines of a coordinate file, in parallel.

use std::ops::Range;

use rayon::prelude::*;

use super::{Field, Storage, decimal, words};
use crate::error::{Error, Place, Result};
use crate::formats::numbers::reserve;
use crate::formats::source::Source;
use crate::formats::text::{excerpt, finite, parse_i64, parse_u64};

/// Text that one task parses at the least: some 0.3 ms of work; and at the most: arrays of a few huge pages.
const TASK: std::ops::RangeInclusive<usize> = 256 << 10..=16 << 20;

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

/// Why a part was not read.
enum Wrong {
    /// The line at this byte.
    Line {
        at: usize,
        why: String,
    },
    Else(Error),
}

/// All entries of the file from byte `start` on, in file order. Lines are blank, comments (`%`), or entries.
///
/// # Errors
/// [`Error::Input`] with the first wrong line; [`Error::Resource`] when the entries do not fit in memory.
pub(crate) fn parse_entries(source: &Source, start: usize, layout: Layout) -> Result<Vec<Part>> {
    let bytes = source.bytes();
    // Eight tasks a thread share the work evenly enough.
    let task = ((bytes.len() - start) / (8 * rayon::current_num_threads())).clamp(*TASK.start(), *TASK.end());
    let mut ranges = Vec::with_capacity((bytes.len() - start) / task + 1);
    let mut at = start;
    while at < bytes.len() {
        let from = (at + task).min(bytes.len());
        let end = memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |n| from + n + 1);
        ranges.push(at..end);
        at = end;
    }
    let parsed: Vec<Result<Part, Wrong>> = ranges.into_par_iter().map(|range| part(source, range, layout)).collect();
    let line = |at: usize| Place::Line(memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64 + 1);
    parsed.into_iter().collect::<Result<_, Wrong>>().map_err(|wrong| match wrong {
        Wrong::Line { at, why } => source.error(line(at), why),
        Wrong::Else(error) => error,
    })
}

fn part(source: &Source, range: Range<usize>, layout: Layout) -> Result<Part, Wrong> {
    let mut part = Part { start: range.start, ..Part::default() };
    let mut buffer = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let piece = source.piece(at..range.end, &mut buffer).map_err(Wrong::Else)?;
        let lines = match memchr::memrchr(b'\n', piece) {
            _ if piece.len() == range.end - at => piece,
            Some(last) => &piece[..=last],
            // A line longer than the piece.
            None => {
                let rest = &source.bytes()[at..range.end];
                &rest[..memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1)]
            }
        };
        read(lines, at..range.end, layout, &mut part)?;
        at += lines.len();
    }
    Ok(part)
}

/// Reads `lines`, the first of those at the bytes `of` the file.
fn read(lines: &[u8], of: Range<usize>, layout: Layout, part: &mut Part) -> Result<(), Wrong> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
        fn read_avx2(lines: &[u8], of: Range<usize>, layout: Layout, part: &mut Part) -> Result<(), Wrong> {
            read_body::<true>(lines, of, layout, part)
        }
        if layout.field != Field::Pattern && super::line::available() {
            // SAFETY: the processor has the features.
            return unsafe { read_avx2(lines, of, layout, part) };
        }
    }
    read_body::<false>(lines, of, layout, part)
}

/// [`read`], `AVX2` with [`super::line::entry`] first.
#[inline(always)]
fn read_body<const AVX2: bool>(lines: &[u8], of: Range<usize>, layout: Layout, part: &mut Part) -> Result<(), Wrong> {
    // The shortest entry is `1 1` and a line end: from here on no entry has to look whether there is room.
    let most = lines.len() / 4 + 1;
    if part.places.capacity().min(part.values.capacity()) - part.len() < most {
        grow(part, lines, of.len()).map_err(Wrong::Else)?;
    }
    let (places, values) = (part.places.as_mut_ptr(), part.values.as_mut_ptr());
    let mut length = part.len();
    let least = least_below(layout.storage);
    let mut at = 0;
    while at < lines.len() {
        let (row, column, value, end) = match usual::<AVX2>(lines, at, layout.field) {
            Some(entry) => entry,
            None => {
                let end = memchr::memchr(b'\n', &lines[at..]).map_or(lines.len(), |n| at + n + 1);
                match slow(&lines[at..end], layout).map_err(|why| Wrong::Line { at: of.start + at, why })? {
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
        let below = place[0].wrapping_sub(place[1]) as i64;
        if place[0] >= layout.rows as u64 || place[1] >= layout.columns as u64 || below < least {
            return Err(Wrong::Line { at: of.start + at, why: refuse(row, column, layout) });
        }
        debug_assert!(length < part.places.capacity().min(part.values.capacity()));
        // SAFETY: there was room for `most` more, and the lines hold no more entries.
        unsafe {
            places.add(length).write(place.map(|index| index as u32));
            values.add(length).write(value);
        }
        length += 1;
        at = end;
    }
    // SAFETY: that many were written.
    unsafe {
        part.places.set_len(length);
        part.values.set_len(length);
    }
    Ok(())
}

/// Room for the entries of `lines` whatever they are, and of the `left` bytes from there on as many as the first lines are
/// short, so that it seldom has to be made twice; never more than a few times the text.
#[cold]
fn grow(part: &mut Part, lines: &[u8], left: usize) -> Result<()> {
    const LOOK: usize = 4096;
    let sample = &lines[..lines.len().min(LOOK)];
    let found = memchr::memchr_iter(b'\n', sample).count() + 1;
    // A tenth more than expected; lines below are seldom that much shorter.
    let more = (left as f64 / sample.len() as f64 * found as f64 * 1.1) as usize + lines.len() / 4 + 1;
    let what = "the entries of the file";
    if part.values.is_empty() {
        part.places = reserve(more, what)?;
        part.values = reserve(more, what)?;
        return Ok(());
    }
    let total = (part.values.len() + more) as u64 * 16;
    let refused = |_| Error::memory(what, total);
    part.places.try_reserve(more).map_err(refused)?;
    part.values.try_reserve(more).map_err(refused)
}

/// A line of a usual form; `None` for any other, which [`slow`] reads.
#[inline(always)]
fn usual<const AVX2: bool>(bytes: &[u8], at: usize, field: Field) -> Option<(u64, u64, f64, usize)> {
    #[cfg(target_arch = "x86_64")]
    if AVX2 {
        // SAFETY: who calls with AVX2 has asked the processor.
        if let Some(entry) = unsafe { super::line::entry(bytes, at, field) } {
            return Some((entry.row, entry.column, entry.value, entry.next));
        }
        return others(bytes, at, field);
    }
    quick(bytes, at, field)
}

/// [`quick`] where it is seldom needed.
#[cold]
#[inline(never)]
fn others(bytes: &[u8], at: usize, field: Field) -> Option<(u64, u64, f64, usize)> {
    quick(bytes, at, field)
}

/// How far below the diagonal an entry must be.
fn least_below(storage: Storage) -> i64 {
    match storage {
        Storage::General => i64::MIN,
        Storage::Symmetric => 0,
        Storage::SkewSymmetric => 1,
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

/// A line of row, column and value with any blanks between; `None` for any other.
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
