//! How much is read at once: a number of requests, and a number of bytes of their bodies.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// Bytes of one permit: a semaphore counts in `u32`.
const UNIT: u64 = 4096;

/// The bytes that all requests together may hold.
///
/// A body of known length takes its bytes before its first one is read, so it never waits half way. One of unknown length
/// grows: when nothing is left it takes the one overdraft, with which it may finish. So there is always somebody who can go on,
/// and the bound is exceeded by at most one body.
#[derive(Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    units: u32,
    overdraft: Arc<Mutex<()>>,
}

/// What one body holds; given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Held {
    permits: Option<OwnedSemaphorePermit>,
    units: u32,
    overdraft: Option<OwnedMutexGuard<()>>,
}

impl Budget {
    pub(super) fn new(bytes: u64) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3);
        Self { free: Arc::new(Semaphore::new(units as usize)), units, overdraft: Arc::default() }
    }

    /// Room for a body of `bytes`, all of it; one that is larger than the whole takes the whole.
    pub(super) async fn take(&self, bytes: u64) -> Held {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        let permits = Arc::clone(&self.free).acquire_many_owned(units).await.ok();
        Held { permits, units, overdraft: None }
    }

    /// Makes room for a body that has grown to `bytes`.
    pub(super) async fn grow(&self, held: &mut Held, bytes: u64) {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        if held.overdraft.is_some() || units <= held.units {
            return;
        }
        let more = units - held.units;
        tokio::select! {
            biased;
            permits = Arc::clone(&self.free).acquire_many_owned(more) => {
                let Ok(permits) = permits else { return };
                match &mut held.permits {
                    Some(all) => all.merge(permits),
                    None => held.permits = Some(permits),
                }
                held.units = units;
            }
            overdraft = Arc::clone(&self.overdraft).lock_owned() => held.overdraft = Some(overdraft),
        }
    }
}
