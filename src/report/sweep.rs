//! A comparison of backends over sizes: one plain value that holds all of it, and its forms. [`build`] makes it from
//! what was measured; [`against`] holds it against an earlier one. Pure: the same inputs give the same comparison.

use serde::Serialize;

use crate::backend::{BackendFacts, Phases};
use crate::job::Precision;
use crate::machine::Machine;
use crate::measure::breakeven::{self, BreakEven};
use crate::measure::sampler;
use crate::measure::stats::{Ratio, Summary};
use crate::measure::verify::Verification;
use crate::units::grouped;

pub mod against;
pub mod curves;
pub mod forms;
pub mod table;
mod words;

pub use against::{Against, Saved};
pub use words::{answer, rounded};

/// The name and version of the JSON form. Fields may be added under this name, never renamed or removed.
pub const SCHEMA: &str = "hetero.compare/1";

/// What is already there when the clock starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Nothing: the backend is opened and compiles, then runs. Each was timed once, the first time in its process.
    Cold,
    /// The backend is open and has compiled; the data is on the host.
    Warm,
    /// The data is on the device, too: the kernel phase alone.
    Kernel,
}

impl Start {
    /// All three, from most to least work.
    pub const ALL: [Start; 3] = [Start::Cold, Start::Warm, Start::Kernel];

    /// The name in JSON and CSV.
    #[must_use]
    pub fn name(self) -> &'static str {
        ["cold", "warm", "kernel"][self as usize]
    }

    /// What people read.
    #[must_use]
    pub fn title(self) -> &'static str {
        ["cold process", "warm, data on the host", "data on the device"][self as usize]
    }

    /// What is timed.
    #[must_use]
    pub fn about(self) -> &'static str {
        [
            "opening the backend and compiling, both as timed the first time in this process, and a warm run",
            "copying in, computing, copying out, merging: what each further run in a process costs",
            "the kernel phase alone, no copies",
        ][self as usize]
    }
}

/// A comparison of backends over sizes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sweep {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What the user named.
    pub workload: String,
    /// Which of its generated jobs.
    pub variant: String,
    /// The command line.
    pub command: Vec<String>,
    /// Version of hetero.
    pub version: String,
    /// `--seed`.
    pub seed: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What one item is.
    pub item: String,
    /// How it was measured.
    pub rules: Rules,
    /// The backend that the others are compared with.
    pub baseline: String,
    /// The backends that ran, in the order in which they were asked for.
    pub backends: Vec<BackendRow>,
    /// One for each size and backend, by size.
    pub rows: Vec<Row>,
    /// Three for each backend but the baseline.
    pub break_even: Vec<BreakEvenRow>,
    /// What did not run.
    pub skipped: Vec<Skipped>,
    /// The comparison with an earlier one, if one was asked for.
    pub against: Option<Against>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// How the rows were measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rules {
    /// How often each row ran.
    #[serde(flatten)]
    pub runs: sampler::Rule,
    /// Passes over all rows in which they were made.
    pub passes: u32,
    /// A row is not measured when one run of it is predicted to take longer, in seconds.
    pub row_limit_seconds: f64,
}

/// A backend that ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendRow {
    /// What it is.
    #[serde(flatten)]
    pub facts: BackendFacts,
    /// The arithmetic.
    pub precision: Precision,
    /// Whether its workers were pinned; `null` where there are none.
    pub pinned: Option<bool>,
    /// Seconds that opening it took the first time in this process.
    pub open: f64,
    /// Seconds that compiling took the first time in this process.
    pub compile: f64,
}

/// One backend at one size. When its verification failed all times are `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The size that was asked for.
    pub size: u64,
    /// Items of the generated input: about the size.
    pub items: u64,
    /// The backend.
    pub backend: String,
    /// The arithmetic.
    pub precision: Precision,
    /// Seconds from nothing ([`Start::Cold`]). The interval is that of the warm runs: there is one cold start.
    pub cold_seconds: Option<Summary>,
    /// Seconds of a run in a process that has made one before ([`Start::Warm`]).
    pub warm_seconds: Option<Summary>,
    /// Seconds of the kernel phase ([`Start::Kernel`]).
    pub kernel_seconds: Option<Summary>,
    /// Warm seconds of every run, in the order in which they were made.
    pub samples: Vec<f64>,
    /// Kernel seconds of every run.
    pub kernel_samples: Vec<f64>,
    /// Warm seconds of every run of each later measurement, made because the row had changed against an earlier
    /// comparison. They count there alone.
    pub again_samples: Vec<Vec<f64>>,
    /// Against the baseline at the same size.
    pub speedup: SpeedupRow,
    /// Whether the answer is right.
    pub verify: Verification,
}

/// How many times as fast as the baseline; `null` for the baseline itself and where one of the two has no times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct SpeedupRow {
    /// Of [`Row::cold_seconds`].
    pub cold: Option<Ratio>,
    /// Of [`Row::warm_seconds`].
    pub warm: Option<Ratio>,
    /// Of [`Row::kernel_seconds`].
    pub kernel: Option<Ratio>,
}

impl Row {
    /// The seconds of one start.
    #[must_use]
    pub fn seconds(&self, start: Start) -> Option<&Summary> {
        [&self.cold_seconds, &self.warm_seconds, &self.kernel_seconds][start as usize].as_ref()
    }

    /// The speedup of one start.
    #[must_use]
    pub fn speedup(&self, start: Start) -> Option<&Ratio> {
        [&self.speedup.cold, &self.speedup.warm, &self.speedup.kernel][start as usize].as_ref()
    }
}

/// From which size on a backend is faster than the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakEvenRow {
    /// The backend.
    pub backend: String,
    /// The baseline.
    pub against: String,
    /// What is already there when the clock starts.
    pub start: Start,
    /// The answer; sizes in items.
    #[serde(flatten)]
    pub answer: BreakEven,
}

/// What was to run and did not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Skipped {
    /// The backend; `null` when no backend could run at these sizes.
    pub backend: Option<String>,
    /// The sizes.
    pub sizes: Vec<u64>,
    /// Why, and what to do.
    pub why: String,
}

impl Skipped {
    /// `gpu did not run at 1_000: why`; without the sizes when those are `all`.
    #[must_use]
    pub fn text(&self, all: &[u64]) -> String {
        let who = self.backend.as_deref().unwrap_or("no backend");
        let verb = if self.backend.is_some() { "did not run" } else { "ran" };
        if self.sizes == all {
            return format!("{who} {verb}: {}", self.why);
        }
        let sizes: Vec<_> = self.sizes.iter().map(|size| grouped(*size)).collect();
        format!("{who} {verb} at {}: {}", sizes.join(", "), self.why)
    }
}

/// What was measured at one size on one backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The size that was asked for.
    pub size: u64,
    /// Items of the input.
    pub items: u64,
    /// The backend.
    pub facts: BackendFacts,
    /// The arithmetic.
    pub precision: Precision,
    /// Whether its workers were pinned.
    pub pinned: Option<bool>,
    /// Seconds that opening took.
    pub open: f64,
    /// Seconds that compiling took.
    pub compile: f64,
    /// The timed runs.
    pub samples: Vec<Phases>,
    /// Those of each later measurement, made because the row had changed against an earlier comparison.
    pub again: Vec<Vec<Phases>>,
    /// The verdict.
    pub verification: Verification,
}

/// Everything a comparison is built from.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// What the user named.
    pub workload: String,
    /// Which of its generated jobs.
    pub variant: String,
    /// The command line.
    pub command: Vec<String>,
    /// `--seed`.
    pub seed: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What one item is.
    pub item: String,
    /// How it was measured.
    pub rules: Rules,
    /// The sizes that were asked for.
    pub sizes: Vec<u64>,
    /// The backend that the others are compared with.
    pub baseline: String,
    /// The measurements, in the order in which they were made.
    pub points: Vec<Point>,
    /// What did not run: backend, size, reason.
    pub skipped: Vec<(Option<String>, u64, String)>,
    /// Warnings of the inputs.
    pub warnings: Vec<String>,
}

/// Makes the comparison.
#[must_use]
pub fn build(inputs: Inputs) -> Sweep {
    let Inputs { workload, variant, command, seed, machine, item, rules, sizes, baseline, points, skipped, .. } =
        inputs;
    let mut warnings = inputs.warnings;
    let mut backends: Vec<BackendRow> = Vec::new();
    let mut rows: Vec<Row> = Vec::with_capacity(points.len());
    for point in points {
        let known = backends.iter().find(|backend| backend.facts.id == point.facts.id);
        let (open, compile) = known.map_or((point.open, point.compile), |first| (first.open, first.compile));
        if known.is_none() {
            let Point { facts, precision, pinned, .. } = &point;
            backends.push(BackendRow { facts: facts.clone(), precision: *precision, pinned: *pinned, open, compile });
        }
        rows.push(row(point, open + compile));
    }
    let speedups: Vec<SpeedupRow> = rows.iter().map(|row| speedup(row, &rows, &baseline)).collect();
    for (row, speedup) in rows.iter_mut().zip(speedups) {
        row.speedup = speedup;
    }
    for row in rows.iter().filter(|row| !row.verify.passed()) {
        let why = row.verify.first_bad.as_deref().unwrap_or("no reason recorded");
        warnings.push(format!("{} failed its verification at {}: {why}", row.backend, grouped(row.items)));
    }
    let skipped = group(skipped);
    warnings.extend(skipped.iter().map(|skip| skip.text(&sizes)));
    if rows.iter().any(|row| row.warm_seconds.is_some_and(|s| s.n < 5)) {
        warnings.push("fewer than 5 runs do not tell which is faster; use --runs 5 or more".into());
    }
    let break_even = break_even(&backends, &rows, &baseline);
    Sweep {
        schema: SCHEMA,
        workload,
        variant,
        command,
        version: env!("CARGO_PKG_VERSION").into(),
        seed,
        machine,
        item,
        rules,
        baseline,
        backends,
        rows,
        break_even,
        skipped,
        against: None,
        warnings,
    }
}

/// One row, without its speedups; without times when the answer is wrong.
fn row(point: Point, once: f64) -> Row {
    let Point { size, items, facts, precision, samples, again, verification, .. } = point;
    let total = |runs: &[Phases]| -> Vec<f64> { runs.iter().map(|s| s.total() - s.open - s.compile).collect() };
    let (mut warm, mut kernel, mut later) = (Vec::new(), Vec::new(), Vec::new());
    if verification.passed() {
        warm = total(&samples);
        later = again.iter().map(|runs| total(runs)).collect();
        kernel = samples.iter().map(Phases::computing).collect();
    }
    let cold: Vec<f64> = warm.iter().map(|seconds| once + seconds).collect();
    Row {
        size,
        items,
        backend: facts.id,
        precision,
        cold_seconds: Summary::of(&cold),
        warm_seconds: Summary::of(&warm),
        // A job without chunked steps has no kernel phase.
        kernel_seconds: Summary::of(&kernel).filter(|s| s.min > 0.0),
        samples: warm,
        kernel_samples: kernel,
        again_samples: later,
        speedup: SpeedupRow::default(),
        verify: verification,
    }
}

fn speedup(row: &Row, all: &[Row], baseline: &str) -> SpeedupRow {
    let other = all.iter().find(|other| other.backend == baseline && other.size == row.size);
    let Some(other) = other.filter(|_| row.backend != baseline) else { return SpeedupRow::default() };
    let of = |start| Some(Ratio::of(other.seconds(start)?, row.seconds(start)?)).filter(|r| r.ratio.is_finite());
    SpeedupRow { cold: of(Start::Cold), warm: of(Start::Warm), kernel: of(Start::Kernel) }
}

fn break_even(backends: &[BackendRow], rows: &[Row], baseline: &str) -> Vec<BreakEvenRow> {
    let mut answers = Vec::new();
    for backend in backends.iter().map(|backend| &backend.facts.id).filter(|id| *id != baseline) {
        for start in Start::ALL {
            let of = rows.iter().filter(|row| row.backend == *backend);
            let points: Vec<_> = of.filter_map(|row| Some((row.items as f64, *row.speedup(start)?))).collect();
            let answer = breakeven::break_even(&points);
            answers.push(BreakEvenRow { backend: backend.clone(), against: baseline.into(), start, answer });
        }
    }
    answers
}

/// Skips of one backend for one reason, together.
#[must_use]
pub fn group(skips: Vec<(Option<String>, u64, String)>) -> Vec<Skipped> {
    let mut groups: Vec<Skipped> = Vec::new();
    for (backend, size, why) in skips {
        match groups.iter_mut().find(|group| group.backend == backend && group.why == why) {
            Some(group) => group.sizes.push(size),
            None => groups.push(Skipped { backend, sizes: vec![size], why }),
        }
    }
    groups
}

impl Sweep {
    /// The sizes that were measured: items, ascending, each once.
    #[must_use]
    pub fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<u64> = self.rows.iter().map(|row| row.items).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// The break-even of `backend` for one start.
    #[must_use]
    pub fn break_even_of(&self, backend: &str, start: Start) -> Option<&BreakEven> {
        let row = self.break_even.iter().find(|row| row.backend == backend && row.start == start);
        row.map(|row| &row.answer)
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
