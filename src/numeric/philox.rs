//! Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw ("Parallel random numbers: as easy as
//! 1, 2, 3", SC11): a block of four random words is a pure function of a 128-bit counter and a 64-bit key, so any
//! block can be made anywhere, in any order.

use std::convert::Infallible;

use rand::TryRng;

/// Round multiplier of words 0 and 1.
pub const MULTIPLIER_0: u32 = 0xD251_1F53;
/// Round multiplier of words 2 and 3.
pub const MULTIPLIER_1: u32 = 0xCD9E_8D57;
/// What key word 0 grows by each round: the golden ratio's fraction.
pub const WEYL_0: u32 = 0x9E37_79B9;
/// What key word 1 grows by each round: the fraction of the square root of three.
pub const WEYL_1: u32 = 0xBB67_AE85;
/// Rounds of the published generator.
pub const ROUNDS: u32 = 10;

/// The four random words of block `counter` (word 0 lowest) under `key`.
#[inline]
#[must_use]
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let product_0 = u64::from(MULTIPLIER_0) * u64::from(c0);
        let product_1 = u64::from(MULTIPLIER_1) * u64::from(c2);
        c0 = (product_1 >> 32) as u32 ^ c1 ^ k0;
        c1 = product_1 as u32;
        c2 = (product_0 >> 32) as u32 ^ c3 ^ k1;
        c3 = product_0 as u32;
        k0 = k0.wrapping_add(WEYL_0);
        k1 = k1.wrapping_add(WEYL_1);
    }
    [c0, c1, c2, c3]
}

/// The keys of all rounds under one seed, so that vector code adds nothing up.
pub type RoundKeys = [[u32; 2]; ROUNDS as usize];

/// [`RoundKeys`] of `seed`.
#[must_use]
pub fn round_keys(seed: u64) -> RoundKeys {
    let mut key = split(seed);
    std::array::from_fn(|_| {
        let this = key;
        key = [key[0].wrapping_add(WEYL_0), key[1].wrapping_add(WEYL_1)];
        this
    })
}

/// The words of block 0, 1, 2 ... of one stream, as a generator for `rand`. The key is the seed, the counter is
/// `[block low, block high, stream low, stream high]`: 2^64 streams of 2^66 words each that never overlap.
///
/// Not for secrets: whoever knows the seed knows every word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
    stream: [u32; 2],
    /// The block that comes after `words`.
    block: u64,
    words: [u32; 4],
    /// Words of `words` that are given out already.
    used: usize,
}

impl Philox {
    /// The generator at the start of `stream` under `seed`.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { key: split(seed), stream: split(stream), block: 0, words: [0; 4], used: 4 }
    }

    /// Goes to the first word of `block`; nothing in between is computed.
    pub fn seek(&mut self, block: u64) {
        self.block = block;
        self.used = 4;
    }

    fn next(&mut self) -> u32 {
        if self.used == 4 {
            let [low, high] = split(self.block);
            self.words = philox4x32_10([low, high, self.stream[0], self.stream[1]], self.key);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }
}

impl TryRng for Philox {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.next());
        Ok(u64::from(self.next()) << 32 | low)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for piece in bytes.chunks_mut(4) {
            piece.copy_from_slice(&self.next().to_le_bytes()[..piece.len()]);
        }
        Ok(())
    }
}

/// Low and high word.
fn split(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use rand::{Rng, RngExt};

    use super::*;

    /// `kat_vectors` of Random123 1.14, the `philox4x32 10` lines.
    #[test]
    fn published_known_answers() {
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32_10([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32_10([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn a_stream_is_the_blocks_in_order() {
        let (seed, stream) = (0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e);
        let mut rng = Philox::new(seed, stream);
        rng.seek(0x85a3_08d3_243f_6a88);
        assert_eq!(rng.next_u32(), 0xd16c_fe09);
        assert_eq!(rng.next_u64(), 0x5001_e420_94fd_cceb);
        assert_eq!(rng.next_u32(), 0x2412_6ea1);
        let next = rng.next_u32();
        rng.seek(0x85a3_08d3_243f_6a89);
        assert_eq!(rng.next_u32(), next);
    }

    #[test]
    fn bytes_are_the_words_in_little_endian() {
        let mut bytes = [0u8; 7];
        Philox::new(0, 0).fill_bytes(&mut bytes);
        assert_eq!(bytes, [0xd5, 0xe8, 0x27, 0x66, 0x8d, 0xc5, 0x69]);
    }

    #[test]
    fn streams_and_seeds_differ_and_floats_look_uniform() {
        let draw = |seed, stream| Philox::new(seed, stream).next_u64();
        assert_ne!(draw(1, 0), draw(0, 1));
        assert_ne!(draw(0, 0), draw(0, 1));
        let mut rng = Philox::new(42, 0);
        let n = 100_000;
        let mean = (0..n).map(|_| rng.random::<f64>()).sum::<f64>() / f64::from(n);
        // Five standard errors of the mean of n uniform numbers.
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / f64::from(n)).sqrt(), "mean {mean}");
    }
}
