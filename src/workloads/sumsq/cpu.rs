//! The CPU forms: sums of squares, exact in `u128`.
//!
//! The numbers are taken a block at a time, and the largest of a block says how wide its sums must be:
//!
//! | largest number | products | sums of a block, each below 2^64 |
//! |---|---|---|
//! | below 2^27 | `x^2 < 2^54` | the squares, as `2^10 2^54 = 2^64` |
//! | below 2^32 | `x^2 < 2^64` | the low and the high halves of the squares |
//! | any | `l^2`, `l h`, `h^2` of the halves of `x = 2^32 h + l` | the low and the high halves of all three |
//!
//! Every product is one of two 32-bit numbers, which vector units have; the sums of a block meet in `u128`.

use std::hint::black_box;
use std::ops::Range;

use crate::multiversion;

/// Numbers of a block: 8 KiB of them stay in the first-level cache for a second look.
const BLOCK: usize = 1 << 10;

/// The squares of a block of numbers below this add up to less than 2^64.
const NARROW: u64 = 1 << 27;
const _: () = assert!((NARROW as u128 - 1).pow(2) * BLOCK as u128 <= u64::MAX as u128);

/// Numbers that are read at each of four places before the next ones: together a block. One stream of addresses leaves the
/// memory waiting where it changes from page to page; four reached 38 GB/s where one reached 35.
const PLACE: usize = BLOCK / 4;

/// The low half of a word.
const LOW: u64 = 0xffff_ffff;

/// `0, 1, 2 ...`: what the numbers of a block are above its first. As wide as the numbers: of offsets with 32 bits compilers make
/// products that take the high half by another, longer way.
static OFFSETS: [u64; BLOCK] = {
    let mut offsets = [0; BLOCK];
    let mut i = 0;
    while i < BLOCK {
        offsets[i] = i as u64;
        i += 1;
    }
    offsets
};

/// The reference of the loop: `i * i` for one number after the other. [`black_box`] hides each `i` from the compiler, which
/// would otherwise put `(n - 1) n (2 n - 1) / 6` in place of the loop.
pub(super) fn loop_seq(numbers: Range<u64>) -> u128 {
    numbers.map(|i| u128::from(black_box(i)).pow(2)).sum()
}

/// The reference over data.
pub(super) fn data_seq(values: &[u64]) -> u128 {
    values.iter().map(|x| u128::from(*x).pow(2)).sum()
}

/// The loop `i * i` over `numbers`.
///
/// What keeps it a loop: the compiler is not told that the offsets of a block count upwards, since their address comes out of
/// [`black_box`]. So each number is really read, added to the block's first and squared: a load from the
/// first-level cache, a sum, a product and a sum for each vector of numbers.
#[inline(always)]
fn loop_body<const FMA: bool>(numbers: Range<u64>) -> u128 {
    let mut sum = 0;
    let mut first = numbers.start;
    while first < numbers.end {
        let length = (numbers.end - first).min(BLOCK as u64);
        let offsets = &black_box(&OFFSETS)[..length as usize];
        let last = first + length - 1;
        sum += if last < NARROW {
            let mut squares = 0;
            for offset in offsets {
                let i = (first + offset) & LOW;
                squares += i * i;
            }
            u128::from(squares)
        } else if last <= LOW {
            let mut sums = Medium::default();
            for offset in offsets {
                sums.add(first + offset);
            }
            sums.total()
        } else {
            let mut sums = Wide::default();
            for offset in offsets {
                sums.add(first + offset);
            }
            sums.total()
        };
        first += length;
    }
    sum
}

/// The squares of `values`, a block at each of four places at a time. Narrow sums are made on a guess and thrown away when the
/// blocks turn out to hold larger numbers.
#[inline(always)]
fn data_body<const FMA: bool>(values: &[u64]) -> u128 {
    let quarter = values.len() / 4 / PLACE * PLACE;
    let [a, b, c, d]: [&[u64]; 4] = std::array::from_fn(|i| &values[i * quarter..][..quarter]);
    let mut sum = 0;
    for start in (0..quarter).step_by(PLACE) {
        let [a, b, c, d] = [a, b, c, d].map(|part| &part[start..start + PLACE]);
        let (mut all, mut squares) = (0, 0_u64);
        for i in 0..PLACE {
            for x in [a[i], b[i], c[i], d[i]] {
                all |= x;
                squares = squares.wrapping_add((x & LOW) * (x & LOW));
            }
        }
        sum += if all < NARROW { u128::from(squares) } else { [a, b, c, d].into_iter().map(any_block).sum() };
    }
    sum + values[4 * quarter..].chunks(BLOCK).map(any_block).sum::<u128>()
}

/// The squares of a block of numbers of any size.
#[inline(always)]
fn any_block(block: &[u64]) -> u128 {
    let all = block.iter().fold(0, |all, x| all | x);
    if all <= LOW {
        let mut sums = Medium::default();
        for x in block {
            sums.add(*x);
        }
        sums.total()
    } else {
        let mut sums = Wide::default();
        for x in block {
            sums.add(*x);
        }
        sums.total()
    }
}

multiversion!(
    /// The loop `i * i` over `numbers`, of at most 2^42.
    pub(super) fn sum_loop = loop_body(numbers: Range<u64>) -> u128;
);
multiversion!(
    /// The squares of `values`, whose sum must be below 2^128.
    pub(super) fn sum_data = data_body(values: &[u64]) -> u128;
);

/// Sums of a block's products by halves.
#[derive(Default)]
struct Medium {
    low: u64,
    high: u64,
}

impl Medium {
    /// Adds the square of `x`, which is below 2^32.
    #[inline(always)]
    fn add(&mut self, x: u64) {
        self.product(x, x);
    }

    /// Adds the product of two numbers below 2^32. The masks change nothing but tell the compiler to multiply low halves of
    /// lanes.
    #[inline(always)]
    fn product(&mut self, x: u64, y: u64) {
        let product = (x & LOW) * (y & LOW);
        self.low += product & LOW;
        self.high += product >> 32;
    }

    fn total(&self) -> u128 {
        u128::from(self.low) + (u128::from(self.high) << 32)
    }
}

/// `x^2 = l^2 + 2^33 l h + 2^64 h^2` with `x = 2^32 h + l`.
#[derive(Default)]
struct Wide {
    ll: Medium,
    lh: Medium,
    hh: Medium,
}

impl Wide {
    #[inline(always)]
    fn add(&mut self, x: u64) {
        let (l, h) = (x & LOW, x >> 32);
        self.ll.product(l, l);
        self.lh.product(l, h);
        self.hh.product(h, h);
    }

    fn total(&self) -> u128 {
        self.ll.total() + (self.lh.total() << 33) + (self.hh.total() << 64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simd::Simd;

    #[test]
    fn the_loop_is_exact_around_every_change_of_width() {
        for middle in [BLOCK as u64, NARROW, 1 << 32, 1 << 33, (1 << 42) - 5000] {
            for (before, after) in [(0, 0), (0, 1), (1, 1), (1000, 3003), (1024, 1024), (1025, 4097)] {
                let numbers = middle.saturating_sub(before)..middle + after;
                for simd in Simd::available() {
                    assert_eq!(sum_loop(simd, numbers.clone()), loop_seq(numbers.clone()), "{numbers:?} {simd:?}");
                }
            }
        }
    }

    #[test]
    fn the_largest_values_of_every_width_fill_a_block_without_overflow() {
        for (value, times) in [(NARROW - 1, 3 * BLOCK), (NARROW, 2000), (LOW, 2000), (LOW + 1, 2000), (u64::MAX, 1)] {
            let values = vec![value; times];
            let expected = u128::from(value).pow(2) * times as u128;
            for simd in Simd::available() {
                assert_eq!(sum_data(simd, &values), expected, "{value} {simd:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn data_of_any_size_and_width_is_exact(
            words in proptest::collection::vec(any::<u64>(), 0..3000), shift in 5_u32..60,
        ) {
            // At most 59 bits: 3000 squares stay below 2^128.
            let values: Vec<u64> = words.iter().map(|word| word >> shift).collect();
            let expected: u128 = values.iter().map(|x| u128::from(*x) * u128::from(*x)).sum();
            prop_assert_eq!(data_seq(&values), expected);
            for simd in Simd::available() {
                prop_assert_eq!(sum_data(simd, &values), expected);
            }
        }
    }
}
