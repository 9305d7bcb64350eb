//! The CPU forms of the kernel `pi`: hits among the samples of a range.
//!
//! Both forms read the same words: sample `s` of the 16-bit lattice is word `s % 4` of block `s / 4`, sample `s` of the
//! 32-bit one is words `2 (s % 2)` and `2 (s % 2) + 1` of block `s / 2`, where block `b` is Philox4x32-10 of the counter
//! `[b low, b high, lattice, 0]` under the key `[seed low, seed high]` and `lattice` is 0 or 1.
//! `shaders/pi.wgsl` is the same in WGSL.

use super::{Lattice, Pi};
use crate::job::Chunk;
use crate::numeric::philox::{self, RoundKeys, philox4x32_10, round_keys};
use crate::simd::Simd;

/// Whether the cell `(x, y)` of the 16-bit lattice has its centre inside the circle, as 0 or 1.
///
/// The centre is `(x + 1/2, y + 1/2) / 2^16`. It is inside when `(x + 1/2)^2 + (y + 1/2)^2 <= 2^32`, that is
/// `x (x + 1) + y (y + 1) + 1/2 <= 2^32`; the products are whole numbers, so the half may go: `< 2^32`. Each product is
/// at most `2^32 - 2^16` and fits in 32 bits; their sum fits exactly when the centre is inside. No centre lies on the circle.
#[inline(always)]
fn inside_16(word: u32) -> u32 {
    let (x, y) = (word & 0xffff, word >> 16);
    u32::from(x * x + x <= !(y * y + y))
}

/// The same on the 32-bit lattice, one size up: `x (x + 1) + y (y + 1) < 2^64`.
#[inline(always)]
fn inside_32(x: u32, y: u32) -> u32 {
    let (x, y) = (u64::from(x), u64::from(y));
    u32::from(x * x + x <= !(y * y + y))
}

/// The reference: one block after the other, of the first and the last only the samples that are asked for.
pub(super) fn hits_seq(pi: &Pi, chunk: Chunk) -> u64 {
    let key = [pi.seed as u32, (pi.seed >> 32) as u32];
    let per_block = pi.lattice.samples_per_block();
    let mut hits = 0;
    let mut sample = chunk.start;
    while sample < chunk.end {
        let block = sample / per_block;
        let words = philox4x32_10([block as u32, (block >> 32) as u32, pi.lattice.stream(), 0], key);
        // One past the block's last sample may be past the last u64.
        let n = (per_block - sample % per_block).min(chunk.end - sample);
        for place in (sample % per_block) as usize..(sample % per_block + n) as usize {
            hits += u64::from(match pi.lattice {
                Lattice::Bits16 => inside_16(words[place]),
                Lattice::Bits32 => inside_32(words[2 * place], words[2 * place + 1]),
            });
        }
        sample += n;
    }
    hits
}

/// Hits among the samples of `chunk` by vector code: whole blocks, and the ragged ends one by one.
pub(super) fn hits(simd: Simd, pi: &Pi, chunk: Chunk) -> u64 {
    let per_block = pi.lattice.samples_per_block();
    let (first, last) = (chunk.start.div_ceil(per_block), chunk.end / per_block);
    if first >= last {
        return hits_seq(pi, chunk);
    }
    let head = hits_seq(pi, Chunk::new(chunk.start, first * per_block));
    let tail = hits_seq(pi, Chunk::new(last * per_block, chunk.end));
    let keys = round_keys(pi.seed);
    let (mut block, mut hits) = (first, head + tail);
    #[cfg(target_arch = "x86_64")]
    if simd > Simd::Baseline && simd <= Simd::detect() {
        use super::x86::{avx2, avx512};
        let (group, count): (u64, Count) = match (simd, pi.lattice) {
            (Simd::Avx512, Lattice::Bits16) => (avx512::GROUP, avx512::hits_16),
            (Simd::Avx512, Lattice::Bits32) => (avx512::GROUP, avx512::hits_32),
            (_, Lattice::Bits16) => (avx2::GROUP, avx2::hits_16),
            (_, Lattice::Bits32) => (avx2::GROUP, avx2::hits_32),
        };
        while last - block >= group {
            let groups = ((last - block) / group).min(RUN);
            // SAFETY: the CPU has the instructions of `simd`, as checked above.
            hits += unsafe { count(&keys, block, groups) };
            block += groups * group;
        }
    }
    let _ = simd;
    while block < last {
        // The plain loop counts in the low word of the block number, so a run must not carry into the high word.
        let to_carry = (1 << 32) - (block & 0xffff_ffff);
        let n = (last - block).min(RUN).min(to_carry);
        hits += u64::from(run(pi.lattice, &keys, block, n as u32));
        block += n;
    }
    hits
}

/// Counts hits in groups of blocks: keys, first block, groups.
#[cfg(target_arch = "x86_64")]
type Count = unsafe fn(&RoundKeys, u64, u64) -> u64;

/// Groups of blocks, or blocks, that are counted in one go: far below what overflows a 32-bit count.
const RUN: u64 = 1 << 20;

/// Philox4x32-10 of the counter `[low, high, stream, 0]` with the round keys at hand. The rounds are written out:
/// compilers can then work on one block per vector lane.
#[inline(always)]
fn words(keys: &RoundKeys, low: u32, high: u32, stream: u32) -> [u32; 4] {
    let [k0, k1, k2, k3, k4, k5, k6, k7, k8, k9] = *keys;
    let c = [low, high, stream, 0];
    let c = round(round(round(round(round(c, k0), k1), k2), k3), k4);
    round(round(round(round(round(c, k5), k6), k7), k8), k9)
}

/// One round of Philox4x32.
#[inline(always)]
fn round([c0, c1, c2, c3]: [u32; 4], [k0, k1]: [u32; 2]) -> [u32; 4] {
    let product_0 = u64::from(philox::MULTIPLIER_0) * u64::from(c0);
    let product_1 = u64::from(philox::MULTIPLIER_1) * u64::from(c2);
    [(product_1 >> 32) as u32 ^ c1 ^ k0, product_1 as u32, (product_0 >> 32) as u32 ^ c3 ^ k1, product_0 as u32]
}

/// Hits of `n` whole blocks from `first` on, all with the same high word: the form for CPUs without the instructions of
/// `x86.rs`, and for the last few blocks.
fn run(lattice: Lattice, keys: &RoundKeys, first: u64, n: u32) -> u32 {
    let (low, high) = (first as u32, (first >> 32) as u32);
    let mut hits = 0;
    match lattice {
        Lattice::Bits16 => {
            for i in 0..n {
                let [a, b, c, d] = words(keys, low.wrapping_add(i), high, Lattice::Bits16.stream());
                hits += inside_16(a) + inside_16(b) + inside_16(c) + inside_16(d);
            }
        }
        Lattice::Bits32 => {
            for i in 0..n {
                let [a, b, c, d] = words(keys, low.wrapping_add(i), high, Lattice::Bits32.stream());
                hits += inside_32(a, b) + inside_32(c, d);
            }
        }
    }
    hits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pi(seed: u64, lattice: Lattice) -> Pi {
        Pi { samples: u64::MAX, seed, lattice }
    }

    #[test]
    fn a_block_is_the_published_generator() {
        for (seed, number, stream) in [(0, 0, 0), (42, 7, 1), (u64::MAX, u64::MAX, 0), (1 << 40, 1 << 33, 1)] {
            let key = [seed as u32, (seed >> 32) as u32];
            let expected = philox4x32_10([number as u32, (number >> 32) as u32, stream, 0], key);
            assert_eq!(words(&round_keys(seed), number as u32, (number >> 32) as u32, stream), expected);
        }
    }

    #[test]
    fn cells_at_the_corners_and_at_the_circle() {
        assert_eq!(inside_16(0), 1);
        assert_eq!(inside_16(0xffff_ffff), 0);
        // Row y = 0: x (x + 1) < 2^32 for every x.
        assert_eq!(inside_16(0x0000_ffff), 1);
        // Row y = 255: y (y + 1) = 65280 < 2^16 = 2^32 - x (x + 1) for x = 65535; row 256 has 65792.
        assert_eq!(inside_16(255 << 16 | 0xffff), 1);
        assert_eq!(inside_16(256 << 16 | 0xffff), 0);
        assert_eq!((inside_32(0, u32::MAX), inside_32(u32::MAX, u32::MAX)), (1, 0));
        assert_eq!((inside_32(65535, u32::MAX), inside_32(65536, u32::MAX)), (1, 0));
    }

    /// The test of a lattice point, once more in numbers that are wide enough.
    fn inside_wide(x: u32, y: u32, bits: u32) -> u32 {
        let square = |x: u32| (2 * u128::from(x) + 1).pow(2);
        u32::from(square(x) + square(y) <= 1 << (2 * bits + 2))
    }

    #[test]
    fn ranges_across_the_carry_of_the_block_number() {
        for lattice in [Lattice::Bits16, Lattice::Bits32] {
            let carry = lattice.samples_per_block() << 32;
            let chunk = Chunk::new(carry - 1001, carry + 999);
            let expected = hits_seq(&pi(5, lattice), chunk);
            for simd in Simd::available() {
                assert_eq!(hits(simd, &pi(5, lattice), chunk), expected, "{simd:?} {lattice:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_level_counts_what_the_reference_counts(
            seed: u64, start in 0..u64::MAX - 5000, length in 0u64..5000, exact: bool,
        ) {
            let pi = pi(seed, if exact { Lattice::Bits32 } else { Lattice::Bits16 });
            let chunk = Chunk::new(start, start + length);
            let expected = hits_seq(&pi, chunk);
            for simd in Simd::available() {
                prop_assert_eq!(hits(simd, &pi, chunk), expected);
            }
        }

        #[test]
        fn the_split_changes_nothing(seed: u64, length in 0u64..3000, cuts in prop::collection::vec(0u64..3000, 0..6)) {
            let pi = pi(seed, Lattice::Bits16);
            let mut edges: Vec<u64> = cuts.into_iter().map(|cut| cut.min(length)).chain([0, length]).collect();
            edges.sort_unstable();
            let parts: u64 = edges.windows(2).map(|w| hits(Simd::detect(), &pi, Chunk::new(w[0], w[1]))).sum();
            prop_assert_eq!(parts, hits_seq(&pi, Chunk::new(0, length)));
        }

        #[test]
        fn cells_are_decided_as_in_wide_arithmetic(x: u32, y: u32) {
            prop_assert_eq!(inside_16(y << 16 | x & 0xffff), inside_wide(x & 0xffff, y & 0xffff, 16));
            prop_assert_eq!(inside_32(x, y), inside_wide(x, y, 32));
        }
    }
}
