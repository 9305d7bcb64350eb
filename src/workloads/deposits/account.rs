//! The account, and threads that pay into it. Every deposit is made by itself: [`black_box`] hides the amount, so that no
//! compiler turns many into one.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::AMOUNT;
use super::method::{Method, Place, Sync};
use crate::job::Host;

/// Makes `deposits` deposits with all threads of `host`, each its equal share, and gives the balance.
pub(super) fn pay_in(method: Method, host: &Host<'_>, deposits: u64) -> u64 {
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
) -> u64 {
    match sync {
        Sync::None => {
            let account = AtomicU64::new(0);
            on_threads(host, deposits, |share| {
                for _ in 0..share {
                    outside();
                    // Two operations: what others write in between is lost. They are atomic each, so this is a race for
                    // the balance and not for the memory: no undefined behaviour.
                    let balance = account.load(Relaxed);
                    inside();
                    account.store(balance + black_box(AMOUNT), Relaxed);
                }
            });
            account.into_inner()
        }
        Sync::Mutex => {
            let account = Mutex::new(0);
            on_threads(host, deposits, |share| {
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
            account.into_inner().unwrap_or_else(PoisonError::into_inner)
        }
        Sync::Atomic => {
            let account = AtomicU64::new(0);
            on_threads(host, deposits, |share| {
                for _ in 0..share {
                    outside();
                    account.fetch_add(black_box(AMOUNT), Relaxed);
                }
            });
            account.into_inner()
        }
        Sync::Sharded => {
            let shards: Vec<Shard> = (0..host.threads()).map(|_| Shard::default()).collect();
            let free = AtomicU64::new(0);
            on_threads(host, deposits, |share| {
                let shard = &shards[free.fetch_add(1, Relaxed) as usize].0;
                for _ in 0..share {
                    outside();
                    // Nobody else writes here, so two operations do; others may read at any time.
                    shard.store(shard.load(Relaxed) + black_box(AMOUNT), Relaxed);
                }
            });
            shards.into_iter().map(|shard| shard.0.into_inner()).sum()
        }
        Sync::Reduce => {
            let account = AtomicU64::new(0);
            on_threads(host, deposits, |share| {
                let mut own = 0;
                for _ in 0..share {
                    outside();
                    own += black_box(AMOUNT);
                }
                account.fetch_add(own, Relaxed);
            });
            account.into_inner()
        }
    }
}

/// One thread's account, on cache lines of its own: two, since processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Shard(AtomicU64);

/// Calls `work` once on each thread of `host` with its share of the deposits.
fn on_threads(host: &Host<'_>, deposits: u64, work: impl Fn(u64) + std::marker::Sync) {
    let threads = host.threads() as u64;
    match host.pool {
        None => work(deposits),
        Some(pool) => {
            pool.broadcast(|context| {
                let thread = context.index() as u64;
                work(deposits / threads + u64::from(thread < deposits % threads));
            });
        }
    }
}
