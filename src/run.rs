//! Drives the stages: the only module that sees them all. [`command`] is `hetero run`; [`compare`] runs one job on
//! several backends; [`measure`] runs it on one.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::ArgMatches;

use crate::backend::{self, BACKENDS, Backend, BackendFacts, Phases};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::{self, Control, StepTrace};
use crate::job::{Answer, Job, Output, Precision, Step};
use crate::machine::Machine;
use crate::measure::ceilings::Host;
use crate::measure::limit::{Ceilings, Totals};
use crate::measure::probe;
use crate::measure::sampler::{self, Samples};
use crate::measure::verify::{self, Effort, Subject, Verification};
use crate::plan::ChunkRule;
use crate::report::devices::DeviceRow;
use crate::report::progress::Progress;
use crate::report::style::Style;
use crate::report::{self, PlanFacts, Skipped, StepChunks};
use crate::units;
use crate::workloads::{self, Context};

/// `hetero run <workload>`: prepares the job, runs it on every backend that the settings ask for, writes the report to
/// `out` and the answer to `--output`.
///
/// # Errors
/// Whatever stops it. A failed verification prints its report first; then nothing is written to `--output`.
pub fn command(
    name: &str,
    args: &ArgMatches,
    config: &Config,
    control: &Arc<Control>,
    out: &mut dyn Write,
) -> Result<()> {
    let workload = workloads::find(name)?;
    let progress = Progress::start(control, config.report.progress);
    // Readers and generators use the threads that the cpu backend has.
    let pool = backend::cpu::pool(&config.backend_options())?;
    let job = pool.install(|| workload.prepare(args, &Context { seed: config.run.seed }))?;
    let job = job.as_ref();
    control.proceed()?;
    let comparison = compare(job, config, control)?;
    drop(progress);
    let wrong = comparison.rows.iter().find_map(|row| row.verification.error(&row.facts.id));
    let saved = args.get_one::<PathBuf>("output").filter(|_| wrong.is_none());
    if let Some(path) = saved {
        pool.install(|| job.save(&comparison.rows[0].outputs, path))?;
    }
    if wrong.is_none() {
        pool.install(|| job.save_more(&comparison.rows[0].outputs))?;
    }
    let unsolved = job.unsolved(&comparison.rows[0].outputs);
    let report = report::build(inputs(name, job, comparison, config)?);
    let text = match config.report.format.as_str() {
        "json" => report::json::json(&report),
        "csv" => report::csv::csv(&report),
        "markdown" => report::markdown::markdown(&report),
        _ => report::table::table(&report, style(config.report.ascii)),
    };
    report::emit(out, &text)?;
    wrong.map_or(unsolved, Err)
}

/// How text on stdout may look here.
#[must_use]
pub fn style(ascii: bool) -> Style {
    Style::choose(std::io::stdout().is_terminal(), ascii, |name| std::env::var(name).ok())
}

/// The report's inputs: plain data from here on.
fn inputs(name: &str, job: &dyn Job, comparison: Comparison, config: &Config) -> Result<report::Inputs> {
    let Comparison { rows, skipped, baselines } = comparison;
    let mut plan = PlanFacts {
        policy: config.run.backend.clone(),
        reason: "the backends were named by the user".into(),
        ..PlanFacts::default()
    };
    let answer = rows.first().map(|row| row.samples.last.answer.clone()).unwrap_or_default();
    let mut report_rows = Vec::with_capacity(rows.len());
    for row in rows {
        let steps = job.steps(row.precision)?;
        for (step, rule) in steps.iter().zip(&row.rules) {
            let kernel = step.kernel().name().to_string();
            plan.chunks.push(StepChunks { backend: row.facts.id.clone(), kernel, rule: *rule });
        }
        plan.chosen.push(row.facts.id.clone());
        report_rows.push(report::Row {
            ceilings: row.ceilings,
            totals: Totals::of(&steps),
            precision: row.precision,
            pinned: row.pinned,
            chunks: row.samples.last.traces.iter().map(|trace| trace.chunks).sum(),
            samples: row.samples.phases,
            open: row.open,
            compile: row.compile,
            device_seconds: row.device_seconds,
            verification: row.verification,
            facts: row.facts,
        });
    }
    Ok(report::Inputs {
        workload: name.into(),
        command: std::env::args().collect(),
        seed: config.run.seed,
        machine: Machine::discover(),
        input: job.input(),
        rows: report_rows,
        baselines,
        skipped,
        answer,
        plan,
        warnings: job.warnings(),
    })
}

/// What one backend did with a job: its timed runs, the last run's results, and their verification.
pub struct Measured {
    /// The backend.
    pub facts: BackendFacts,
    /// The precision it computed in.
    pub precision: Precision,
    /// Whether its workers were pinned; `None` where there are none.
    pub pinned: Option<bool>,
    /// Kernel seconds of the last run by the device's own clock, where it has one that makes sense.
    pub device_seconds: Option<f64>,
    /// How each step was cut.
    pub rules: Vec<ChunkRule>,
    /// Seconds that opening the backend took, once.
    pub open: f64,
    /// Seconds that compiling took, once.
    pub compile: f64,
    /// What its processors were measured to reach.
    pub ceilings: Ceilings,
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

/// What all wanted backends did with one job.
pub struct Comparison {
    /// Their runs: those that were asked for, then the baselines.
    pub rows: Vec<Measured>,
    /// Those that did not run.
    pub skipped: Vec<Skipped>,
    /// The backends that speedups are measured against.
    pub baselines: Vec<String>,
}

/// Runs `job` on every backend that the settings ask for, then on the baselines.
///
/// # Errors
/// A backend that was named and cannot run; with `all`, only when none can. Whatever stops a run.
pub fn compare(job: &dyn Job, config: &Config, control: &Control) -> Result<Comparison> {
    let everything = config.run.backend == "all";
    let wanted: Vec<String> = if everything {
        BACKENDS.iter().map(|entry| entry.name.to_string()).collect()
    } else {
        names(&config.run.backend)?
    };
    let baselines = if config.run.baseline == "none" { Vec::new() } else { names(&config.run.baseline)? };
    let rule = sampler::Rule::from(&config.run);
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    // Those that were asked for come first: when one of them cannot run, nobody waits for a baseline to learn it.
    for id in &wanted {
        match measure(job, id, rule, config, control) {
            Ok(row) => rows.push(row),
            Err(Error::Unavailable { why, .. }) if everything => skipped.push(Skipped { backend: id.clone(), why }),
            Err(error) => return Err(error),
        }
    }
    if rows.is_empty() {
        let why = skipped.iter().map(|skip| format!("{}: {}", skip.backend, skip.why)).collect::<Vec<_>>().join("; ");
        return Err(Error::Unavailable { backend: "all".into(), why });
    }
    for id in baselines.iter().filter(|id| !wanted.contains(id)) {
        control.stage(&format!("{id}: how long would it take?"));
        let predicted = predict(job, id, config, control)?;
        if predicted > config.run.baseline_limit {
            let why = format!(
                "predicted {} a run, above the limit of {} (run.baseline_limit)",
                units::seconds(predicted),
                units::seconds(config.run.baseline_limit)
            );
            skipped.push(Skipped { backend: id.clone(), why });
            continue;
        }
        match measure(job, id, rule, config, control) {
            Ok(row) => rows.push(row),
            // A baseline is an extra: without it the answer stands.
            Err(Error::Unavailable { why, .. }) => skipped.push(Skipped { backend: id.clone(), why }),
            Err(error) => return Err(error),
        }
    }
    measure_ceilings(&mut rows, config, control)?;
    Ok(Comparison { rows, skipped, baselines })
}

/// Total seconds of runs from which on measuring the machine's ceilings, some 0.1 s a number of threads, is no long wait.
const CEILINGS_FROM: f64 = 0.2;

/// Measures what the machine can do, so that the report can say how much of it each row reached.
fn measure_ceilings(rows: &mut [Measured], config: &Config, control: &Control) -> Result<()> {
    let spent: f64 = rows.iter().flat_map(|row| &row.samples.phases).map(Phases::total).sum();
    if !config.run.limits || spent < CEILINGS_FROM {
        return Ok(());
    }
    control.stage("measuring what this machine can do");
    let mut host = Host::new(config.cpu.pin);
    for row in rows {
        row.ceilings = host.of(&row.facts)?;
        control.proceed()?;
    }
    Ok(())
}

/// Seconds that one run of `job` on the host backend `id` would take; 0 for a device.
///
/// # Errors
/// Those of opening the backend and of the chunk loop.
pub fn predict(job: &dyn Job, id: &str, config: &Config, control: &Control) -> Result<f64> {
    if backend::parse(id)?.0.device {
        return Ok(0.0); // opening a device to predict its time would cost more than it saves
    }
    let mut backend = backend::open(id, &config.backend_options())?;
    let precision = choose_precision(job, backend.as_ref(), config)?;
    let steps = job.steps(precision)?;
    if steps.iter().any(|step| matches!(step, Step::Whole(_))) {
        return Ok(probe::predict_whole(&steps, backend.facts().threads));
    }
    let mut seconds = 0.0;
    for step in &steps {
        seconds += probe::predict(step.kernel(), backend.as_mut(), control)?;
    }
    Ok(seconds)
}

/// The backends in a list with commas, each checked and once.
///
/// # Errors
/// [`Error::Usage`] for a name that is not there, or when there is none.
pub fn names(list: &str) -> Result<Vec<String>> {
    let mut ids: Vec<String> = Vec::new();
    for id in list.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        backend::parse(id)?;
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_string());
        }
    }
    if ids.is_empty() { Err(Error::Usage("no backend was named; try --backend cpu".into())) } else { Ok(ids) }
}

/// Runs `job` on the backend `id` as often as `rule` says and verifies the last run.
///
/// # Errors
/// Whatever stops the run. A failed verification is not an error here: it is in [`Measured::verification`].
pub fn measure(job: &dyn Job, id: &str, rule: sampler::Rule, config: &Config, control: &Control) -> Result<Measured> {
    if let (true, Some(why)) = (backend::parse(id)?.0.device, job.stays_on_cpu()) {
        return Err(Error::Unavailable { backend: id.into(), why: format!("{why}; use --backend cpu") });
    }
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
    let mut samples = sampler::sample(rule, || run_once(job, &steps, &rules, backend, &mut outputs, control))?;
    control.stage(&format!("{id}: verifying"));
    let reference = job.steps(job.precisions()[0])?;
    let RunResult { traces, answer } = &samples.last;
    let pool = backend::cpu::pool(&config.backend_options())?;
    let pool = Some(pool.as_ref());
    let subject = Subject { job, steps: &steps, reference: &reference, outputs: &outputs, traces, answer, pool };
    let threads = backend.facts().threads;
    let effort = Effort { seed: config.run.seed, threads, operations: Effort::OPERATIONS };
    let verification = verify::verify(subject, effort, control)?;
    control.proceed()?;
    job.complete(&mut samples.last.answer);
    drop((steps, reference));
    let ceilings = Ceilings::default();
    let (facts, pinned, device_seconds) = (backend.facts(), backend.pinned(), backend.device_seconds());
    Ok(Measured {
        facts,
        precision,
        pinned,
        device_seconds,
        ceilings,
        rules,
        open,
        compile,
        samples,
        outputs,
        verification,
    })
}

/// One run: every step through the chunk loop or as a whole, then the answer.
///
/// # Errors
/// [`Error::Signal`] when `control` was stopped; the first error of a step or of [`Job::finish`].
pub fn run_once(
    job: &dyn Job,
    steps: &[Step<'_>],
    rules: &[ChunkRule],
    backend: &mut dyn Backend,
    outputs: &mut [Output],
    control: &Control,
) -> Result<(Phases, RunResult)> {
    let mut phases = Phases::default();
    let mut traces = Vec::with_capacity(steps.len());
    // A job with whole solves is told step by step.
    let apart = steps.iter().any(|step| matches!(step, Step::Whole(_)));
    for (i, (step, rule)) in steps.iter().zip(rules).enumerate() {
        let name = step.kernel().name();
        control.stage(&format!("{}: {name}", backend.facts().id));
        let (before, own) = outputs.split_at_mut(i);
        let mut trace = match step {
            Step::Kernel(kernel) => exec::run_step(kernel.as_ref(), *rule, backend, &mut own[0], control)?,
            Step::Whole(whole) => exec::run_whole(whole.as_ref(), backend, before, &mut own[0], control)?,
        };
        if apart {
            let mut seconds = std::mem::take(&mut trace.phases.kernel);
            if let Step::Whole(whole) = step {
                for (part, of_it) in whole.parts() {
                    trace.phases.steps.add(part, of_it, false);
                    seconds = (seconds - of_it).max(0.0);
                }
            }
            trace.phases.steps.add(name, seconds, matches!(step, Step::Kernel(_)));
        }
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

/// `hetero devices`: what can run here, and why something is missing. An adapter that cannot be opened is listed with its
/// problem.
#[must_use]
pub fn devices(config: &Config, json: bool) -> String {
    let machine = Machine::discover();
    #[cfg(feature = "gpu")]
    let (adapters, missing, rows) = {
        let found = crate::gpu::adapters::adapters(&config.backend_options());
        let missing = crate::gpu::missing::missing(&found);
        let rows: Vec<_> = found.iter().map(DeviceRow::from).collect();
        (found, missing, rows)
    };
    #[cfg(not(feature = "gpu"))]
    let (adapters, missing, rows) =
        (Vec::<()>::new(), vec!["this build has no gpu backend".to_string()], Vec::<DeviceRow>::new());
    if json {
        return report::devices::json(&machine, &adapters, &missing);
    }
    report::devices::text(&machine, &rows, &missing, style(config.report.ascii))
}
