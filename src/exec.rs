//! The chunk loop: the only place in the code base that hands chunks to backends.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::backend::{Backend, Done, Lane, Phases};
use crate::error::{Error, Result};
use crate::job::{Chunk, ChunkOut, FOLD_WORDS, Host, Kernel, Output, OutputWriter, Whole};
use crate::plan::ChunkRule;
use crate::plan::share::{Newcomer, Share};

mod watch;

use watch::Watch;
pub use watch::{Doing, Span};

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
    /// Cases finished so far, in a batch: the progress bar then counts these.
    pub cases_done: AtomicU64,
    /// Cases of the batch; 0 for a single job.
    pub cases_total: AtomicU64,
    /// What is being done, in a few words: `gpu: tet4`.
    pub stage: Mutex<String>,
    /// When set, every chunk and copy is written down with its times, counted from this instant.
    pub trace: Option<Instant>,
}

impl Control {
    /// Says what is being done, for the progress bar.
    pub fn stage(&self, what: &str) {
        if let Ok(mut stage) = self.stage.lock() {
            what.clone_into(&mut stage);
        }
    }

    /// A step of `items` begins.
    fn begin(&self, items: u64) {
        self.items_done.store(0, Ordering::Relaxed);
        self.items_total.store(items, Ordering::Relaxed);
        self.runs_started.fetch_add(1, Ordering::Relaxed);
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

/// One backend of a run.
pub struct Worker<'b> {
    /// What runs the chunks.
    pub backend: &'b mut dyn Backend,
    /// How it wants the kernel cut.
    pub rule: ChunkRule,
    /// Items per second that it is expected to do; only matters beside others.
    pub expected: Option<f64>,
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
    /// What each worker did, in the order of the workers.
    pub workers: Vec<WorkerTrace>,
}

/// What one backend did in a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkerTrace {
    /// Items that it finished.
    pub items: u64,
    /// Chunks that it finished.
    pub chunks: u64,
    /// Seconds that its lanes had a chunk, on average over its lanes.
    pub busy: f64,
    /// Why it gave up, if it did; the others did its work.
    pub failed: Option<Error>,
    /// What it did when, if that was asked for.
    pub spans: Vec<Span>,
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
    share: Share,
    grain: u64,
    /// The items that are left to do. Only after a backend has failed these are not all in one piece.
    pieces: Vec<Chunk>,
    /// Items of all pieces.
    items: u64,
    /// Items handed out, counted through the pieces.
    next: AtomicU64,
}

impl<'w> Queue<'w> {
    fn new(writer: &'w OutputWriter<'w>, share: Share, grain: u64, pieces: Vec<Chunk>) -> Self {
        let items = pieces.iter().map(|piece| piece.len()).sum();
        Self { writer, share, grain, pieces, items, next: AtomicU64::new(0) }
    }

    /// The next chunk for a lane of worker `me`, at most `appetite` items (rounded up to the grain); `None` when all are
    /// taken or the rest is better left to the others.
    fn take(&self, me: usize, appetite: Option<u64>) -> Option<ChunkOut<'w>> {
        let mut start = self.next.load(Ordering::Relaxed);
        loop {
            let mut length = self.share.next(me, self.items - start);
            if length == 0 {
                return None;
            }
            if let Some(most) = appetite {
                let most = most.max(1).div_ceil(self.grain).saturating_mul(self.grain);
                length = length.min(most);
            }
            let chunk = self.locate(start, length);
            let end = start + chunk.len();
            match self.next.compare_exchange_weak(start, end, Ordering::Relaxed, Ordering::Relaxed) {
                // SAFETY: the cursor only grows and this thread moved it from `start` to `end`, so no other chunk of
                // this queue covers these items; chunks of an earlier queue over them are gone with their lanes.
                Ok(_) => return Some(unsafe { self.writer.chunk(chunk) }),
                Err(now) => start = now,
            }
        }
    }

    /// The items behind `length` places of the queue from `start` on, as far as they lie in one piece.
    fn locate(&self, start: u64, length: u64) -> Chunk {
        let mut before = 0;
        for piece in &self.pieces {
            if start < before + piece.len() {
                let first = piece.start + (start - before);
                return Chunk::new(first, (first + length).min(piece.end));
            }
            before += piece.len();
        }
        unreachable!("the share never hands out more than is left")
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
    run_together(kernel, &mut [Worker { backend, rule, expected: None }], output, control)
}

/// Runs all items of `kernel` on `workers` together and fills `output`. When one of several fails, the others do what it
/// had not finished.
///
/// # Errors
/// [`Error::Signal`] when `control` was stopped; the first error of a backend when none is left to do its work.
pub fn run_together(
    kernel: &dyn Kernel,
    workers: &mut [Worker<'_>],
    output: &mut Output,
    control: &Control,
) -> Result<StepTrace> {
    output.reset();
    control.begin(kernel.items());
    let mut trace = StepTrace { workers: vec![WorkerTrace::default(); workers.len()], ..StepTrace::default() };
    let mut partials = Vec::new();
    let mut pieces = vec![Chunk::new(0, kernel.items())];
    let begin = Instant::now();
    loop {
        let share = Share::new(workers.iter().map(|worker| Newcomer {
            rule: worker.rule,
            lanes: worker.backend.side_by_side(),
            brief: worker.backend.brief(),
            speed: worker.expected,
        }));
        for (me, _) in trace.workers.iter().enumerate().filter(|(_, worker)| worker.failed.is_some()) {
            share.leave(me);
        }
        let writer = output.writer();
        let queue = Queue::new(&writer, share, kernel.grain().max(1), std::mem::take(&mut pieces));
        let round = Round { queue: &queue, control };
        let before = partials.len();
        trace.phases = match &mut *workers {
            [only] => {
                let phases = round.run(0, kernel, only.backend, &mut trace.workers[0], &mut partials);
                if let Some(error) = trace.workers[0].failed.take() {
                    return Err(error);
                }
                phases
            }
            several => {
                together(&round, kernel, several, &mut trace.workers, &mut partials)?;
                Phases { kernel: begin.elapsed().as_secs_f64(), ..Phases::default() }
            }
        };
        control.proceed()?;
        // Exact in any order; sorted so that reports and checks see one order.
        partials.sort_unstable_by_key(|partial: &Partial| partial.chunk);
        pieces = missing(&partials, kernel.items());
        if pieces.is_empty() {
            break;
        }
        // Without a failure each lane left the rest to another one, whose speed changed at that moment: once more.
        if partials.len() == before && trace.workers.iter().all(|worker| worker.failed.is_none()) {
            return Err(Error::Internal(format!("items {}.. were not computed", pieces[0].start)));
        }
        if trace.workers.iter().all(|worker| worker.failed.is_some()) {
            return Err(trace.workers.iter_mut().find_map(|worker| worker.failed.take()).expect("all have failed"));
        }
    }
    for partial in &partials {
        kernel.merge_fold(&mut output.fold, &partial.fold);
    }
    trace.chunks = partials.len() as u64;
    trace.partials = partials;
    Ok(trace)
}

/// The items of `0..items` that no chunk of `done`, sorted and disjoint, covers.
fn missing(done: &[Partial], items: u64) -> Vec<Chunk> {
    let (mut pieces, mut next) = (Vec::new(), 0);
    for partial in done {
        if partial.chunk.start > next {
            pieces.push(Chunk::new(next, partial.chunk.start));
        }
        next = partial.chunk.end;
    }
    if next < items {
        pieces.push(Chunk::new(next, items));
    }
    pieces
}

/// Every worker that has not failed, each on a thread of its own. Their errors are in their traces.
fn together(
    round: &Round<'_, '_>,
    kernel: &dyn Kernel,
    workers: &mut [Worker<'_>],
    traces: &mut [WorkerTrace],
    partials: &mut Vec<Partial>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        let alive = workers.iter_mut().zip(traces).enumerate().filter(|(_, (_, trace))| trace.failed.is_none());
        for (me, (worker, trace)) in alive {
            let backend = &mut *worker.backend;
            let thread = std::thread::Builder::new().name(format!("hetero-worker-{me}"));
            let handle = thread.spawn_scoped(scope, move || {
                let mut partials = Vec::new();
                round.run(me, kernel, backend, trace, &mut partials);
                partials
            });
            running.push(handle.map_err(|e| Error::Resource(format!("cannot start a thread for a backend: {e}")))?);
        }
        for handle in running {
            partials.extend(handle.join().map_err(|_| Error::Internal("a backend panicked".into()))?);
        }
        Ok(())
    })
}

/// One pass over what is left to do.
struct Round<'q, 'w> {
    queue: &'q Queue<'w>,
    control: &'q Control,
}

impl Round<'_, '_> {
    /// Lets worker `me` take chunks until none is left for it; what went wrong is in its trace.
    fn run(
        &self,
        me: usize,
        kernel: &dyn Kernel,
        backend: &mut dyn Backend,
        trace: &mut WorkerTrace,
        partials: &mut Vec<Partial>,
    ) -> Phases {
        let tally = Mutex::new(Tally::default());
        let lanes = backend.side_by_side();
        let ran = backend.run(kernel, &|lane| feed(me, lane, self.queue, self.control, &tally));
        let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        trace.items += tally.partials.iter().map(|partial| partial.chunk.len()).sum::<u64>();
        trace.chunks += tally.partials.len() as u64;
        trace.busy += tally.busy / lanes.max(1) as f64;
        trace.spans.extend(tally.spans);
        partials.extend(tally.partials);
        match ran {
            Ok(phases) => phases,
            Err(error) => {
                self.queue.share.leave(me);
                trace.failed = Some(error);
                Phases::default()
            }
        }
    }
}

/// Lets `whole` solve on the processors of `backend`; `before` are the outputs of the earlier steps. A device, which has none
/// to lend, runs its WGSL form in chunks, if it has one.
///
/// # Errors
/// [`Error::Signal`] when `control` was stopped; [`Error::Unavailable`] when the backend is a device; the solve's own.
pub fn run_whole(
    whole: &dyn Whole,
    rule: ChunkRule,
    backend: &mut dyn Backend,
    before: &[Output],
    output: &mut Output,
    control: &Control,
) -> Result<StepTrace> {
    control.proceed()?;
    if backend.host().is_err() && whole.gpu().is_ok() {
        return run_step(whole, rule, backend, output, control);
    }
    output.reset();
    control.begin(whole.items());
    let start = Instant::now();
    let host = Host { done: Some(&control.items_done), ..backend.host()? };
    whole.solve(&host, before, output)?;
    let phases = Phases { kernel: start.elapsed().as_secs_f64(), ..Phases::default() };
    let span = control.trace.map(|epoch| {
        let (start, end) = ((start - epoch).as_secs_f64(), epoch.elapsed().as_secs_f64());
        Span { lane: 0, doing: Doing::Solve, chunk: Chunk::new(0, whole.items()), start, end }
    });
    let workers = vec![WorkerTrace { spans: span.into_iter().collect(), ..WorkerTrace::default() }];
    control.items_done.store(whole.items(), Ordering::Relaxed);
    control.proceed()?;
    // Its sums are those of one chunk.
    let all = Partial { chunk: Chunk::new(0, whole.items()), fold: output.fold };
    let partials = if whole.fold_words() > 0 { vec![all] } else { Vec::new() };
    Ok(StepTrace { phases, partials, workers, ..StepTrace::default() })
}

#[derive(Default)]
struct Tally {
    partials: Vec<Partial>,
    busy: f64,
    lanes: usize,
    spans: Vec<Span>,
}

/// The loop itself: keep the lane full, collect in order, stop when asked. What the lane finished counts even when it fails
/// afterwards.
fn feed<'w>(
    me: usize,
    lane: &mut dyn Lane<'w>,
    queue: &Queue<'w>,
    control: &Control,
    tally: &Mutex<Tally>,
) -> Result<()> {
    let mut mine = Tally::default();
    let mut watch = Watch::new(control);
    let result = chunks(me, lane, queue, control, &mut mine, &mut watch);
    // One short lock per lane and step, after its last chunk.
    let mut all = tally.lock().unwrap_or_else(PoisonError::into_inner);
    all.partials.extend(mine.partials);
    all.busy += mine.busy;
    let lane = all.lanes;
    all.spans.extend(watch.spans(lane));
    all.lanes += 1;
    result
}

fn chunks<'w>(
    me: usize,
    lane: &mut dyn Lane<'w>,
    queue: &Queue<'w>,
    control: &Control,
    mine: &mut Tally,
    watch: &mut Watch,
) -> Result<()> {
    let mut in_flight = 0;
    // When the lane last had nothing to do or finished a chunk: what follows is the time of the next one.
    let mut since = Instant::now();
    loop {
        let part = if control.stopped() { None } else { queue.take(me, lane.appetite()) };
        let drained = part.is_none();
        if let Some(part) = part {
            if in_flight == 0 {
                since = Instant::now();
            }
            watch.submit(part.chunk(), lane);
            lane.submit(part)?;
            watch.submitted(lane);
            in_flight += 1;
        }
        while in_flight > 0 && (drained || in_flight >= lane.depth()) {
            let Done { chunk, fold } = lane.collect()?;
            let now = Instant::now();
            let seconds = (now - since).as_secs_f64();
            since = now;
            watch.collected(lane);
            in_flight -= 1;
            queue.share.learn(me, chunk.len(), seconds);
            mine.busy += seconds;
            mine.partials.push(Partial { chunk, fold });
            control.items_done.fetch_add(chunk.len(), Ordering::Relaxed);
        }
        if drained {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
