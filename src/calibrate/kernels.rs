//! Every kernel of every workload at growing sizes on every backend, as far as the time goes.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use super::backends::Opened;
use crate::backend::Phases;
use crate::error::{Error, Result};
use crate::exec::{self, Control};
use crate::job::{Job, Output, Precision, Repeat, Step, kernel_hash};
use crate::machine::profile::Profile;
use crate::machine::topology;
use crate::measure::limit::Totals;
use crate::measure::observe::{Seen, observe};
use crate::workloads::{Context, Workload};

/// Items of the smallest jobs: a launch and little more.
const SMALLEST: u64 = 16;

/// How much the size grows from one job to the next. Between two measured sizes times are read off a line in logarithms;
/// where a launch turns into a rate that line is at most 12 % too high for this step.
const STEP: u64 = 4;

/// No job is larger, whatever a workload takes.
const LARGEST: u64 = 1 << 36;

/// A run that takes this long and leaves the caches shows the rate; a job in the caches may grow on to [`LONGER`].
const LONG: f64 = 0.010;

/// Runs that take so long show the rate in any case.
const LONGER: f64 = 0.040;

/// Timed runs of one size, after one that warms up: enough for a median that one odd run does not move, and more of them
/// as long as they take less than [`LONG`] together.
const RUNS: std::ops::RangeInclusive<usize> = 3..=7;

/// Bytes of input and output of the largest job.
const MOST_BYTES: f64 = (1_u64 << 30) as f64;

/// One variant of a workload on one backend.
#[derive(Debug, Clone)]
struct Series {
    variant: String,
    backend: usize,
    /// Items, seconds and bytes of the last job.
    last: (u64, f64, f64),
    end: End,
}

/// Whether a series goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It does.
    Open,
    /// There was no time for a job of so many items (as [`Workload::sized`] counts them).
    NoTime(u64),
    /// Its largest job shows the rate, or there is nothing larger, or it failed.
    Over,
}

impl Series {
    /// Seconds that a job of `items` will take, from the last one; a little more, since caches end somewhere.
    fn predicted(&self, items: u64) -> f64 {
        let (known, seconds, _) = self.last;
        if known == 0 { 0.0 } else { 1.5 * seconds * (items as f64 / known as f64).max(1.0) }
    }
}

/// How far a workload was followed.
struct Walk<'w> {
    workload: &'w dyn Workload,
    series: Vec<Series>,
    /// Items of the next jobs.
    items: u64,
    /// Seconds that making the last jobs took.
    making: f64,
    /// No size is left.
    over: bool,
}

impl Walk<'_> {
    /// At least two: one kernel may be measured by several variants.
    fn share(&self) -> f64 {
        self.workload.kernels().len().max(2) as f64
    }

    /// Whether more time would show more.
    fn unfinished(&self) -> bool {
        !self.over || self.series.iter().any(|series| matches!(series.end, End::NoTime(_)))
    }

    /// Goes back to the smallest job for which there was no time.
    fn again(&mut self) {
        for series in &mut self.series {
            if let End::NoTime(items) = series.end {
                series.end = End::Open;
                self.items = self.items.min(items);
                self.over = false;
            }
        }
    }
}

/// The sweep over all workloads: what it learns, and what it does without.
pub(super) struct Sweep<'c> {
    pub profile: &'c mut Profile,
    pub backends: &'c mut [Opened],
    pub context: Context,
    pub control: &'c Control,
    /// What could not be measured, a line each.
    pub notes: Vec<String>,
    /// Kernels that a backend has compiled.
    pub compiled: HashSet<(usize, &'static str, Precision, u64)>,
}

impl Sweep<'_> {
    /// Measures all `workloads` within about `seconds`, shared by the number of their kernels; what some do not use is
    /// then left to the others.
    ///
    /// # Errors
    /// [`Error::Signal`] when it was stopped. Everything else is a note.
    pub(super) fn all(&mut self, workloads: &[&dyn Workload], seconds: f64) -> Result<()> {
        let begin = Instant::now();
        let left = || (seconds - begin.elapsed().as_secs_f64()).max(0.0);
        let start = |workload| Walk { workload, series: Vec::new(), items: SMALLEST, making: 0.0, over: false };
        let mut walks: Vec<Walk<'_>> = workloads.iter().map(|workload| start(*workload)).collect();
        for pass in 0..2 {
            let mut shares: f64 = walks.iter().filter(|walk| walk.unfinished()).map(Walk::share).sum();
            for walk in walks.iter_mut().filter(|walk| walk.unfinished()) {
                let own = walk.share();
                if pass > 0 {
                    walk.again();
                }
                self.follow(walk, left() * own / shares)?;
                shares -= own;
            }
        }
        for walk in &walks {
            let cut: BTreeSet<String> =
                walk.series.iter().filter(|series| series.end != End::Over).map(|s| self.name(s)).collect();
            let cut = cut.into_iter().collect::<Vec<_>>().join(", ");
            if !cut.is_empty() {
                self.notes.push(format!("{}: no time for larger jobs of {cut}", walk.workload.name()));
            }
        }
        Ok(())
    }

    /// One workload, sizes growing, all variants and backends at each size, so that what does not fit into the time is
    /// the largest sizes of all.
    fn follow(&mut self, walk: &mut Walk<'_>, seconds: f64) -> Result<()> {
        let begin = Instant::now();
        while !walk.over {
            self.control.proceed()?;
            self.control.stage(&format!("{}: making {} items", walk.workload.name(), walk.items));
            let smallest = walk.items == SMALLEST && walk.series.is_empty();
            if !smallest && begin.elapsed().as_secs_f64() + walk.making * STEP as f64 > seconds {
                return Ok(());
            }
            let start = Instant::now();
            let mut jobs = match walk.workload.sized(walk.items, &self.context) {
                Ok(jobs) => jobs,
                Err(error) => {
                    self.note(walk.workload, &format!("{} items", walk.items), error)?;
                    walk.series.iter_mut().for_each(|series| series.end = End::Over);
                    walk.over = true;
                    return Ok(());
                }
            };
            walk.making = start.elapsed().as_secs_f64();
            // What others take to answer is no fact about this machine.
            jobs.retain(|(_, job)| job.repeat() == Repeat::Freely);
            if jobs.is_empty() {
                walk.over = true;
                return Ok(());
            }
            let mut grew = false;
            for (variant, job) in &jobs {
                for backend in 0..self.backends.len() {
                    let left = seconds - begin.elapsed().as_secs_f64();
                    grew |= self.next(walk, variant, job.as_ref(), backend, left)?;
                }
            }
            // A variant that there is no more of.
            for series in walk.series.iter_mut().filter(|s| jobs.iter().all(|(variant, _)| *variant != s.variant)) {
                series.end = End::Over;
            }
            // A workload may stop growing at sizes of its own: look further ahead.
            walk.items = walk.items.saturating_mul(if grew { STEP } else { STEP * STEP });
            walk.over = walk.items > LARGEST || walk.series.iter().all(|series| series.end != End::Open);
            if walk.items > LARGEST {
                // What is still open has stopped growing.
                walk.series.iter_mut().filter(|s| s.end == End::Open).for_each(|series| series.end = End::Over);
            }
        }
        Ok(())
    }

    /// The next job of one series, if it goes on and there is time; whether the job was a new size.
    fn next(&mut self, walk: &mut Walk<'_>, variant: &str, job: &dyn Job, backend: usize, left: f64) -> Result<bool> {
        let size = job.input().items;
        let at = match walk.series.iter().position(|s| s.backend == backend && s.variant == variant) {
            Some(at) => at,
            None => {
                walk.series.push(Series { variant: variant.into(), backend, last: (0, 0.0, 0.0), end: End::Open });
                walk.series.len() - 1
            }
        };
        let own = &mut walk.series[at];
        let new = own.last.0 != size;
        if own.end != End::Open || !new {
            return Ok(new);
        }
        if self.backends[backend].device && job.stays_on_cpu().is_some() {
            own.end = End::Over;
            return Ok(new);
        }
        let runs = *RUNS.start() as f64 + 1.0;
        // The host's kernels are all met once, at a size that takes next to nothing; a device may have to compile.
        let first = own.last.0 == 0;
        let bytes = own.last.2 * size as f64 / own.last.0.max(1) as f64;
        if bytes > MOST_BYTES {
            own.end = End::Over;
        } else if (!first || self.backends[backend].device) && own.predicted(size) * runs > left {
            own.end = End::NoTime(walk.items);
        } else {
            match self.measure(walk.workload, job, backend) {
                Ok((took, bytes)) => {
                    own.last = (size, took, bytes);
                    let cached = bytes > 0.0 && !topology::outgrows_caches(bytes as u64 / 2);
                    if took >= if cached { LONGER } else { LONG } {
                        own.end = End::Over;
                    }
                }
                Err(error) => {
                    own.end = End::Over;
                    let what = format!("{variant} on {}", self.backends[backend].facts.id);
                    self.note(walk.workload, &what, error)?;
                }
            }
        }
        Ok(new)
    }

    fn name(&self, series: &Series) -> String {
        format!("{} ({})", series.variant, self.backends[series.backend].facts.id)
    }

    /// Keeps what failed as a note.
    fn note(&mut self, workload: &dyn Workload, what: &str, error: Error) -> Result<()> {
        match error {
            Error::Signal(_) => Err(error),
            error => {
                self.notes.push(format!("{}: {what}: {error}", workload.name()));
                Ok(())
            }
        }
    }

    /// Runs `job` a few times on one backend; the median of its seconds, and the bytes that it touches.
    fn measure(&mut self, workload: &dyn Workload, job: &dyn Job, backend: usize) -> Result<(f64, f64)> {
        let Opened { backend: worker, facts, device, .. } = &mut self.backends[backend];
        let precision = worker.default_precision(job);
        let steps = job.steps(precision)?;
        let (mut rules, mut compile) = (Vec::new(), Vec::new());
        for step in &steps {
            let kernel = step.kernel();
            rules.push(worker.chunks(kernel)?);
            let seconds = worker.prepare(kernel)?;
            // Once it is compiled, preparing says nothing.
            let first = self.compiled.insert((backend, kernel.name(), precision, kernel_hash(kernel, *device)));
            compile.push(if first { seconds } else { 0.0 });
        }
        let mut outputs = steps.iter().map(|step| Output::for_kernel(step.kernel())).collect::<Result<Vec<_>>>()?;
        let mut once = |control: &Control| -> Result<(Vec<Phases>, f64)> {
            let mut phases = Vec::with_capacity(steps.len());
            for (i, (step, rule)) in steps.iter().zip(&rules).enumerate() {
                control.stage(&format!("{}: {}", facts.id, step.kernel().name()));
                let (before, own) = outputs.split_at_mut(i);
                let trace = match step {
                    Step::Kernel(kernel) => {
                        exec::run_step(kernel.as_ref(), *rule, worker.as_mut(), &mut own[0], control)?
                    }
                    Step::Whole(whole) => {
                        exec::run_whole(whole.as_ref(), *rule, worker.as_mut(), before, &mut own[0], control)?
                    }
                };
                phases.push(trace.phases);
            }
            let start = Instant::now();
            job.finish(&outputs)?;
            Ok((phases, start.elapsed().as_secs_f64()))
        };
        let total = |(phases, answer): &(Vec<Phases>, f64)| phases.iter().map(Phases::total).sum::<f64>() + answer;
        let estimate = total(&once(self.control)?);
        let wanted = ((LONG / estimate.max(1e-9)) as usize).clamp(*RUNS.start(), *RUNS.end());
        let runs = (0..wanted).map(|_| once(self.control)).collect::<Result<Vec<_>>>()?;
        let adapter = worker.adapter_key();
        for (i, (phases, answer)) in runs.iter().enumerate() {
            let compile = if i == 0 { &compile[..] } else { &[] };
            let (adapter, answer) = (adapter.as_ref(), *answer);
            let seen = Seen {
                facts,
                adapter,
                workload: workload.name(),
                steps: &steps,
                precision,
                phases,
                answer,
                open: 0.0,
                compile,
            };
            observe(self.profile, &seen);
        }
        let mut seconds: Vec<f64> = runs.iter().map(total).collect();
        seconds.sort_unstable_by(f64::total_cmp);
        Ok((seconds[seconds.len() / 2], Totals::of(job, &steps).bytes()))
    }
}

#[cfg(test)]
mod tests;
