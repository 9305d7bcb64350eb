//! Measured ceilings of the host: bandwidth of memory and of the last-level cache, arithmetic rates. Measured with the
//! same pinned pool, the same huge pages and the same instruction-set level as the kernels, so that a kernel can reach
//! them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::pool::Pool;
use super::topology;
use crate::error::Result;
use crate::multiversion;
use crate::simd::{Simd, mul_add, mul_add_f32};

mod streams;
mod timing;

pub use streams::{Streams, read_by_size};
use timing::{best, seconds_since};

/// What the host reaches with all threads of a pool. Bytes and operations per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    /// Threads that took part.
    pub threads: usize,
    /// Instruction-set level.
    pub simd: Simd,
    /// `a = b + s c` with plain stores: 24 bytes an element are counted, the line that a store reads first is not.
    pub triad: f64,
    /// The same past the caches.
    pub triad_streaming: f64,
    /// Reading from memory, nothing written.
    pub read: f64,
    /// Writing to memory, nothing read: plain or past the caches, whichever is faster.
    pub write: f64,
    /// Bytes of the last-level cache.
    pub cache_bytes: u64,
    /// Reading what lies in that cache.
    pub cache_read: f64,
    /// f64 operations, a fused multiply-add being two (a product and a sum where there is none).
    pub flops_f64: f64,
    /// f32 operations, counted alike.
    pub flops_f32: f64,
    /// 32-bit integer sums and exclusive ors.
    pub int_ops: f64,
}

/// Largest total of the three arrays in a quick measurement, in bytes: what can be touched for the first time and passed
/// over a few times in 100 ms. Where the last-level cache is larger than a sixth of it, quick bandwidths are too high: with
/// three times the cache they were by a third.
const QUICK_BYTES: u64 = 192 << 20;

/// Measures with the threads of `pool` at `simd`. `quick`: within about 100 ms, a few per cent uncertain; otherwise within
/// about 2 s.
///
/// # Errors
/// [`crate::error::Error::Resource`] when three arrays larger than the last-level cache do not fit in memory.
pub fn measure(pool: &Pool, simd: Simd, quick: bool) -> Result<Limits> {
    let cache = topology::last_level_cache();
    let bytes = if quick { (6 * cache).min(QUICK_BYTES) } else { (16 * cache).max(3 << 28) };
    over(pool, simd, quick, bytes)
}

/// A quick measurement for work that goes over `bytes` again and again. Where that is more than half of the last-level cache
/// and less than the six times that memory needs to show, the arrays are as large: what of them the caches keep from one
/// pass to the next cannot be known otherwise.
///
/// # Errors
/// As [`measure`].
pub fn measure_for(pool: &Pool, simd: Simd, bytes: u64) -> Result<Limits> {
    let cache = topology::last_level_cache();
    let usual = (6 * cache).min(QUICK_BYTES);
    over(pool, simd, true, if (cache / 2..usual).contains(&bytes) { bytes } else { usual })
}

/// Measures with arrays of `bytes` in all.
fn over(pool: &Pool, simd: Simd, quick: bool, bytes: u64) -> Result<Limits> {
    let cache_bytes = topology::last_level_cache();
    // Short passes are disturbed more: as many as take as long.
    let repeats = if quick { 3 * (QUICK_BYTES / bytes.max(1)).clamp(1, 10) as usize } else { 9 };
    let mut streams = Streams::new(pool, simd, bytes)?;
    let triad = best(repeats, || streams.triad(false));
    let triad_streaming = best(repeats, || streams.triad(true));
    let read = best(repeats, || streams.read());
    let write = best(repeats, || streams.write(false)).max(best(repeats, || streams.write(true)));
    // A quarter of the cache: more than the private caches of a few cores, less than what others leave of the shared one.
    let passes = if quick { 8 } else { 64 };
    let cache_read = best(repeats, || streams.read_again(cache_bytes / 4, passes));
    drop(streams);

    let repeats = if quick { 3 } else { 9 };
    let rounds = if quick { 100_000 } else { 2_000_000 };
    let rate = |operations: usize, work: &(dyn Fn(u64) + Sync)| {
        // Lanes that arrive late are left out, so what counts is the rounds that were done.
        best(repeats, || {
            let start = Instant::now();
            let left = AtomicUsize::new(pool.threads() * 16);
            pool.run(pool.threads(), false, &|_| {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    work(rounds / 16);
                }
            });
            (rounds / 16 * 16) as f64 * (operations * pool.threads()) as f64 / seconds_since(start)
        })
    };
    // Wide for the 32 registers of AVX-512, narrow for the 16 of AVX2: whichever the compiler keeps in registers is faster.
    let flops_f64 = rate(2 * 80, &|n| fma_f64_wide(simd, n)).max(rate(2 * 32, &|n| fma_f64_narrow(simd, n)));
    let flops_f32 = rate(2 * 160, &|n| fma_f32_wide(simd, n)).max(rate(2 * 64, &|n| fma_f32_narrow(simd, n)));
    let int_ops = rate(2 * 160, &|n| int_wide(simd, n)).max(rate(2 * 64, &|n| int_narrow(simd, n)));
    Ok(Limits {
        threads: pool.threads(),
        simd,
        triad,
        triad_streaming,
        read,
        write,
        cache_bytes,
        cache_read,
        flops_f64,
        flops_f32,
        int_ops,
    })
}

#[inline(always)]
fn fma_body<const FMA: bool, const N: usize>(rounds: u64) {
    let mut sums: [f64; N] = std::array::from_fn(|i| i as f64);
    let (x, y) = std::hint::black_box((0.999_999, 1e-9));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = mul_add::<FMA>(*sum, x, y);
        }
    }
    std::hint::black_box(sums);
}

#[inline(always)]
fn fma_f32_body<const FMA: bool, const N: usize>(rounds: u64) {
    let mut sums: [f32; N] = std::array::from_fn(|i| i as f32);
    let (x, y) = std::hint::black_box((0.999_9, 1e-9));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = mul_add_f32::<FMA>(*sum, x, y);
        }
    }
    std::hint::black_box(sums);
}

#[inline(always)]
fn int_body<const N: usize>(rounds: u64) {
    let mut sums: [u32; N] = std::array::from_fn(|i| i as u32);
    let (x, y) = std::hint::black_box((0x9E37_79B9, 0xBB67_AE85));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = sum.wrapping_add(x) ^ y;
        }
    }
    std::hint::black_box(sums);
}

#[inline(always)]
fn fma_f64_wide_body<const FMA: bool>(rounds: u64) {
    fma_body::<FMA, 80>(rounds);
}
#[inline(always)]
fn fma_f64_narrow_body<const FMA: bool>(rounds: u64) {
    fma_body::<FMA, 32>(rounds);
}
#[inline(always)]
fn fma_f32_wide_body<const FMA: bool>(rounds: u64) {
    fma_f32_body::<FMA, 160>(rounds);
}
#[inline(always)]
fn fma_f32_narrow_body<const FMA: bool>(rounds: u64) {
    fma_f32_body::<FMA, 64>(rounds);
}
#[inline(always)]
fn int_wide_body<const FMA: bool>(rounds: u64) {
    int_body::<160>(rounds);
}
#[inline(always)]
fn int_narrow_body<const FMA: bool>(rounds: u64) {
    int_body::<64>(rounds);
}

multiversion!(fn fma_f64_wide = fma_f64_wide_body(rounds: u64););
multiversion!(fn fma_f64_narrow = fma_f64_narrow_body(rounds: u64););
multiversion!(fn fma_f32_wide = fma_f32_wide_body(rounds: u64););
multiversion!(fn fma_f32_narrow = fma_f32_narrow_body(rounds: u64););
multiversion!(fn int_wide = int_wide_body(rounds: u64););
multiversion!(fn int_narrow = int_narrow_body(rounds: u64););

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_plausible() {
        let pool = Pool::shared(0, true).unwrap();
        let limits = measure(&pool, Simd::detect(), true).unwrap();
        let Limits { triad, triad_streaming, read, write, cache_read, flops_f64, flops_f32, int_ops, .. } = limits;
        for (name, rate) in [
            ("triad", triad),
            ("triad_streaming", triad_streaming),
            ("read", read),
            ("write", write),
            ("cache_read", cache_read),
            ("flops_f64", flops_f64),
            ("flops_f32", flops_f32),
            ("int_ops", int_ops),
        ] {
            // 10 MB/s and a few exabytes a second bound any machine that runs this, debug builds included.
            assert!(rate > 1e7 && rate < 1e18, "{name}: {rate}");
        }
    }
}
