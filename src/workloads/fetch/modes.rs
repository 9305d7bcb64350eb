//! The three ways to wait for many answers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::net::{Client, Failure, Kind, Reply, fetch_many};

/// How requests overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Not at all.
    Seq,
    /// A thread of the operating system each.
    Threads,
    /// One thread for all, or a few for hundreds.
    Async,
}

impl Mode {
    /// All, the slowest first.
    pub(super) const ALL: [Mode; 3] = [Mode::Seq, Mode::Threads, Mode::Async];

    /// The name in options and reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Mode::Seq => "seq",
            Mode::Threads => "threads",
            Mode::Async => "async",
        }
    }

    /// The name of its step.
    pub(super) const fn kernel(self) -> &'static str {
        match self {
            Mode::Seq => "fetch_seq",
            Mode::Threads => "fetch_threads",
            Mode::Async => "fetch_async",
        }
    }

    /// The mode of a name that the command line has checked.
    pub(super) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|mode| mode.name() == name).expect("clap knows the names")
    }
}

/// Requests that are worth a thread of [`Mode::Async`]: to connect them takes it 8 ms on loopback, nearly all in the system.
const EACH: usize = 256;

/// What one URL gave, and how long that took.
pub(super) type Got = (Result<Reply, Failure>, f64);

/// Fetches all of `urls` and gives what each gave; together their bodies stay below `most` bytes. `done` counts them.
pub(super) fn fetch(
    mode: Mode,
    urls: &[String],
    at_once: usize,
    client: &Client,
    most: u64,
    done: &AtomicU64,
) -> Result<Vec<Got>> {
    let mut all: Vec<Option<Got>> = Vec::new();
    all.resize_with(urls.len(), || None);
    let held = AtomicU64::new(0);
    let kept = |reply: Result<Reply, Failure>| -> Result<Reply, Failure> {
        done.fetch_add(1, Ordering::Relaxed);
        let reply = reply?;
        let bytes = reply.body.len() as u64;
        match held.fetch_add(bytes, Ordering::Relaxed) + bytes <= most {
            true => Ok(reply),
            false => {
                held.fetch_sub(bytes, Ordering::Relaxed);
                let why =
                    format!("the files together are more than {}, half of the free memory", crate::units::bytes(most));
                Err(Failure { kind: Kind::Large, status: Some(reply.status), why, retry_after: None })
            }
        }
    };
    let (threads, each) = threads(mode, at_once.min(urls.len()));
    let next = AtomicUsize::new(0);
    // Locked for a moment after each answer.
    let slots = Mutex::new(&mut all);
    let take = || {
        let i = next.fetch_add(1, Ordering::Relaxed);
        urls.get(i).map(|url| (i, url.as_str()))
    };
    let one = || {
        fetch_many(client, std::iter::from_fn(take), each, |i, reply, seconds| {
            let got = (kept(reply), seconds);
            slots.lock().unwrap_or_else(PoisonError::into_inner)[i] = Some(got);
        })
    };
    if threads <= 1 {
        one()?;
    } else {
        std::thread::scope(|scope| {
            let spawn = |_| std::thread::Builder::new().name("hetero-fetch".into()).spawn_scoped(scope, one);
            let started = (0..threads).map(spawn).collect::<Vec<_>>();
            let mut outcome = Ok(());
            for thread in started {
                let thread = thread.map_err(|e| {
                    Error::Resource(format!("cannot start a thread that fetches: {e}; use a smaller --concurrency"))
                });
                let ended = thread
                    .and_then(|t| t.join().map_err(|_| Error::Internal("a thread that fetched panicked".into()))?);
                outcome = outcome.and(ended);
            }
            outcome
        })?;
    }
    Ok(all.into_iter().map(|got| got.expect("every URL was asked for")).collect())
}

/// How many threads wait for `at_once` requests, and each for how many.
fn threads(mode: Mode, at_once: usize) -> (usize, usize) {
    match mode {
        Mode::Seq => (1, 1),
        Mode::Threads => (at_once, 1),
        Mode::Async => {
            let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let threads = (at_once / EACH).clamp(1, processors);
            (threads, at_once.div_ceil(threads))
        }
    }
}

/// Processor seconds of this process so far, all threads, where the system tells.
pub(super) fn cpu_seconds() -> Option<f64> {
    #[cfg(unix)]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes the one struct that it is given.
        let told = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) } == 0;
        told.then_some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_threads_wait_for_all() {
        assert_eq!(threads(Mode::Async, 100), (1, 100));
        assert_eq!((threads(Mode::Seq, 100), threads(Mode::Threads, 100)), ((1, 1), (100, 1)));
        let processors = std::thread::available_parallelism().unwrap().get();
        for at_once in [256, 511, 512, 1000, 16_384] {
            let (threads, each) = threads(Mode::Async, at_once);
            assert!(threads <= processors && threads * EACH <= at_once, "{threads} for {at_once}");
            assert!((at_once..at_once + threads).contains(&(threads * each)), "{threads} times {each}");
        }
    }
}
