//! The array form: all values, column by column.

use super::entries::{self, Part};
use super::{Field, Header, Matrix, Storage, from_parts};
use crate::error::Result;
use crate::formats::text::{Text, finite};

/// Reads the values after the size line; zeros are left out of the pattern.
pub(super) fn read(text: &Text<'_>, header: &Header) -> Result<Matrix> {
    let Header { field, storage, rows, columns, .. } = *header;
    let mut text = text.clone();
    let rest = text.rest().len();
    let declared = values(rows, columns, storage);
    // A value is a digit and white space at the least.
    let room = rest as u128 / 2 + 1;
    if declared > room {
        let why =
            format!("{rows} x {columns} values are {declared}, but the {rest} bytes that follow hold at most {room}");
        return Err(text.error_at(text.offset().saturating_sub(1), why));
    }
    let mut part = Part { start: text.offset(), ..Part::default() };
    let mut found = 0u128;
    for column in 0..columns {
        let first = match storage {
            Storage::General => 0,
            Storage::Symmetric => column,
            Storage::SkewSymmetric => column + 1,
        };
        for row in first..rows {
            let Some(word) = text.word() else {
                return Err(text.error(format!("{declared} values are declared, the file has {found}")));
            };
            let what = format_args!("value ({}, {})", row + 1, column + 1).to_string();
            let value = if field == Field::Integer { entries::integer(word, &what) } else { finite(word, &what) };
            let value = value.map_err(|why| text.error(why))?;
            found += 1;
            if value != 0.0 {
                part.places.push([row as u32, column as u32]);
                part.values.push(value);
            }
        }
    }
    if text.word().is_some() {
        return Err(text.error(format!("the file goes on after the {declared} values that are declared")));
    }
    from_parts((rows, columns), vec![part], storage)
}

/// How many values the file must hold.
fn values(rows: usize, columns: usize, storage: Storage) -> u128 {
    let (rows, columns) = (rows as u128, columns as u128);
    match storage {
        Storage::General => rows * columns,
        Storage::Symmetric => rows * (rows + 1) / 2,
        Storage::SkewSymmetric => rows * rows.saturating_sub(1) / 2,
    }
}
