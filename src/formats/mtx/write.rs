//! Matrix Market files out: shortest decimals that read back to the same bits.

use std::io::Write;
use std::path::Path;

use super::Matrix;
use crate::error::{Error, Result};
use crate::formats::source::write_whole;

/// Bytes that are collected before they go to the file.
const BLOCK: usize = 1 << 20;

/// Writes a dense matrix, column-major, as an array file: `symmetric` writes the lower triangle only. `comments` stand
/// below the header.
///
/// # Errors
/// [`Error::Resource`] when the disk refuses; [`Error::Internal`] when the shape does not fit the values.
pub fn write_dense(
    path: &Path,
    (rows, columns): (usize, usize),
    values: &[f64],
    symmetric: bool,
    comments: &[String],
) -> Result<()> {
    if rows.checked_mul(columns) != Some(values.len()) || (symmetric && rows != columns) {
        return Err(Error::Internal(format!("{} values are no {rows} x {columns} matrix", values.len())));
    }
    write_whole(path, |file| {
        let mut out = Lines::new(path, file);
        out.head("array", symmetric, comments)?;
        out.line(format_args!("{rows} {columns}"))?;
        let mut text = zmij::Buffer::new();
        for (j, column) in values.chunks(rows.max(1)).enumerate() {
            for value in &column[if symmetric { j } else { 0 }..] {
                out.line(format_args!("{}", text.format(*value)))?;
            }
        }
        out.flush()
    })
}

/// Writes a sparse matrix as a coordinate file; `symmetric` writes the lower triangle only.
///
/// # Errors
/// [`Error::Resource`] when the disk refuses.
pub fn write_sparse(path: &Path, matrix: &Matrix, symmetric: bool, comments: &[String]) -> Result<()> {
    let (rows, columns) = matrix.shape();
    let kept = |row: usize, column: usize| !symmetric || row >= column;
    let entries = matrix.iter().filter(|(_, (row, column))| kept(*row as usize, *column as usize)).count();
    write_whole(path, |file| {
        let mut out = Lines::new(path, file);
        out.head("coordinate", symmetric, comments)?;
        out.line(format_args!("{rows} {columns} {entries}"))?;
        let mut text = zmij::Buffer::new();
        for (column, entries) in matrix.outer_iterator().enumerate() {
            for (row, value) in entries.iter().filter(|(row, _)| kept(*row, column)) {
                out.line(format_args!("{} {} {}", row + 1, column + 1, text.format(*value)))?;
            }
        }
        out.flush()
    })
}

struct Lines<'a> {
    path: &'a Path,
    file: &'a mut dyn Write,
    text: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(path: &'a Path, file: &'a mut dyn Write) -> Self {
        Self { path, file, text: Vec::with_capacity(BLOCK + 256) }
    }

    fn head(&mut self, format: &str, symmetric: bool, comments: &[String]) -> Result<()> {
        let symmetry = if symmetric { "symmetric" } else { "general" };
        self.line(format_args!("%%MatrixMarket matrix {format} real {symmetry}"))?;
        comments.iter().try_for_each(|comment| self.line(format_args!("% {comment}")))
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<()> {
        writeln!(self.text, "{line}").map_err(|e| Error::io(self.path, "write", &e))?;
        if self.text.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.text).map_err(|e| Error::io(self.path, "write", &e))?;
        self.text.clear();
        Ok(())
    }
}
