//! The worker threads of this process: one rayon pool, pinned, and a fast way to run one closure on all of them.
//!
//! Waking a sleeping thread costs 50-100 us here, and a rayon broadcast between threads that are still awake 13 us; a
//! step over 100 000 elements takes 30 us. So [`Pool::run`] lets the calling thread be lane 0 itself, starts it at once,
//! and lets the workers join when they arrive: a worker that comes late finds less to do, and one that does not come
//! before the work is done is not waited for. After a step, workers look out for the next one for `LINGER` before
//! they go back to rayon; a next step then starts within 1 us.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::topology::{self, PinGuard};
use crate::error::{Error, Result};

/// How long a worker looks out for the next step. Long enough for the bookkeeping between two runs of a benchmark or two
/// steps of a job, short enough that nobody notices the power.
const LINGER: Duration = Duration::from_micros(200);

/// How long a new pool waits for its threads to be in place: ten times what it takes on a quiet machine. On a crowded one
/// they come when they come; steps start without them.
const STARTING: Duration = Duration::from_millis(1);

/// The most threads a pool may have. Above any machine's CPUs; a typing error should not start a million threads.
pub const MAX_THREADS: usize = 4096;

/// The pools of this process.
static POOLS: Mutex<Vec<(Kind, Arc<Pool>)>> = Mutex::new(Vec::new());

/// What a pool is asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Number of threads, and whether they are pinned.
    Shared(usize, bool),
    /// See [`Pool::lane`].
    Lane(usize),
}

/// A rayon pool whose workers sit on CPUs of their own. Dereferences to the [`rayon::ThreadPool`], so `pool.install(..)`
/// runs parallel iterators on the same threads.
pub struct Pool {
    workers: rayon::ThreadPool,
    cpus: Option<Vec<usize>>,
    team: Arc<Team>,
}

impl std::ops::Deref for Pool {
    type Target = rayon::ThreadPool;
    fn deref(&self) -> &rayon::ThreadPool {
        &self.workers
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} threads on {:?})", self.threads(), self.cpus)
    }
}

impl Pool {
    /// The pool whose worker the calling thread is; elsewhere the one with all threads, pinned.
    ///
    /// # Errors
    /// As [`Pool::shared`].
    pub fn current() -> Result<Arc<Self>> {
        let own = {
            let pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
            pools.iter().find(|(_, pool)| pool.workers.current_thread_index().is_some()).map(|(_, pool)| pool.clone())
        };
        own.map_or_else(|| Self::shared(0, true), Ok)
    }

    /// The pool with `threads` workers (0: all that this process may use), pinned if `pin` and if the machine's limits
    /// allow it (see [`topology::placement`]). Built at the first call, the same one ever after.
    ///
    /// # Errors
    /// [`Error::Usage`] for more than [`MAX_THREADS`]; [`Error::Resource`] when the system refuses a thread.
    pub fn shared(threads: usize, pin: bool) -> Result<Arc<Self>> {
        if threads > MAX_THREADS {
            return Err(Error::Usage(format!("{threads} threads are more than the {MAX_THREADS} there may be")));
        }
        let threads = if threads == 0 { topology::usable_threads() } else { threads };
        Self::known(Kind::Shared(threads, pin), || Self::build(threads, pin))
    }

    /// A pool of one thread, pinned nowhere, for lane `number` of those that read and write beside the pool that computes.
    /// What runs in it finds one thread to be parallel on, so that it neither takes the workers from the computation
    /// nor waits for them; and since nobody else uses it, it may wait for a disk or a network. What computes takes its CPU at
    /// once ([`topology::let_others_in`]: a batch of 200 meshes took 0.65 s, without it 0.73 s).
    ///
    /// # Errors
    /// [`Error::Resource`] when the system refuses the thread.
    pub fn lane(number: usize) -> Result<Arc<Self>> {
        Self::known(Kind::Lane(number), || {
            let lane = Self::build(1, false)?;
            lane.workers.install(topology::let_others_in);
            Ok(lane)
        })
    }

    fn known(kind: Kind, build: impl FnOnce() -> Result<Self>) -> Result<Arc<Self>> {
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pool)) = pools.iter().find(|(known, _)| *known == kind) {
            return Ok(pool.clone());
        }
        let pool = Arc::new(build()?);
        pools.push((kind, pool.clone()));
        Ok(pool)
    }

    fn build(threads: usize, pin: bool) -> Result<Self> {
        let cpus = if pin { topology::placement(threads) } else { None };
        let of_worker = cpus.clone();
        let started = Arc::new((Mutex::new(0), Condvar::new()));
        let start = started.clone();
        let workers = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("hetero-{index}"))
            .start_handler(move |index| {
                if let Some(cpus) = &of_worker {
                    topology::pin(cpus[index]);
                }
                *start.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                start.1.notify_one();
            })
            .build()
            .map_err(|e| Error::Resource(format!("cannot start {threads} threads: {e}; use fewer with --threads")))?;
        // A new thread may start on this thread's CPU and wait there for its turn, 3 ms and more, before it can move to
        // its own. Sleeping lets it go at once.
        let (count, change) = &*started;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(change.wait_timeout_while(count, STARTING, |count| *count < threads));
        Ok(Self { workers, cpus, team: Arc::new(Team::new(threads)) })
    }

    /// Number of workers.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.current_num_threads()
    }

    /// The CPU of each worker; `None` when they are not pinned.
    #[must_use]
    pub fn cpus(&self) -> Option<&[usize]> {
        self.cpus.as_deref()
    }

    /// Calls `body(lane)` at most once for each lane `0..lanes` and always for lane 0, on threads of their own, and
    /// returns when all calls have returned. The calling thread is lane 0. A lane whose thread does not arrive before
    /// lane 0 has returned is left out, so `body` must take its share from a common queue. `lanes` above the number of
    /// workers counts as that number.
    ///
    /// `brief` says that the work is worth less than about 100 us: then the calling thread is not pinned if it
    /// happens to be on the right CPU already (two system calls, 4 us).
    ///
    /// # Panics
    /// When `body` panicked in a lane, after the other lanes have returned.
    pub fn run(&self, lanes: usize, brief: bool, body: &(dyn Fn(usize) + Sync)) {
        let lanes = lanes.min(self.threads());
        if lanes <= 1 {
            return body(0);
        }
        let inside = self.workers.current_thread_index().is_some();
        let Some(_turn) = (if inside { None } else { self.team.take_turn() }) else {
            // From a worker, or beside another caller's step: rayon knows how to share its threads.
            self.workers.broadcast(|context| {
                if context.index() < lanes {
                    body(context.index());
                }
            });
            return;
        };
        self.step(lanes, brief, true, body);
    }

    /// Calls `work` once for each of `items` and returns when all calls have returned: on the calling thread and on the
    /// workers that come. Beside another caller's step the calling thread does it alone. Afterwards the workers leave
    /// their CPUs to others at once: this is for the host's part of what a software adapter does on the same ones.
    ///
    /// # Panics
    /// As [`Pool::run`].
    pub fn each<T: Send>(&self, items: Vec<T>, work: &(dyn Fn(T) + Sync)) {
        let items = Taken::new(items);
        let body = |_| {
            while let Some(item) = items.take() {
                work(item);
            }
        };
        let lanes = self.threads().min(items.slots.len());
        let inside = self.workers.current_thread_index().is_some();
        match if inside || lanes <= 1 { None } else { self.team.take_turn() } {
            Some(_turn) => self.step(lanes, true, false, &body),
            None => body(0),
        }
    }

    /// A step of the team, whose turn the caller has; `linger`: whether the next one is to be expected soon.
    fn step(&self, lanes: usize, brief: bool, linger: bool, body: &(dyn Fn(usize) + Sync)) {
        let home = self.cpus.as_ref().map(|cpus| cpus[0]);
        let _guard = home.and_then(|cpu| {
            let there = brief && topology::current_cpu() == Some(cpu);
            if there { None } else { PinGuard::new(cpu) }
        });
        self.team.run(&self.workers, lanes, linger, body);
    }
}

/// Items that several threads take, each once.
struct Taken<T> {
    slots: Vec<UnsafeCell<Option<T>>>,
    next: AtomicUsize,
}

// SAFETY: `take` gives each slot to one thread, so an item is sent to that thread and never shared.
unsafe impl<T: Send> Sync for Taken<T> {}

impl<T> Taken<T> {
    fn new(items: Vec<T>) -> Self {
        let slots = items.into_iter().map(|item| UnsafeCell::new(Some(item))).collect();
        Self { slots, next: AtomicUsize::new(0) }
    }

    fn take(&self) -> Option<T> {
        let slot = self.slots.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        // SAFETY: the counter has each value once, so no other thread touches this slot.
        unsafe { (*slot.get()).take() }
    }
}

/// The meeting point of one caller and the workers. Workers 1.. take part; worker 0 shares its CPU with the caller.
struct Team {
    /// Held by the caller for the whole step.
    turn: Mutex<()>,
    /// `step number << 32 | OPEN | WAITING | workers inside`. Workers join by adding one while `OPEN` is set.
    state: AtomicU64,
    /// The step at hand. Written by the caller while the state is closed and no worker is inside; read by workers
    /// that are inside.
    step: UnsafeCell<Option<TeamStep>>,
    /// Where each worker is: [`AWAY`], [`CALLED`], [`HERE`].
    seats: Vec<AtomicU8>,
}

// SAFETY: `step` is only written by the holder of `turn` while no worker is inside, and only read by workers inside; the
// additions to and subtractions from `state` order the two.
unsafe impl Sync for Team {}
// SAFETY: as above; the pointer in `step` is to a `Sync` closure that outlives the step.
unsafe impl Send for Team {}

#[derive(Clone)]
struct TeamStep {
    lanes: usize,
    /// Whether workers look out for a next step.
    linger: bool,
    body: *const (dyn Fn(usize) + Sync),
    caller: Thread,
    panic: Arc<Mutex<Option<Box<dyn Any + Send>>>>,
}

const OPEN: u64 = 1 << 31;
const WAITING: u64 = 1 << 30;
const INSIDE: u64 = WAITING - 1;

/// In rayon's hands, perhaps asleep.
const AWAY: u8 = 0;
/// A rayon job that brings it here is on its way.
const CALLED: u8 = 1;
/// Working, or looking out for the next step.
const HERE: u8 = 2;

impl Team {
    fn new(threads: usize) -> Self {
        Self {
            turn: Mutex::new(()),
            state: AtomicU64::new(0),
            step: UnsafeCell::new(None),
            seats: (0..threads).map(|_| AtomicU8::new(AWAY)).collect(),
        }
    }

    /// `None` while another thread's step runs. A step that panicked leaves nothing behind: poison means nothing.
    fn take_turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.turn.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The caller's side; it holds `turn`.
    fn run(self: &Arc<Self>, workers: &rayon::ThreadPool, lanes: usize, linger: bool, body: &(dyn Fn(usize) + Sync)) {
        let panic = Arc::new(Mutex::new(None));
        // SAFETY: only the lifetime changes. The pointer is used by workers inside the step alone, and this function
        // does not return before the last of them has left.
        let body_ptr =
            unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), *const (dyn Fn(usize) + Sync + 'static)>(body) };
        let step = TeamStep { lanes, linger, body: body_ptr, caller: std::thread::current(), panic: panic.clone() };
        // SAFETY: this thread holds `turn` and the last step ended with nobody inside, so nobody reads.
        unsafe { *self.step.get() = Some(step) };
        let number = (self.state.load(Ordering::Relaxed) >> 32) + 1;
        // SeqCst here and on the seats: either this thread sees that a worker has left, or that worker, looking
        // once more after leaving, sees this step.
        self.state.store(number << 32 | OPEN, Ordering::SeqCst);
        let call = |seat: &AtomicU8| seat.compare_exchange(AWAY, CALLED, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        if self.seats[1..lanes].iter().map(call).fold(false, |any, called| any | called) {
            let team = self.clone();
            workers.spawn_broadcast(move |context| team.attend(context.index()));
        }

        let mine = catch_unwind(AssertUnwindSafe(|| body(0)));
        self.state.fetch_and(!OPEN, Ordering::AcqRel);
        self.wait_until_empty();
        // SAFETY: closed and nobody inside: nobody reads.
        unsafe { *self.step.get() = None };
        if let Err(payload) = mine {
            resume_unwind(payload);
        }
        let theirs = panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(payload) = theirs {
            resume_unwind(payload);
        }
    }

    fn wait_until_empty(&self) {
        // About 20 us of watching, then sleep: a last chunk usually ends sooner, a whole solve does not.
        for _ in 0..1000 {
            if self.state.load(Ordering::Acquire) & INSIDE == 0 {
                return;
            }
            std::hint::spin_loop();
        }
        while self.state.fetch_or(WAITING, Ordering::AcqRel) & INSIDE != 0 {
            std::thread::park();
        }
    }

    /// A worker's side: takes part in steps until none has come for [`LINGER`], or one was the last for now.
    fn attend(&self, worker: usize) {
        let seat = &self.seats[worker];
        if seat.compare_exchange(CALLED, HERE, Ordering::SeqCst, Ordering::Relaxed).is_err() {
            return;
        }
        let mut last = 0;
        loop {
            self.linger(worker, &mut last);
            seat.store(AWAY, Ordering::SeqCst);
            let state = self.state.load(Ordering::SeqCst);
            let missed = state & OPEN != 0 && state >> 32 != last;
            if !missed || seat.compare_exchange(AWAY, HERE, Ordering::SeqCst, Ordering::Relaxed).is_err() {
                return;
            }
        }
    }

    /// Runs steps as they come; `last` is the number of the last one that this worker has seen.
    fn linger(&self, worker: usize, last: &mut u64) {
        let mut since = Instant::now();
        let mut looks = 0u32;
        loop {
            let state = self.state.load(Ordering::Acquire);
            if state & OPEN != 0 && state >> 32 != *last {
                if self.state.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                    *last = state >> 32;
                    if !self.take_part(worker) {
                        return;
                    }
                    since = Instant::now();
                }
                continue;
            }
            std::hint::spin_loop();
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(128) {
                if since.elapsed() > LINGER {
                    return;
                }
                // On a crowded machine somebody else may need this CPU.
                std::thread::yield_now();
            }
        }
    }

    /// One step, joined. Whether to look out for the next one.
    fn take_part(&self, worker: usize) -> bool {
        // SAFETY: this worker is inside, so the caller does not write; the join's acquire made its write visible.
        let step = unsafe { (*self.step.get()).clone() }.expect("a step is open while somebody is inside");
        if worker < step.lanes {
            // SAFETY: the caller keeps the closure alive until this worker has left.
            let body = unsafe { &*step.body };
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| body(worker))) {
                *step.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(payload);
            }
        }
        let before = self.state.fetch_sub(1, Ordering::AcqRel);
        if before & INSIDE == 1 && before & WAITING != 0 {
            step.caller.unpark();
        }
        step.linger
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Hands out `items` numbers over `lanes` lanes, `steps` times, with pauses that let workers go away in between.
    fn drain(pool: &Pool, lanes: usize, steps: usize, items: usize) {
        for step in 0..steps {
            let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
            pool.run(lanes, step % 2 == 0, &|lane| {
                assert!(lane < lanes);
                loop {
                    let item = next.fetch_add(1, Ordering::Relaxed);
                    if item >= items {
                        break;
                    }
                    sum.fetch_add(item + 1, Ordering::Relaxed);
                }
            });
            assert_eq!(sum.into_inner(), items * (items + 1) / 2);
            if step % 97 == 0 {
                std::thread::sleep(LINGER * 2);
            }
        }
    }

    #[test]
    fn every_item_is_done_once_before_run_returns() {
        for threads in [1, 2, 3, 8] {
            let pool = Pool::shared(threads, threads == 2).unwrap();
            assert_eq!(pool.threads(), threads);
            drain(&pool, threads, 400, 100);
        }
    }

    #[test]
    fn each_item_is_given_out_once_also_beside_another_step_and_inside() {
        let pool = Pool::shared(3, false).unwrap();
        let check = |count: usize| {
            let mut values = vec![1_u32; count];
            let borrowed: Vec<&mut u32> = values.iter_mut().collect();
            pool.each(borrowed, &|value| *value *= 2);
            assert!(values.iter().all(|value| *value == 2), "{count}");
        };
        for count in [0, 1, 2, 3, 1000] {
            check(count);
        }
        std::thread::scope(|scope| {
            scope.spawn(|| drain(&pool, 3, 100, 50));
            (0..100).for_each(check);
        });
        pool.install(|| check(100));
    }

    #[test]
    fn callers_beside_each_other_and_inside_share() {
        let pool = Pool::shared(4, false).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| drain(&pool, 4, 100, 50));
            }
        });
        pool.install(|| drain(&pool, 4, 20, 50));
    }

    #[test]
    fn workers_do_take_part() {
        let pool = Pool::shared(2, true).unwrap();
        let lanes = AtomicUsize::new(0);
        pool.run(2, false, &|lane| {
            lanes.fetch_or(1 << lane, Ordering::SeqCst);
            // Lane 0 stays until the worker has come; a limit, so that a lost worker fails the test.
            let start = Instant::now();
            while lanes.load(Ordering::SeqCst) != 3 && start.elapsed() < Duration::from_secs(20) {
                std::thread::yield_now();
            }
        });
        assert_eq!(lanes.into_inner(), 3);
    }

    #[test]
    fn a_panic_in_a_lane_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::shared(2, false).unwrap();
        for guilty in [0, 1] {
            let result = catch_unwind(AssertUnwindSafe(|| {
                let arrived = AtomicUsize::new(0);
                pool.run(2, false, &|lane| {
                    arrived.fetch_add(1, Ordering::SeqCst);
                    let start = Instant::now();
                    while arrived.load(Ordering::SeqCst) != 2 && start.elapsed() < Duration::from_secs(20) {
                        std::thread::yield_now();
                    }
                    assert_ne!(lane, guilty, "on purpose");
                });
            }));
            assert!(result.is_err(), "lane {guilty}");
        }
        drain(&pool, 2, 10, 10);
    }

    #[test]
    fn absurd_thread_counts_are_refused() {
        assert!(matches!(Pool::shared(MAX_THREADS + 1, false), Err(Error::Usage(_))));
    }

    #[test]
    fn pinned_workers_sit_on_their_cpus() {
        let threads = topology::usable_threads();
        let pool = Pool::shared(threads, true).unwrap();
        if let (Some(cpus), Some(_)) = (pool.cpus(), topology::current_cpu()) {
            let seen = pool.broadcast(|_| topology::current_cpu());
            assert_eq!(seen, cpus.iter().map(|cpu| Some(*cpu)).collect::<Vec<_>>());
        }
    }
}
