//! Drives the stages: the only module that sees them all. [`command`] is `hetero run`; [`compare`] runs one job on
//! several backends; [`measure`] runs it on one.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::ArgMatches;

use crate::backend::{self, BACKENDS, Backend, Phases};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::Control;
use crate::job::{Job, Precision, Repeat, Step};
use crate::machine::Machine;
use crate::measure::ceilings::Host;
use crate::measure::limit::Totals;
use crate::measure::probe;
use crate::measure::sampler;
use crate::plan::policy::{AUTO, HYBRID};
use crate::report::devices::DeviceRow;
use crate::report::progress::Progress;
use crate::report::style::Style;
use crate::report::{self, Report, Skipped};
use crate::units;
use crate::workloads::{self, Context};

mod auto;
mod explain;
mod measure;
mod receipt;
mod team;

pub use auto::{Choice, Knowledge, PaysFrom, choose};
pub use explain::explain;
pub use measure::{Measured, RunResult, can_run, measure, measure_on};
pub use receipt::row;
pub use team::{Cut, StepCuts, Team};

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
    let machine = Machine::discover();
    let comparison = compare(name, job, &machine, config, control)?;
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
    if let Some(path) = args.get_one::<PathBuf>("trace") {
        receipt::trace(job, &comparison, path)?;
    }
    // What others took to answer is no fact about this machine.
    if job.repeat() == Repeat::Freely {
        measure::learn(name, job, &comparison.rows, &machine, config)?;
    }
    let report = report::build(receipt::inputs(name, job, comparison, machine, config)?);
    report::emit(out, &formatted(&report, config))?;
    warn(&report.warnings, config);
    wrong.map_or(unsolved, Err)
}

/// Writes warnings to stderr, unless the form of the report carries them.
pub fn warn(warnings: &[String], config: &Config) {
    if matches!(config.report.format.as_str(), "json" | "markdown") {
        return;
    }
    let style = Style::choose(std::io::stderr().is_terminal(), config.report.ascii, |name| std::env::var(name).ok());
    let _ = std::io::stderr().write_all(report::table::warnings(warnings, style).as_bytes());
}

/// The report in the form that the settings ask for.
#[must_use]
pub fn formatted(report: &Report, config: &Config) -> String {
    report::forms::form(report, &config.report.format, style(config.report.ascii))
}

/// How text on stdout may look here.
#[must_use]
pub fn style(ascii: bool) -> Style {
    Style::choose(std::io::stdout().is_terminal(), ascii, |name| std::env::var(name).ok())
}

/// What all wanted backends did with one job.
pub struct Comparison {
    /// Their runs: those that were asked for, then the baselines.
    pub rows: Vec<Measured>,
    /// Those that did not run.
    pub skipped: Vec<Skipped>,
    /// The backends that speedups are measured against.
    pub baselines: Vec<String>,
    /// What was decided, when somebody asked for a decision.
    pub choice: Option<Choice>,
}

/// Runs `job` of `workload` on every backend that the settings ask for, then on the baselines.
///
/// # Errors
/// A backend that was named and cannot run; with `all` and `auto`, only when none can. Whatever stops a run.
pub fn compare(
    workload: &str,
    job: &dyn Job,
    machine: &Machine,
    config: &Config,
    control: &Control,
) -> Result<Comparison> {
    let everything = config.run.backend == "all";
    let automatic = config.run.backend == AUTO;
    let choice = match automatic || config.run.regret {
        true => {
            control.stage("choosing a backend");
            Some(choose(workload, job, &mut Knowledge::here(machine), config, control)?)
        }
        false => None,
    };
    let mut wanted: Vec<String> = match &choice {
        _ if everything => BACKENDS.iter().map(|entry| entry.name.to_string()).collect(),
        Some(choice) if automatic => ranked(choice),
        _ => names(&config.run.backend)?,
    };
    let alone = config.run.baseline == "none" || job.repeat() == Repeat::AsAsked;
    let baselines = if alone { Vec::new() } else { names(&config.run.baseline)? };
    let rule = sampler::Rule::from(&config.run).allowed(job.repeat());
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    let mut host = Host::new(config.cpu.pin);
    let mut add = |row: Measured, rows: &mut Vec<Measured>| {
        rows.push(row);
        measure_ceilings(job, rows, &mut host, config, control)
    };
    // Those that were asked for come first: when one of them cannot run, nobody waits for a baseline to learn it.
    for id in &wanted {
        match measure(job, id, rule, config, control) {
            Ok(row) => add(row, &mut rows)?,
            Err(Error::Unavailable { why, .. }) if everything || automatic => {
                skipped.push(Skipped { backend: id.clone(), why });
            }
            Err(error) => return Err(error),
        }
        // The first of the ranking that can run is the choice; the others only tell what it was worth.
        if automatic && !config.run.regret && !rows.is_empty() {
            break;
        }
    }
    if rows.is_empty() {
        let why = skipped.iter().map(|skip| format!("{}: {}", skip.backend, skip.why)).collect::<Vec<_>>().join("; ");
        return Err(Error::Unavailable { backend: config.run.backend.clone(), why });
    }
    wanted.retain(|id| rows.iter().any(|row| row.facts.id == *id) || skipped.iter().any(|skip| skip.backend == *id));
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
            Ok(row) => add(row, &mut rows)?,
            // A baseline is an extra: without it the answer stands.
            Err(Error::Unavailable { why, .. }) => skipped.push(Skipped { backend: id.clone(), why }),
            Err(error) => return Err(error),
        }
    }
    Ok(Comparison { rows, skipped, baselines, choice })
}

/// The backends of a choice that are not excluded, the chosen one first.
#[must_use]
pub fn ranked(choice: &Choice) -> Vec<String> {
    let mut candidates: Vec<_> = choice.decision.candidates.iter().filter(|c| c.excluded.is_none()).collect();
    let time = |c: &crate::plan::policy::Candidate| c.predicted_seconds.unwrap_or(f64::INFINITY);
    candidates.sort_by(|a, b| time(a).total_cmp(&time(b)));
    candidates.into_iter().map(|candidate| candidate.backend.clone()).collect()
}

/// Total seconds of runs from which on measuring the machine's ceilings, some 0.1 s a row, is no long wait.
const CEILINGS_FROM: f64 = 0.1;

/// Measures what the machine can do for the rows that do not know it yet, so that the report can say how much of it each
/// one reached. Called after each row and not once for all: on a shared host memory was seen to become twice as fast, or
/// half as fast, while the next row ran.
fn measure_ceilings(
    job: &dyn Job,
    rows: &mut [Measured],
    host: &mut Host,
    config: &Config,
    control: &Control,
) -> Result<()> {
    let spent: f64 = rows.iter().flat_map(|row| &row.samples.phases).map(Phases::total).sum();
    if !config.run.limits || spent < CEILINGS_FROM {
        return Ok(());
    }
    for row in rows.iter_mut().filter(|row| row.ceilings.is_none()) {
        control.stage(&format!("{}: measuring what this machine can do", row.facts.id));
        let bytes = Totals::of(job, &job.steps(row.precision)?).bytes();
        row.ceilings = Some(host.of(&row.facts, bytes)?);
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
    let named = || list.split(',').map(str::trim).filter(|id| !id.is_empty());
    if let Some(alone) = named().find(|id| [AUTO, "all"].contains(id)).filter(|_| named().count() > 1) {
        return Err(Error::Usage(format!("'{alone}' stands alone, not in a list: {list}")));
    }
    for id in named() {
        if id != HYBRID {
            backend::parse(id)?;
        }
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_string());
        }
    }
    if ids.is_empty() { Err(Error::Usage("no backend was named; try --backend cpu".into())) } else { Ok(ids) }
}

/// The precision that the settings ask for, or the backend's own choice.
fn choose_precision(job: &dyn Job, backend: &dyn Backend, config: &Config) -> Result<Precision> {
    if config.run.precision == "auto" {
        return Ok(backend.default_precision(job));
    }
    let chosen = named_precision(job, config)?;
    // The reference has one precision, whatever is compared with it.
    Ok(if backend.is_reference() { job.precisions()[0] } else { chosen })
}

/// The precision that the settings name.
fn named_precision(job: &dyn Job, config: &Config) -> Result<Precision> {
    let offered = job.precisions();
    let names = || offered.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ");
    offered.iter().copied().find(|precision| precision.name() == config.run.precision).ok_or_else(|| {
        Error::Usage(format!("this job has no precision '{}'; it computes in {}", config.run.precision, names()))
    })
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
