//! The chunk loop: the only place in the code base that hands chunks to backends.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Instant;

use crate::backend::{Backend, Done, Lane, Phases};
use crate::error::{Error, Result};
use crate::job::{Chunk, ChunkOut, FOLD_WORDS, Kernel, Output, OutputWriter, Whole};
use crate::plan::ChunkRule;

/// How a run is watched and stopped from outside.
#[derive(Debug, Default)]
pub struct Control {
    /// The number of the signal that asked to stop, 0 for none. Once set no further chunk is handed out.
    pub signal: AtomicI32,
    /// Items finished so far in the current step, for the progress bar.
    pub items_done: AtomicU64,
    /// Items of the current step.
    pub items_total: AtomicU64,
    /// Steps started so far: tells the progress bar when to begin anew.
    pub runs_started: AtomicU64,
    /// What is being done, in a few words: `gpu: tet4`.
    pub stage: Mutex<String>,
}

impl Control {
    /// Says what is being done, for the progress bar.
    pub fn stage(&self, what: &str) {
        if let Ok(mut stage) = self.stage.lock() {
            what.clone_into(&mut stage);
        }
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.signal.load(Ordering::Relaxed) != 0
    }

    /// `Ok` as long as nobody asked to stop.
    ///
    /// # Errors
    /// [`Error::Signal`] once a signal was noted.
    pub fn proceed(&self) -> Result<()> {
        match self.signal.load(Ordering::Relaxed) {
            0 => Ok(()),
            number => Err(Error::Signal(number)),
        }
    }
}

/// What the chunk loop did in one step.
#[derive(Debug, Clone, Default)]
pub struct StepTrace {
    /// Wall time by phase.
    pub phases: Phases,
    /// Number of chunks.
    pub chunks: u64,
    /// The chunks with their sums (zeros for a map), by first item.
    pub partials: Vec<Partial>,
}

/// A chunk and the sums it gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// Its items.
    pub chunk: Chunk,
    /// Its sums.
    pub fold: [u64; FOLD_WORDS],
}

/// Hands out the items of one step, each once, to any number of lanes.
struct Queue<'w> {
    writer: &'w OutputWriter<'w>,
    rule: ChunkRule,
    items: u64,
    next: AtomicU64,
}

impl<'w> Queue<'w> {
    /// The next chunk, at most `appetite` items (rounded up to the grain); `None` when all are taken.
    fn take(&self, appetite: Option<u64>) -> Option<ChunkOut<'w>> {
        let mut start = self.next.load(Ordering::Relaxed);
        loop {
            let remaining = self.items - start;
            if remaining == 0 {
                return None;
            }
            let mut length = self.rule.next(remaining);
            if let Some(most) = appetite {
                let most = most.max(1).div_ceil(self.rule.grain).saturating_mul(self.rule.grain);
                length = length.min(most);
            }
            let end = start + length;
            match self.next.compare_exchange_weak(start, end, Ordering::Relaxed, Ordering::Relaxed) {
                // SAFETY: the cursor only grows and this thread moved it from `start` to `end`, so no other chunk of
                // this writer covers these items.
                Ok(_) => return Some(unsafe { self.writer.chunk(Chunk::new(start, end)) }),
                Err(now) => start = now,
            }
        }
    }
}

/// Runs all items of `kernel` on `backend` and fills `output`.
///
/// # Errors
/// [`Error::Signal`] when `control` was stopped, or the first error of a lane.
pub fn run_step(
    kernel: &dyn Kernel,
    rule: ChunkRule,
    backend: &mut dyn Backend,
    output: &mut Output,
    control: &Control,
) -> Result<StepTrace> {
    output.reset();
    control.items_done.store(0, Ordering::Relaxed);
    control.items_total.store(kernel.items(), Ordering::Relaxed);
    control.runs_started.fetch_add(1, Ordering::Relaxed);
    let tally = Mutex::new(Tally::default());
    let phases = {
        let writer = output.writer();
        let queue = Queue { writer: &writer, rule, items: kernel.items(), next: AtomicU64::new(0) };
        backend.run(kernel, &|lane| feed(lane, &queue, control, &tally))?
    };
    control.proceed()?;
    let mut tally = tally.into_inner().expect("no lane panicked");
    if tally.items != kernel.items() {
        return Err(Error::Internal(format!("{} of {} items were computed", tally.items, kernel.items())));
    }
    // Exact in any order; sorted so that reports and checks see one order.
    tally.partials.sort_unstable_by_key(|partial| partial.chunk);
    for partial in &tally.partials {
        kernel.merge_fold(&mut output.fold, &partial.fold);
    }
    Ok(StepTrace { phases, chunks: tally.chunks, partials: tally.partials })
}

/// Lets `whole` solve on the processors of `backend`; `before` are the outputs of the earlier steps.
///
/// # Errors
/// [`Error::Signal`] when `control` was stopped; [`Error::Unavailable`] when the backend is a device; the solve's own.
pub fn run_whole(
    whole: &dyn Whole,
    backend: &dyn Backend,
    before: &[Output],
    output: &mut Output,
    control: &Control,
) -> Result<StepTrace> {
    control.proceed()?;
    output.reset();
    control.items_done.store(0, Ordering::Relaxed);
    control.items_total.store(whole.items(), Ordering::Relaxed);
    control.runs_started.fetch_add(1, Ordering::Relaxed);
    let start = Instant::now();
    whole.solve(&backend.host()?, before, output)?;
    let phases = Phases { kernel: start.elapsed().as_secs_f64(), ..Phases::default() };
    control.items_done.store(whole.items(), Ordering::Relaxed);
    control.proceed()?;
    Ok(StepTrace { phases, chunks: 0, partials: Vec::new() })
}

#[derive(Default)]
struct Tally {
    items: u64,
    chunks: u64,
    partials: Vec<Partial>,
}

/// The loop itself: keep the lane full, collect in order, stop when asked.
fn feed<'w>(lane: &mut dyn Lane<'w>, queue: &Queue<'w>, control: &Control, tally: &Mutex<Tally>) -> Result<()> {
    let mut mine = Tally::default();
    let mut in_flight = 0;
    loop {
        let part = if control.stopped() { None } else { queue.take(lane.appetite()) };
        let drained = part.is_none();
        if let Some(part) = part {
            lane.submit(part)?;
            in_flight += 1;
        }
        while in_flight > 0 && (drained || in_flight >= lane.depth()) {
            let Done { chunk, fold } = lane.collect()?;
            in_flight -= 1;
            mine.items += chunk.len();
            mine.chunks += 1;
            mine.partials.push(Partial { chunk, fold });
            control.items_done.fetch_add(chunk.len(), Ordering::Relaxed);
        }
        if drained {
            break;
        }
    }
    // One short lock per lane and step, after its last chunk.
    let mut all = tally.lock().expect("no lane panicked");
    all.items += mine.items;
    all.chunks += mine.chunks;
    all.partials.extend(mine.partials);
    Ok(())
}
