//! Why a request gave nothing, and whether trying again can help.

use std::time::Duration;

use super::shown;
use crate::error::Error;

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not a URL that hetero reads.
    Unusable,
    /// The server could not be reached, or went away before it answered. Passes.
    Unreachable,
    /// The server asked to come again later (429, 503). Passes.
    Busy,
    /// Another status than success.
    Status,
    /// The answer contradicts itself or HTTP, or leads where no request goes.
    Broken,
    /// The connection broke while the body came.
    Cut,
    /// It took longer than a limit.
    Late,
    /// It is larger than a limit or than memory.
    Large,
}

/// A request that gave nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The kind.
    pub kind: Kind,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What happened, for a message that has named the URL.
    pub why: String,
    /// How long the server asked to wait.
    pub retry_after: Option<Duration>,
}

impl Failure {
    pub(super) fn new(kind: Kind, why: impl Into<String>) -> Self {
        Self { kind, status: None, why: why.into(), retry_after: None }
    }

    /// Whether the same request may well succeed a little later, and cannot have been half delivered.
    pub(super) fn passes(&self) -> bool {
        matches!(self.kind, Kind::Unreachable | Kind::Busy)
    }

    /// The error of a run that needs `url`: 2 for what is no URL of ours, 3 as for a missing or broken file, 7 for what the
    /// network or this machine refused.
    #[must_use]
    pub fn error(self, url: &str) -> Error {
        let url = shown(url);
        match self.kind {
            Kind::Unusable => Error::Usage(format!("{url}: {}", self.why)),
            // A server's own trouble (5xx) says nothing about the input.
            Kind::Status if self.status.is_none_or(|status| status < 500) => Error::input(url, self.why),
            Kind::Broken => Error::input(url, self.why),
            _ => Error::Resource(format!("{url}: {}", self.why)),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Failure {}
