//! The computing lane: one case after the other on backends that stay open.

use std::time::Instant;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::Control;
use crate::job::{Answer, Input, Job, Output};
use crate::machine::Machine;
use crate::measure::limit::Totals;
use crate::measure::sampler::Rule;
use crate::plan::policy::AUTO;
use crate::report::Row;
use crate::run::{self, Knowledge, Measured, Team};

/// Every case is run once, without a run before it: nobody compares these times.
const ONCE: Rule = Rule { runs: Some(1), min_runs: 1, max_runs: 1, budget_seconds: 0.0, warm_up: 0 };

/// What the computing lane found out about a case.
pub struct Computed {
    /// What it worked on.
    pub input: Input,
    /// The answer.
    pub answer: Answer,
    /// Backend, phases of the one run, verification.
    pub row: Row,
    /// What the user should know of the input and of the run.
    pub warnings: Vec<String>,
}

/// Backends that are open, by their names, and what decides between them.
pub(super) struct Computer<'c> {
    workload: &'c str,
    config: &'c Config,
    control: &'c Control,
    teams: Vec<(String, Team)>,
    /// Asked for each case anew: a large one may belong elsewhere than a small one.
    knowledge: Option<Knowledge>,
}

impl<'c> Computer<'c> {
    pub(super) fn new(workload: &'c str, config: &'c Config, control: &'c Control) -> Self {
        let automatic = config.run.backend == AUTO;
        let knowledge = automatic.then(|| Knowledge::here(&Machine::discover()));
        Self { workload, config, control, teams: Vec::new(), knowledge }
    }

    /// Runs and verifies a case. A wrong answer is no error here: it is in the verification.
    ///
    /// # Errors
    /// Whatever stops the run.
    pub(super) fn compute(&mut self, job: &dyn Job) -> Result<(Vec<Output>, Computed)> {
        let measured = match &mut self.knowledge {
            None => self.on(&self.config.run.backend, job)?,
            Some(knowledge) => {
                let choice = run::choose(self.workload, job, knowledge, self.config, self.control)?;
                self.first_of(&run::ranked(&choice), job)?
            }
        };
        let totals = Totals::of(job, &job.steps(measured.precision)?);
        let mut measured = measured;
        let outputs = std::mem::take(&mut measured.outputs);
        let answer = std::mem::take(&mut measured.samples.last.answer);
        let mut warnings = job.warnings();
        warnings.append(&mut measured.warnings);
        let row = run::row(measured, totals);
        Ok((outputs, Computed { input: job.input(), answer, row, warnings }))
    }

    /// On the first of `ids` that can run it.
    fn first_of(&mut self, ids: &[String], job: &dyn Job) -> Result<Measured> {
        let mut refused = Error::Unavailable { backend: AUTO.into(), why: "no backend can run this job".into() };
        for id in ids {
            match self.on(id, job) {
                Err(error @ Error::Unavailable { .. }) => refused = error,
                other => return other,
            }
        }
        Err(refused)
    }

    fn on(&mut self, id: &str, job: &dyn Job) -> Result<Measured> {
        run::can_run(job, id)?;
        let mut open = 0.0;
        let at = match self.teams.iter().position(|(known, _)| known == id) {
            Some(at) => at,
            None => {
                let start = Instant::now();
                self.teams.push((id.to_string(), Team::open(id, self.config)?));
                open = start.elapsed().as_secs_f64();
                self.teams.len() - 1
            }
        };
        let measured = run::measure_on(&mut self.teams[at].1, job, ONCE, self.config, self.control)?;
        Ok(Measured { open, ..measured })
    }
}
