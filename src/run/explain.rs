//! `hetero explain <workload>`: the plan and its predicted receipt, without running.

use std::path::PathBuf;

use clap::ArgMatches;
use serde_json::json;

use super::auto::{self, Choice, Knowledge};
use super::style;
use crate::backend;
use crate::config::Config;
use crate::error::Result;
use crate::exec::Control;
use crate::machine::Machine;
use crate::memory;
use crate::plan::guide::{self, Branch};
use crate::report;
use crate::workloads::{self, Context};

/// The explanation of what `auto` would do, as text or JSON.
///
/// # Errors
/// Those of preparing the job and of [`auto::choose`].
pub fn explain(name: &str, args: &ArgMatches, config: &Config, control: &Control) -> Result<String> {
    let workload = workloads::find(name)?;
    let machine = Machine::discover();
    let mut knowledge = match args.get_one::<PathBuf>("profile") {
        Some(path) => Knowledge::of(path)?,
        None => Knowledge::here(&machine),
    };
    knowledge.sizes = true;
    let pool = backend::cpu::pool(&config.backend_options())?;
    let job = pool.install(|| workload.prepare(args, &Context { seed: config.run.seed }))?;
    control.proceed()?;
    let choice = auto::choose(name, job.as_ref(), &mut knowledge, config, control)?;
    let branches = branches(&choice);
    if config.report.format == "json" {
        let Choice { decision, source, seconds, demand, pays } = &choice;
        let document = json!({
            "schema": "hetero.plan/1",
            "workload": name,
            "input": job.input(),
            "plan": {
                "policy": "auto",
                "chosen": decision.chosen,
                "reason": decision.reason,
                "candidates": decision.candidates,
                "pays_from": pays,
                "deciding_seconds": seconds,
                "source": source,
            },
            "guide": branches,
            "work": demand.steps,
        });
        return Ok(format!("{document:#}\n"));
    }
    let input = job.input();
    let facts = super::receipt::of_choice(&choice);
    Ok(report::plan::explanation(name, &input, &facts, &branches, style(config.report.ascii)))
}

/// The decision guide for what was chosen.
fn branches(choice: &Choice) -> Vec<Branch> {
    let predicted = |name: &str| {
        choice.decision.candidates.iter().find(|candidate| candidate.backend == name).and_then(|c| c.predicted_seconds)
    };
    guide::walk(&choice.demand, predicted("seq"), predicted(&choice.decision.chosen), memory::available())
}
