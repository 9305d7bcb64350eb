//! The trace: what every worker, queue and copy engine did when, in the Trace Event Format that Chrome's `about:tracing`
//! and Perfetto read.
//!
//! Source: Trace Event Format, Google 2016: complete events (`"ph": "X"`) with microseconds, metadata events (`"M"`) that
//! name the rows.

use serde_json::{Value, json};

use crate::exec::{Doing, Span};

/// One row of the trace: a worker, a device's queue, or a direction of copies.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The backend of the run: one process of the trace each.
    pub run: String,
    /// The row's name.
    pub name: String,
    /// What happened on it.
    pub events: Vec<Event>,
}

/// Something that took time; an instant when it took none.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What.
    pub name: String,
    /// Seconds since the trace began.
    pub start: f64,
    /// The same.
    pub end: f64,
    /// More about it.
    pub args: Value,
}

impl Event {
    /// A chunk or a copy of it.
    #[must_use]
    pub fn chunk(kernel: &str, span: &Span) -> Self {
        Self {
            name: kernel.into(),
            start: span.start,
            end: span.end,
            args: json!({"doing": span.doing, "first": span.chunk.start, "items": span.chunk.len()}),
        }
    }
}

/// The name of the row of a member that did `doing`: host lanes have numbers, a device has a queue and two directions.
#[must_use]
pub fn row_name(member: &str, device: bool, span: &Span) -> String {
    match (device, span.doing) {
        (_, Doing::Solve) => format!("{member} all workers"),
        (false, _) => format!("{member} worker {}", span.lane),
        (true, Doing::Kernel) => format!("{member} queue"),
        (true, Doing::Upload) => format!("{member} upload"),
        (true, Doing::Download) => format!("{member} download"),
    }
}

/// The whole document.
#[must_use]
pub fn json(rows: &[Row]) -> String {
    let mut events = Vec::new();
    let mut runs: Vec<&str> = Vec::new();
    let us = |seconds: f64| (seconds * 1e9).round() / 1e3;
    for (tid, row) in rows.iter().enumerate() {
        let pid = runs.iter().position(|run| *run == row.run).unwrap_or_else(|| {
            runs.push(&row.run);
            let pid = runs.len() - 1;
            events.push(json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": row.run}}));
            pid
        });
        events.push(json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": row.name}}));
        for event in &row.events {
            let (ts, dur) = (us(event.start), us((event.end - event.start).max(0.0)));
            let mut written = json!({"name": event.name, "pid": pid, "tid": tid, "ts": ts, "args": event.args});
            let fields = written.as_object_mut().expect("it is an object");
            if dur > 0.0 {
                fields.insert("ph".into(), "X".into());
                fields.insert("dur".into(), dur.into());
            } else {
                fields.insert("ph".into(), "i".into());
                fields.insert("s".into(), "p".into());
            }
            events.push(written);
        }
    }
    serde_json::to_string(&json!({"displayTimeUnit": "ms", "traceEvents": events})).expect("plain data has a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Chunk;

    #[test]
    fn rows_have_names_and_events_their_times_in_microseconds() {
        let span = Span { lane: 1, doing: Doing::Kernel, chunk: Chunk::new(10, 30), start: 0.001, end: 0.0025 };
        let row = |run: &str, name: String| Row { run: run.into(), name, events: vec![Event::chunk("tet4", &span)] };
        let rows = [row("cpu", row_name("cpu", false, &span)), row("hybrid", row_name("gpu", true, &span))];
        let document: Value = serde_json::from_str(&json(&rows)).unwrap();
        let events = document["traceEvents"].as_array().unwrap();
        let names: Vec<_> =
            events.iter().filter(|e| e["name"] == "thread_name").map(|e| e["args"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["cpu worker 1", "gpu queue"]);
        let chunk = events.iter().find(|e| e["ph"] == "X").unwrap();
        assert_eq!((chunk["ts"].as_f64(), chunk["dur"].as_f64()), (Some(1000.0), Some(1500.0)));
        assert_eq!((&chunk["args"]["first"], &chunk["args"]["items"]), (&json!(10), &json!(20)));
        assert_eq!(events.iter().filter(|e| e["name"] == "process_name").count(), 2);
    }
}
