//! The report on a terminal: what ran, how long it took, how much faster that is, where the time went, what came out.

use super::style::{Cell, Grid, Paint, Style, WIDTH, shorten, wrap};
use super::{PhaseRow, Report, Run, SOFTWARE, Speedup, plan};
use crate::backend::AdapterFacts;
use crate::job::Class;
use crate::machine::Machine;
use crate::measure::limit::Limit;
use crate::measure::stats::{Ratio, Verdict};
use crate::units::{bytes, error_size, grouped, plural, seconds, seconds_range, si};

/// The whole report as text for people.
#[must_use]
pub fn table(report: &Report, style: Style) -> String {
    let mut out = String::new();
    header(&mut out, report, style);
    times(&mut out, report, style);
    speedups(&mut out, report, style);
    phases(&mut out, report, style);
    for run in &report.runs {
        plan::shares(&mut out, &run.backend, &run.members, style);
    }
    if !report.plan.candidates.is_empty() {
        out.push('\n');
        out.push_str(&plan::receipt(&report.plan, style));
    }
    verifications(&mut out, report, style);
    result(&mut out, report, style);
    out
}

pub(super) fn header(out: &mut String, report: &Report, style: Style) {
    let input = &report.input;
    let name = style.paint(&style.clean(&report.workload), Paint::Head);
    let items = format!("{} {}", grouped(input.items), plural(input.item, input.items));
    // The name is painted after its width was counted.
    let rest = style.clean(&format!(": {items}, {}, seed {}", input.source, report.seed));
    out.push_str(&name);
    out.push_str(&shorten(&rest, WIDTH.saturating_sub(report.workload.chars().count()), style));
    out.push('\n');
    wrap(out, "machine  ", &style.clean(&machine(&report.machine)));
    plan::write(out, &report.plan, report.input.item, style);
}

/// One line about the machine.
pub(super) fn machine(machine: &Machine) -> String {
    let mut parts = vec![
        machine.cpu.clone(),
        format!("{} {}", machine.cores, plural("core", machine.cores as u64)),
        match machine.usable_threads {
            usable if usable == machine.threads => format!("{usable} {}", plural("thread", usable as u64)),
            usable => format!("{usable} of {} threads usable", machine.threads),
        },
        machine.simd.to_string(),
    ];
    parts.extend(machine.memory_bytes.map(bytes));
    parts.push(machine.os.clone());
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

/// `adapter (vulkan, driver): software adapter, not a GPU`.
pub(super) fn adapter(adapter: &AdapterFacts) -> String {
    let AdapterFacts { name, kind, api, driver, software } = adapter;
    let kind = if *software { SOFTWARE.to_string() } else { format!("{kind} GPU") };
    // The verdict on what it is comes first: a long name must not push it off the line.
    format!("{kind}: {name} ({api}, {driver})")
}

/// The heading of end-to-end times, with what their intervals cover: less than 95 % when there were few runs.
pub(super) fn interval_heading(report: &Report) -> String {
    let least = report.runs.iter().filter_map(|run| run.seconds).map(|s| s.coverage).fold(1.0, f64::min);
    match least {
        0.0 => "end to end".to_string(),
        least if least < 0.95 => format!("end to end [{:.0} %]", (100.0 * least).floor()),
        _ => "end to end [95 %]".to_string(),
    }
}

/// `elements`; `items` for an item with a long name.
pub(super) fn item_heading(report: &Report) -> String {
    plural(Some(report.input.item).filter(|item| item.len() <= 10).unwrap_or("item"), 2)
}

/// `elements/s`.
pub(super) fn rate_heading(report: &Report) -> String {
    format!("{}/s", item_heading(report))
}

fn times(out: &mut String, report: &Report, style: Style) {
    let rate = format!("-{}", rate_heading(report));
    let times_heading = interval_heading(report);
    let headings =
        ["backend", "-threads", "precision", &times_heading, "-runs", "-kernel only", rate.as_str(), "verified"];
    let mut grid = Grid::new(style, &headings);
    for run in &report.runs {
        let verified = match run.verify.passed() {
            true => Cell::painted("pass", Paint::Good),
            false => Cell::painted("FAIL", Paint::Bad),
        };
        let mut cells: Vec<Cell> =
            vec![run.backend.as_str().into(), run.threads.to_string().into(), run.precision.name().into()];
        match run.seconds {
            Some(all) => cells.extend([
                seconds_range(all.median, all.low, all.high).into(),
                all.n.to_string().into(),
                run.kernel_seconds.map_or_else(|| "-".into(), |kernel| seconds(kernel.median).into()),
                run.items_per_second.map_or_else(|| "-".into(), |rate| si(rate).into()),
            ]),
            None => cells.extend(["void".into(), "-".into(), "-".into(), "-".into()]),
        }
        cells.push(verified);
        grid.row(cells);
        if let Some(facts) = &run.adapter {
            grid.note(&adapter(facts), if facts.software { Paint::Warn } else { Paint::Plain });
        }
    }
    out.push('\n');
    grid.write(out);
}

/// `3.42x [3.31, 3.60]`: three digits, the interval's ends with as many decimals.
pub(super) fn ratio(r: &Ratio, times: &str) -> String {
    let decimals = decimals(r.ratio);
    format!("{:.decimals$}{times} [{:.decimals$}, {:.decimals$}]", r.ratio, r.low, r.high)
}

/// `3.42x` with three digits; `-` for a ratio that does not exist.
pub(super) fn factor(ratio: Option<f64>, times: &str) -> String {
    ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.*}{times}", decimals(ratio)))
}

/// Decimals that leave three digits (of a ratio below 0.001 fewer).
fn decimals(ratio: f64) -> usize {
    [99.95, 9.995, 0.9995, 0.09995, 0.009995].iter().position(|limit| ratio.abs() >= *limit).unwrap_or(5)
}

fn speedups(out: &mut String, report: &Report, style: Style) {
    let mut grid =
        Grid::new(style, &["speedup", "end to end [interval]", "verdict", "-time", "-baseline's", "-kernel only"]);
    let rows = speedup_rows(report);
    for row in &rows {
        let paint = match row.speedup.ratio.verdict {
            Verdict::Faster => Paint::Good,
            Verdict::Slower => Paint::Warn,
            Verdict::Same | Verdict::Unclear => Paint::Plain,
        };
        grid.row(vec![
            row.name.as_str().into(),
            ratio(&row.speedup.ratio, style.times()).into(),
            Cell::painted(row.speedup.ratio.verdict.word(), paint),
            row.time.as_str().into(),
            seconds(row.speedup.baseline_seconds).into(),
            factor(row.speedup.kernel_ratio, style.times()).into(),
        ]);
    }
    if !rows.is_empty() {
        out.push('\n');
        grid.write(out);
    }
}

/// A speedup as people read it.
pub(super) struct SpeedupRow<'r> {
    /// `gpu mixed vs cpu f64`; `gpu vs cpu` when both compute in the same precision.
    pub(super) name: String,
    /// Our own end-to-end median.
    pub(super) time: String,
    pub(super) speedup: &'r Speedup,
}

/// All speedups, but of two baselines against each other only the one that is at least 1.
pub(super) fn speedup_rows(report: &Report) -> Vec<SpeedupRow<'_>> {
    let mut rows = Vec::new();
    for run in &report.runs {
        for (name, speedup) in &run.speedup.0 {
            let other = report.runs.iter().find(|other| other.backend == *name);
            if speedup.ratio.ratio < 1.0 && other.is_some_and(|other| other.speedup.get(&run.backend).is_some()) {
                continue;
            }
            let (ours, theirs) = (run.precision, speedup.baseline_precision);
            let name = if ours == theirs {
                format!("{} vs {name}", run.backend)
            } else {
                format!("{} {} vs {name} {}", run.backend, ours.name(), theirs.name())
            };
            rows.push(SpeedupRow {
                name,
                time: run.seconds.map_or_else(|| "-".into(), |s| seconds(s.median)),
                speedup,
            });
        }
    }
    rows
}

/// The names and values of the phases, in order. Where steps are told apart they stand for the kernel, and the phases
/// of a device are left out.
pub(super) fn phase_list(row: &PhaseRow) -> Vec<(&'static str, f64)> {
    let PhaseRow { run, verify } = row;
    if run.steps.iter().next().is_some() {
        let mut list = vec![("open", run.open)];
        list.extend(run.steps.iter());
        list.extend([("merge", run.merge), ("verify", *verify)]);
        return list;
    }
    vec![
        ("open", run.open),
        ("compile", run.compile),
        ("upload", run.upload),
        ("kernel", run.kernel),
        ("download", run.download),
        ("merge", run.merge),
        ("verify", *verify),
    ]
}

/// The phases that head the columns of a report: those of its first row with times.
pub(super) fn phase_names(report: &Report) -> Vec<&'static str> {
    let first = report.runs.iter().find_map(|run| run.phases).unwrap_or_default();
    phase_list(&first).into_iter().map(|(name, _)| name).collect()
}

/// Spaces between two columns of a grid.
const GAP: usize = 2;

/// Phases side by side, a backend a line; below each other where a line would be too long.
fn phases(out: &mut String, report: &Report, style: Style) {
    // Backends with their phases and limits, as text.
    let rows = report.runs.iter().filter_map(|run| {
        let mut cells = vec![run.backend.clone()];
        cells.extend(phase_list(run.phases.as_ref()?).iter().map(|(_, value)| {
            // A phase that a backend does not have is not a fast one.
            if *value == 0.0 { "-".to_string() } else { seconds(*value) }
        }));
        cells.push(limit(run.limit.as_ref()));
        Some(cells)
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let names = phase_names(report);
    let labels = || ["phases"].into_iter().chain(names.iter().copied()).chain(["limit that binds"]);
    let texts = |cells: &[String]| cells.iter().map(|cell| cell.as_str().into()).collect();
    let widest = |(at, name): (usize, &str)| {
        let cells = rows.iter().filter_map(|cells| cells.get(at)).map(|cell| cell.chars().count());
        cells.chain([name.len()]).max().unwrap_or(0) + GAP
    };
    let grid = if labels().enumerate().map(widest).sum::<usize>() <= WIDTH + GAP {
        let headings: Vec<String> = labels().map(|name| format!("-{name}")).collect();
        let mut headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        // The first and the last column are words.
        for at in [0, headings.len() - 1] {
            headings[at] = &headings[at][1..];
        }
        let mut grid = Grid::new(style, &headings);
        rows.iter().for_each(|cells| grid.row(texts(cells)));
        grid
    } else {
        let headings: Vec<String> = rows.iter().map(|cells| format!("-{}", cells[0])).collect();
        let headings: Vec<&str> = ["phases"].into_iter().chain(headings.iter().map(String::as_str)).collect();
        let mut grid = Grid::new(style, &headings);
        for (at, name) in labels().enumerate().skip(1) {
            let cells: Vec<String> = rows.iter().filter_map(|cells| cells.get(at)).cloned().collect();
            grid.row([vec![name.into()], texts(&cells)].concat());
        }
        grid
    };
    out.push('\n');
    grid.write(out);
}

/// `bandwidth 34 %`, or `not measured`.
pub(super) fn limit(limit: Option<&Limit>) -> String {
    limit.map_or_else(
        || "not measured".into(),
        |limit| {
            let percent = 100.0 * limit.fraction;
            let decimals = usize::from(percent < 9.95);
            format!("{} {percent:.decimals$} %", limit.binding.word())
        },
    )
}

pub(super) fn verifications(out: &mut String, report: &Report, style: Style) {
    out.push('\n');
    for run in &report.runs {
        let paint = if run.verify.passed() { Paint::Good } else { Paint::Bad };
        let word = if run.verify.passed() { "pass" } else { "FAIL" };
        let first = format!("verified {} ", run.backend);
        let mut line = String::new();
        wrap(&mut line, &first, &style.clean(&format!("{word}: {}", verification(run))));
        out.push_str(&line.replacen(word, &style.paint(word, paint), 1));
    }
}

/// What was compared, and how close it came.
pub(super) fn verification(run: &Run) -> String {
    let verify = &run.verify;
    if let Some(why) = &verify.first_bad {
        return format!("{why}; its times are void");
    }
    let check = &verify.independent;
    let checked = format!("{}: {} of {} allowed", check.what, error_size(check.error), error_size(check.bound));
    if verify.values == 0 && verify.items > 0 && verify.class != Class::Residual {
        return format!("all {} items looked at; {checked}", grouped(verify.checked));
    }
    let compared = match verify.class {
        Class::Residual => "every solution by its residual".to_string(),
        _ => format!("{} of {} items recomputed", grouped(verify.checked), grouped(verify.items)),
    };
    let close = match verify.class {
        Class::Exact => "all equal".to_string(),
        Class::Bounded => {
            format!("largest deviation {} of {} allowed", error_size(verify.max_abs), error_size(verify.bound))
        }
        Class::Residual => "all finite".to_string(),
    };
    format!("{compared}, {close}; {checked}")
}

pub(super) fn result(out: &mut String, report: &Report, style: Style) {
    if report.result_lines.is_empty() {
        return;
    }
    out.push('\n');
    let width = report.result_lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in &report.result_lines {
        let space = " ".repeat(width - name.chars().count() + 2);
        wrap(out, &style.clean(&format!("{name}{space}")), &style.clean(value));
    }
}

/// What the user should know, as text for stderr: the forms that are results alone leave it to that.
#[must_use]
pub fn warnings(warnings: &[String], style: Style) -> String {
    let mut out = String::new();
    for warning in warnings {
        let mut line = String::new();
        wrap(&mut line, "warning: ", &style.clean(warning));
        out.push_str(&line.replacen("warning:", &style.paint("warning:", Paint::Warn), 1));
    }
    out
}
