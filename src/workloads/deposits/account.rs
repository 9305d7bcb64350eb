//! The account, and threads that pay into it. Every deposit is made by itself: [`black_box`] hides the amount, so that no
//! compiler turns many into one.

use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::AMOUNT;
use super::method::{Method, Place, Sync};
use crate::job::Host;

/// Makes `deposits` deposits with all threads of `host`, each its equal share; the balance, and the time from when all threads
/// were there until the last one was done.
pub(super) fn pay_in(method: Method, host: &Host<'_>, deposits: u64) -> (u64, Duration) {
    match method.wait {
        None => by(method.sync, host, deposits, || (), || ()),
        Some((Place::Inside, time)) => by(method.sync, host, deposits, || std::thread::sleep(time), || ()),
        Some((Place::Outside, time)) => by(method.sync, host, deposits, || (), || std::thread::sleep(time)),
    }
}

/// `inside` is called between reading the balance and writing it, `outside` before.
fn by(
    sync: Sync,
    host: &Host<'_>,
    deposits: u64,
    inside: impl Fn() + std::marker::Sync,
    outside: impl Fn() + std::marker::Sync,
) -> (u64, Duration) {
    match sync {
        Sync::None => {
            let account = AtomicU64::new(0);
            let took = on_threads(host, deposits, |share| {
                for _ in 0..share {
                    outside();
                    // Two operations: what others write in between is lost. They are atomic each, so this is a race for
                    // the balance and not for the memory: no undefined behaviour.
                    let balance = account.load(Relaxed);
                    inside();
                    account.store(balance + black_box(AMOUNT), Relaxed);
                }
            });
            (account.into_inner(), took)
        }
        Sync::Mutex => {
            let account = Mutex::new(0);
            let took = on_threads(host, deposits, |share| {
                for _ in 0..share {
                    outside();
                    // The one place where a thread of the pool waits for a lock: its holder runs nothing of the pool's, so
                    // it always comes to the end.
                    let mut held = account.lock().unwrap_or_else(PoisonError::into_inner);
                    let balance = *held;
                    inside();
                    *held = balance + black_box(AMOUNT);
                }
            });
            (account.into_inner().unwrap_or_else(PoisonError::into_inner), took)
        }
        Sync::Atomic => {
            let account = AtomicU64::new(0);
            let took = on_threads(host, deposits, |share| {
                for _ in 0..share {
                    outside();
                    account.fetch_add(black_box(AMOUNT), Relaxed);
                }
            });
            (account.into_inner(), took)
        }
        Sync::Sharded => {
            let shards: Vec<Shard> = (0..host.threads()).map(|_| Shard::default()).collect();
            let free = AtomicU64::new(0);
            let took = on_threads(host, deposits, |share| {
                let shard = &shards[free.fetch_add(1, Relaxed) as usize].0;
                for _ in 0..share {
                    outside();
                    // Nobody else writes here, so two operations do; others may read at any time.
                    shard.store(shard.load(Relaxed) + black_box(AMOUNT), Relaxed);
                }
            });
            (shards.into_iter().map(|shard| shard.0.into_inner()).sum(), took)
        }
        Sync::Reduce => {
            let account = AtomicU64::new(0);
            let took = on_threads(host, deposits, |share| {
                let mut own = 0;
                for _ in 0..share {
                    outside();
                    own += black_box(AMOUNT);
                }
                account.fetch_add(own, Relaxed);
            });
            (account.into_inner(), took)
        }
    }
}

/// One thread's account, on cache lines of its own: two, since processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Shard(AtomicU64);

/// How long threads wait for each other at most.
const PATIENCE: Duration = Duration::from_millis(100);

/// Calls `work` once on each thread of `host` with its share of the deposits. They begin together: a thread that came late would
/// find the others done and nobody to race with. Gives the time from the first beginning to the last end.
fn on_threads(host: &Host<'_>, deposits: u64, work: impl Fn(u64) + std::marker::Sync) -> Duration {
    let threads = host.threads() as u64;
    let here = AtomicU64::new(0);
    let part = |thread: u64| {
        here.fetch_add(1, Release);
        let came = Instant::now();
        while here.load(Acquire) < threads && came.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
        let begin = Instant::now();
        work(deposits / threads + u64::from(thread < deposits % threads));
        (begin, Instant::now())
    };
    let times = match host.pool {
        None => vec![part(0)],
        Some(pool) => pool.broadcast(|context| part(context.index() as u64)),
    };
    let begin = times.iter().map(|(begin, _)| *begin).min();
    let end = times.iter().map(|(_, end)| *end).max();
    begin.zip(end).map_or(Duration::ZERO, |(begin, end)| end - begin)
}
