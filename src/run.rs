//! Drives the stages: the only module that sees them all.

use std::time::Instant;

use crate::backend::{self, Backend, BackendFacts, Phases};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::{self, Control, StepTrace};
use crate::job::{Answer, Job, Output, Precision, Step};
use crate::measure::sampler::{self, Samples};
use crate::measure::verify::{self, Effort, Subject, Verification};
use crate::plan::ChunkRule;

/// What one backend did with a job: its timed runs, the last run's results, and their verification.
pub struct Measured {
    /// The backend.
    pub facts: BackendFacts,
    /// The precision it computed in.
    pub precision: Precision,
    /// How each step was cut.
    pub rules: Vec<ChunkRule>,
    /// Seconds that opening the backend took, once.
    pub open: f64,
    /// Seconds that compiling took, once.
    pub compile: f64,
    /// The timed runs.
    pub samples: Samples<RunResult>,
    /// The outputs of the last run, one per step.
    pub outputs: Vec<Output>,
    /// The verdict on the last run.
    pub verification: Verification,
}

/// What one run gave besides its outputs.
pub struct RunResult {
    /// What the chunk loop did in each step.
    pub traces: Vec<StepTrace>,
    /// The answer of the job.
    pub answer: Answer,
}

/// Runs `job` on the backend `id` as often as `rule` says and verifies the last run.
///
/// # Errors
/// Whatever stops the run. A failed verification is not an error here: it is in [`Measured::verification`].
pub fn measure(job: &dyn Job, id: &str, rule: sampler::Rule, config: &Config, control: &Control) -> Result<Measured> {
    let start = Instant::now();
    let mut backend = backend::open(id, &config.backend_options())?;
    let open = start.elapsed().as_secs_f64();
    let backend = backend.as_mut();
    let precision = choose_precision(job, backend, config)?;
    let steps = job.steps(precision)?;
    let (mut rules, mut compile) = (Vec::with_capacity(steps.len()), 0.0);
    for step in &steps {
        rules.push(backend.chunks(step.kernel())?);
        compile += backend.prepare(step.kernel())?;
    }
    // The outputs are allocated once and reused, as a program that runs many such jobs would.
    let mut outputs = steps.iter().map(|step| Output::for_kernel(step.kernel())).collect::<Result<Vec<_>>>()?;
    let samples = sampler::sample(rule, || run_once(job, &steps, &rules, backend, &mut outputs, control))?;
    control.stage(&format!("{id}: verifying"));
    let reference = job.steps(job.precisions()[0])?;
    let RunResult { traces, answer } = &samples.last;
    let subject = Subject { job, steps: &steps, reference: &reference, outputs: &outputs, traces, answer };
    let threads = backend.facts().threads;
    let effort = Effort { seed: config.run.seed, threads, operations: Effort::OPERATIONS };
    let verification = verify::verify(subject, effort, control)?;
    control.proceed()?;
    drop((steps, reference));
    let facts = backend.facts();
    Ok(Measured { facts, precision, rules, open, compile, samples, outputs, verification })
}

/// One run: every step through the chunk loop, then the answer.
fn run_once(
    job: &dyn Job,
    steps: &[Step<'_>],
    rules: &[ChunkRule],
    backend: &mut dyn Backend,
    outputs: &mut [Output],
    control: &Control,
) -> Result<(Phases, RunResult)> {
    let mut phases = Phases::default();
    let mut traces = Vec::with_capacity(steps.len());
    for ((step, rule), output) in steps.iter().zip(rules).zip(outputs.iter_mut()) {
        control.stage(&format!("{}: {}", backend.facts().id, step.kernel().name()));
        let trace = exec::run_step(step.kernel(), *rule, backend, output, control)?;
        phases.add(&trace.phases);
        traces.push(trace);
    }
    let start = Instant::now();
    let answer = job.finish(outputs)?;
    phases.merge += start.elapsed().as_secs_f64();
    Ok((phases, RunResult { traces, answer }))
}

/// The precision that the settings ask for, or the backend's own choice.
fn choose_precision(job: &dyn Job, backend: &dyn Backend, config: &Config) -> Result<Precision> {
    let offered = job.precisions();
    if config.run.precision == "auto" {
        return Ok(backend.default_precision(job));
    }
    let names = || offered.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ");
    let chosen = offered.iter().copied().find(|precision| precision.name() == config.run.precision);
    let chosen = chosen.ok_or_else(|| {
        Error::Usage(format!("this job has no precision '{}'; it computes in {}", config.run.precision, names()))
    })?;
    // The reference has one precision, whatever is compared with it.
    Ok(if backend.is_reference() { offered[0] } else { chosen })
}
