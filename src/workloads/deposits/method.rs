//! How deposits come together in one account, and where a deposit waits.

use std::time::Duration;

/// How threads share the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// Not at all: each reads the balance and writes a larger one, and may overwrite what another has just written.
    None,
    /// One at a time, behind a lock.
    Mutex,
    /// By one instruction that reads, adds and writes.
    Atomic,
    /// Each in an account of its own, in memory; the balance is their sum.
    Sharded,
    /// Each in a number of its own, paid in when the thread is done.
    Reduce,
}

impl Sync {
    /// Every one, in the order of reports.
    pub(super) const ALL: [Self; 5] = [Self::None, Self::Mutex, Self::Atomic, Self::Sharded, Self::Reduce];

    /// Its name in options and reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mutex => "mutex",
            Self::Atomic => "atomic",
            Self::Sharded => "sharded",
            Self::Reduce => "reduce",
        }
    }

    /// Whether no deposit can be lost.
    pub(super) fn is_exact(self) -> bool {
        self != Self::None
    }

    /// Where a deposit can wait: between reading and writing the balance where the two are apart, beside it where a lock
    /// can be avoided meanwhile or nothing is apart.
    pub(super) fn waits(self) -> &'static [Place] {
        match self {
            Self::None => &[Place::Inside],
            Self::Mutex => &[Place::Inside, Place::Outside],
            Self::Atomic | Self::Sharded | Self::Reduce => &[Place::Outside],
        }
    }
}

/// Where a deposit waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between reading the balance and writing it: with the lock held.
    Inside,
    /// Before the balance is touched.
    Outside,
}

impl Place {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }
}

/// A way of making deposits: one step of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) sync: Sync,
    /// `None` when a deposit does not wait.
    pub(super) wait: Option<(Place, Duration)>,
}

impl Method {
    /// The name of its step: kernel, phase and WGSL entry point.
    pub(super) fn step(self) -> &'static str {
        match (self.sync, self.wait.map(|(place, _)| place)) {
            (Sync::None, None) => "add_none",
            (Sync::Mutex, None) => "add_mutex",
            (Sync::Atomic, None) => "add_atomic",
            (Sync::Sharded, None) => "add_sharded",
            (Sync::Reduce, None) => "add_reduce",
            (Sync::None, Some(_)) => "wait_none",
            (Sync::Mutex, Some(Place::Inside)) => "wait_mutex_in",
            (Sync::Mutex, Some(Place::Outside)) => "wait_mutex_out",
            (Sync::Atomic, Some(_)) => "wait_atomic",
            (Sync::Sharded, Some(_)) => "wait_sharded",
            (Sync::Reduce, Some(_)) => "wait_reduce",
        }
    }
}
