//! Matrix Market files: coordinate and array form, real, integer and pattern entries, general, symmetric and
//! skew-symmetric storage; plain or gzipped, LF or CRLF, with Fortran's `D` exponents.
//!
//! Strict: the declared number of entries must be there, every index in range, every value finite, an entry of a
//! symmetric file on or below the diagonal. What the size line declares is checked against the bytes that follow
//! before anything is allocated. Entries are parsed on all threads of the pool that the caller runs in.

use crate::error::{Error, Result};
use crate::formats::source::Source;
use crate::formats::text::{Text, excerpt, parse_u64};

mod array;
mod columns;
mod decimal;
mod entries;
#[cfg(target_arch = "x86_64")]
mod line;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use columns::from_parts;
pub(crate) use entries::{Layout, Part, parse_entries};
pub use write::{write_dense, write_sparse};

/// A matrix in compressed columns: sorted rows without duplicates in each column. A symmetric one is stored whole.
pub type Matrix = sprs::CsMatI<f64, u32, usize>;

/// How a file stores its matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Every entry.
    General,
    /// The lower triangle of a symmetric matrix.
    Symmetric,
    /// The strict lower triangle of a matrix that is the negative of its transpose.
    SkewSymmetric,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A decimal number.
    Real,
    /// A whole number.
    Integer,
    /// Nothing: the entry is 1.
    Pattern,
}

/// A matrix as a file gave it.
#[derive(Debug, Clone)]
pub struct MtxFile {
    /// The whole matrix, both triangles.
    pub matrix: Matrix,
    /// How it was stored.
    pub storage: Storage,
    /// What its entries were.
    pub field: Field,
}

/// The header and size line.
struct Header {
    dense: bool,
    field: Field,
    storage: Storage,
    rows: usize,
    columns: usize,
    /// Entries of a coordinate file.
    entries: usize,
}

/// A file may declare this many rows or columns whatever its length, and otherwise as many as it has bytes: a few
/// megabytes for a matrix that is nearly empty, but no gigabytes for a line of text.
const FREE_ORDER: usize = 1 << 20;

/// Reads a matrix.
///
/// # Errors
/// [`Error::Input`] with the line of what is wrong; [`Error::Resource`] when the matrix does not fit in memory.
pub fn read_mtx(source: &Source) -> Result<MtxFile> {
    let mut text = Text::new(source)?;
    let header = read_header(&mut text)?;
    let Header { field, storage, rows, columns, .. } = header;
    let matrix = if header.dense {
        array::read(&text, &header)?
    } else {
        let layout = Layout { rows, columns, field, storage };
        let start = text.offset();
        let parts = parse_entries(source, start, layout)?;
        let found: usize = parts.iter().map(Part::len).sum();
        if found != header.entries {
            let end = source.bytes().len();
            let at = if found > header.entries { place_of(source, &parts, header.entries) } else { end };
            let why = format!("the size line declares {} entries, the file has {found}", header.entries);
            return Err(text.error_at(at, why));
        }
        from_parts((rows, columns), parts, storage)?
    };
    Ok(MtxFile { matrix, storage, field })
}

/// Where entry `index` stands.
fn place_of(source: &Source, parts: &[Part], index: usize) -> usize {
    let mut before = 0;
    for part in parts {
        if before + part.len() > index {
            // Lines of a part that hold an entry: all but blank ones and comments.
            let bytes = &source.bytes()[part.start..];
            let mut at = 0;
            let mut seen = before;
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let text = line.trim_ascii();
                if !text.is_empty() && !text.starts_with(b"%") {
                    if seen == index {
                        return part.start + at;
                    }
                    seen += 1;
                }
                at += line.len();
            }
        }
        before += part.len();
    }
    source.bytes().len()
}

fn read_header(text: &mut Text<'_>) -> Result<Header> {
    let first = text.line().unwrap_or_default();
    let words: Vec<String> = String::from_utf8_lossy(first).split_ascii_whitespace().map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (format, field, storage) = match words[..] {
        ["%%matrixmarket" | "%matrixmarket", "matrix", format, field, storage] => (format, field, storage),
        ["%%matrixmarket", ..] => {
            let why = "the first line must read '%%MatrixMarket matrix <format> <field> <symmetry>'";
            return Err(text.error(why));
        }
        _ => return Err(text.error("is no Matrix Market file: it does not begin with %%MatrixMarket")),
    };
    let dense = match format {
        "coordinate" => false,
        "array" => true,
        other => return Err(text.error(format!("format {} is not coordinate or array", excerpt(other.as_bytes())))),
    };
    let field = match field {
        "real" | "double" => Field::Real,
        "integer" => Field::Integer,
        "pattern" if dense => return Err(text.error("an array of pattern entries has no values")),
        "pattern" => Field::Pattern,
        "complex" => return Err(text.error("complex matrices are not read; give the real part as a file of its own")),
        other => {
            let why = format!("entries of type {} are not real, integer or pattern", excerpt(other.as_bytes()));
            return Err(text.error(why));
        }
    };
    let storage = match storage {
        "general" => Storage::General,
        "symmetric" => Storage::Symmetric,
        "skew-symmetric" if field == Field::Pattern => return Err(text.error("a pattern cannot be skew-symmetric")),
        "skew-symmetric" => Storage::SkewSymmetric,
        "hermitian" => return Err(text.error("hermitian matrices are not read; real ones are called symmetric")),
        other => {
            let why = format!("{} is not general, symmetric or skew-symmetric", excerpt(other.as_bytes()));
            return Err(text.error(why));
        }
    };
    let (sizes, at) = size_line(text, if dense { 2 } else { 3 })?;
    let (rows, columns, entries) = (sizes[0], sizes[1], sizes.get(2).copied().unwrap_or(0));
    let bytes = text.rest().len();
    let most = bytes.max(FREE_ORDER).min(u32::MAX as usize - 1);
    let order = |size: u64| usize::try_from(size).ok().filter(|n| *n <= most);
    let (Some(n_rows), Some(n_columns)) = (order(rows), order(columns)) else {
        let why = format!("declares {rows} x {columns}, which {bytes} bytes of entries cannot fill");
        return Err(text.error_at(at, why));
    };
    if storage != Storage::General && rows != columns {
        return Err(text.error_at(at, format!("a {rows} x {columns} matrix is not symmetric; it must be square")));
    }
    if !dense && entries > bytes as u64 {
        let why = format!("declares {entries} entries, which {bytes} bytes cannot hold");
        return Err(text.error_at(at, why));
    }
    Ok(Header { dense, field, storage, rows: n_rows, columns: n_columns, entries: entries as usize })
}

/// The numbers of the first line that is neither blank nor a comment, and where it is.
fn size_line(text: &mut Text<'_>, count: usize) -> Result<(Vec<u64>, usize)> {
    loop {
        let at = text.offset();
        let Some(line) = text.line() else {
            return Err(text.error("the file ends before the size line"));
        };
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"%") {
            continue;
        }
        let sizes: Option<Vec<u64>> = words(line).map(parse_u64).collect();
        return match sizes {
            Some(sizes) if sizes.len() == count => Ok((sizes, at)),
            _ => {
                let names = if count == 2 { "rows and columns" } else { "rows, columns and entries" };
                Err(text.error(format!("the size line must hold {names}, not {}", excerpt(line))))
            }
        };
    }
}

/// The words of a line.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Column starts may be refused: an order that a header declares is not yet a matrix.
fn zeroed<T: Clone + Default>(length: usize, what: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    let bytes = (length as u64).saturating_mul(size_of::<T>() as u64);
    crate::memory::ensure_available(what, bytes)?;
    values.try_reserve_exact(length).map_err(|_| Error::memory(what, bytes))?;
    values.resize(length, T::default());
    Ok(values)
}
