//! `hetero run` over several inputs: plan, lanes, report.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::{Map, json};

use super::plan::{Batch, Case, make_folders};
use super::{CaseResult, Files, summary};
use crate::cli::Again;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::Control;
use crate::formats::source::write_whole;
use crate::job::{Answer, Input, Job, Output};
use crate::location::{shown, shown_path, url_of};
use crate::machine::Machine;
use crate::plan::policy::AUTO;
use crate::report::batch::{self as form, Status};
use crate::report::progress::Progress;
use crate::report::trace::{self, Event};
use crate::report::{self, PlanFacts};
use crate::run;
use crate::units;
use crate::workloads::{Context, Workload};

/// Failed cases that are told on stderr while the others run; the report has all of them.
const TOLD: usize = 20;

/// Warnings that the report of a batch lists; the JSON form has all of them, case by case.
const WARNINGS: usize = 10;

/// `hetero run <workload>` for a batch: runs all cases of `batch`, tells on stderr which fail, writes the report to `out`.
///
/// # Errors
/// What the batch ends in: see [`Error::Cases`] for failed cases, and [`super::run`] for what stops all of them.
pub fn command(
    workload: &dyn Workload,
    args: &ArgMatches,
    batch: &Batch,
    config: &Config,
    control: &Arc<Control>,
    out: &mut dyn Write,
) -> Result<()> {
    refuse(args, config)?;
    let cases = &batch.cases;
    if let Some(pattern) = args.get_raw("output").and_then(|mut values| values.next()) {
        make_folders(pattern, cases)?;
    }
    let there = |case: &&Case| !case.writes.is_empty() && case.writes.iter().all(|file| file.exists());
    let (skipped, wanted): (Vec<&Case>, Vec<&Case>) = if args.get_flag("skip-existing") {
        cases.iter().partition(there)
    } else {
        (Vec::new(), cases.iter().collect())
    };
    control.cases_total.store(wanted.len() as u64, Ordering::Relaxed);
    let bar = config.report.progress && std::io::stderr().is_terminal();
    let progress = Progress::start(control, config.report.progress);
    let files = Selected {
        workload,
        args,
        again: Mutex::new(Again::of(workload)),
        seed: config.run.seed,
        // A case of unknown size, such as one behind a URL, counts as its share of what may be read ahead.
        unknown: units::parse_bytes(&config.io.bytes).map_err(Error::Usage)? / config.io.cases as u64,
    };
    let config = &Config { io: config.io.with_threads(requests(&wanted, config)), ..config.clone() };
    let mut results: Vec<CaseResult> = Vec::new();
    let mut failed = 0;
    let ran = super::run(workload.name(), wanted.iter().copied(), &files, config, control, |result| {
        // A case alone ends in its own error.
        if let (Err(error), true) = (&result.result, cases.len() > 1) {
            failed += 1;
            if failed <= TOLD {
                // A progress bar is drawn anew after the line.
                let _ = writeln!(
                    std::io::stderr(),
                    "{}hetero: {}",
                    if bar { "\r\x1b[2K" } else { "" },
                    told(wanted[result.index], error)
                );
            }
            if failed == TOLD + 1 {
                let _ = writeln!(std::io::stderr(), "hetero: further failures are in the report");
            }
        }
        results.push(result);
    });
    drop(progress);
    let wall = ran.inspect_err(|_| {
        let done = results.iter().filter(|result| result.written).count();
        let goes_on = if args.contains_id("output") { "; --skip-existing goes on from there" } else { "" };
        let _ = writeln!(
            std::io::stderr(),
            "hetero: {done} of {} cases were delivered before the end{goes_on}",
            wanted.len()
        );
    })?;
    let errors: Vec<Error> = results.iter().filter_map(|result| result.result.clone().err()).collect();
    if let Some(path) = args.get_one::<std::path::PathBuf>("trace") {
        write_trace(&wanted, &results, path)?;
    }
    let report = report_of(workload, args, batch, &wanted, &skipped, results, wall, config);
    report::emit(out, &run::formatted(&report, config))?;
    run::warn(&report.warnings, config);
    summary::ends_in(&errors, cases.len())
}

/// Refuses what has no meaning beside other lanes.
fn refuse(args: &ArgMatches, config: &Config) -> Result<()> {
    let given = |id: &str| args.value_source(id) == Some(ValueSource::CommandLine);
    let repeated = given("runs") && config.run.runs > 1;
    let compared = given("baseline") && config.run.baseline != "none";
    for (id, meant) in [
        ("runs", repeated),
        ("baseline", compared),
        ("budget", given("budget")),
        ("regret", config.run.regret && given("regret")),
    ] {
        if meant {
            return Err(Error::Usage(format!(
                "--{id} measures, and the cases of a batch run once, beside reading and writing; give one input to measure"
            )));
        }
    }
    let backend = &config.run.backend;
    if backend == "all" || backend.contains(',') {
        return Err(Error::Usage(format!(
            "a batch runs each case on one backend, not on '{backend}'; name one, hybrid or auto with --backend"
        )));
    }
    Ok(())
}

/// Requests that read the inputs of `cases` at once; 0 where none is behind a URL.
fn requests(cases: &[&Case], config: &Config) -> usize {
    let afar = |case: &&Case| case.reads.iter().any(|path| url_of(path).is_some());
    if cases.iter().any(afar) { config.net.connections.min(config.io.cases).min(cases.len()) } else { 0 }
}

/// The line about a failed case: its error names the input, or the input is put before it.
fn told(case: &Case, error: &Error) -> String {
    let (name, text) = (shown_path(&case.input), error.to_string());
    if text.contains(&name) { text } else { format!("{name}: {text}") }
}

/// The files that the command line names.
struct Selected<'w> {
    workload: &'w dyn Workload,
    args: &'w ArgMatches,
    again: Mutex<Again>,
    seed: u64,
    unknown: u64,
}

impl<'w> Files for Selected<'w> {
    type Case = &'w Case;

    fn bytes(&self, case: &&'w Case) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
        let beside = case.reads.iter().filter(|path| **path != case.input).filter_map(|path| size(path));
        size(&case.input).unwrap_or(self.unknown).saturating_add(beside.sum())
    }

    fn read(&self, case: &&'w Case) -> Result<Box<dyn Job>> {
        let args = {
            let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
            again.with(self.args, &case.values)?
        };
        self.workload.prepare(&args, &Context { seed: self.seed })
    }

    fn write(&self, case: &&'w Case, job: &dyn Job, outputs: &[Output]) -> Result<()> {
        if let Some(path) = &case.output {
            job.save(outputs, path)?;
        }
        job.save_more(outputs)
    }
}

#[expect(clippy::too_many_arguments, reason = "each is one stage's result")]
fn report_of(
    workload: &dyn Workload,
    args: &ArgMatches,
    batch: &Batch,
    wanted: &[&Case],
    skipped: &[&Case],
    results: Vec<CaseResult>,
    wall: f64,
    config: &Config,
) -> report::Report {
    let headlines: &[&str] = workload
        .case_inputs()
        .iter()
        .find(|input| args.value_source(input.option) == Some(ValueSource::CommandLine))
        .map_or(&[], |input| input.headlines);
    let mut rows = Vec::new();
    let mut warnings: Vec<String> = Vec::new();
    let mut input = Input { items: 0, item: "item", source: batch.source.clone() };
    let mut cases: Vec<form::Case> = skipped.iter().map(|case| listed(case, Status::Skipped)).collect();
    for result in results {
        let case = wanted[result.index];
        let seconds = result.seconds();
        let CaseResult { computed, written, result, .. } = result;
        let status = match (written, &result) {
            (true, Ok(())) => Status::Delivered,
            (true, Err(_)) => Status::Partial,
            (false, _) => Status::Failed,
        };
        let mut row = form::Case {
            seconds,
            output: case.output.as_ref().filter(|_| written).map(|path| path.display().to_string()),
            error: result.as_ref().err().map(ToString::to_string),
            exit_code: result.as_ref().err().map_or(0, Error::exit_code),
            ..listed(case, status)
        };
        if let Some(computed) = computed {
            input.items += computed.input.items;
            input.item = computed.input.item;
            row.backend = Some(computed.row.facts.id.clone());
            row.items = Some(computed.input.items);
            row.verify = Some(computed.row.verification.clone());
            let line = |name: &&str| computed.answer.lines.iter().find(|(known, _)| known == name);
            row.headline = headlines.iter().find_map(line).map(|(_, value)| value.clone());
            row.result = computed.answer.json;
            warnings.extend(computed.warnings.iter().map(|warning| match warning.contains(&row.input) {
                true => warning.clone(),
                false => format!("{}: {warning}", row.input),
            }));
            row.warnings = computed.warnings;
            summary::add(&mut rows, &row.input, computed.row);
        }
        cases.push(row);
    }
    cases.sort_by_key(|case| case.index);
    if warnings.len() > WARNINGS {
        let more = warnings.len() - WARNINGS;
        warnings.truncate(WARNINGS);
        warnings.push(format!("and {more} more warnings, which the --json form has case by case"));
    }
    let batch = form::Batch::of(cases, config.io.readers, config.io.writers, wall);
    let inputs = report::Inputs {
        workload: workload.name().into(),
        command: std::env::args_os().map(|text| shown(&text.to_string_lossy())).collect(),
        seed: config.run.seed,
        machine: Machine::discover(),
        input,
        plan: PlanFacts {
            policy: config.run.backend.clone(),
            chosen: rows.iter().map(|row: &report::Row| row.facts.id.clone()).collect::<Vec<_>>().join(","),
            reason: if config.run.backend == AUTO { "decided for each case" } else { "named by the user" }.into(),
            ..PlanFacts::default()
        },
        rows,
        baselines: Vec::new(),
        skipped: Vec::new(),
        answer: answer(&batch),
        warnings,
    };
    report::Report { batch: Some(batch), ..report::build(inputs) }
}

/// A case of which nothing is known but its name.
fn listed(case: &Case, status: Status) -> form::Case {
    form::Case {
        index: case.number,
        input: shown_path(&case.input),
        output: None,
        status,
        backend: None,
        items: None,
        seconds: form::Seconds::default(),
        verify: None,
        result: Map::new(),
        headline: None,
        error: None,
        exit_code: 0,
        warnings: Vec::new(),
    }
}

/// How many cases ended how.
fn answer(batch: &form::Batch) -> Answer {
    let mut answer = Answer::default();
    let mut put = |name: &str, count: usize, always: bool| {
        answer.json.insert(name.into(), json!(count));
        if count > 0 || always {
            answer.lines.push((name.into(), units::grouped(count as u64)));
        }
    };
    put("cases", batch.cases.len(), true);
    put("delivered", batch.count(Status::Delivered), true);
    put("partial", batch.count(Status::Partial), false);
    put("failed", batch.count(Status::Failed), false);
    put("skipped", batch.count(Status::Skipped), false);
    answer
}

/// Writes when each thread of each lane worked on which case to `path`.
fn write_trace(cases: &[&Case], results: &[CaseResult], path: &Path) -> Result<()> {
    let mut rows: Vec<trace::Row> = Vec::new();
    let mut add = |lane: String, name: &str, start: f64, end: f64| {
        let event = Event { name: name.into(), start, end, args: json!({}) };
        match rows.iter_mut().find(|row| row.name == lane) {
            Some(row) => row.events.push(event),
            None => rows.push(trace::Row { run: "batch".into(), name: lane, events: vec![event] }),
        }
    };
    for result in results {
        let name = shown_path(&cases[result.index].input);
        if let Some(span) = result.spans.read {
            add(format!("read {}", span.thread), &name, span.start, span.end);
        }
        if let Some(span) = result.spans.compute {
            let verified = span.end - result.seconds().verify.unwrap_or(0.0);
            add("compute".into(), &name, span.start, verified);
            add("verify".into(), &name, verified, span.end);
        }
        if let Some(span) = result.spans.write {
            add(format!("write {}", span.thread), &name, span.start, span.end);
        }
    }
    let text = trace::json(&rows);
    write_whole(path, |w| w.write_all(text.as_bytes()).map_err(|e| Error::io(path, "write", &e)))
}
