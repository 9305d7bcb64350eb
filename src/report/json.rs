//! The JSON form: the stable interface for programs.

use super::Report;

/// The report as one JSON document with a line end. Numbers that are not finite are `null`.
#[must_use]
pub fn json(report: &Report) -> String {
    // A tree of plain values with string keys always serialises.
    serde_json::to_string_pretty(report).expect("plain data") + "\n"
}
