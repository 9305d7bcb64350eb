//! The nouns that workloads offer and backends run: [`Chunk`], [`Kernel`], [`Step`], [`Job`], and the [`Output`] that a
//! kernel fills. Plain data and two traits; nothing here knows a workload, a backend or a device.

use std::sync::atomic::AtomicU64;

use serde::Serialize;

use crate::error::Result;
use crate::machine::pool::Pool;
use crate::simd::Simd;

mod cost;
mod element_wise;
mod output;
mod phases;
mod slot;

pub use cost::{answer_name, kernel_hash, total_cost};
pub use element_wise::ElementWise;
pub use output::{ChunkOut, ColumnSpec, Output, OutputWriter, Scalar, Value};
pub use phases::{Phases, StepTimes};
pub use slot::{Capability, Fill, GpuOutput, GpuSlot, Resident, ResidentData, Streamed};

/// A half-open range of items `start..end`: the one unit of scheduling.
///
/// A chunk is a pure function of (job, range): it can run twice, anywhere, in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Chunk {
    /// First item.
    pub start: u64,
    /// One past the last item.
    pub end: u64,
}

impl Chunk {
    /// The range `start..end`.
    #[must_use]
    pub fn new(start: u64, end: u64) -> Self {
        assert!(start <= end, "a chunk ends before it starts: {start}..{end}");
        Self { start, end }
    }

    /// Number of items.
    #[must_use]
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// What one item costs on minimal traffic: the numbers that predict a time and name the limit that binds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Work {
    /// Floating-point operations (for integer kernels: integer operations) per item.
    pub flops: f64,
    /// Bytes that must be read per item when every input byte is read once.
    pub bytes_read: f64,
    /// Bytes that must be written per item.
    pub bytes_written: f64,
}

/// How close a kernel must come to the `seq` reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Bit-equal on every backend (integers).
    Exact,
    /// Within the kernel's own [`Kernel::bound`].
    Bounded,
    /// A solve: normalised residual below 30, LAPACK's rule, and finite.
    Residual,
}

/// The arithmetic that a kernel was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Integers throughout: the result has no rounding.
    Integer,
    /// Inputs rounded to f32, f32 arithmetic.
    F32,
    /// Node data in f64 (hi/lo pairs of f32 on a GPU), differences exact to f64, the rest in f32.
    Mixed,
    /// f64 throughout.
    F64,
}

impl Precision {
    /// The name in options and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Precision::Integer => "integer",
            Precision::F32 => "f32",
            Precision::Mixed => "mixed",
            Precision::F64 => "f64",
        }
    }
}

/// Words of a [`ChunkOut::fold`].
pub const FOLD_WORDS: usize = 4;

/// A data-parallel function over items: mandatory `seq` and `cpu` slots, an optional WGSL slot, its work and its
/// tolerance. Built by a [`Job`] for one [`Precision`].
pub trait Kernel: Send + Sync {
    /// One name everywhere: WGSL entry point, buffer label, bench id, report row.
    fn name(&self) -> &'static str;

    /// What one item is, in the singular: `"element"`.
    fn item(&self) -> &'static str;

    /// Number of items.
    fn items(&self) -> u64;

    /// The precision this instance computes in.
    fn precision(&self) -> Precision;

    /// Chunk edges are multiples of this, the last end excepted.
    fn grain(&self) -> u64 {
        1
    }

    /// Cost of one item.
    fn work(&self) -> Work;

    /// How much there is to do in all, in one number that is known before anything ran: what measured times are kept by
    /// and predicted from. It need not be a time; it must grow with it.
    fn size(&self) -> f64 {
        self.items() as f64 * self.work().cost()
    }

    /// Tells kernels of one name apart whose speed per unit of declared work differs (another algorithm, another size of
    /// an item), so that one's times are not taken for the other's.
    fn variant(&self) -> u64 {
        0
    }

    /// Equivalence class against the reference.
    fn class(&self) -> Class;

    /// The arrays it fills. Empty for a pure reduction.
    fn columns(&self) -> Vec<ColumnSpec> {
        Vec::new()
    }

    /// How many of the [`FOLD_WORDS`] exact `u64` sums it adds to. Zero for a pure map, even one that leaves a summary
    /// of its columns in the fold (see [`Kernel::merge_fold`]).
    fn fold_words(&self) -> usize {
        0
    }

    /// Joins the folds of two sets of items into `total`: exact, and the same in any order. The default adds, word by
    /// word; all words zero must be neutral. A kernel may keep something else than sums, such as the largest value
    /// of a column and where it is; a backend that does not run the host's code leaves such words zero, so [`Job::finish`]
    /// must be able to do without.
    fn merge_fold(&self, total: &mut [u64; FOLD_WORDS], part: &[u64; FOLD_WORDS]) {
        for (sum, part) in total.iter_mut().zip(part) {
            *sum = sum.wrapping_add(*part);
        }
    }

    /// One thread, plain code, f64 (or integers): the reference. Fills `out` for `out.chunk()`.
    fn seq(&self, out: &mut ChunkOut<'_>);

    /// The fastest CPU code for one worker. The default is the reference.
    fn cpu(&self, simd: Simd, out: &mut ChunkOut<'_>) {
        let _ = simd;
        self.seq(out);
    }

    /// The WGSL slot, or the reason why this kernel stays on the CPU.
    ///
    /// # Errors
    /// One sentence for `hetero list` and for the message of a refused `--backend gpu`.
    fn gpu(&self) -> Result<GpuSlot<'_>, String> {
        Err(format!("{} has no GPU form", self.name()))
    }

    /// A second WGSL slot for devices where the resident inputs of [`Kernel::gpu`] do not fit: whatever grows with the
    /// job is streamed. `None` when there is none.
    fn gpu_streamed(&self) -> Option<GpuSlot<'_>> {
        None
    }

    /// Whether a software adapter does better with [`Kernel::gpu_streamed`]: it executes a load that follows an index lane by
    /// lane, while the host's copies cost it nothing extra.
    fn software_streams(&self) -> bool {
        false
    }

    /// Adds the partials that the WGSL slot wrote (see [`GpuOutput::Partials`]) to `fold`. The default reads each
    /// `u32` as a count for word 0.
    fn fold_gpu(&self, partials: &[u32], fold: &mut [u64; FOLD_WORDS]) {
        fold[0] += partials.iter().map(|count| u64::from(*count)).sum::<u64>();
    }

    /// Whether results may be NaN or infinite where the reference's are the same: for functions of the user's, who says so.
    fn allows_nonfinite(&self) -> bool {
        false
    }

    /// [`Class::Bounded`]: the largest absolute error allowed for each value of `item`, columns one after the other.
    /// Derived from the arithmetic of [`Kernel::precision`], never tuned.
    fn bound(&self, item: u64, into: &mut [f64]) {
        let _ = item;
        into.fill(0.0);
    }
}

/// The host's processors, as a backend lends them to a [`Whole`] step.
#[derive(Debug, Clone, Copy)]
pub struct Host<'h> {
    /// The instruction set to use.
    pub simd: Simd,
    /// The threads to use; `None` for the calling one alone.
    pub pool: Option<&'h Pool>,
    /// Where the step may count its finished items, for the progress bar.
    pub done: Option<&'h AtomicU64>,
}

impl Host<'_> {
    /// Number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.map_or(1, Pool::threads)
    }

    /// Runs `work` where rayon's parallel iterators use these threads, or plainly when there is but one.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

/// A step that is one solve on the host and not a function of items, such as a factorization: it is never cut into
/// chunks on the host, and runs on a device only where it has a WGSL form of its own, in chunks. It describes itself as a kernel does (name, items, work, class, columns); its
/// [`Kernel::seq`] is called only to verify, when it has sums. Its time is a phase of its own name.
pub trait Whole: Kernel {
    /// Does it all. `before` are the outputs of the job's earlier steps, `out` is this step's own.
    ///
    /// # Errors
    /// [`crate::error::Error::Model`] when there is no answer (a singular matrix), [`crate::error::Error::Resource`] when memory does not suffice.
    fn solve(&self, host: &Host<'_>, before: &[Output], out: &mut Output) -> Result<()>;

    /// Phases with names of their own that were part of the last solve, and their seconds; the rest of its time goes
    /// under its own name.
    fn parts(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// One step of a job. A job's steps run in order; each has its own output.
pub enum Step<'j> {
    /// A data-parallel kernel, run in chunks by the backends.
    Kernel(Box<dyn Kernel + 'j>),
    /// One solve on the host.
    Whole(Box<dyn Whole + 'j>),
}

impl<'j> Step<'j> {
    /// The kernel of this step; of a whole solve its description.
    #[must_use]
    pub fn kernel(&self) -> &(dyn Kernel + 'j) {
        match self {
            Step::Kernel(kernel) => kernel.as_ref(),
            Step::Whole(whole) => whole.as_ref(),
        }
    }
}

/// What a job works on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Input {
    /// Number of items, as the user counts them.
    pub items: u64,
    /// What one item is.
    pub item: &'static str,
    /// `generated`, or the file's name.
    pub source: String,
}

/// The result of a job in the terms of its workload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The `result` object of the JSON report.
    pub json: serde_json::Map<String, serde_json::Value>,
    /// The same for people: name and value, one line each.
    pub lines: Vec<(String, String)>,
}

/// The verdict of a workload's independent check: one that shares no code with its kernels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// What was compared: `"closed form: pi/4"`.
    pub what: String,
    /// The largest deviation found.
    pub error: f64,
    /// The largest deviation allowed. `error <= bound` passes; NaN fails.
    pub bound: f64,
    /// The first thing that is wrong, for the message; empty when it passed.
    pub detail: String,
}

impl Check {
    /// Whether the check passed. NaN never does.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error <= self.bound
    }
}

/// How often a job may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// As often as timing needs, on other backends too for comparison.
    Freely,
    /// Once, unless more runs were asked for by number, and on no backend that was not named: every run asks something of
    /// somebody else, such as a web server, or waits for something that no backend can shorten.
    AsAsked,
}

/// A prepared workload: its input is in memory, its kernels can be built for any precision it offers.
pub trait Job: Send + Sync {
    /// What it works on.
    fn input(&self) -> Input;

    /// Items that one run goes through: those of the input, several times over where several methods are compared in a run.
    fn items_of_a_run(&self) -> u64 {
        self.input().items
    }

    /// The precisions that its kernels come in; the first one is the reference's and the cpu's default.
    fn precisions(&self) -> &[Precision];

    /// Why no device can run this job, if so: refused before one is looked for.
    fn stays_on_cpu(&self) -> Option<&'static str> {
        None
    }

    /// How often it may run.
    fn repeat(&self) -> Repeat {
        Repeat::Freely
    }

    /// The default precision on a GPU.
    fn gpu_precision(&self) -> Precision {
        self.precisions()[0]
    }

    /// The steps in order, with kernels for `precision`.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] when the precision is not offered; [`crate::error::Error::Resource`] when converted inputs do not fit.
    fn steps(&self, precision: Precision) -> Result<Vec<Step<'_>>>;

    /// The steps as far as a planner looks at them: names, work, sizes, the WGSL form. They must not run. A job that converts
    /// its whole input for a precision leaves that out, so that asking costs no time.
    ///
    /// # Errors
    /// As [`Job::steps`].
    fn outline(&self, precision: Precision) -> Result<Vec<Step<'_>>> {
        self.steps(precision)
    }

    /// Turns the outputs of all steps into the answer: sums, maxima, nodal averages. Timed as `merge`.
    ///
    /// # Errors
    /// [`crate::error::Error::Model`] when the outputs have no meaningful answer (the first bad item is named).
    fn finish(&self, outputs: &[Output]) -> Result<Answer>;

    /// The independent check of the outputs and the answer.
    ///
    /// # Errors
    /// Only when the check could not be made; a failed check is an `Ok` that did not pass.
    fn check(&self, outputs: &[Output], answer: &Answer) -> Result<Check>;

    /// Adds to the answer what the independent check of the same run has found. Called after [`Job::check`].
    fn complete(&self, answer: &mut Answer) {
        let _ = answer;
    }

    /// Writes the outputs to `path` in the format of its ending.
    ///
    /// # Errors
    /// [`crate::error::Error::Usage`] for an ending that this job cannot write; [`crate::error::Error::Resource`] when the disk refuses.
    fn save(&self, outputs: &[Output], path: &std::path::Path) -> Result<()>;

    /// Writes what else was asked for beside `--output`. Called once, after the answer has passed its checks.
    ///
    /// # Errors
    /// As [`Job::save`].
    fn save_more(&self, outputs: &[Output]) -> Result<()> {
        let _ = outputs;
        Ok(())
    }

    /// Called before each run with the outputs of the one before, which it replaces: a job whose steps need much memory gives
    /// back what it can do without until it is written again ([`Output::renew`]).
    ///
    /// # Errors
    /// [`crate::error::Error::Resource`] when the memory cannot be taken again.
    fn begin(&self, outputs: &mut [Output]) -> Result<()> {
        let _ = outputs;
        Ok(())
    }

    /// What kept some items from having an answer while the others have theirs: told after everything was written, and
    /// what the run then ends in.
    ///
    /// # Errors
    /// [`crate::error::Error::Model`] that names them.
    fn unsolved(&self, outputs: &[Output]) -> Result<()> {
        let _ = outputs;
        Ok(())
    }

    /// Things the user should know about the input (an inverted element that was accepted, a field that was ignored).
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
