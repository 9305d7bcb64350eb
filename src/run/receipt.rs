//! What was decided, predicted and measured, as the report's plain data.

use std::path::Path;

use serde_json::json;

use super::{Choice, Comparison, Measured};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::formats::source::write_whole;
use crate::job::Job;
use crate::location::shown;
use crate::machine::Machine;
use crate::measure::limit::Totals;
use crate::plan::policy::{AUTO, HYBRID};
use crate::report::plan::PaysFrom;
use crate::report::trace::{self, Event};
use crate::report::{self, PlanFacts, Receipt, Share, StepChunks};

/// The report's inputs: plain data from here on.
pub(super) fn inputs(
    name: &str,
    job: &dyn Job,
    comparison: Comparison,
    machine: Machine,
    config: &Config,
) -> Result<report::Inputs> {
    let mut plan = facts(&comparison, config);
    let Comparison { rows, skipped, baselines, .. } = comparison;
    let answer = rows.first().map(|row| row.samples.last.answer.clone()).unwrap_or_default();
    let mut warnings = job.warnings();
    let mut report_rows = Vec::with_capacity(rows.len());
    for row in rows {
        let steps = job.steps(row.precision)?;
        for (step, cuts) in steps.iter().zip(&row.cuts) {
            for (member, cut) in row.members.iter().zip(cuts) {
                let Some(cut) = cut else { continue };
                let kernel = step.kernel().name().to_string();
                plan.chunks.push(StepChunks { backend: member.clone(), kernel, rule: cut.rule });
            }
        }
        warnings.extend(row.warnings.iter().cloned());
        report_rows.push(self::row(row, Totals::of(job, &steps)));
    }
    Ok(report::Inputs {
        workload: name.into(),
        command: std::env::args_os().map(|text| shown(&text.to_string_lossy())).collect(),
        seed: config.run.seed,
        machine,
        input: job.input(),
        rows: report_rows,
        baselines,
        skipped,
        answer,
        plan,
        warnings,
    })
}

/// What a report keeps of a measured job that declares work of these `totals`.
#[must_use]
pub fn row(measured: Measured, totals: Totals) -> report::Row {
    report::Row {
        shares: shares(&measured),
        ceilings: measured.ceilings.unwrap_or_default(),
        totals,
        precision: measured.precision,
        pinned: measured.pinned,
        chunks: measured.samples.last.traces.iter().map(|trace| trace.chunks).sum(),
        samples: measured.samples.phases,
        open: measured.open,
        compile: measured.compile.iter().sum(),
        device_seconds: measured.device_seconds,
        verification: measured.verification,
        facts: measured.facts,
    }
}

/// The plan: the choice, or who was named.
fn facts(comparison: &Comparison, config: &Config) -> PlanFacts {
    let policy = config.run.backend.clone();
    let Some(choice) = &comparison.choice else {
        let asked =
            comparison.rows.iter().map(|row| row.facts.id.as_str()).filter(|id| *id != HYBRID || policy == HYBRID);
        let named: Vec<&str> = match policy.as_str() {
            "all" => asked.collect(),
            list => list.split(',').map(str::trim).collect(),
        };
        return PlanFacts {
            chosen: named.join(","),
            reason: "named by the user".into(),
            policy,
            ..PlanFacts::default()
        };
    };
    let mut candidates: Vec<Receipt> = choice.decision.candidates.iter().map(Receipt::from).collect();
    for skip in &comparison.skipped {
        if let Some(receipt) = candidates.iter_mut().find(|receipt| receipt.backend == skip.backend) {
            receipt.excluded.get_or_insert_with(|| skip.why.clone());
        }
    }
    // What was chosen may have turned out not to be there: then the next one ran.
    let ran = comparison.rows.first().map(|row| row.facts.id.clone()).unwrap_or_default();
    let (chosen, reason) = match policy == AUTO && ran != choice.decision.chosen {
        true => (ran, format!("{} was the choice and cannot run here", choice.decision.chosen)),
        false => (choice.decision.chosen.clone(), choice.decision.reason.clone()),
    };
    PlanFacts {
        policy: if policy == AUTO { policy } else { format!("{AUTO} beside {policy}") },
        chosen,
        reason,
        candidates,
        ..of_choice(choice)
    }
}

/// A choice before anything ran.
pub(super) fn of_choice(choice: &Choice) -> PlanFacts {
    let pays = |p: &super::PaysFrom| PaysFrom { backend: p.backend.clone(), over: p.over.clone(), items: p.items };
    PlanFacts {
        policy: AUTO.into(),
        chosen: choice.decision.chosen.clone(),
        reason: choice.decision.reason.clone(),
        candidates: choice.decision.candidates.iter().map(Receipt::from).collect(),
        regret: None,
        deciding_seconds: Some(choice.seconds),
        source: choice.source.clone(),
        pays_from: choice.pays.iter().map(pays).collect(),
        chunks: Vec::new(),
    }
}

/// What each member of a team did in the last run; nothing for a backend alone.
fn shares(row: &Measured) -> Vec<Share> {
    if row.facts.id != HYBRID {
        return Vec::new();
    }
    let traces = &row.samples.last.traces;
    let wall: f64 = traces.iter().filter(|t| !t.workers.is_empty()).map(|t| t.phases.kernel).sum();
    let share = |(at, backend): (usize, &String)| {
        let of = traces.iter().filter_map(|trace| trace.workers.get(at));
        let busy_seconds = of.clone().map(|worker| worker.busy).sum::<f64>();
        Share {
            backend: backend.clone(),
            items: of.clone().map(|worker| worker.items).sum(),
            chunks: of.map(|worker| worker.chunks).sum(),
            busy_seconds,
            idle_seconds: (wall - busy_seconds).max(0.0),
        }
    };
    row.members.iter().enumerate().map(share).collect()
}

/// Writes the trace of the last run of every backend to `path`.
///
/// # Errors
/// [`Error::Resource`] when the disk refuses.
pub(super) fn trace(job: &dyn Job, comparison: &Comparison, path: &Path) -> Result<()> {
    let mut rows: Vec<trace::Row> = Vec::new();
    if let Some(choice) = &comparison.choice {
        let event = Event {
            name: format!("auto chose {}", choice.decision.chosen),
            start: 0.0,
            end: choice.seconds,
            args: json!({"reason": choice.decision.reason, "candidates": choice.decision.candidates}),
        };
        rows.push(trace::Row { run: "planner".into(), name: "decisions".into(), events: vec![event] });
    }
    for measured in &comparison.rows {
        let steps = job.steps(measured.precision)?;
        for (trace, step) in measured.samples.last.traces.iter().zip(&steps) {
            for (member, worker) in measured.members.iter().zip(&trace.workers) {
                // Only a device copies; its chunks stand on rows of their own.
                let device = crate::backend::parse(member).is_ok_and(|(entry, _)| entry.device);
                for span in &worker.spans {
                    let name = trace::row_name(member, device, span);
                    let event = Event::chunk(step.kernel().name(), span);
                    let run = &measured.facts.id;
                    match rows.iter_mut().find(|row| row.run == *run && row.name == name) {
                        Some(row) => row.events.push(event),
                        None => rows.push(trace::Row { run: run.clone(), name, events: vec![event] }),
                    }
                }
            }
        }
    }
    let text = trace::json(&rows);
    write_whole(path, |w| w.write_all(text.as_bytes()).map_err(|e| Error::io(path, "write", &e)))
}
