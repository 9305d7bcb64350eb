//! Three lanes side by side: cases are read ahead, computed one after the other on the calling thread, and written while
//! the next one computes.
//!
//! ```text
//! read 0   [ 0 ][  2  ][ 4 ]...          takes the next case, in order, while number and bytes allow
//! read 1   [ 1  ][ 3 ][  5 ]...
//! compute       [0][ 1 ][2][ 3 ]...      in order
//! write            [ 0 ][ 1  ][ 2 ]...   one case may wait for it
//! ```
//! One lock guards what the lanes hand each other: it is taken a few times a case, and never while a stage works. A case
//! enters when its input fits beside the others' and leaves when it was written or has failed; cases enter in order, so the
//! one that the computing lane waits for always has its place and no lane waits for ever.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::exec::Control;

/// How many computed cases may wait for the writing lane: enough to keep it busy, and their results are often larger than
/// what was read.
const WAITING: usize = 1;

/// How often a lane that waits looks whether it was asked to stop: a signal wakes nobody.
const LOOK: Duration = Duration::from_millis(20);

/// How far the lanes may get ahead of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Threads that read.
    pub readers: usize,
    /// Threads that write.
    pub writers: usize,
    /// Cases that are read, computed or written at the same time.
    pub cases: usize,
    /// Bytes of their inputs; one that is larger by itself is alone.
    pub bytes: u64,
}

/// Why a stage gave no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// This case has none; the others go on.
    Case(Error),
    /// None of them can go on.
    Batch(Error),
}

/// When a lane worked on a case, in seconds since the lanes started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Span {
    /// Which thread of the lane.
    pub thread: usize,
    /// From.
    pub start: f64,
    /// To.
    pub end: f64,
}

impl Span {
    /// How long it took.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.end - self.start
    }
}

/// When each lane worked on a case; `None` where it did not come that far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spans {
    /// Reading and preparing.
    pub read: Option<Span>,
    /// Computing and verifying.
    pub compute: Option<Span>,
    /// Writing.
    pub write: Option<Span>,
}

/// What became of one case.
#[derive(Debug)]
pub struct Finished<W> {
    /// Its number, from 0.
    pub index: usize,
    /// What the last lane gave, or why there is nothing.
    pub result: Result<W>,
    /// When which lane worked on it.
    pub spans: Spans,
}

/// The stages of a case. `read` and `write` are told the number of their thread, and run on several at once.
pub struct Stages<'s, C, J, A, W> {
    /// Bytes of a case's input, as far as they are known before it is read.
    pub bytes: &'s (dyn Fn(&C) -> u64 + Sync),
    /// Reads a case.
    pub read: &'s (dyn Fn(usize, C) -> Result<J, Failure> + Sync),
    /// Computes one, on the calling thread, in order.
    pub compute: &'s mut dyn FnMut(usize, J) -> Result<A, Failure>,
    /// Writes one.
    pub write: &'s (dyn Fn(usize, A) -> Result<W, Failure> + Sync),
    /// Is told of every case that is finished, in order, on whichever thread finished it.
    pub told: &'s mut (dyn FnMut(Finished<W>) + Send),
}

/// Sends all `cases` through the lanes. When one of them fails for a reason that is not its own, no further ones are
/// read or computed; what was computed before is still written.
///
/// # Errors
/// The first [`Failure::Batch`]; [`Error::Signal`] when `control` was stopped, and then nothing more is written;
/// [`Error::Resource`] when the system refuses a thread.
pub fn run<C, J, A, W>(
    cases: impl Iterator<Item = C> + Send,
    stages: Stages<'_, C, J, A, W>,
    limits: Limits,
    control: &Control,
) -> Result<()>
where
    C: Send,
    J: Send,
    A: Send,
    W: Send,
{
    let Stages { bytes, read, compute, write, told } = stages;
    let shared = Shared {
        start: Instant::now(),
        limits,
        control,
        state: Mutex::new(State::default()),
        changed: Condvar::new(),
        source: Mutex::new(cases.enumerate()),
        told: Mutex::new(Teller { next: 0, told }),
    };
    let shared = &shared;
    std::thread::scope(|scope| {
        // However this ends, the other lanes are to end too.
        let _closing = Closing(shared);
        for thread in 0..limits.readers.max(1) {
            spawn(scope, format!("hetero-read-{thread}"), move || shared.reads(thread, bytes, read))?;
        }
        for thread in 0..limits.writers.max(1) {
            spawn(scope, format!("hetero-write-{thread}"), move || shared.writes(thread, write))?;
        }
        shared.computes(compute);
        Ok::<(), Error>(())
    })?;
    control.proceed()?;
    let failed = lock(&shared.state).failed.take();
    match failed {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn spawn<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    name: String,
    body: impl FnOnce() + Send + 'scope,
) -> Result<()> {
    let thread = std::thread::Builder::new().name(name);
    thread.spawn_scoped(scope, body).map_err(|e| Error::Resource(format!("cannot start a thread: {e}")))?;
    Ok(())
}

/// A case on its way from one lane to the next.
struct Passed<T> {
    index: usize,
    value: T,
    /// Of its input.
    bytes: u64,
    spans: Spans,
}

struct State<J, A, W> {
    /// Cases inside, and the bytes of their inputs.
    inside: usize,
    inside_bytes: u64,
    /// Cases that have entered so far.
    entered: usize,
    /// No further one will.
    closed: bool,
    read: BTreeMap<usize, Passed<Result<J, Failure>>>,
    computed: VecDeque<Passed<A>>,
    /// Nothing more will be computed.
    computing_ended: bool,
    /// Nothing more will be written, whatever was computed.
    writing_ended: bool,
    /// Finished, but not yet told because an earlier one is not.
    finished: BTreeMap<usize, Finished<W>>,
    /// Why the batch cannot go on.
    failed: Option<Error>,
}

impl<J, A, W> Default for State<J, A, W> {
    fn default() -> Self {
        Self {
            inside: 0,
            inside_bytes: 0,
            entered: 0,
            closed: false,
            read: BTreeMap::new(),
            computed: VecDeque::new(),
            computing_ended: false,
            writing_ended: false,
            finished: BTreeMap::new(),
            failed: None,
        }
    }
}

struct Teller<'s, W> {
    next: usize,
    told: &'s mut (dyn FnMut(Finished<W>) + Send),
}

struct Shared<'s, I, J, A, W> {
    start: Instant,
    limits: Limits,
    control: &'s Control,
    state: Mutex<State<J, A, W>>,
    changed: Condvar,
    /// Held while the next case waits for its place: they enter in order.
    source: Mutex<std::iter::Enumerate<I>>,
    /// Held while somebody is told: they are told in order.
    told: Mutex<Teller<'s, W>>,
}

/// Ends the lanes when it is dropped.
struct Closing<'c, 's, I, J, A, W>(&'c Shared<'s, I, J, A, W>);

impl<I, J, A, W> Drop for Closing<'_, '_, I, J, A, W> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        (state.closed, state.computing_ended) = (true, true);
        self.0.changed.notify_all();
    }
}

fn panicked() -> Error {
    Error::Internal("a stage of a case panicked; the message is above".into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind a lock here is changed in one go: a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<I, C, J, A, W> Shared<'_, I, J, A, W>
where
    I: Iterator<Item = C>,
{
    /// A reading thread.
    fn reads(
        &self,
        thread: usize,
        bytes: &(dyn Fn(&C) -> u64 + Sync),
        read: &(dyn Fn(usize, C) -> Result<J, Failure> + Sync),
    ) {
        // The caller's iterator is not ours: if it panics, nobody is to wait for what it would have given.
        let enter = || catch_unwind(AssertUnwindSafe(|| self.enter(bytes))).unwrap_or_else(|_| self.broken());
        while let Some(Passed { index, value, bytes, .. }) = enter() {
            let (value, span) = self.timed(thread, || read(thread, value));
            let spans = Spans { read: Some(span), ..Spans::default() };
            self.change(|state| state.read.insert(index, Passed { index, value, bytes, spans }));
        }
    }

    /// No further case, because the list of them broke.
    fn broken(&self) -> Option<Passed<C>> {
        self.change(|state| {
            state.closed = true;
            state.failed.get_or_insert_with(panicked);
        });
        None
    }

    /// The next case, once there is a place for it.
    fn enter(&self, bytes: &(dyn Fn(&C) -> u64 + Sync)) -> Option<Passed<C>> {
        let mut source = lock(&self.source);
        if self.control.stopped() || lock(&self.state).closed {
            return None;
        }
        let Some((index, value)) = source.next() else {
            self.change(|state| state.closed = true);
            return None;
        };
        let bytes = bytes(&value);
        let Limits { cases, bytes: most, .. } = self.limits;
        self.wait(|state| {
            let fits = state.inside < cases && state.inside_bytes.saturating_add(bytes) <= most;
            if state.closed {
                return Some(None);
            }
            (fits || state.inside == 0).then(|| {
                state.inside += 1;
                state.inside_bytes += bytes;
                state.entered = index + 1;
                Some(Passed { index, value: (), bytes, spans: Spans::default() })
            })
        })?
        .map(|Passed { index, bytes, spans, .. }| Passed { index, value, bytes, spans })
    }

    /// The computing lane.
    fn computes(&self, compute: &mut dyn FnMut(usize, J) -> Result<A, Failure>) {
        for index in 0.. {
            let next = self.wait(|state| match state.read.remove(&index) {
                _ if state.failed.is_some() => Some(None),
                Some(read) => Some(Some(read)),
                None => (state.closed && state.entered <= index).then_some(None),
            });
            let Some(Some(Passed { value, bytes, mut spans, .. })) = next else { break };
            let computed = value.and_then(|job| {
                let (computed, span) = self.timed(0, || compute(index, job));
                spans.compute = Some(span);
                computed
            });
            match computed {
                Ok(value) => {
                    let passed = Passed { index, value, bytes, spans };
                    let mut passed = Some(passed);
                    self.wait(|state| {
                        let room = state.computed.len() < WAITING || state.writing_ended;
                        room.then(|| state.computed.extend(passed.take()))
                    });
                }
                Err(failure) => self.finish(Passed { index, value: Err(failure), bytes, spans }),
            }
        }
        self.change(|state| state.computing_ended = true);
    }

    /// A writing thread.
    fn writes(&self, thread: usize, write: &(dyn Fn(usize, A) -> Result<W, Failure> + Sync)) {
        loop {
            let next = self.wait(|state| match state.computed.pop_front() {
                _ if state.writing_ended => Some(None),
                Some(computed) => Some(Some(computed)),
                None => state.computing_ended.then_some(None),
            });
            let Some(Some(Passed { index, value, bytes, mut spans })) = next else { return };
            self.changed.notify_all();
            let (value, span) = self.timed(thread, || write(thread, value));
            spans.write = Some(span);
            if matches!(value, Err(Failure::Batch(_))) {
                self.change(|state| state.writing_ended = true);
            }
            self.finish(Passed { index, value, bytes, spans });
        }
    }

    /// A case leaves, and those whose turn it is are told. One that a signal has stopped is not finished.
    fn finish(&self, Passed { index, value, bytes, spans }: Passed<Result<W, Failure>>) {
        if let Err(Failure::Batch(Error::Signal(_))) = value {
            return self.change(|state| state.closed = true);
        }
        self.change(|state| {
            let result = value.map_err(|failure| match failure {
                Failure::Case(error) => error,
                Failure::Batch(error) => {
                    state.closed = true;
                    state.failed.get_or_insert(error).clone()
                }
            });
            state.finished.insert(index, Finished { index, result, spans });
            state.inside -= 1;
            state.inside_bytes -= bytes;
        });
        let mut teller = lock(&self.told);
        loop {
            let Some(finished) = lock(&self.state).finished.remove(&teller.next) else { return };
            teller.next += 1;
            // Who is told is not ours either.
            if catch_unwind(AssertUnwindSafe(|| (teller.told)(finished))).is_err() {
                self.change(|state| {
                    (state.closed, state.writing_ended) = (true, true);
                    state.failed.get_or_insert_with(panicked);
                });
            }
        }
    }

    /// Does one stage of a case; a panic in it is an error of the whole batch.
    fn timed<R>(&self, thread: usize, stage: impl FnOnce() -> Result<R, Failure>) -> (Result<R, Failure>, Span) {
        let start = self.start.elapsed().as_secs_f64();
        let result = catch_unwind(AssertUnwindSafe(stage)).unwrap_or_else(|_| Err(Failure::Batch(panicked())));
        (result, Span { thread, start, end: self.start.elapsed().as_secs_f64() })
    }

    /// Changes the state and says so.
    fn change<R>(&self, change: impl FnOnce(&mut State<J, A, W>) -> R) {
        change(&mut lock(&self.state));
        self.changed.notify_all();
    }

    /// Waits until `ready` gives something; `None` once somebody asked to stop.
    fn wait<R>(&self, mut ready: impl FnMut(&mut State<J, A, W>) -> Option<R>) -> Option<R> {
        let mut state = lock(&self.state);
        while !self.control.stopped() {
            if let Some(found) = ready(&mut state) {
                return Some(found);
            }
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }
}

#[cfg(test)]
mod tests;
