//! Which file and line a byte of a joined deck came from.

use std::path::PathBuf;
use std::rc::Rc;

use crate::error::{Error, Place};
use crate::formats::source::Source;

/// From here on the deck's bytes are those of `path`.
struct Part {
    start: usize,
    path: Rc<PathBuf>,
    /// Line of its first byte in `path`, counted from 1.
    line: u64,
}

/// Where the lines of a deck come from; nothing for a deck in one file.
#[derive(Default)]
pub(super) struct Origins(Vec<Part>);

impl Origins {
    /// From byte `start` of the deck on its bytes are those of `path` from `line` on.
    pub(super) fn push(&mut self, start: usize, path: &Rc<PathBuf>, line: u64) {
        self.0.push(Part { start, path: path.clone(), line });
    }

    /// An error at byte `offset` of `deck`.
    pub(super) fn error(&self, deck: &Source, offset: usize, why: impl Into<String>) -> Error {
        let offset = offset.min(deck.bytes().len());
        let part = self.0.iter().rev().find(|part| part.start <= offset);
        let (path, start, first) = part.map_or((&deck.path, 0, 1), |part| (part.path.as_ref(), part.start, part.line));
        let lines = memchr::memchr_iter(b'\n', &deck.bytes()[start..offset]).count() as u64;
        Error::input_at(path, Place::Line(first + lines), why)
    }
}
