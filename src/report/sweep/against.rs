//! A comparison held against an earlier one, row by row. The earlier one comes from a file, so nothing in it is
//! believed before it is checked.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Row, SCHEMA, Sweep};
use crate::error::{Error, Place, Result};
use crate::measure::stats::{Ratio, SAME_WITHIN, Summary, Verdict};
use crate::report::table::factor;
use crate::units::{grouped, seconds};

/// The largest file that is read: a row is under 4 KiB, so this is more than any sweep makes.
pub const MOST_BYTES: u64 = 64 << 20;

/// What is read of a saved comparison.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Saved {
    schema: String,
    workload: String,
    variant: String,
    version: String,
    machine: SavedMachine,
    rows: Vec<SavedRow>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct SavedMachine {
    cpu: String,
    usable_threads: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct SavedRow {
    items: u64,
    backend: String,
    precision: String,
    warm_seconds: Option<Summary>,
}

/// What makes a row the same one in two comparisons.
type Key = (u64, String, String);

/// A comparison held against an earlier one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    /// The file of the earlier one.
    pub file: String,
    /// The version of hetero that made it.
    pub version: String,
    /// The processor that it ran on.
    pub cpu: String,
    /// Rows that both have, by warm seconds.
    pub rows: Vec<AgainstRow>,
    /// The median of all rows' ratios: far from 1 when the whole machine, or all of hetero, changed its speed. `null`
    /// without rows.
    pub median_ratio: Option<f64>,
    /// Rows that only the earlier one has, or that have no times here: `gpu mixed at 1_000`.
    pub only_before: Vec<String>,
    /// Rows that only this one has, or that have no times there.
    pub only_now: Vec<String>,
    /// What makes the two hard to compare.
    pub warnings: Vec<String>,
}

/// One row in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgainstRow {
    /// Items.
    pub items: u64,
    /// The backend.
    pub backend: String,
    /// The arithmetic.
    pub precision: String,
    /// Warm seconds then.
    pub before: Summary,
    /// Warm seconds now.
    pub now: Summary,
    /// How many times as fast as then. The verdict is that of all measurements: `faster` or `slower` only if each of
    /// them by itself says so and the fastest run of all moved by more than 5 %, too; `unclear` if only the first says so.
    #[serde(flatten)]
    pub ratio: Ratio,
    /// How often the row was measured: once, or until a measurement did not confirm the change.
    pub measured: usize,
    /// The later measurements, each against the same times as the first.
    pub again: Vec<Measurement>,
}

/// A later measurement of a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measurement {
    /// Warm seconds.
    pub now: Summary,
    /// How many times as fast as then.
    #[serde(flatten)]
    pub ratio: Ratio,
}

/// Whether a row's time is not what it was.
fn is_change(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Faster | Verdict::Slower)
}

impl AgainstRow {
    /// Holds `row`, with all its measurements, against the time `before`; `None` when it has no times.
    fn of(row: &Row, before: Summary) -> Option<Self> {
        let now = row.warm_seconds?;
        let mut ratio = Ratio::of(&before, &now);
        let again: Vec<Measurement> = row
            .again_samples
            .iter()
            .filter_map(|runs| Summary::of(runs))
            .map(|now| Measurement { now, ratio: Ratio::of(&before, &now) })
            .collect();
        // Other work on the machine only ever adds time: it moves medians for minutes, but seldom spares no run.
        let fastest = again.iter().fold(now.min, |least, later| least.min(later.now.min)) / before.min;
        let shown = match ratio.verdict {
            Verdict::Slower => fastest > SAME_WITHIN,
            Verdict::Faster => fastest < 1.0 / SAME_WITHIN,
            Verdict::Same | Verdict::Unclear => true,
        };
        if is_change(ratio.verdict) && !(shown && again.iter().all(|later| later.ratio.verdict == ratio.verdict)) {
            ratio.verdict = Verdict::Unclear;
        }
        let (items, backend, precision) = key(row);
        Some(Self { items, backend, precision, before, now, ratio, measured: 1 + again.len(), again })
    }
}

impl Sweep {
    /// The rows, by index, that changed against the earlier comparison as far as is known: those to measure again.
    #[must_use]
    pub fn changed(&self) -> Vec<usize> {
        let Some(against) = &self.against else { return Vec::new() };
        let changed = |row: &Row| against.row(row).is_some_and(|old| is_change(old.ratio.verdict));
        (0..self.rows.len()).filter(|i| changed(&self.rows[*i])).collect()
    }
}

impl Against {
    /// What became of `row`, if the earlier comparison has it.
    #[must_use]
    pub fn row(&self, row: &Row) -> Option<&AgainstRow> {
        let key = (row.items, row.backend.as_str(), row.precision.name());
        self.rows.iter().find(|old| (old.items, old.backend.as_str(), old.precision.as_str()) == key)
    }

    /// What all rows say together, and how changes were confirmed, in sentences; none without rows.
    #[must_use]
    pub fn summary_lines(&self, times: &str) -> Vec<String> {
        let all = self.median_ratio.map(|ratio| format!("all rows: {} (median)", factor(Some(ratio), times)));
        let again = self.rows.iter().any(|row| row.measured > 1).then(|| {
            "rows that seemed to change were measured again, later: faster and slower only where every measurement and the \
             fastest run say so"
                .to_string()
        });
        all.into_iter().chain(again).collect()
    }

    /// The rows that are slower than they were, in words; empty when there are none.
    #[must_use]
    pub fn slower(&self) -> Vec<String> {
        let slower = self.rows.iter().filter(|row| row.ratio.verdict == Verdict::Slower);
        slower
            .map(|row| {
                let AgainstRow { items, backend, precision, before, now, .. } = row;
                format!(
                    "{backend} {precision} at {}: {} instead of {}",
                    grouped(*items),
                    seconds(now.median),
                    seconds(before.median)
                )
            })
            .collect()
    }
}

impl Saved {
    /// Reads a saved comparison.
    ///
    /// # Errors
    /// [`Error::Input`] with the place when it is no JSON, no comparison of this schema, or holds impossible numbers.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let saved: Self = serde_json::from_slice(bytes).map_err(|e| {
            let place = if e.line() == 0 { Place::Whole } else { Place::Line(e.line() as u64) };
            Error::input_at(path, place, format!("not a comparison saved by hetero compare --save: {e}"))
        })?;
        let wrong = |why: String| Error::input(path, why);
        if saved.schema != SCHEMA {
            return Err(wrong(format!("its schema is {:?}, this program reads {SCHEMA}", saved.schema)));
        }
        let mut keys = HashMap::with_capacity(saved.rows.len());
        for (i, row) in saved.rows.iter().enumerate() {
            if let Some(why) = row.warm_seconds.as_ref().and_then(impossible) {
                return Err(wrong(format!("rows[{i}].warm_seconds: {why}")));
            }
            if let Some(first) = keys.insert(row.key(), i) {
                return Err(wrong(format!("rows[{i}] is rows[{first}] once more: same items, backend and precision")));
            }
        }
        Ok(saved)
    }

    /// Whether this is a comparison of the same job.
    ///
    /// # Errors
    /// [`Error::Input`] that names both.
    pub fn check_job(&self, path: &Path, workload: &str, variant: &str) -> Result<()> {
        if (self.workload.as_str(), self.variant.as_str()) == (workload, variant) {
            return Ok(());
        }
        let why = format!(
            "it is a comparison of {:?} of {:?}, this is {variant:?} of {workload:?}; name the file of the same workload and \
             variant",
            self.variant, self.workload
        );
        Err(Error::input(path, why))
    }
}

fn key(row: &Row) -> Key {
    (row.items, row.backend.clone(), row.precision.name().to_string())
}

impl SavedRow {
    fn key(&self) -> Key {
        (self.items, self.backend.clone(), self.precision.clone())
    }
}

/// What is wrong with a summary of times, if anything.
fn impossible(summary: &Summary) -> Option<String> {
    let Summary { median, low, high, min, n, coverage } = *summary;
    let fits = [min, low, median, high].into_iter().all(|x| x.is_finite() && x > 0.0);
    match () {
        () if !fits => Some("a time is not a positive number".into()),
        () if !(min <= low && low <= median && median <= high) => {
            Some(format!("min {min:e} <= low {low:e} <= median {median:e} <= high {high:e} does not hold"))
        }
        () if n == 0 || !(0.0..=1.0).contains(&coverage) => {
            Some(format!("no interval of {n} runs covers with probability {coverage}"))
        }
        () => None,
    }
}

/// Holds `now` against the comparison `before` from `file`.
#[must_use]
pub fn against(now: &Sweep, before: &Saved, file: &str) -> Against {
    let mut then: HashMap<Key, &SavedRow> = before.rows.iter().map(|row| (row.key(), row)).collect();
    let name = |(items, backend, precision): &Key| format!("{backend} {precision} at {}", grouped(*items));
    let (mut rows, mut only_now, mut only_before) = (Vec::new(), Vec::new(), Vec::new());
    for row in &now.rows {
        let key = key(row);
        match then.remove(&key).and_then(|old| old.warm_seconds) {
            Some(before) => match AgainstRow::of(row, before) {
                Some(row) => rows.push(row),
                None => only_before.push(name(&key)),
            },
            None if row.warm_seconds.is_some() => only_now.push(name(&key)),
            None => {}
        }
    }
    let mut rest: Vec<Key> =
        then.into_iter().filter(|(_, row)| row.warm_seconds.is_some()).map(|(key, _)| key).collect();
    rest.sort_unstable();
    only_before.extend(rest.iter().map(name));
    let mut warnings = Vec::new();
    let (cpu, threads) = (&before.machine.cpu, before.machine.usable_threads);
    if (cpu.as_str(), threads) != (now.machine.cpu.as_str(), now.machine.usable_threads) {
        warnings.push(format!(
            "another machine: {cpu} with {threads} usable threads then, {} with {} now",
            now.machine.cpu, now.machine.usable_threads
        ));
    }
    if before.version != now.version {
        warnings.push(format!("another version of hetero: {} then, {} now", before.version, now.version));
    }
    if rows.is_empty() {
        warnings.push("the two have no row in common".into());
    }
    let ratios: Vec<f64> = rows.iter().map(|row| row.ratio.ratio).collect();
    Against {
        median_ratio: Summary::of(&ratios).map(|summary| summary.median),
        file: file.into(),
        version: before.version.clone(),
        cpu: cpu.clone(),
        rows,
        only_before,
        only_now,
        warnings,
    }
}
