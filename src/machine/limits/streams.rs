//! Bandwidth of memory and caches: passes over three arrays, by the threads of a pool.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::timing::{best, seconds_since};
use crate::error::Result;
use crate::machine::pool::Pool;
use crate::memory::{self, Buffer};
use crate::multiversion;
use crate::simd::{Simd, mul_add};

/// Elements that a thread takes at a time: 512 KiB of each array.
const SHARE: usize = 1 << 16;

/// Elements between two copies past the caches; as in the kernels.
const BLOCK: usize = 128;

/// Three arrays of one length and the threads that go over them. Each pass returns bytes per second.
pub struct Streams<'p> {
    pool: &'p Pool,
    simd: Simd,
    arrays: [Buffer<f64>; 3],
}

impl<'p> Streams<'p> {
    /// Arrays of `bytes` in all, for the threads of `pool` at `simd`.
    ///
    /// # Errors
    /// [`crate::error::Error::Resource`] when they do not fit in memory.
    pub fn new(pool: &'p Pool, simd: Simd, bytes: u64) -> Result<Self> {
        let n = ((bytes / 24) as usize).max(1).next_multiple_of(SHARE);
        let mut arrays = [Buffer::zeroed(n, "a")?, Buffer::zeroed(n, "b")?, Buffer::zeroed(n, "c")?];
        // The first touch of each page by the threads that will read it, more or less.
        shares(pool, arrays.each_mut().map(|array| &mut array[..]), |[a, b, c]| {
            a.fill(0.0);
            b.fill(1.0);
            c.fill(2.0);
        });
        Ok(Self { pool, simd, arrays })
    }

    /// `a = b + s c`, past the caches if `streaming`.
    pub fn triad(&mut self, streaming: bool) -> f64 {
        let simd = self.simd;
        self.pass(|[a, b, c]| if streaming { triad_streaming(simd, a, b, c) } else { triad_plain(simd, a, b, c) })
    }

    /// All three read: of one alone, twice as large as the last-level cache, a fifth was found there.
    pub fn read(&mut self) -> f64 {
        let simd = self.simd;
        self.pass(|arrays| arrays.iter().for_each(|array| sum(simd, array)))
    }

    /// All three filled, past the caches if `streaming`.
    pub fn write(&mut self, streaming: bool) -> f64 {
        let simd = self.simd;
        self.pass(|arrays| {
            arrays
                .iter_mut()
                .for_each(|array| if streaming { fill_streaming(simd, array) } else { array.fill(FACTOR) });
        })
    }

    /// The first `bytes` of an array read `passes` times: what a cache of that size gives.
    pub fn read_again(&mut self, bytes: u64, passes: usize) -> f64 {
        let (pool, simd) = (self.pool, self.simd);
        let array = &mut self.arrays[1];
        let n = ((bytes / 8) as usize).clamp(1, array.len());
        let start = Instant::now();
        for _ in 0..passes {
            shares(pool, [&mut array[..n]], |[array]| sum(simd, array));
        }
        (passes * n * size_of::<f64>()) as f64 / seconds_since(start)
    }

    fn pass(&mut self, work: impl Fn(&mut [&mut [f64]; 3]) + Sync) -> f64 {
        let bytes = self.arrays.iter().map(|array| size_of_val(&array[..])).sum::<usize>();
        let start = Instant::now();
        shares(self.pool, self.arrays.each_mut().map(|array| &mut array[..]), work);
        bytes as f64 / seconds_since(start)
    }
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
            let start = Instant::now();
            let next = AtomicUsize::new(0);
            pool.run(threads, false, &|_| {
                while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    (0..passes).for_each(|_| sum(simd, part));
                }
            });
            (passes * bytes) as f64 / seconds_since(start)
        };
        let passes = ((LEAST * best(1, || read(1)) / bytes.max(1) as f64) as u64).max(1);
        best(3, || read(passes))
    };
    Ok(sizes.iter().map(|bytes| rate(*bytes)).collect())
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

/// Results of a block, on cache lines of their own.
#[repr(align(64))]
struct Lines([f64; BLOCK]);

#[inline(always)]
fn triad_blocks_body<const FMA: bool>(a: &mut [f64], b: &[f64], c: &[f64], simd: Simd) {
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

/// Fills `a` past the caches, from a block that stays in the first one.
fn fill_streaming(simd: Simd, a: &mut [f64]) {
    let block = Lines([FACTOR; BLOCK]);
    for a in a.chunks_mut(BLOCK) {
        memory::copy_streaming(simd, a, &block.0[..a.len()]);
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

multiversion!(fn triad_plain = triad_body(a: &mut [f64], b: &[f64], c: &[f64]););
multiversion!(fn triad_blocks = triad_blocks_body(a: &mut [f64], b: &[f64], c: &[f64], level: Simd););
multiversion!(fn sum_of = sum_body(values: &[f64]) -> f64;);

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
            shares(&pool, [&mut b], |[b]| fill_streaming(simd, b));
            assert!(b.iter().all(|x| *x == FACTOR));
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
}
