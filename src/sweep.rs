//! `hetero compare`: one workload on generated inputs of several sizes, on several backends. Each (size, backend) goes
//! through [`run::measure`] like any run; what comes out is put together by [`report::sweep`].

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ArgMatches;

use crate::backend::{self, BACKENDS};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::Control;
use crate::formats::source::write_whole;
use crate::job::Job;
use crate::machine::Machine;
use crate::measure::sampler::Rule;
use crate::report::progress::Progress;
use crate::report::sweep::{self, Inputs, Point, Rules, Saved, Sweep};
use crate::report::{self, html};
use crate::units::{self, grouped};
use crate::workloads::{self, Context, Workload};
use crate::{backend::Phases, run};

pub mod sizes;

/// Further measurements of a row that changed against an earlier comparison.
const CONFIRMATIONS: usize = 2;

/// The pause before each of them, in seconds, so that one disturbance does not meet all of a row's measurements. Chosen
/// as what a user may wait, not tuned: what lasts for minutes is met again.
const PAUSE_SECONDS: f64 = 3.0;

/// What a user asked for.
struct Request {
    workload: &'static dyn Workload,
    variant: String,
    sizes: Vec<u64>,
    backends: Vec<String>,
}

impl Request {
    fn read(args: &ArgMatches) -> Result<Self> {
        let text = |id: &str| args.get_one::<String>(id).map(String::as_str);
        let workload = workloads::find(text("workload").expect("clap requires it"))?;
        let variants = workload.variants()?;
        let first = variants.first().cloned().unwrap_or_default();
        let variant = text("variant").map_or(first, str::to_string);
        if !variants.contains(&variant) {
            let why = format!("{} has no variant '{variant}'; there are: {}", workload.name(), variants.join(", "));
            return Err(Error::Usage(why));
        }
        let sizes = sizes::parse(text("sizes").expect("it has a default"), args.get_one("points").copied())?;
        let everything = || BACKENDS.iter().map(|entry| entry.name.to_string()).collect();
        let backends = text("backends").map_or_else(|| Ok(everything()), run::names)?;
        Ok(Self { workload, variant, sizes, backends })
    }

    /// The backend that the others are compared with: the processors' pool, or else the first one.
    fn baseline(&self) -> &str {
        let pool = self.backends.iter().find(|id| *id == backend::cpu::ENTRY.name);
        pool.unwrap_or(&self.backends[0])
    }
}

/// `hetero compare <workload>`: measures, writes the comparison to `out` and to the files that were asked for.
///
/// # Errors
/// Whatever stops it. A failed verification, a failed device or (with `--fail-if slower`) a row that became slower is
/// the error after everything was printed; with a failed verification nothing is saved for later comparisons.
pub fn command(args: &ArgMatches, config: &Config, control: &Arc<Control>, out: &mut dyn Write) -> Result<()> {
    let request = Request::read(args)?;
    let file = |id: &str| args.get_one::<PathBuf>(id).map(PathBuf::as_path);
    let (save, page, earlier) = (file("save"), file("html"), file("against"));
    // What can be known to fail fails before the measurements.
    if save.is_some() && save == page {
        return Err(Error::Usage("--save and --html name the same file".into()));
    }
    for path in [save, page].into_iter().flatten() {
        check_folder(path)?;
    }
    let before = earlier.map(|path| read_saved(path, &request)).transpose()?;
    let progress = Progress::start(control, config.report.progress);
    let (mut inputs, mut failed) = measure(&request, config, control)?;
    let against = |inputs: &Inputs| {
        let mut comparison = sweep::build(inputs.clone());
        if let (Some(path), Some(before)) = (earlier, &before) {
            comparison.against = Some(sweep::against::against(&comparison, before, &path.display().to_string()));
        }
        comparison
    };
    let mut comparison = against(&inputs);
    for _ in 0..CONFIRMATIONS {
        let changed = comparison.changed();
        if changed.is_empty() {
            break;
        }
        confirm(&request, &changed, &mut inputs, &mut failed, config, control)?;
        comparison = against(&inputs);
    }
    drop(progress);
    let wrong = inputs.points.iter().find_map(|point| {
        let who = format!("{} at {}", point.facts.id, grouped(point.items));
        point.verification.error(&who)
    });
    report::emit(out, &form(&comparison, config))?;
    run::warn(&comparison.warnings, config);
    if let Some(against) = &comparison.against {
        run::warn(&against.warnings, config);
    }
    if let Some(path) = page {
        write_text(path, &html::page(&comparison))?;
    }
    if let Some(path) = save.filter(|_| wrong.is_none()) {
        write_text(path, &sweep::forms::json(&comparison))?;
    }
    let slower = comparison.against.as_ref().map(sweep::Against::slower).unwrap_or_default();
    let slower = (args.contains_id("fail-if") && !slower.is_empty()).then(|| Error::Slower(slower.join("; ")));
    wrong.or(failed).or(slower).map_or(Ok(()), Err)
}

fn form(comparison: &Sweep, config: &Config) -> String {
    match config.report.format.as_str() {
        "json" => sweep::forms::json(comparison),
        "csv" => sweep::forms::csv(comparison),
        "markdown" => sweep::forms::markdown(comparison),
        _ => sweep::table::table(comparison, run::style(config.report.ascii)),
    }
}

/// Refuses a file whose folder is not there, before minutes of measurements are lost.
fn check_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match () {
        () if path.is_dir() => Err(Error::Resource(format!("{}: is a folder; name a file", path.display()))),
        () if !folder.is_dir() => {
            Err(Error::Resource(format!("{}: there is no folder {}", path.display(), folder.display())))
        }
        () => Ok(()),
    }
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    write_whole(path, |file| file.write_all(text.as_bytes()).map_err(|e| Error::io(path, "write", &e)))
}

/// Reads what `--against` names.
fn read_saved(path: &Path, request: &Request) -> Result<Saved> {
    use std::io::Read;
    let most = sweep::against::MOST_BYTES;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    if read.map_err(|e| Error::io(path, "read", &e))? as u64 > most {
        let why = format!("larger than {}, which no saved comparison is", units::bytes(most));
        return Err(Error::input(path, why));
    }
    let saved = Saved::parse(path, &bytes)?;
    saved.check_job(path, request.workload.name(), &request.variant)?;
    Ok(saved)
}

/// Measures every size on every backend. What cannot run is listed; the second value is the first device that failed
/// while it ran.
fn measure(request: &Request, config: &Config, control: &Control) -> Result<(Inputs, Option<Error>)> {
    let Request { workload, variant, sizes, backends } = request;
    let (first, second) = passes(Rule::from(&config.run));
    let mut inputs = Inputs {
        workload: workload.name().into(),
        variant: variant.clone(),
        command: std::env::args_os().map(|text| text.to_string_lossy().into_owned()).collect(),
        seed: config.run.seed,
        machine: Machine::discover(),
        item: String::new(),
        rules: Rules {
            runs: Rule::from(&config.run),
            passes: if second.is_some() { 2 } else { 1 },
            row_limit_seconds: config.run.baseline_limit,
        },
        sizes: sizes.clone(),
        baseline: request.baseline().into(),
        points: Vec::new(),
        skipped: Vec::new(),
        warnings: Vec::new(),
    };
    let (mut failed, mut refused) = (None, None);
    let mut dead: Vec<&str> = Vec::new();
    let mut largest = 0;
    for &size in sizes {
        let job = match generate(request, size, config, control) {
            Ok(job) => job,
            Err(error @ Error::Resource(_)) => {
                inputs.skipped.push((None, size, error.to_string()));
                refused.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        let input = job.input();
        if input.items <= largest {
            let why = format!("{variant} is not generated with more than {} items", grouped(largest));
            inputs.skipped.push((None, size, why));
            continue;
        }
        largest = input.items;
        inputs.item = input.item.into();
        for warning in job.warnings() {
            if !inputs.warnings.contains(&warning) {
                inputs.warnings.push(warning);
            }
        }
        for id in backends {
            if dead.contains(&id.as_str()) {
                continue;
            }
            let error = match point(job.as_ref(), size, id, first, &inputs, config, control) {
                Ok(point) => {
                    inputs.points.push(point);
                    continue;
                }
                Err(error) => error,
            };
            let why = match &error {
                Error::Unavailable { why, .. } | Error::Resource(why) => why.clone(),
                Error::Device { why, .. } => format!("{why}; larger sizes were not tried"),
                _ => return Err(error),
            };
            inputs.skipped.push((Some(id.clone()), size, why));
            if matches!(error, Error::Device { .. }) {
                dead.push(id);
                failed.get_or_insert(error);
            } else {
                refused.get_or_insert(error);
            }
        }
    }
    if inputs.points.is_empty() {
        let why = sweep::group(inputs.skipped).iter().map(|skip| skip.text(sizes)).collect::<Vec<_>>().join("; ");
        return Err(match failed.or(refused) {
            Some(Error::Device { .. }) => Error::Device { backend: backends.join(","), why },
            Some(Error::Unavailable { .. }) => Error::Unavailable { backend: backends.join(","), why },
            _ => Error::Resource(why),
        });
    }
    if let Some(rule) = second {
        let all: Vec<usize> = (0..inputs.points.len()).collect();
        let add = |point: &mut Point, runs| point.samples.extend(runs);
        again(request, rule, ("the second pass", &all), add, &mut inputs, &mut failed, config, control)?;
    }
    Ok((inputs, failed))
}

/// The runs of a row in two halves, one for each pass over all rows; a single run is not halved.
fn passes(rule: Rule) -> (Rule, Option<Rule>) {
    let half = |up: u32| Rule {
        runs: rule.runs.map(|runs| (runs + up) / 2),
        min_runs: (rule.min_runs + up) / 2,
        max_runs: (rule.max_runs + up) / 2,
        budget_seconds: 0.5 * rule.budget_seconds,
        warm_up: rule.warm_up,
    };
    let more = rule.runs.map_or(rule.max_runs > 1, |runs| runs > 1);
    // The least number of runs is kept whichever pass stops at it.
    (half(1), more.then(|| Rule { min_runs: half(0).min_runs.max(1), ..half(0) }))
}

/// Measures the rows that `changed` once more, after a pause. Their new runs do not join the earlier ones: each
/// measurement is held against the earlier comparison by itself.
fn confirm(
    request: &Request,
    changed: &[usize],
    inputs: &mut Inputs,
    failed: &mut Option<Error>,
    config: &Config,
    control: &Control,
) -> Result<()> {
    control.stage("a pause, then the rows that changed once more");
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < PAUSE_SECONDS {
        control.proceed()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    let rule = Rule::from(&config.run);
    let add = |point: &mut Point, runs| point.again.push(runs);
    again(request, rule, ("a further pass over changed rows", changed), add, inputs, failed, config, control)
}

/// A further pass, `(its name, the rows)`: measures those rows of `inputs` again and hands their runs to `add`. What
/// disturbs a machine for some seconds shows between passes, as scatter, and not as a row that is certainly slow.
#[expect(clippy::too_many_arguments, reason = "what a first pass takes, and what is different in a further one")]
fn again(
    request: &Request,
    rule: Rule,
    (pass, rows): (&str, &[usize]),
    add: impl Fn(&mut Point, Vec<Phases>),
    inputs: &mut Inputs,
    failed: &mut Option<Error>,
    config: &Config,
    control: &Control,
) -> Result<()> {
    let mut dead: Vec<String> = Vec::new();
    for &size in &request.sizes {
        let due: Vec<usize> = rows.iter().copied().filter(|row| inputs.points[*row].size == size).collect();
        if due.is_empty() {
            continue;
        }
        let job = generate(request, size, config, control)?;
        for row in due {
            let point = &mut inputs.points[row];
            let id = &point.facts.id;
            if dead.contains(id) {
                continue;
            }
            match run::measure(job.as_ref(), id, rule, config, control) {
                Ok(measured) => {
                    if point.verification.passed() {
                        point.verification = measured.verification;
                    }
                    add(point, measured.samples.phases);
                }
                Err(error @ Error::Device { .. }) => {
                    let size = grouped(point.items);
                    inputs.warnings.push(format!("{error}, in {pass}; from {size} on it has fewer runs"));
                    dead.push(id.clone());
                    failed.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// The job of one size. Generators use the threads that the cpu backend has.
fn generate(request: &Request, size: u64, config: &Config, control: &Control) -> Result<Box<dyn Job>> {
    control.stage(&format!("generating {}", grouped(size)));
    let context = Context { seed: config.run.seed };
    let pool = backend::cpu::pool(&config.backend_options())?;
    let job = pool.install(|| request.workload.sized_variant(size, &request.variant, &context))?;
    control.proceed()?;
    Ok(job)
}

/// Measures one backend at one size. An [`Error::Resource`] stands for whatever keeps a row from being measured without
/// being wrong: too little memory, too long a run.
fn point(
    job: &dyn Job,
    size: u64,
    id: &str,
    rule: Rule,
    so_far: &Inputs,
    config: &Config,
    control: &Control,
) -> Result<Point> {
    let items = job.input().items;
    control.stage(&format!("{id}: how long would it take?"));
    let predicted = if backend::parse(id)?.0.device {
        let smaller = so_far.points.iter().filter(|point| point.facts.id == id);
        extrapolate(smaller.filter_map(|point| Some((point.items as f64, median(&point.samples)?))), items as f64)
    } else {
        run::predict(job, id, config, control)?
    };
    if predicted > config.run.baseline_limit {
        return Err(Error::Resource(format!(
            "predicted {} a run, above the limit of {} (run.baseline_limit)",
            units::seconds(predicted),
            units::seconds(config.run.baseline_limit)
        )));
    }
    let measured = run::measure(job, id, rule, config, control)?;
    Ok(Point {
        size,
        items,
        facts: measured.facts,
        precision: measured.precision,
        pinned: measured.pinned,
        open: measured.open,
        compile: measured.compile.iter().sum(),
        samples: measured.samples.phases,
        again: Vec::new(),
        verification: measured.verification,
    })
}

fn median(samples: &[Phases]) -> Option<f64> {
    let totals: Vec<f64> = samples.iter().map(Phases::total).collect();
    crate::measure::stats::Summary::of(&totals).map(|summary| summary.median)
}

/// Seconds at `items` from the two largest sizes so far, `(items, seconds)` ascending: a fixed cost and a rate. 0 when
/// there are fewer than two: a device's start-up cost alone says nothing about its rate.
fn extrapolate(smaller: impl DoubleEndedIterator<Item = (f64, f64)>, items: f64) -> f64 {
    let mut last = smaller.rev();
    let (Some((n2, t2)), Some((n1, t1))) = (last.next(), last.next()) else { return 0.0 };
    t2 + ((t2 - t1) / (n2 - n1)).max(0.0) * (items - n2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_passes_make_as_many_runs_as_one_would() {
        for runs in 1..8 {
            let (first, second) = passes(Rule { runs: Some(runs), ..Rule::default() });
            assert_eq!(first.runs.unwrap() + second.map_or(0, |rule| rule.runs.unwrap()), runs);
        }
        let (first, second) = passes(Rule::default());
        let second = second.unwrap();
        assert_eq!((first.min_runs + second.min_runs, first.max_runs + second.max_runs), (5, 30));
        assert_eq!(first.budget_seconds + second.budget_seconds, Rule::default().budget_seconds);
        assert_eq!(passes(Rule { min_runs: 1, max_runs: 1, ..Rule::default() }).1, None);
    }

    #[test]
    fn a_device_is_predicted_from_its_fixed_cost_and_its_rate() {
        let line = |n: f64| (n, 0.02 + 1e-8 * n);
        let predicted = extrapolate([line(1e3), line(1e6), line(1e7)].into_iter(), 1e9);
        assert!((predicted - line(1e9).1).abs() < 1e-9, "{predicted}");
        assert_eq!(extrapolate([line(1e3)].into_iter(), 1e9), 0.0);
        assert_eq!(
            extrapolate([(1.0, 0.2), (2.0, 0.1)].into_iter(), 100.0),
            0.1,
            "noise does not predict less than nothing"
        );
    }
}
