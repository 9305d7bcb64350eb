//! Measured ceilings of the host: bandwidth of memory and of the last-level cache, arithmetic rates. Measured with the
//! same pinned pool, the same huge pages and the same instruction-set level as the kernels, so that a kernel can reach
//! them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::pool::Pool;
use super::topology;
use crate::error::Result;
use crate::memory::{self, Buffer};
use crate::multiversion;
use crate::simd::{Simd, mul_add, mul_add_f32};

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

/// Elements that a thread takes at a time: 512 KiB of each array.
const SHARE: usize = 1 << 16;

/// Elements between two copies past the caches; as in the kernels.
const BLOCK: usize = 128;

/// Measures with the threads of `pool` at `simd`. `quick`: within about 100 ms, a few per cent uncertain; otherwise within
/// about 2 s.
///
/// # Errors
/// [`crate::error::Error::Resource`] when three arrays larger than the last-level cache do not fit in memory.
pub fn measure(pool: &Pool, simd: Simd, quick: bool) -> Result<Limits> {
    let cache_bytes = topology::last_level_cache();
    let bytes = if quick { (6 * cache_bytes).min(QUICK_BYTES) } else { (16 * cache_bytes).max(3 << 28) };
    let n = usize::try_from(bytes / 24).unwrap_or(SHARE).next_multiple_of(SHARE);
    let repeats = if quick { 3 } else { 9 };
    let mut arrays = [Buffer::<f64>::zeroed(n, "a")?, Buffer::zeroed(n, "b")?, Buffer::zeroed(n, "c")?];
    let [a, b, c] = arrays.each_mut().map(|array| &mut array[..]);
    // The first touch of each page by the threads that will read it, more or less.
    shares(pool, [&mut *a, &mut *b, &mut *c], |[a, b, c]| {
        a.fill(0.0);
        b.fill(1.0);
        c.fill(2.0);
    });
    let array_bytes = (n * size_of::<f64>()) as f64;
    let triad = |a: &mut [f64], b: &mut [f64], c: &mut [f64], streaming: bool| {
        let seconds = best(repeats, || {
            shares(pool, [&mut *a, &mut *b, &mut *c], |[a, b, c]| {
                if streaming { triad_streaming(simd, a, b, c) } else { triad_plain(simd, a, b, c) }
            });
        });
        3.0 * array_bytes / seconds
    };
    let plain = triad(a, b, c, false);
    let streaming = triad(a, b, c, true);
    let read = array_bytes / best(repeats, || shares(pool, [&mut *b], |[b]| sum(simd, b)));

    // A quarter of the cache: more than the private caches of a few cores, less than what others leave of the shared one.
    let cached = usize::try_from(cache_bytes / 4 / 8).unwrap_or(n).min(n);
    let passes = if quick { 8 } else { 64 };
    let seconds = best(repeats, || {
        for _ in 0..passes {
            shares(pool, [&mut b[..cached]], |[b]| sum(simd, b));
        }
    });
    let cache_read = (passes * cached * size_of::<f64>()) as f64 / seconds;

    let rounds = if quick { 100_000 } else { 2_000_000 };
    let rate = |operations: usize, work: &(dyn Fn(u64) + Sync)| {
        // Lanes that arrive late are left out, so what counts is the rounds that were done.
        let seconds_per_round = best(repeats, || {
            let left = AtomicUsize::new(pool.threads() * 16);
            pool.run(pool.threads(), false, &|_| {
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    work(rounds / 16);
                }
            });
        }) / ((rounds / 16 * 16) as f64 * pool.threads() as f64);
        operations as f64 / seconds_per_round
    };
    // Wide for the 32 registers of AVX-512, narrow for the 16 of AVX2: whichever the compiler keeps in registers is faster.
    let flops_f64 = rate(2 * 80, &|n| fma_f64_wide(simd, n)).max(rate(2 * 32, &|n| fma_f64_narrow(simd, n)));
    let flops_f32 = rate(2 * 160, &|n| fma_f32_wide(simd, n)).max(rate(2 * 64, &|n| fma_f32_narrow(simd, n)));
    let int_ops = rate(2 * 160, &|n| int_wide(simd, n)).max(rate(2 * 64, &|n| int_narrow(simd, n)));
    Ok(Limits {
        threads: pool.threads(),
        simd,
        triad: plain,
        triad_streaming: streaming,
        read,
        cache_bytes,
        cache_read,
        flops_f64,
        flops_f32,
        int_ops,
    })
}

/// Bytes per second that the threads of `pool` read together when each goes over its own part of `bytes` again and again:
/// one figure for each of `sizes`.
///
/// # Errors
/// [`crate::error::Error::Resource`] when the largest does not fit in memory.
pub fn read_by_size(pool: &Pool, simd: Simd, sizes: &[u64]) -> Result<Vec<f64>> {
    /// Seconds that each measurement takes at least, so that calling the threads costs little of it.
    const LEAST: f64 = 4e-3;
    let numbers = |bytes: u64| (bytes / 8) as usize;
    let largest = sizes.iter().copied().max().map_or(0, numbers);
    let mut data = Buffer::<f64>::zeroed(largest.max(1), "data to read")?;
    shares(pool, [&mut data[..]], |[data]| data.fill(1.0));
    let threads = pool.threads();
    let rate = |bytes: u64| {
        let parts: Vec<&[f64]> = data[..numbers(bytes)].chunks(numbers(bytes).div_ceil(threads).max(64)).collect();
        let read = |passes: u64| {
            let next = AtomicUsize::new(0);
            pool.run(threads, false, &|_| {
                while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    (0..passes).for_each(|_| sum(simd, part));
                }
            });
        };
        let passes = ((LEAST / best(1, || read(1))) as u64).max(1);
        let seconds = best(3, || read(passes));
        (passes * bytes) as f64 / seconds
    };
    Ok(sizes.iter().map(|bytes| rate(*bytes)).collect())
}

/// Shortest of `repeats` times after one that warms up.
fn best(repeats: usize, mut work: impl FnMut()) -> f64 {
    work();
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..repeats).map(time).fold(f64::INFINITY, f64::min).max(1e-9)
}

/// Gives the arrays to the threads of `pool`, [`SHARE`] elements of each at a time. All have one length.
fn shares<const N: usize>(pool: &Pool, arrays: [&mut [f64]; N], work: impl Fn(&mut [&mut [f64]; N]) + Sync) {
    let mut rest = arrays.map(|array| array.chunks_mut(SHARE));
    let count = rest[0].len();
    let part = |_| Mutex::new(rest.each_mut().map(|chunks| chunks.next().expect("the arrays have one length")));
    let parts: Vec<_> = (0..count).map(part).collect();
    let next = AtomicUsize::new(0);
    pool.run(pool.threads(), false, &|_| {
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            // The counter gives each part to one thread, so nobody ever waits for this lock.
            work(&mut part.lock().unwrap_or_else(PoisonError::into_inner));
        }
    });
}

/// The factor of the triad.
const FACTOR: f64 = 3.0;

#[inline(always)]
fn triad_body<const FMA: bool>(a: &mut [f64], b: &[f64], c: &[f64]) {
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        *a = mul_add::<FMA>(FACTOR, *c, *b);
    }
}

#[inline(always)]
fn triad_blocks_body<const FMA: bool>(a: &mut [f64], b: &[f64], c: &[f64], simd: Simd) {
    #[repr(align(64))]
    struct Lines([f64; BLOCK]);
    let mut buffer = Lines([0.0; BLOCK]);
    for ((a, b), c) in a.chunks_mut(BLOCK).zip(b.chunks(BLOCK)).zip(c.chunks(BLOCK)) {
        let buffer = &mut buffer.0[..a.len()];
        triad_body::<FMA>(buffer, b, c);
        memory::copy_streaming(simd, a, buffer);
    }
    memory::streaming_fence();
}

/// The triad past the caches: from registers with AVX-512, in blocks otherwise, as the kernels do it.
fn triad_streaming(simd: Simd, a: &mut [f64], b: &[f64], c: &[f64]) {
    #[cfg(target_arch = "x86_64")]
    if simd == Simd::Avx512 && simd <= Simd::detect() && a.as_ptr().align_offset(64) == 0 {
        let done = a.len() / 8 * 8;
        // SAFETY: the CPU has AVX-512 and `a` starts on a cache line.
        unsafe { triad_avx512(&mut a[..done], &b[..done], &c[..done]) };
        return triad_plain(simd, &mut a[done..], &b[done..], &c[done..]);
    }
    triad_blocks(simd, a, b, c, simd);
}

/// # Safety
/// The CPU has AVX-512 F; `a` starts on a cache line; the slices have one length, a multiple of 8.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn triad_avx512(a: &mut [f64], b: &[f64], c: &[f64]) {
    use std::arch::x86_64::{_mm512_fmadd_pd, _mm512_loadu_pd, _mm512_set1_pd, _mm512_stream_pd};
    let factor = _mm512_set1_pd(FACTOR);
    for i in (0..a.len()).step_by(8) {
        // SAFETY: by the caller's contract all three slices reach to `i + 8`, and `a` is aligned at `i`.
        unsafe {
            let (b, c) = (_mm512_loadu_pd(b.as_ptr().add(i)), _mm512_loadu_pd(c.as_ptr().add(i)));
            _mm512_stream_pd(a.as_mut_ptr().add(i), _mm512_fmadd_pd(factor, c, b));
        }
    }
    memory::streaming_fence();
}

#[inline(always)]
fn sum_body<const FMA: bool>(values: &[f64]) -> f64 {
    let mut sums = [0.0; 64];
    for chunk in values.as_chunks::<64>().0 {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    sums.iter().sum()
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

multiversion!(fn triad_plain = triad_body(a: &mut [f64], b: &[f64], c: &[f64]););
multiversion!(fn triad_blocks = triad_blocks_body(a: &mut [f64], b: &[f64], c: &[f64], level: Simd););
multiversion!(fn sum_of = sum_body(values: &[f64]) -> f64;);
multiversion!(fn fma_f64_wide = fma_f64_wide_body(rounds: u64););
multiversion!(fn fma_f64_narrow = fma_f64_narrow_body(rounds: u64););
multiversion!(fn fma_f32_wide = fma_f32_wide_body(rounds: u64););
multiversion!(fn fma_f32_narrow = fma_f32_narrow_body(rounds: u64););
multiversion!(fn int_wide = int_wide_body(rounds: u64););
multiversion!(fn int_narrow = int_narrow_body(rounds: u64););

/// Reads `values`; the sum goes nowhere, but the compiler must not know.
fn sum(simd: Simd, values: &[f64]) {
    std::hint::black_box(sum_of(simd, values));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_triad_is_computed_and_every_share_is_visited_once() {
        let pool = Pool::shared(2, true).unwrap();
        let n = 3 * SHARE + 17;
        for simd in Simd::available() {
            let (mut a, mut b, mut c) = (vec![0.0; n], vec![1.0; n], vec![2.0; n]);
            shares(&pool, [&mut a, &mut b, &mut c], |[a, b, c]| triad_streaming(simd, a, b, c));
            assert!(a.iter().all(|x| *x == 7.0));
            shares(&pool, [&mut a], |[a]| a.iter_mut().for_each(|x| *x += 1.0));
            assert!(a.iter().all(|x| *x == 8.0));
            assert_eq!(sum_of(simd, &a[..640]), 8.0 * 640.0);
        }
    }

    #[test]
    fn a_working_set_of_any_size_is_read() {
        let pool = Pool::shared(2, true).unwrap();
        let rates = read_by_size(&pool, Simd::detect(), &[8, 4096, 1 << 20]).unwrap();
        assert!(rates.len() == 3 && rates.iter().all(|rate| *rate > 0.0 && *rate < 1e18), "{rates:?}");
        assert!(read_by_size(&pool, Simd::detect(), &[]).unwrap().is_empty());
    }

    #[test]
    fn limits_are_plausible() {
        let pool = Pool::shared(0, true).unwrap();
        let limits = measure(&pool, Simd::detect(), true).unwrap();
        let Limits { triad, triad_streaming, read, cache_read, flops_f64, flops_f32, int_ops, .. } = limits;
        for (name, rate) in [
            ("triad", triad),
            ("triad_streaming", triad_streaming),
            ("read", read),
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
