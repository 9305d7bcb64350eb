//! How a rate is measured.

use std::time::Instant;

/// Largest of `repeats` rates after one that warms up.
pub(super) fn best(repeats: usize, mut rate: impl FnMut() -> f64) -> f64 {
    rate();
    (0..repeats).map(|_| rate()).fold(0.0, f64::max)
}

/// Seconds since `start`, never 0.
pub(super) fn seconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64().max(1e-9)
}
