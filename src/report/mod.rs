//! The report: one plain value that holds everything a run found out, and its forms. [`build`] makes it from what was
//! measured; `json`, `table`, `csv` and `markdown` write it; none of them computes.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::backend::{AdapterFacts, BackendFacts, Phases};
use crate::error::{self, Error};
use crate::job::{Answer, Input, Precision};
use crate::machine::Machine;
use crate::measure::limit::{self, Ceilings, Limit, Totals};
use crate::measure::stats::{self, Ratio, Summary};
use crate::measure::verify::Verification;

pub mod batch;
pub mod csv;
pub mod devices;
pub mod forms;
pub mod html;
pub mod json;
pub mod list;
pub mod markdown;
pub mod plan;
pub mod profile;
pub mod progress;
pub mod style;
pub mod sweep;
pub mod table;
pub mod trace;

pub use plan::{PlanFacts, Receipt, Share, StepChunks};

/// The name and version of the JSON form. Fields may be added under this name, never renamed or removed.
pub const SCHEMA: &str = "hetero.report/1";

/// What software adapters are always called.
pub const SOFTWARE: &str = "software adapter, not a GPU";

/// Writes a form to stdout. A reader that has gone (`| head`) is no error.
///
/// # Errors
/// [`Error::Resource`] when it cannot be written.
pub fn emit(out: &mut dyn std::io::Write, text: &str) -> error::Result<()> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::Resource(format!("stdout: {e}"))),
        _ => Ok(()),
    }
}

/// Everything that a run found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What the user named.
    pub workload: String,
    /// The command line.
    pub command: Vec<String>,
    /// Version of hetero.
    pub version: &'static str,
    /// `--seed`.
    pub seed: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What it ran on.
    pub input: Input,
    /// One for each backend that ran, in the order in which they were asked for.
    pub runs: Vec<Run>,
    /// The answer of the backend that was asked for (the first one).
    pub result: serde_json::Map<String, serde_json::Value>,
    /// The same for people: name and value.
    #[serde(skip)]
    pub result_lines: Vec<(String, String)>,
    /// What was decided.
    pub plan: PlanFacts,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// The fields `cases` and `lanes`, where the job is a batch of several inputs. Then `input` holds the items of all
    /// cases that were read; `runs` one entry for each backend, with the sums of its cases: `seconds` and `phases` of
    /// computing all of them once, `verify` failed when one case's is; and `result` how many cases ended how.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub batch: Option<batch::Batch>,
}

/// One backend's row. When its verification failed all times and what follows from them are `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// `seq`, `cpu`, `gpu`, `gpu:1`.
    pub backend: String,
    /// The device, if it is one.
    pub adapter: Option<AdapterFacts>,
    /// The arithmetic.
    pub precision: Precision,
    /// Threads.
    pub threads: usize,
    /// Instruction set of the host code.
    pub simd: &'static str,
    /// Whether its workers were pinned; `null` where there are none.
    pub pinned: Option<bool>,
    /// Chunks of one run.
    pub chunks: u64,
    /// Items of the last run by the backend that did them, when several worked together.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "plan::by_backend")]
    pub shares: Vec<Share>,
    /// Seconds that each of them was busy and idle in the last run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Share>,
    /// End to end: for each run the one-time `open` and `compile`, plus that run's other phases.
    pub seconds: Option<Summary>,
    /// The phases of the median run (the mean of the two middle ones when the number of runs is even), so that they
    /// add up to the median.
    pub phases: Option<PhaseRow>,
    /// The `kernel` phase.
    pub kernel_seconds: Option<Summary>,
    /// End to end without `open` and `compile`: what each further run in the same process costs.
    pub warm_seconds: Option<Summary>,
    /// End-to-end seconds of every run, in the order in which they were made.
    pub samples: Vec<f64>,
    /// `kernel` seconds of every run.
    pub kernel_samples: Vec<f64>,
    /// Seconds that the device's own clock gives the kernels of the last run, where it has a clock that makes sense.
    pub device_seconds: Option<f64>,
    /// Items of the input per second end to end.
    pub items_per_second: Option<f64>,
    /// Bytes of minimal traffic per second of the kernel phase.
    pub bytes_per_second: Option<f64>,
    /// Operations per second of the kernel phase.
    pub flops_per_second: Option<f64>,
    /// Which limit of the machine binds; `null` when it was not measured.
    pub limit: Option<Limit>,
    /// Against each baseline.
    pub speedup: Speedups,
    /// Whether the answer is right.
    pub verify: Verification,
}

/// Seconds by phase. All but `verify` add up to the end-to-end time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct PhaseRow {
    /// The phases of a run, with the one-time `open` and `compile`.
    #[serde(flatten)]
    pub run: Phases,
    /// Verifying the last run; not part of the end-to-end time.
    pub verify: f64,
}

/// How much faster than a baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speedup {
    /// End to end, with its interval and verdict.
    #[serde(flatten)]
    pub ratio: Ratio,
    /// Kernel phases only.
    pub kernel_ratio: Option<f64>,
    /// The baseline's end-to-end median.
    pub baseline_seconds: f64,
    /// The baseline's arithmetic.
    pub baseline_precision: Precision,
}

/// Speedups by the baseline's name, in the order of `--baseline`; an object in JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Speedups(pub Vec<(String, Speedup)>);

impl Speedups {
    /// The speedup against `baseline`.
    #[must_use]
    pub fn get(&self, baseline: &str) -> Option<&Speedup> {
        self.0.iter().find_map(|(name, speedup)| (name == baseline).then_some(speedup))
    }
}

impl Serialize for Speedups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, speedup) in &self.0 {
            map.serialize_entry(name, speedup)?;
        }
        map.end()
    }
}

/// What was measured on one backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The backend.
    pub facts: BackendFacts,
    /// The arithmetic.
    pub precision: Precision,
    /// Whether its workers were pinned; `None` where there are none.
    pub pinned: Option<bool>,
    /// Chunks of one run.
    pub chunks: u64,
    /// What each member of a hybrid team did in the last run; empty for a backend alone.
    pub shares: Vec<Share>,
    /// The timed runs.
    pub samples: Vec<Phases>,
    /// Seconds that opening took, once.
    pub open: f64,
    /// Seconds that compiling took, once.
    pub compile: f64,
    /// Kernel seconds of the last run by the device's clock.
    pub device_seconds: Option<f64>,
    /// The work that the kernels declare.
    pub totals: Totals,
    /// What the processor or device was measured to reach.
    pub ceilings: Ceilings,
    /// The verdict.
    pub verification: Verification,
}

/// A backend that was to run and did not.
#[derive(Debug, Clone, PartialEq)]
pub struct Skipped {
    /// Its name.
    pub backend: String,
    /// Why: `predicted to take 34 s for one run, above the limit of 10 s`.
    pub why: String,
}

/// Everything a report is built from.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// What the user named.
    pub workload: String,
    /// The command line.
    pub command: Vec<String>,
    /// `--seed`.
    pub seed: u64,
    /// Where it ran.
    pub machine: Machine,
    /// What it ran on.
    pub input: Input,
    /// The backends, asked-for ones first.
    pub rows: Vec<Row>,
    /// Names of the baselines, in the order of `--baseline`.
    pub baselines: Vec<String>,
    /// Backends that did not run.
    pub skipped: Vec<Skipped>,
    /// The answer of the first row.
    pub answer: Answer,
    /// What was decided.
    pub plan: PlanFacts,
    /// Warnings of the input and of the stages.
    pub warnings: Vec<String>,
}

/// Makes the report. Pure: the same inputs give the same report.
#[must_use]
pub fn build(inputs: Inputs) -> Report {
    let Inputs { workload, command, seed, machine, input, rows, baselines, skipped, answer, plan, mut warnings } =
        inputs;
    warnings.extend(skipped.iter().map(|s| format!("{} did not run: {}", s.backend, s.why)));
    let mut runs: Vec<Run> = rows.into_iter().map(run).collect();
    for run in runs.iter().filter(|run| !run.verify.passed()) {
        warnings.push(format!("{} failed its verification: its times and speedups are void", run.backend));
    }
    let speedups: Vec<Speedups> = runs.iter().map(|run| speedups(run, &runs, &baselines)).collect();
    for (run, speedup) in runs.iter_mut().zip(speedups) {
        run.speedup = speedup;
    }
    if runs.iter().any(|run| run.seconds.is_some_and(|s| s.n < 5) && !run.speedup.0.is_empty()) {
        warnings.push("fewer than 5 runs do not tell which is faster; use --runs 5 or more".into());
    }
    let runs_seconds: Vec<_> = runs.iter().filter_map(|r| Some((r.backend.clone(), r.seconds?, r.phases?))).collect();
    Report {
        schema: SCHEMA,
        workload,
        command,
        version: env!("CARGO_PKG_VERSION"),
        seed,
        machine,
        input,
        runs,
        result: answer.json,
        result_lines: answer.lines,
        plan: plan.with_measured(&runs_seconds),
        warnings,
        batch: None,
    }
}

/// A row's numbers, without speedups; without times when its answer is wrong.
fn run(row: Row) -> Run {
    let Row {
        facts, precision, pinned, chunks, shares, samples, open, compile, totals, ceilings, verification, ..
    } = row;
    let BackendFacts { id, threads, simd, adapter } = facts;
    let mut run = Run {
        backend: id,
        adapter,
        precision,
        threads,
        simd,
        pinned,
        chunks,
        members: shares.clone(),
        shares,
        seconds: None,
        phases: None,
        kernel_seconds: None,
        warm_seconds: None,
        samples: Vec::new(),
        kernel_samples: Vec::new(),
        device_seconds: None,
        items_per_second: None,
        bytes_per_second: None,
        flops_per_second: None,
        limit: None,
        speedup: Speedups::default(),
        verify: verification,
    };
    if !run.verify.passed() {
        return run;
    }
    let once = Phases { open, compile, ..Phases::default() };
    let whole: Vec<Phases> = samples.iter().map(|sample| sum(sample, &once)).collect();
    run.samples = whole.iter().map(Phases::total).collect();
    run.kernel_samples = samples.iter().map(Phases::computing).collect();
    let warm: Vec<f64> = samples.iter().map(|s| s.total() - s.open - s.compile).collect();
    run.seconds = Summary::of(&run.samples);
    // A job of whole solves has no kernel.
    run.kernel_seconds = Summary::of(&run.kernel_samples).filter(|s| s.min > 0.0);
    run.warm_seconds = Summary::of(&warm);
    run.device_seconds = row.device_seconds;
    let median = stats::middle(&run.samples).map(|[a, b]| half(&sum(&whole[a], &whole[b])));
    run.phases = median.map(|median| PhaseRow { run: median, verify: run.verify.seconds });
    run.limit = median.and_then(|median| limit::limit(&totals, precision, chunks, &median, &ceilings));
    let rate = |amount: f64, seconds: Option<Summary>| {
        seconds.map(|s| amount / s.median).filter(|rate| rate.is_finite() && amount > 0.0)
    };
    run.items_per_second = rate(totals.items, run.seconds);
    run.bytes_per_second = rate(totals.bytes(), run.kernel_seconds);
    run.flops_per_second = rate(totals.flops, run.kernel_seconds);
    run
}

fn sum(a: &Phases, b: &Phases) -> Phases {
    let mut sum = *a;
    sum.add(b);
    sum
}

fn half(p: &Phases) -> Phases {
    Phases {
        open: 0.5 * p.open,
        compile: 0.5 * p.compile,
        upload: 0.5 * p.upload,
        kernel: 0.5 * p.kernel,
        download: 0.5 * p.download,
        merge: 0.5 * p.merge,
        steps: p.steps.scaled(0.5),
    }
}

/// `run` against every baseline that ran, was right, and is not itself.
fn speedups(run: &Run, all: &[Run], baselines: &[String]) -> Speedups {
    let against = |name: &String| {
        let baseline = all.iter().find(|other| other.backend == *name && other.backend != run.backend)?;
        let (theirs, ours) = (baseline.seconds?, run.seconds?);
        let kernels = baseline.kernel_seconds?.median / run.kernel_seconds?.median;
        let speedup = Speedup {
            ratio: Ratio::of(&theirs, &ours),
            kernel_ratio: Some(kernels).filter(|ratio| ratio.is_finite()),
            baseline_seconds: theirs.median,
            baseline_precision: baseline.precision,
        };
        Some((name.clone(), speedup))
    };
    Speedups(baselines.iter().filter_map(against).collect())
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
