//! Small answers as files: what a workload without arrays writes to `--output`.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::formats::source;

/// What [`write`] writes.
pub(super) const ENDINGS: [&str; 2] = ["json", "csv"];

/// Writes `result` to `path`: all of it as `.json`, or its fields `columns` as one row of `.csv`, empty where a field is
/// `null` or missing.
///
/// # Errors
/// [`Error::Usage`] for another ending, [`Error::Resource`] when the disk refuses.
pub(super) fn write(workload: &str, result: &Map<String, Value>, columns: &[&str], path: &Path) -> Result<()> {
    let refused = |e: &std::io::Error| Error::io(path, "write", e);
    match source::extension(path).as_str() {
        "json" => source::write_whole(path, |file| {
            let text = serde_json::to_string_pretty(result).map_err(|e| Error::Internal(e.to_string()))?;
            writeln!(file, "{text}").map_err(|e| refused(&e))
        }),
        "csv" => source::write_whole(path, |file| {
            let field = |name: &&str| match result.get(*name) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            let row: Vec<String> = columns.iter().map(field).collect();
            writeln!(file, "{}\n{}", columns.join(","), row.join(",")).map_err(|e| refused(&e))
        }),
        other => Err(Error::Usage(format!("{workload} writes .json and .csv, not '.{other}'"))),
    }
}
