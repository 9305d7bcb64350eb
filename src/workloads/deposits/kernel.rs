//! A step: all deposits by one method.
//!
//! On the host it is a [`Whole`] step and not a chunked one, although an item is a deposit: a chunk is a pure function of its
//! range, and what makes this workload is what chunks must not have, state that all threads share. So the step takes the
//! backend's threads, opens an account of its own, lets each thread make its share, and closes the account.
//!
//! A device runs the same step in chunks, each a dispatch with an account that starts empty: threads share the account
//! within a dispatch, and what the dispatches brought is added up.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::account::pay_in;
use super::method::{Method, Sync};
use super::{AMOUNT, gpu};
use crate::error::Result;
use crate::job::{ChunkOut, Class, FOLD_WORDS, GpuSlot, Host, Kernel, Output, Precision, Whole, Work};

/// Words of the fold: the balance; nanoseconds of the median run and threads, 0 on a device.
pub(super) const BALANCE: usize = 0;
pub(super) const NANOSECONDS: usize = 1;
pub(super) const THREADS: usize = 2;

/// All deposits by one method.
pub(super) struct Step {
    pub(super) method: Method,
    pub(super) deposits: u64,
    /// Nanoseconds of the runs so far.
    times: Mutex<Vec<u64>>,
}

impl Step {
    pub(super) fn new(method: Method, deposits: u64) -> Self {
        Self { method, deposits, times: Mutex::default() }
    }
}

impl Kernel for Step {
    fn name(&self) -> &'static str {
        self.method.step()
    }

    fn item(&self) -> &'static str {
        "deposit"
    }

    fn items(&self) -> u64 {
        self.deposits
    }

    fn precision(&self) -> Precision {
        Precision::Integer
    }

    fn work(&self) -> Work {
        Work { flops: 1.0, bytes_read: 0.0, bytes_written: 0.0 }
    }

    /// A wait makes another kernel of it.
    fn variant(&self) -> u64 {
        self.method.wait.map_or(0, |(_, time)| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    fn class(&self) -> Class {
        Class::Exact
    }

    /// A balance that may be short cannot be compared with the reference's.
    fn fold_words(&self) -> usize {
        usize::from(self.method.sync.is_exact())
    }

    /// One thread, one deposit after the other.
    fn seq(&self, out: &mut ChunkOut<'_>) {
        for _ in 0..out.chunk().len() {
            out.fold[BALANCE] += black_box(AMOUNT);
        }
    }

    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        gpu::slot(self.method)
    }

    fn fold_gpu(&self, partials: &[u32], fold: &mut [u64; FOLD_WORDS]) {
        fold[BALANCE] += match (self.method.sync, partials) {
            (Sync::Atomic, [low, high]) => u64::from(*low) | u64::from(*high) << 32,
            _ => partials.iter().map(|part| u64::from(*part)).sum(),
        };
    }
}

impl Whole for Step {
    fn solve(&self, host: &Host<'_>, _: &[Output], out: &mut Output) -> Result<()> {
        let start = Instant::now();
        let balance = pay_in(self.method, host, self.deposits);
        let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.push(took);
        times.sort_unstable();
        out.fold = [balance, times[times.len() / 2], host.threads() as u64, 0];
        Ok(())
    }
}
