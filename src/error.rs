//! Everything that can go wrong, as one enum, and the exit code each ends in.
//!
//! A message is one line: what, where (file:line, item, DOF), why, what to do. The exit codes are decided here alone.

use std::path::PathBuf;

use crate::location::shown_path;

/// Shorthand used everywhere in the crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What stopped a run. `Display` is the line a user reads on stderr.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A broken invariant of our own. Seeing one is a bug.
    #[error("internal error: {0} (this is a bug in hetero; please report it with the command line)")]
    Internal(String),

    /// Arguments or configuration that make no sense.
    #[error("{0}")]
    Usage(String),

    /// An input file that is not what it claims to be, or a URL behind which there is none.
    #[error("{}{place}: {why}", shown_path(file))]
    Input {
        /// The file as the user named it; a URL is printed without what must not be.
        file: PathBuf,
        /// Where in the file.
        place: Place,
        /// What is wrong and what to do.
        why: String,
    },

    /// A readable model that has no meaningful answer (inverted element, singular matrix, missing material).
    #[error("{0}")]
    Model(String),

    /// A backend that cannot be used: not there, refused by the user, or it failed its self-test.
    #[error("{backend}: {why}")]
    Unavailable {
        /// The backend that was asked for.
        backend: String,
        /// Why not, and what to do.
        why: String,
    },

    /// A device that failed while it was working.
    #[error("{backend}: {why}")]
    Device {
        /// The backend that failed.
        backend: String,
        /// What happened, and what to do.
        why: String,
    },

    /// Memory, disk or I/O of the host, the network included: a server that cannot be reached, is silent or has trouble of its
    /// own (5xx), an answer that is too large.
    #[error("{0}")]
    Resource(String),

    /// The answer did not pass its check.
    #[error("verification failed: {0}")]
    Verification(String),

    /// Slower than an earlier measurement, and the user asked to fail then.
    #[error("slower than before: {0}")]
    Slower(String),

    /// Cases of a batch that failed, each told on a line of its own; the others were delivered.
    #[error("{failed} of {count} cases failed{}; the gravest: {gravest}", if failed < count { ", the others were delivered" } else { "" })]
    Cases {
        /// How many failed.
        failed: usize,
        /// Of how many.
        count: usize,
        /// The one with the highest exit code, the first of them.
        gravest: Box<Error>,
    },

    /// Stopped by a signal; the number is the signal's.
    #[error("stopped by signal {0}; what was not finished was not written")]
    Signal(i32),
}

/// Where in a file an error sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// A line, counted from 1.
    Line(u64),
    /// A byte offset, counted from 0.
    Byte(u64),
}

impl Place {
    /// The line of byte `at` of a file.
    #[must_use]
    pub fn line_of(bytes: &[u8], at: usize) -> Self {
        let at = at.min(bytes.len());
        Self::Line(bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Whole => Ok(()),
            Place::Line(line) => write!(f, ":{line}"),
            Place::Byte(byte) => write!(f, " at byte {byte}"),
        }
    }
}

impl Error {
    /// The exit code of `DESIGN`'s table: 1 internal, 2 usage, 3 bad input, 4 bad model, 5 device unavailable,
    /// 6 device failed, 7 host resource, 8 verification or slower than allowed, 128+n signal n. A batch with failed cases
    /// ends in the highest code of theirs: a wrong answer (8) above too little memory (7), a model without an answer
    /// (4) above a file that cannot be read (3).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Internal(_) => 1,
            Error::Usage(_) => 2,
            Error::Input { .. } => 3,
            Error::Model(_) => 4,
            Error::Unavailable { .. } => 5,
            Error::Device { .. } => 6,
            Error::Resource(_) => 7,
            Error::Verification(_) | Error::Slower(_) => 8,
            Error::Cases { gravest, .. } => gravest.exit_code(),
            Error::Signal(number) => u8::try_from(128 + number).unwrap_or(130),
        }
    }

    /// An input error about the file as a whole.
    pub fn input(file: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Error::Input { file: file.into(), place: Place::Whole, why: why.into() }
    }

    /// An input error at a place in the file.
    pub fn input_at(file: impl Into<PathBuf>, place: Place, why: impl Into<String>) -> Self {
        Error::Input { file: file.into(), place, why: why.into() }
    }

    /// A failed read or write. A missing or unreadable input is exit 3; everything else is the host's (7).
    pub fn io(path: impl Into<PathBuf>, action: &str, error: &std::io::Error) -> Self {
        let path = path.into();
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::IsADirectory
                if action == "read" =>
            {
                Error::input(path, format!("cannot read: {error}"))
            }
            _ => Error::Resource(format!("{}: cannot {action}: {error}", shown_path(&path))),
        }
    }

    /// Memory that the host would not give.
    #[must_use]
    pub fn memory(what: &str, bytes: u64) -> Self {
        Error::Resource(format!("{what} needs {} of memory, which this machine refused", crate::units::bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_table() {
        let device = |f: fn(String, String) -> Error| f("gpu".into(), "gone".into());
        assert_eq!(Error::Internal(String::new()).exit_code(), 1);
        assert_eq!(Error::Usage(String::new()).exit_code(), 2);
        assert_eq!(Error::input("a", "b").exit_code(), 3);
        assert_eq!(Error::Model(String::new()).exit_code(), 4);
        assert_eq!(device(|backend, why| Error::Unavailable { backend, why }).exit_code(), 5);
        assert_eq!(device(|backend, why| Error::Device { backend, why }).exit_code(), 6);
        assert_eq!(Error::Resource(String::new()).exit_code(), 7);
        assert_eq!(Error::Verification(String::new()).exit_code(), 8);
        assert_eq!(Error::Slower(String::new()).exit_code(), 8);
        assert_eq!(Error::Signal(2).exit_code(), 130);
        assert_eq!(Error::Signal(15).exit_code(), 143);
    }

    #[test]
    fn a_place_reads_as_editors_expect() {
        assert_eq!(Error::input_at("m.msh", Place::Line(7), "no").to_string(), "m.msh:7: no");
        assert_eq!(Error::input_at("m.vtu", Place::Byte(9), "no").to_string(), "m.vtu at byte 9: no");
        assert_eq!(Error::input("http://me:pw@host/m.vtu?sig=1", "no").to_string(), "http://host/m.vtu?...: no");
    }
}
