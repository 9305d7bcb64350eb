//! Columns to text, fast: blocks of rows are formatted on all threads and written in order.

use std::path::Path;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::formats::source::write_whole;

/// Rows that one thread formats at a time: some 100 KiB of text, which stays in its cache.
const BLOCK: usize = 1024;

/// Writes `header`, then `rows` lines; `write_row(i, line)` appends row `i` without its line end. `rows = 0` gives the
/// header alone. The file appears whole or not at all. Runs on the rayon pool that calls it.
///
/// # Errors
/// [`Error::Resource`] when the disk refuses.
pub fn write_csv(path: &Path, header: &str, rows: usize, write_row: impl Fn(usize, &mut Vec<u8>) + Sync) -> Result<()> {
    write_whole(path, |file| {
        let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(|e| Error::io(path, "write", &e));
        put(header.as_bytes())?;
        put(b"\n")?;
        let blocks = rows.div_ceil(BLOCK);
        // A few blocks a thread keep all of them busy; the texts are kept for the next round.
        let mut texts = vec![Vec::new(); blocks.min(8 * rayon::current_num_threads())];
        let mut first = 0;
        while first < blocks {
            let round = texts.len().min(blocks - first);
            texts[..round].par_iter_mut().enumerate().for_each(|(i, text)| {
                text.clear();
                let start = (first + i) * BLOCK;
                for row in start..(start + BLOCK).min(rows) {
                    write_row(row, text);
                    text.push(b'\n');
                }
            });
            texts[..round].iter().try_for_each(|text| put(text))?;
            first += round;
        }
        Ok(())
    })
}

/// Appends the shortest decimal that reads back as `value`: `0.1`, `2.5e-8`, `1.0`, `NaN`, `inf`.
#[inline]
pub fn push_f64(line: &mut Vec<u8>, value: f64) {
    line.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
}

/// As [`push_f64`], the shortest decimal that reads back as this `f32`.
#[inline]
pub fn push_f32(line: &mut Vec<u8>, value: f32) {
    line.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
}

/// Appends an unsigned integer.
#[inline]
pub fn push_u64(line: &mut Vec<u8>, value: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a comma.
#[inline]
pub fn comma(line: &mut Vec<u8>) {
    line.push(b',');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_keep_their_order_at_every_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        for rows in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 50 * BLOCK + 7] {
            write_csv(&path, "row,square", rows, |row, line| {
                push_u64(line, row as u64);
                comma(line);
                push_f64(line, (row * row) as f64);
            })
            .unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let mut lines = text.lines();
            assert_eq!(lines.next(), Some("row,square"));
            for row in 0..rows {
                assert_eq!(lines.next().unwrap(), format!("{row},{:?}", (row * row) as f64));
            }
            assert_eq!((lines.next(), text.ends_with('\n')), (None, true));
        }
        let nowhere = folder.path().join("none/out.csv");
        assert_eq!(write_csv(&nowhere, "a", 1, |_, _| {}).unwrap_err().exit_code(), 7);
    }

    proptest! {
        #[test]
        fn numbers_read_back(bits in any::<u64>(), n in any::<u64>()) {
            let value = f64::from_bits(bits);
            let mut line = Vec::new();
            push_f64(&mut line, value);
            let back: f64 = std::str::from_utf8(&line).unwrap().parse().unwrap();
            prop_assert!(back.to_bits() == bits || value.is_nan() && back.is_nan());
            line.clear();
            push_f32(&mut line, f32::from_bits(bits as u32));
            let back: f32 = std::str::from_utf8(&line).unwrap().parse().unwrap();
            prop_assert!(back.to_bits() == bits as u32 || back.is_nan());
            line.clear();
            push_u64(&mut line, n);
            prop_assert_eq!(std::str::from_utf8(&line).unwrap().parse::<u64>().unwrap(), n);
        }
    }
}
