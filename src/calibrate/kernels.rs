//! Every kernel of every workload at growing sizes on every backend, as far as the time goes.

use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

use super::backends::Opened;
use crate::backend::Phases;
use crate::error::{Error, Result};
use crate::exec::{self, Control};
use crate::job::{Job, Output, Precision, Step, kernel_hash};
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
    /// Nothing larger will be run.
    over: bool,
}

impl Series {
    /// Seconds that a job of `items` will take, from the last one; a little more, since caches end somewhere.
    fn predicted(&self, items: u64) -> f64 {
        let (known, seconds, _) = self.last;
        if known == 0 { 0.0 } else { 1.5 * seconds * (items as f64 / known as f64).max(1.0) }
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
    /// Measures all `workloads` within about `seconds`, shared by the number of their kernels; what one does not use
    /// is left to those after it.
    ///
    /// # Errors
    /// [`Error::Signal`] when it was stopped. Everything else is a note.
    pub(super) fn all(&mut self, workloads: &[&dyn Workload], seconds: f64) -> Result<()> {
        let begin = Instant::now();
        // At least two shares each: one kernel may be measured by several variants.
        let share = |workload: &dyn Workload| workload.kernels().len().max(2) as f64;
        let mut shares: f64 = workloads.iter().map(|workload| share(*workload)).sum();
        for workload in workloads {
            let own = share(*workload);
            let left = (seconds - begin.elapsed().as_secs_f64()).max(0.0);
            self.one(*workload, left * own / shares)?;
            shares -= own;
        }
        Ok(())
    }

    /// One workload, sizes growing, all variants and backends at each size, so that what does not fit into the time is
    /// the largest sizes of all.
    fn one(&mut self, workload: &dyn Workload, seconds: f64) -> Result<()> {
        let begin = Instant::now();
        let mut series: Vec<Series> = Vec::new();
        let mut cut: BTreeSet<String> = BTreeSet::new();
        let (mut items, mut making) = (SMALLEST, 0.0);
        loop {
            self.control.proceed()?;
            self.control.stage(&format!("{}: making {items} items", workload.name()));
            if begin.elapsed().as_secs_f64() + making * STEP as f64 > seconds {
                cut.extend(series.iter().filter(|s| !s.over).map(|s| self.name(s)));
                if series.is_empty() {
                    self.notes.push(format!("{}: no time for any of its kernels", workload.name()));
                }
                break;
            }
            let start = Instant::now();
            let jobs = match workload.sized(items, &self.context) {
                Ok(jobs) => jobs,
                Err(error) => {
                    self.note(workload, &format!("{items} items"), error)?;
                    break;
                }
            };
            making = start.elapsed().as_secs_f64();
            let mut grew = false;
            for (variant, job) in &jobs {
                let size = job.input().items;
                for backend in 0..self.backends.len() {
                    let known = series.iter().position(|s| s.backend == backend && s.variant == *variant);
                    let at = known.unwrap_or_else(|| {
                        series.push(Series { variant: variant.clone(), backend, last: (0, 0.0, 0.0), over: false });
                        series.len() - 1
                    });
                    let own = &mut series[at];
                    grew |= own.last.0 != size;
                    if own.over || (known.is_some() && own.last.0 == size) {
                        continue;
                    }
                    if self.backends[backend].device && job.stays_on_cpu().is_some() {
                        own.over = true;
                        continue;
                    }
                    let runs = *RUNS.start() as f64 + 1.0;
                    let bytes = own.last.2 * size as f64 / own.last.0.max(1) as f64;
                    if begin.elapsed().as_secs_f64() + own.predicted(size) * runs > seconds || bytes > MOST_BYTES {
                        own.over = true;
                        cut.insert(self.name(&series[at]));
                        continue;
                    }
                    match self.measure(workload, job.as_ref(), backend) {
                        Ok((took, bytes)) => {
                            own.last = (size, took, bytes);
                            let cached = bytes > 0.0 && !topology::outgrows_caches(bytes as u64 / 2);
                            own.over = took >= if cached { LONGER } else { LONG };
                        }
                        Err(error) => {
                            own.over = true;
                            let what = format!("{variant} on {}", self.backends[backend].facts.id);
                            self.note(workload, &what, error)?;
                        }
                    }
                }
            }
            // A workload may stop growing at sizes of its own: look further ahead.
            let step = if grew { STEP } else { STEP * STEP };
            items = items.saturating_mul(step);
            if items > LARGEST || series.iter().all(|s| s.over) {
                break;
            }
        }
        if !cut.is_empty() {
            let names = cut.into_iter().collect::<Vec<_>>().join(", ");
            self.notes.push(format!("{}: no time for larger jobs of {names}", workload.name()));
        }
        Ok(())
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
                        exec::run_whole(whole.as_ref(), worker.as_ref(), before, &mut own[0], control)?
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
        Ok((seconds[seconds.len() / 2], Totals::of(&steps).bytes()))
    }
}

#[cfg(test)]
mod tests;
