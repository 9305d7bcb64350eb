//! Writes down when a lane did what, for traces; costs nothing but a test when nobody asked.

use std::collections::VecDeque;
use std::time::Instant;

use serde::Serialize;

use super::Control;
use crate::backend::Lane;
use crate::job::Chunk;

/// What a lane was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// Handing a chunk's input to a device.
    Upload,
    /// Computing a chunk; on a device from its submission until its results could be fetched.
    Kernel,
    /// Fetching a chunk's results from a device.
    Download,
    /// A step that is one solve, by all threads of the host together.
    Solve,
}

/// A stretch of time of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// The lane, counted from 0 in the order in which they ended.
    pub lane: usize,
    /// What it did.
    pub doing: Doing,
    /// Of which items.
    pub chunk: Chunk,
    /// Seconds since [`Control::trace`].
    pub start: f64,
    /// The same.
    pub end: f64,
}

/// Follows one lane.
pub(super) struct Watch {
    /// Since when times count; `None` when nobody asked.
    epoch: Option<Instant>,
    /// Chunks in flight: when their submission began and ended.
    flights: VecDeque<(Chunk, f64)>,
    began: f64,
    copied: [f64; 2],
    spans: Vec<Span>,
}

impl Watch {
    pub(super) fn new(control: &Control) -> Self {
        Self { epoch: control.trace, flights: VecDeque::new(), began: 0.0, copied: [0.0; 2], spans: Vec::new() }
    }

    /// The spans of this lane under its number.
    pub(super) fn spans(self, lane: usize) -> impl Iterator<Item = Span> {
        self.spans.into_iter().map(move |span| Span { lane, ..span })
    }

    fn span(&mut self, doing: Doing, chunk: Chunk, start: f64, end: f64) {
        if end > start {
            self.spans.push(Span { lane: 0, doing, chunk, start, end });
        }
    }

    /// Before a chunk is submitted.
    pub(super) fn submit(&mut self, chunk: Chunk, lane: &dyn Lane<'_>) {
        let Some(epoch) = self.epoch else { return };
        self.began = epoch.elapsed().as_secs_f64();
        self.copied = lane.copied();
        self.flights.push_back((chunk, self.began));
    }

    /// After it was submitted: a device lane has copied its input.
    pub(super) fn submitted(&mut self, lane: &dyn Lane<'_>) {
        if self.epoch.is_none() {
            return;
        }
        let uploaded = lane.copied()[0] - self.copied[0];
        self.copied = lane.copied();
        if let Some((chunk, started)) = self.flights.back_mut() {
            *started = self.began + uploaded;
            let (chunk, end) = (*chunk, *started);
            self.span(Doing::Upload, chunk, self.began, end);
        }
    }

    /// After the oldest chunk in flight was collected: the last part of the wait was the copy of its results.
    pub(super) fn collected(&mut self, lane: &dyn Lane<'_>) {
        let Some(epoch) = self.epoch else { return };
        let end = epoch.elapsed().as_secs_f64();
        let fetched = lane.copied()[1] - self.copied[1];
        self.copied = lane.copied();
        if let Some((chunk, started)) = self.flights.pop_front() {
            self.span(Doing::Kernel, chunk, started, end - fetched);
            self.span(Doing::Download, chunk, end - fetched, end);
        }
    }
}
