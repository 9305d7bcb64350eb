//! The numbers in memory: counted up, or read from a file.

use std::path::Path;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::formats::npy::read_npy_magnitudes;
use crate::formats::source::Source;
use crate::memory::Buffer;

/// Numbers that one task writes or looks at: some ten microseconds.
const TASK: usize = 1 << 15;

/// Numbers whose squares add up to less than 2^128. Only their absolute values are kept.
pub(super) struct Values {
    /// The name of the file; `None` when they are `0, 1, 2 ...`.
    pub(super) file: Option<String>,
    pub(super) values: Buffer<u64>,
    /// The largest of them, 0 when there are none.
    pub(super) largest: u64,
}

impl Values {
    /// `0..n`.
    ///
    /// # Errors
    /// [`Error::Resource`] when they do not fit in memory.
    pub(super) fn count(n: u64) -> Result<Self> {
        let length = usize::try_from(n).map_err(|_| Error::memory("the numbers", u64::MAX))?;
        let mut values = Buffer::zeroed(length, "the numbers")?;
        values.par_chunks_mut(TASK).enumerate().for_each(|(task, part)| {
            for (value, i) in part.iter_mut().zip((task * TASK) as u64..) {
                *value = i;
            }
        });
        Ok(Self { file: None, values, largest: n.saturating_sub(1) })
    }

    /// The integers of an `.npy` file, of any type and shape.
    ///
    /// # Errors
    /// [`Error::Input`] for a broken file, values that are not integers, or a sum that 128 bits do not hold: the value
    /// where it leaves them is named. [`Error::Resource`] when they do not fit in memory.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let values = read_npy_magnitudes(&Source::open(path)?)?;
        let largest = largest(&values);
        if let Some(at) = first_too_many(&values, largest) {
            let why = format!(
                "the sum of squares leaves 128 bits at value {at} (counted from 0), which is {} or its negative; \
                 scale the numbers down",
                values[at]
            );
            return Err(Error::input(path, why));
        }
        Ok(Self { file: Some(path.display().to_string()), values, largest })
    }
}

/// The largest of `values`, 0 when there are none.
fn largest(values: &[u64]) -> u64 {
    values.par_iter().with_min_len(TASK).copied().max().unwrap_or(0)
}

/// The first value at which the sum of squares reaches 2^128.
fn first_too_many(values: &[u64], largest: u64) -> Option<usize> {
    // No sum of `n` squares is above `n` times the largest.
    if (values.len() as u128).checked_mul(u128::from(largest).pow(2)).is_some() {
        return None;
    }
    let mut sum = 0_u128;
    values.iter().position(|x| {
        let (next, over) = sum.overflowing_add(u128::from(*x).pow(2));
        sum = next;
        over
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_that_is_too_many_is_found() {
        let first_too_many = |values: &[u64]| first_too_many(values, largest(values));
        assert_eq!(first_too_many(&[]), None);
        assert_eq!(first_too_many(&[u64::MAX]), None);
        // (2^64 - 1)^2 = 2^128 - 2^65 + 1: there is room for 2^65 - 2 more.
        assert_eq!(first_too_many(&[u64::MAX, 1 << 32, 1 << 32]), Some(2));
        assert_eq!(first_too_many(&[u64::MAX, 0, u64::MAX]), Some(2));
        assert_eq!(first_too_many(&[1 << 63, 1 << 63, 1 << 63, (1 << 63) - 1]), None);
        assert_eq!(first_too_many(&[1 << 63, 1 << 63, 1 << 63, 1 << 63]), Some(3));
    }

    #[test]
    fn counted_numbers() {
        for n in [0, 1, 3, 40_000] {
            let found = Values::count(n).unwrap();
            assert!(found.values.iter().copied().eq(0..n) && found.largest == n.saturating_sub(1));
        }
        assert_eq!(Values::count(1 << 42).err().unwrap().exit_code(), 7);
    }
}
