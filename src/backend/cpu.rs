//! `cpu`: all the processors this process may use, each with the fastest code that it has.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Backend, BackendEntry, BackendFacts, BackendOptions, Done, Lane, LaneBody, Phases};
use crate::error::{Error, Result};
use crate::job::{ChunkOut, Host, Kernel};
use crate::machine::pool::Pool;
use crate::plan::{self, ChunkRule};
use crate::simd::Simd;

/// The registry entry.
pub const ENTRY: BackendEntry = BackendEntry {
    name: "cpu",
    about: "a pool of threads pinned to the CPUs this process may use, vector code chosen at run time",
    numbered: false,
    device: false,
    open: |options, _| Ok(Box::new(Cpu { pool: pool(options)?, simd: simd(&options.simd)? })),
    devices: |_| Vec::new(),
};

/// The pool that `options` ask for: the one that this backend uses, for readers and merges to share.
///
/// # Errors
/// [`Error::Usage`] for too many threads; [`Error::Resource`] when the system refuses them.
pub fn pool(options: &BackendOptions) -> Result<Arc<Pool>> {
    Pool::shared(options.threads, options.pin)
}

/// The instruction-set level behind its name in the settings, at most what this CPU has.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn simd(name: &str) -> Result<Simd> {
    let best = Simd::detect();
    let levels = [Simd::Avx512, Simd::Avx2, Simd::Baseline];
    match levels.into_iter().find(|level| level.name() == name) {
        Some(level) => Ok(level.min(best)),
        None if name == "auto" => Ok(best),
        None => Err(Error::Usage(format!("simd is '{name}'; use auto, avx512, avx2 or baseline"))),
    }
}

struct Cpu {
    pool: Arc<Pool>,
    simd: Simd,
}

/// A step of up to this many smallest chunks is over within about 100 us.
const BRIEF_CHUNKS: u64 = 64;

impl Backend for Cpu {
    fn facts(&self) -> BackendFacts {
        BackendFacts { id: ENTRY.name.into(), threads: self.pool.threads(), simd: self.simd.name(), adapter: None }
    }

    fn pinned(&self) -> Option<bool> {
        Some(self.pool.cpus().is_some())
    }

    fn side_by_side(&self) -> usize {
        self.pool.threads()
    }

    fn chunks(&self, kernel: &dyn Kernel) -> Result<ChunkRule> {
        Ok(plan::cpu_chunks(kernel, self.pool.threads()))
    }

    fn host(&self) -> Result<Host<'_>> {
        Ok(Host { simd: self.simd, pool: Some(&self.pool), done: None })
    }

    fn run<'w>(&mut self, kernel: &dyn Kernel, body: &LaneBody<'_, 'w>) -> Result<Phases> {
        let start = Instant::now();
        let chunks = kernel.items().div_ceil(self.chunks(kernel)?.min);
        // No thread is called for less than one chunk.
        let lanes = usize::try_from(chunks).unwrap_or(usize::MAX).clamp(1, self.pool.threads());
        let failed = Mutex::new(None);
        self.pool.run(lanes, chunks <= BRIEF_CHUNKS, &|_| {
            if let Err(error) = body(&mut CpuLane { kernel, simd: self.simd, done: None }) {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(Phases { kernel: start.elapsed().as_secs_f64(), ..Phases::default() }),
        }
    }
}

struct CpuLane<'k> {
    kernel: &'k dyn Kernel,
    simd: Simd,
    done: Option<Done>,
}

impl<'w> Lane<'w> for CpuLane<'_> {
    fn depth(&self) -> usize {
        1
    }

    fn submit(&mut self, mut part: ChunkOut<'w>) -> Result<()> {
        self.kernel.cpu(self.simd, &mut part);
        self.done = Some(Done { chunk: part.chunk(), fold: part.fold });
        Ok(())
    }

    fn collect(&mut self) -> Result<Done> {
        Ok(self.done.take().expect("the chunk loop collects what it submitted"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::exec::{Control, run_step};
    use crate::job::{Class, Output, Precision, Work};

    fn options() -> BackendOptions {
        BackendOptions {
            threads: 0,
            pin: true,
            simd: "auto".into(),
            adapter: None,
            require_hardware: false,
            max_device_memory: 0,
            dispatch_target: 0.1,
            device_timeout: 10.0,
        }
    }

    /// Adds up its own item numbers; what an item claims to cost decides the chunks.
    struct Gauss {
        items: u64,
        cost: f64,
        calls: AtomicU64,
    }

    impl Kernel for Gauss {
        fn name(&self) -> &'static str {
            "gauss"
        }
        fn item(&self) -> &'static str {
            "number"
        }
        fn items(&self) -> u64 {
            self.items
        }
        fn precision(&self) -> Precision {
            Precision::Integer
        }
        fn work(&self) -> Work {
            Work { flops: self.cost, bytes_read: 0.0, bytes_written: 0.0 }
        }
        fn class(&self) -> Class {
            Class::Exact
        }
        fn fold_words(&self) -> usize {
            1
        }
        fn seq(&self, out: &mut ChunkOut<'_>) {
            let chunk = out.chunk();
            self.calls.fetch_add(1, Ordering::Relaxed);
            out.fold[0] += (chunk.start..chunk.end).sum::<u64>();
        }
    }

    #[test]
    fn the_sum_is_the_same_for_any_threads_and_cost() {
        for threads in [0, 1, 2, 5] {
            let mut cpu = super::super::open("cpu", &BackendOptions { threads, ..options() }).unwrap();
            for items in [0, 1, 2, 1000, 100_001] {
                for cost in [1.0, 1e4, 1e6] {
                    let kernel = Gauss { items, cost, calls: AtomicU64::new(0) };
                    let mut output = Output::for_kernel(&kernel).unwrap();
                    let rule = cpu.chunks(&kernel).unwrap();
                    let trace = run_step(&kernel, rule, cpu.as_mut(), &mut output, &Control::default()).unwrap();
                    assert_eq!(output.fold[0], items * items.saturating_sub(1) / 2);
                    assert_eq!(trace.chunks, kernel.calls.into_inner());
                }
            }
        }
    }

    #[test]
    fn a_stopped_run_hands_out_nothing() {
        let mut cpu = super::super::open("cpu", &options()).unwrap();
        let kernel = Gauss { items: 1000, cost: 1e6, calls: AtomicU64::new(0) };
        let mut output = Output::for_kernel(&kernel).unwrap();
        let control = Control::default();
        control.signal.store(2, Ordering::Relaxed);
        let rule = cpu.chunks(&kernel).unwrap();
        let error = run_step(&kernel, rule, cpu.as_mut(), &mut output, &control).unwrap_err();
        assert_eq!(error.exit_code(), 130);
        assert_eq!(kernel.calls.into_inner(), 0);
    }

    #[test]
    fn levels_have_names_and_are_capped() {
        assert_eq!(simd("auto").unwrap(), Simd::detect());
        assert_eq!(simd("baseline").unwrap(), Simd::Baseline);
        assert!(simd("avx512").unwrap() <= Simd::detect());
        assert_eq!(simd("sse9").unwrap_err().exit_code(), 2);
    }
}
