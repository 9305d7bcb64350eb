//! Hits among whole blocks with AVX-512 and AVX2 instructions.
//!
//! The compiler vectorises the plain loop of `cpu.rs` in some builds and not in others: the same function was measured at
//! 0.47, 1.2 and 3 ns a sample, depending on what it was inlined into and how the crate was cut for optimisation. Here the
//! instructions are chosen, 0.43 ns with AVX-512.
//!
//! No closure in here: `map` and its like are compiled without these instructions, so a closure that uses them becomes a
//! call.
//!
//! Every 64-bit lane holds one block. A word of the counter is the low half of its lane; the high half may hold anything,
//! since the multiplication reads low halves only. So a round is two products, two shifts and two exclusive ors of three.

use crate::numeric::philox::{self, RoundKeys};

/// Registers of blocks in flight: a round's six instructions wait for each other, so other blocks fill the time. Four were
/// the fastest of 1, 2, 3 and 4 (5.5, 5.0, 5.0, 4.35 ms for 1e7 samples).
const FLIGHT: usize = 4;

/// The most groups of one call: a 32-bit lane counts at most eight hits a group.
const MAX_GROUPS: u64 = 1 << 24;

/// Philox4x32-10 of the counters `[number low, number high, stream, 0]`: `words[i]` for `number[i]`. A macro, so that the
/// words stay in registers: functions with instructions of their own cannot be `#[inline(always)]`.
macro_rules! blocks {
    ($keys:ident, $number:ident, $stream:literal) => {{
        let multiplier_0 = ops::splat(u64::from(philox::MULTIPLIER_0));
        let multiplier_1 = ops::splat(u64::from(philox::MULTIPLIER_1));
        let mut words = [[ops::splat(0), ops::splat(0), ops::splat($stream), ops::splat(0)]; FLIGHT];
        for i in 0..FLIGHT {
            words[i][0] = $number[i];
            words[i][1] = ops::high($number[i]);
        }
        for [k0, k1] in $keys {
            let (k0, k1) = (ops::splat(u64::from(*k0)), ops::splat(u64::from(*k1)));
            for [c0, c1, c2, c3] in &mut words {
                let product_0 = ops::product(*c0, multiplier_0);
                let product_1 = ops::product(*c2, multiplier_1);
                (*c0, *c1) = (ops::xor_3(ops::high(product_1), *c1, k0), product_1);
                (*c2, *c3) = (ops::xor_3(ops::high(product_0), *c3, k1), product_0);
            }
        }
        words
    }};
}

/// One counting function for each lattice from one set of instructions.
macro_rules! counters {
    ($level:ident, $feature:literal, $lanes:literal) => {
        pub(super) mod $level {
            use super::{FLIGHT, MAX_GROUPS, RoundKeys, philox};
            use ops::Vector;

            mod ops;

            /// Blocks that are counted together.
            pub(in super::super) const GROUP: u64 = (FLIGHT * $lanes) as u64;

            /// Hits of the 16-bit lattice in `groups` groups of blocks from block `first` on, four samples a block.
            #[target_feature(enable = $feature)]
            pub(in super::super) fn hits_16(keys: &RoundKeys, first: u64, groups: u64) -> u64 {
                assert!(groups <= MAX_GROUPS, "{groups} groups would overflow the counts");
                let mut hits = ops::splat(0);
                let mut number = numbers(first);
                for _ in 0..groups {
                    let words = blocks!(keys, number, 0);
                    for [a, b, c, d] in words {
                        // Four low halves in two registers, in any order: they are only counted.
                        for word in [ops::low_halves(a, b), ops::low_halves(c, d)] {
                            let (x, y) = (ops::and(word, ops::splat_32(0xffff)), ops::shift_right_16(word));
                            let x = ops::add_32(ops::product_32(x, x), x);
                            let y = ops::add_32(ops::product_32(y, y), y);
                            hits = ops::count_fits_32(hits, ops::add_32(x, y), x);
                        }
                    }
                    for number in &mut number {
                        *number = ops::add_64(*number, ops::splat(GROUP));
                    }
                }
                ops::sum_32(hits)
            }

            /// Hits of the 32-bit lattice, two samples a block.
            #[target_feature(enable = $feature)]
            pub(in super::super) fn hits_32(keys: &RoundKeys, first: u64, groups: u64) -> u64 {
                let mut hits = ops::splat(0);
                let mut number = numbers(first);
                let low = ops::splat(0xffff_ffff);
                for _ in 0..groups {
                    let words = blocks!(keys, number, 1);
                    for [a, b, c, d] in words {
                        for [x, y] in [[a, b], [c, d]] {
                            let x = ops::add_64(ops::product(x, x), ops::and(x, low));
                            let y = ops::add_64(ops::product(y, y), ops::and(y, low));
                            hits = ops::count_fits_64(hits, ops::add_64(x, y), x);
                        }
                    }
                    for number in &mut number {
                        *number = ops::add_64(*number, ops::splat(GROUP));
                    }
                }
                ops::sum_64(hits)
            }

            /// Block numbers from `first` on, one a lane.
            #[inline]
            #[target_feature(enable = $feature)]
            fn numbers(first: u64) -> [Vector; FLIGHT] {
                let mut numbers = [ops::add_64(ops::splat(first), ops::lane_numbers()); FLIGHT];
                for (i, number) in numbers.iter_mut().enumerate() {
                    *number = ops::add_64(*number, ops::splat((i * $lanes) as u64));
                }
                numbers
            }
        }
    };
}

counters!(avx512, "avx512f", 8);
counters!(avx2, "avx2", 4);
