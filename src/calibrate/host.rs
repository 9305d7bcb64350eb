//! Facts of the host: its memory, its arithmetic, its pool, its files.

use std::path::Path;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::formats::source::Source;
use crate::machine::limits;
use crate::machine::pool::Pool;
use crate::machine::profile::{HostFacts, Rate, Robust};
use crate::machine::topology;
use crate::simd::Simd;

/// The largest working set that is read, in bytes: beyond it touching the memory takes longer than reading it.
const MOST_READ: u64 = 512 << 20;

/// Bytes of the file that is read at most: little enough to lie in memory for sure.
const MOST_FILE: u64 = 256 << 20;

/// How often the pool is woken, and the file read.
const REPEATS: usize = 5;

/// Measures the host with the threads of `pool`.
///
/// # Errors
/// [`Error::Resource`] when the arrays of the measurement do not fit in memory or no file can be written to the
/// folder for temporary files.
pub(super) fn measure(pool: &Pool, simd: Simd) -> Result<HostFacts> {
    let cache = topology::last_level_cache();
    let found = limits::measure(pool, simd, true)?;
    Ok(HostFacts {
        read: reads(pool, simd, cache)?,
        triad: Some(found.triad.max(found.triad_streaming)),
        flops_f64: Some(found.flops_f64),
        flops_f32: Some(found.flops_f32),
        int_ops: Some(found.int_ops),
        pool_wake: pool_wake(pool),
        file_read: Some(file_read(&std::env::temp_dir(), (4 * cache).clamp(32 << 20, MOST_FILE))?),
        cache_bytes: Some(cache),
    })
}

/// Reading by working set: what fits the first and second cache of each thread, parts of the last one, and memory.
fn reads(pool: &Pool, simd: Simd, cache: u64) -> Result<Vec<Rate>> {
    let threads = pool.threads() as u64;
    let mut sizes = vec![threads * (16 << 10), threads * (256 << 10), cache / 4, cache, 4 * cache];
    sizes.retain(|bytes| *bytes <= MOST_READ);
    sizes.sort_unstable();
    sizes.dedup();
    let rates = limits::read_by_size(pool, simd, &sizes)?;
    Ok(sizes.iter().zip(rates).map(|(bytes, per_second)| Rate { bytes: *bytes as f64, per_second }).collect())
}

/// Seconds to call every worker to work that is nothing.
fn pool_wake(pool: &Pool) -> Option<f64> {
    let mut seconds = Robust::default();
    for _ in 0..REPEATS {
        // Long enough for the workers to fall asleep, as they are when a run begins.
        std::thread::sleep(std::time::Duration::from_millis(2));
        let start = Instant::now();
        pool.run(pool.threads(), false, &|_| {});
        seconds.add(start.elapsed().as_secs_f64());
    }
    seconds.value()
}

/// Bytes per second of a file of `bytes` (more than the caches hold) that the system has in memory, read as every reader here does: mapped, from the first byte
/// to the last.
fn file_read(folder: &Path, bytes: u64) -> Result<f64> {
    let refused = |e: &std::io::Error| Error::io(folder, "write a file for measuring to", e);
    let file = tempfile::Builder::new().prefix(".hetero-").tempfile_in(folder).map_err(|e| refused(&e))?;
    std::fs::write(file.path(), vec![1_u8; bytes as usize]).map_err(|e| refused(&e))?;
    let mut seconds = Robust::default();
    for _ in 0..REPEATS {
        let start = Instant::now();
        let source = Source::open(file.path())?;
        let words = bytemuck::try_cast_slice::<u8, u64>(source.bytes()).unwrap_or_default();
        std::hint::black_box(words.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)));
        seconds.add(start.elapsed().as_secs_f64());
    }
    Ok(bytes as f64 / seconds.value().unwrap_or(f64::INFINITY).max(1e-9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_rates_and_leaves_no_file() {
        let pool = Pool::shared(2, true).unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert!(file_read(folder.path(), 1 << 20).unwrap() > 1e6);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(file_read(&folder.path().join("none"), 8).unwrap_err().exit_code(), 7);
        let wake = pool_wake(&pool).unwrap();
        assert!(wake > 0.0 && wake < 1.0, "{wake}");
        let reads = reads(&pool, Simd::detect(), 1 << 20).unwrap();
        assert!(reads.len() >= 4 && reads.windows(2).all(|pair| pair[0].bytes < pair[1].bytes), "{reads:?}");
        assert!(reads.iter().all(|rate| rate.per_second > 1e6 && rate.per_second.is_finite()), "{reads:?}");
    }
}
