//! One job on one backend (or a team of them): open, compile, run often enough, verify.

use std::time::Instant;

use super::team::{StepCuts, Team};
use crate::backend::{self, BackendFacts, Phases};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::{Control, StepTrace};
use crate::job::{Answer, Job, Output, Precision};
use crate::machine::Machine;
use crate::machine::profile::{AdapterKey, Found, Key, Profile};
use crate::measure::limit::Ceilings;
use crate::measure::observe::{self, Seen};
use crate::measure::sampler::{self, Samples};
use crate::measure::verify::{self, Effort, Subject, Verification};
use crate::plan::policy::HYBRID;

/// What one backend did with a job: its timed runs, the last run's results, and their verification.
pub struct Measured {
    /// The backend.
    pub facts: BackendFacts,
    /// Its device, as a profile knows it.
    pub adapter: Option<AdapterKey>,
    /// The members of a hybrid team; the backend alone otherwise.
    pub members: Vec<String>,
    /// The precision it computed in.
    pub precision: Precision,
    /// Whether its workers were pinned; `None` where there are none.
    pub pinned: Option<bool>,
    /// Kernel seconds of the last run by the device's own clock, where it has one that makes sense.
    pub device_seconds: Option<f64>,
    /// How each step was cut by each member.
    pub cuts: Vec<StepCuts>,
    /// Seconds that opening the backend took, once.
    pub open: f64,
    /// Seconds that compiling took, once, by step.
    pub compile: Vec<f64>,
    /// What its processors were measured to reach, right after the runs; `None` when that was not measured.
    pub ceilings: Option<Ceilings>,
    /// The timed runs.
    pub samples: Samples<RunResult>,
    /// The phases of each step and the seconds of the answer, of the median run.
    pub median: (Vec<Phases>, f64),
    /// The outputs of the last run, one per step.
    pub outputs: Vec<Output>,
    /// The verdict on the last run.
    pub verification: Verification,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What one run gave besides its outputs.
pub struct RunResult {
    /// What the chunk loop did in each step.
    pub traces: Vec<StepTrace>,
    /// The answer of the job.
    pub answer: Answer,
    /// Seconds of [`Job::finish`].
    pub finish: f64,
}

/// Runs `job` on the backend `id` as often as `rule` says and verifies the last run.
///
/// # Errors
/// Whatever stops the run. A failed verification is not an error here: it is in [`Measured::verification`].
pub fn measure(job: &dyn Job, id: &str, rule: sampler::Rule, config: &Config, control: &Control) -> Result<Measured> {
    can_run(job, id)?;
    let start = Instant::now();
    let mut team = Team::open(id, config)?;
    let open = start.elapsed().as_secs_f64();
    let measured = measure_on(&mut team, job, rule, config, control)?;
    Ok(Measured { open, ..measured })
}

/// The share of the largest value from which on a deviation within the bound is worth a word: what plain f32 costs on an
/// ordinary mesh is a hundredth of it.
const COARSE: f64 = 1e-3;

/// Refuses a job that runs on no device before one is opened.
///
/// # Errors
/// [`Error::Unavailable`] with the reason.
pub fn can_run(job: &dyn Job, id: &str) -> Result<()> {
    let on_device = id == HYBRID || backend::parse(id)?.0.device;
    match job.stays_on_cpu() {
        Some(why) if on_device => {
            Err(Error::Unavailable { backend: id.into(), why: format!("{why}; use --backend cpu") })
        }
        _ => Ok(()),
    }
}

/// As [`measure`], on backends that are open already; [`Measured::open`] is 0.
///
/// # Errors
/// As [`measure`].
pub fn measure_on(
    team: &mut Team,
    job: &dyn Job,
    rule: sampler::Rule,
    config: &Config,
    control: &Control,
) -> Result<Measured> {
    let id = team.facts().id;
    let precision = team.precision(job, config)?;
    let steps = job.steps(precision)?;
    // Only a team shares by what is expected.
    let profile = if id == HYBRID { profile() } else { None };
    let cuts = team.cut(&steps, profile.as_ref())?;
    let compile = team.prepare(&steps, &cuts)?;
    // The outputs are allocated once and reused, as a program that runs many such jobs would.
    let mut outputs = steps.iter().map(|step| Output::for_kernel(step.kernel())).collect::<Result<Vec<_>>>()?;
    let mut runs: Vec<(f64, Vec<Phases>, f64)> = Vec::new();
    let mut samples = sampler::sample(rule, || {
        let (phases, result) = team.run_once(job, &steps, &cuts, &mut outputs, control)?;
        runs.push((phases.total(), result.traces.iter().map(|trace| trace.phases).collect(), result.finish));
        Ok((phases, result))
    })?;
    // The first ones were for warming up.
    runs.drain(..samples.warm_up.len());
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (_, median, finish) = runs.swap_remove(runs.len() / 2);
    control.stage(&format!("{id}: verifying"));
    let reference = job.steps(job.precisions()[0])?;
    let RunResult { traces, answer, .. } = &samples.last;
    let pool = backend::cpu::pool(&config.backend_options())?;
    let pool = Some(pool.as_ref());
    let subject = Subject { job, steps: &steps, reference: &reference, outputs: &outputs, traces, answer, pool };
    let threads = team.facts().threads;
    let effort = Effort { seed: config.run.seed, threads, operations: Effort::OPERATIONS };
    let verification = verify::verify(subject, effort, control)?;
    let mut warnings = std::mem::take(&mut team.warnings);
    if verification.passed() && verification.coarseness > COARSE {
        let (percent, precision) = (verification.coarseness * 100.0, precision.name());
        warnings.push(format!(
            "{id}: values are up to {percent:.1} % of the largest one off, which is what {precision} can do on this \
             input; use --precision f64"
        ));
    }
    control.proceed()?;
    job.complete(&mut samples.last.answer);
    drop((steps, reference));
    Ok(Measured {
        facts: team.facts(),
        adapter: team.only().and_then(|backend| backend.adapter_key()),
        members: team.names(),
        precision,
        pinned: team.pinned(),
        device_seconds: team.device_seconds(),
        cuts,
        open: 0.0,
        compile,
        ceilings: None,
        samples,
        median: (median, finish),
        outputs,
        verification,
        warnings,
    })
}

/// The profile of this machine, if there is one that counts.
pub(super) fn profile() -> Option<Profile> {
    match Found::load(&Key::of(&Machine::discover())) {
        Found::Ours(profile) => Some(*profile),
        Found::None | Found::Stale(_) => None,
    }
}

/// Adds what was measured to the profile of this machine. A profile that cannot be written is no reason to fail a run.
///
/// # Errors
/// Those of building the steps again.
pub(super) fn learn(
    workload: &str,
    job: &dyn Job,
    rows: &[Measured],
    machine: &Machine,
    config: &Config,
) -> Result<()> {
    // Runs with fewer threads or older instructions tell nothing about the backend as it is by default.
    let usual =
        [0, machine.usable_threads].contains(&config.cpu.threads) && config.cpu.simd == "auto" && config.cpu.pin;
    let key = Key::of(machine);
    let Some(path) = crate::machine::profile::path(&key).filter(|_| config.run.learn && usual) else { return Ok(()) };
    let mut profile = match Found::load(&key) {
        Found::Ours(profile) => *profile,
        Found::None | Found::Stale(_) => Profile::new(key),
    };
    for row in rows.iter().filter(|row| row.verification.passed() && row.facts.id != HYBRID) {
        let steps = job.steps(row.precision)?;
        observe::observe(
            &mut profile,
            &Seen {
                facts: &row.facts,
                adapter: row.adapter.as_ref(),
                workload,
                steps: &steps,
                precision: row.precision,
                phases: &row.median.0,
                answer: row.median.1,
                // The pool was opened before, for the readers.
                open: if row.adapter.is_some() { row.open } else { 0.0 },
                compile: if row.adapter.is_some() { &row.compile } else { &[] },
            },
        );
    }
    if let Err(error) = profile.write(&path) {
        tracing::debug!("the profile was not written: {error}");
    }
    Ok(())
}
