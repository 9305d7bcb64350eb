//! How long a run would take, from a short one: the rate on the first items, carried to all of them.

use std::time::Instant;

use crate::backend::Backend;
use crate::error::Result;
use crate::exec::{self, Control};
use crate::job::{ChunkOut, Class, ColumnSpec, Kernel, Output, Precision, Step, Work};

/// Long enough for the clock and for caches to settle, short against any run worth predicting.
const LONG_ENOUGH: f64 = 0.02;

/// How much longer than asked an attempt aims to be, so that most often it is the last.
const GROWTH_MARGIN: f64 = 1.25;

/// Operations or bytes of the first attempt: some ten microseconds.
const FIRST_COST: f64 = 2e4;

/// Seconds that all items of `kernel` would take on a host backend: the rate on the first ones.
///
/// # Errors
/// Those of the chunk loop.
pub fn predict(kernel: &dyn Kernel, backend: &mut dyn Backend, control: &Control) -> Result<f64> {
    let (items, seconds) = rate(kernel, backend, LONG_ENOUGH, control)?;
    Ok(seconds * (kernel.items() as f64 / items.max(1) as f64))
}

/// Items of the first attempt on a backend that runs so many chunks at a time: little work, but some for every thread.
#[must_use]
pub fn first_items(kernel: &dyn Kernel, side_by_side: usize) -> u64 {
    let grain = kernel.grain();
    let few = (FIRST_COST / (kernel.work().cost() * grain as f64).max(1.0)).min(1024.0) as u64;
    grain.saturating_mul(few.max(2 * side_by_side as u64)).min(kernel.items())
}

/// Runs the first items, more each time, until that took `enough` seconds or was all of them: how many they were, and how
/// long they took. Each attempt runs twice and the shorter time counts: the first run meets fresh memory and sleeping
/// threads, and what interrupts one seldom interrupts both.
///
/// # Errors
/// Those of the chunk loop.
pub fn rate(kernel: &dyn Kernel, backend: &mut dyn Backend, enough: f64, control: &Control) -> Result<(u64, f64)> {
    let mut items = first_items(kernel, backend.side_by_side());
    loop {
        let first = First { kernel, items };
        let mut output = Output::for_kernel(&first)?;
        let mut run = || -> Result<f64> {
            let start = Instant::now();
            exec::run_step(&first, backend.chunks(&first)?, backend, &mut output, control)?;
            Ok(start.elapsed().as_secs_f64())
        };
        let seconds = run()?.min(run()?);
        if items == kernel.items() || seconds >= enough {
            return Ok((items, seconds));
        }
        // As many as seem enough: the last attempt takes hardly longer than it must.
        let growth = (GROWTH_MARGIN * enough / seconds).clamp(2.0, 16.0);
        items = ((items as f64 * growth) as u64).next_multiple_of(kernel.grain()).min(kernel.items());
    }
}

/// Operations per second that one thread reaches in a factorization at the least: half of what blocked f64 code does on
/// a current core. A prediction that is too long skips a baseline, one that is too short makes the user wait.
const WHOLE_RATE: f64 = 1e10;

/// Seconds that a job with whole solves would take on `threads` host threads, from the work that its steps declare: its
/// steps need each other's results, so none of them can be tried alone.
#[must_use]
pub fn predict_whole(steps: &[Step<'_>], threads: usize) -> f64 {
    let flops: f64 = steps.iter().map(Step::kernel).map(|kernel| kernel.items() as f64 * kernel.work().flops).sum();
    flops / (WHOLE_RATE * threads.max(1) as f64)
}

/// The first items of a kernel.
struct First<'k> {
    kernel: &'k dyn Kernel,
    items: u64,
}

impl Kernel for First<'_> {
    fn name(&self) -> &'static str {
        self.kernel.name()
    }
    fn item(&self) -> &'static str {
        self.kernel.item()
    }
    fn items(&self) -> u64 {
        self.items
    }
    fn precision(&self) -> Precision {
        self.kernel.precision()
    }
    fn grain(&self) -> u64 {
        self.kernel.grain()
    }
    fn work(&self) -> Work {
        self.kernel.work()
    }
    fn class(&self) -> Class {
        self.kernel.class()
    }
    fn columns(&self) -> Vec<ColumnSpec> {
        self.kernel.columns()
    }
    fn fold_words(&self) -> usize {
        self.kernel.fold_words()
    }
    fn seq(&self, out: &mut ChunkOut<'_>) {
        self.kernel.seq(out);
    }
    fn cpu(&self, simd: crate::simd::Simd, out: &mut ChunkOut<'_>) {
        self.kernel.cpu(simd, out);
    }
}
