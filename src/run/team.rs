//! The backends that run one job together: one in most runs, the pool and every GPU in a hybrid one.

use std::time::Instant;

use super::RunResult;
use crate::backend::{self, BACKENDS, Backend, BackendFacts, Phases};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::{self, Control, StepTrace, Worker};
use crate::job::{Job, Output, Precision, Step, kernel_hash};
use crate::machine::profile::Profile;
use crate::plan::ChunkRule;
use crate::plan::policy::HYBRID;

/// Open backends.
pub struct Team {
    id: String,
    members: Vec<Member>,
    /// What the user should know: who was left out, who was lost.
    pub warnings: Vec<String>,
}

struct Member {
    backend: Box<dyn Backend>,
    lost: bool,
}

/// How one backend cuts one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cut {
    /// How.
    pub rule: ChunkRule,
    /// Items per second that it is expected to do; `None` when nothing is known.
    pub expected: Option<f64>,
}

/// How the members of a team cut one step; `None` for one that cannot run it.
pub type StepCuts = Vec<Option<Cut>>;

impl Team {
    /// Opens the backend `id`, or all members of `hybrid`.
    ///
    /// # Errors
    /// Those of opening; [`Error::Usage`] for unknown names.
    pub fn open(id: &str, config: &Config) -> Result<Self> {
        let options = config.backend_options();
        let mut warnings = Vec::new();
        let ids = if id == HYBRID { members(config, &mut warnings)? } else { vec![id.to_string()] };
        let member = |id: &String| Ok(Member { backend: backend::open(id, &options)?, lost: false });
        Ok(Self { id: id.into(), members: ids.iter().map(member).collect::<Result<_>>()?, warnings })
    }

    /// A team of one.
    #[must_use]
    pub fn of(backend: Box<dyn Backend>) -> Self {
        Self { id: backend.facts().id, members: vec![Member { backend, lost: false }], warnings: Vec::new() }
    }

    /// What it is: of several members the host's facts and the first device's, under the team's name.
    #[must_use]
    pub fn facts(&self) -> BackendFacts {
        let mut all = self.members.iter().map(|member| member.backend.facts());
        let mut facts = all.next().expect("a team has members");
        if facts.adapter.is_none() {
            facts.adapter = all.find_map(|other| other.adapter);
        }
        BackendFacts { id: self.id.clone(), ..facts }
    }

    /// The only member.
    #[must_use]
    pub fn only(&self) -> Option<&dyn Backend> {
        match &self.members[..] {
            [one] if self.id != HYBRID => Some(one.backend.as_ref()),
            _ => None,
        }
    }

    /// The members' names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.members.iter().map(|member| member.backend.facts().id).collect()
    }

    /// Whether the host's workers are pinned.
    #[must_use]
    pub fn pinned(&self) -> Option<bool> {
        self.members.iter().find_map(|member| member.backend.pinned())
    }

    /// The precision that the settings ask for, or the members' own choice: all compute in the same one.
    ///
    /// # Errors
    /// [`Error::Usage`] for one that the job does not offer.
    pub fn precision(&self, job: &dyn Job, config: &Config) -> Result<Precision> {
        let device = self.members.iter().find(|member| member.backend.facts().adapter.is_some());
        let decides = device.or(self.members.first()).expect("a team has members");
        super::choose_precision(job, decides.backend.as_ref(), config)
    }

    /// How the members cut the steps. Alone, a member must be able to run each; together, one that cannot sits out.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when nobody can run a step.
    pub fn cut(&self, steps: &[Step<'_>], profile: Option<&Profile>) -> Result<Vec<StepCuts>> {
        steps.iter().map(|step| self.cut_step(step, profile)).collect()
    }

    fn cut_step(&self, step: &Step<'_>, profile: Option<&Profile>) -> Result<StepCuts> {
        let mut refused = None;
        let mut cut = |member: &Member| match member.backend.chunks(step.kernel()) {
            Ok(rule) => {
                let expected = profile.and_then(|profile| expected(member.backend.as_ref(), step, profile));
                Ok(Some(Cut { rule, expected }))
            }
            Err(error @ Error::Unavailable { .. }) => {
                refused = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        };
        let cuts = self.members.iter().map(&mut cut).collect::<Result<StepCuts>>()?;
        match refused {
            Some(error) if cuts.iter().all(Option::is_none) => Err(error),
            _ => Ok(cuts),
        }
    }

    /// Compiles the steps for every member that runs them; the seconds that took, by step.
    ///
    /// # Errors
    /// Those of [`Backend::prepare`].
    pub fn prepare(&mut self, steps: &[Step<'_>], cuts: &[StepCuts]) -> Result<Vec<f64>> {
        let mut seconds = vec![0.0; steps.len()];
        for (at, (step, cuts)) in steps.iter().zip(cuts).enumerate() {
            for (member, _) in self.members.iter_mut().zip(cuts).filter(|(_, cut)| cut.is_some()) {
                seconds[at] += member.backend.prepare(step.kernel())?;
            }
        }
        Ok(seconds)
    }

    /// Device seconds of the last run, where the only member has a clock that makes sense.
    #[must_use]
    pub fn device_seconds(&self) -> Option<f64> {
        self.only()?.device_seconds()
    }

    /// One run: every step through the chunk loop or as a whole, then the answer.
    ///
    /// # Errors
    /// [`Error::Signal`] when `control` was stopped; the first error of a step or of [`Job::finish`].
    pub fn run_once(
        &mut self,
        job: &dyn Job,
        steps: &[Step<'_>],
        cuts: &[StepCuts],
        outputs: &mut [Output],
        control: &Control,
    ) -> Result<(Phases, RunResult)> {
        job.begin(outputs)?;
        let mut phases = Phases::default();
        let mut traces = Vec::with_capacity(steps.len());
        // A job with whole solves is told step by step.
        let apart = steps.iter().any(|step| matches!(step, Step::Whole(_)));
        for (at, (step, cuts)) in steps.iter().zip(cuts).enumerate() {
            let name = step.kernel().name();
            control.stage(&format!("{}: {name}", self.id));
            let (before, own) = outputs.split_at_mut(at);
            let mut trace = self.run_step(step, cuts, before, &mut own[0], control)?;
            if apart {
                let mut seconds = std::mem::take(&mut trace.phases.kernel);
                if let Step::Whole(whole) = step {
                    for (part, of_it) in whole.parts() {
                        trace.phases.steps.add(part, of_it, false);
                        seconds = (seconds - of_it).max(0.0);
                    }
                }
                trace.phases.steps.add(name, seconds, matches!(step, Step::Kernel(_)) || trace.chunks > 0);
            }
            phases.add(&trace.phases);
            traces.push(trace);
        }
        let start = Instant::now();
        let answer = job.finish(outputs)?;
        let finish = start.elapsed().as_secs_f64();
        phases.merge += finish;
        Ok((phases, RunResult { traces, answer, finish }))
    }

    fn run_step(
        &mut self,
        step: &Step<'_>,
        cuts: &StepCuts,
        before: &[Output],
        own: &mut Output,
        control: &Control,
    ) -> Result<StepTrace> {
        let kernel = match step {
            Step::Kernel(kernel) => kernel,
            Step::Whole(whole) => {
                let host = self.members.iter().position(|member| member.backend.facts().adapter.is_none()).unwrap_or(0);
                let Some(cut) = cuts[host] else {
                    return Err(Error::Internal(format!("{} is cut for nobody", whole.name())));
                };
                let backend = self.members[host].backend.as_mut();
                let mut trace = exec::run_whole(whole.as_ref(), cut.rule, backend, before, own, control)?;
                // What it did stands in its place among the members.
                trace.workers.splice(0..0, vec![exec::WorkerTrace::default(); host]);
                return Ok(trace);
            }
        };
        let mut places = Vec::with_capacity(self.members.len());
        let mut workers = Vec::with_capacity(self.members.len());
        for (at, (member, cut)) in self.members.iter_mut().zip(cuts).enumerate() {
            if let (Some(Cut { rule, expected }), false) = (cut, member.lost) {
                workers.push(Worker { backend: member.backend.as_mut(), rule: *rule, expected: *expected });
                places.push(at);
            }
        }
        let mut trace = exec::run_together(kernel.as_ref(), &mut workers, own, control)?;
        // Traces stand in the order of the members, whoever took part.
        let mut traces = vec![exec::WorkerTrace::default(); self.members.len()];
        for (place, worker) in places.into_iter().zip(std::mem::take(&mut trace.workers)) {
            if let Some(error) = &worker.failed {
                self.members[place].lost = true;
                self.warnings.push(format!("the others did the work of a backend that failed: {error}"));
            }
            traces[place] = worker;
        }
        trace.workers = traces;
        Ok(trace)
    }
}

/// The members of a hybrid team: those that the settings name; else the pool and every GPU. A software adapter takes part
/// when it is asked for: it computes on the pool's own processors.
fn members(config: &Config, warnings: &mut Vec<String>) -> Result<Vec<String>> {
    if config.run.hybrid != "auto" {
        return super::names(&config.run.hybrid);
    }
    let options = config.backend_options();
    let pool = BACKENDS.iter().rfind(|entry| !entry.device).expect("there is a host backend");
    let mut ids = vec![pool.name.to_string()];
    for device in BACKENDS.iter().filter(|entry| entry.device).flat_map(|entry| (entry.devices)(&options)) {
        if device.adapter.software && options.adapter.is_none() {
            let name = &device.adapter.name;
            warnings.push(format!(
                "{} takes no part in hybrid: {name} is a software adapter on the same processors; --hybrid cpu,{} asks for it",
                device.id, device.id
            ));
        } else {
            ids.push(device.id);
        }
    }
    if ids.len() == 1 && warnings.is_empty() {
        warnings.push("hybrid has one member, the cpu: there is no adapter (hetero devices says why)".into());
    }
    Ok(ids)
}

/// Items per second that `backend` did in runs of about this size, copies included.
fn expected(backend: &dyn Backend, step: &Step<'_>, profile: &Profile) -> Option<f64> {
    let (facts, kernel) = (backend.facts(), step.kernel());
    let known = profile.backend(&facts.id)?;
    let hash = kernel_hash(kernel, facts.adapter.is_some());
    let times = known.kernel(kernel.name(), kernel.precision().name(), hash)?.curve.at(kernel.size(), 0.0)?;
    Some(kernel.items() as f64 / times.total()).filter(|rate| rate.is_finite())
}
