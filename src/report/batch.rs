//! The report of a batch: what became of each case and how long each lane worked, and the forms that have a row a case.

use std::fmt::Write;

use serde::Serialize;

use super::csv::{line, number};
use super::markdown::{self, row, text};
use super::style::{Cell, Grid, Paint, Style, shorten, wrap};
use super::{Report, table};
use crate::measure::verify::Verification;
use crate::units::{grouped, plural, seconds};

/// Rows of cases that a table has at most; the other forms have all of them.
const ROWS: usize = 40;

/// Of those, rows that are kept for cases that failed.
const FAILED_ROWS: usize = 20;

/// Characters of an input's name in a table, and of its headline: with everything between a line of a table.
const INPUT: usize = 22;
const HEADLINE: usize = 18;

/// What a report of a batch has besides the rest. In the JSON report these are the fields `cases` and `lanes`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Batch {
    /// Every case, in the order of the inputs.
    pub cases: Vec<Case>,
    /// How long the lanes worked.
    pub lanes: Lanes,
}

/// What became of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Computed, verified, written.
    Delivered,
    /// The same, but some of its items have no answer.
    Partial,
    /// No answer, or a wrong one: nothing was written.
    Failed,
    /// Its output was there before.
    Skipped,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Case {
    /// Its number, from 1.
    pub index: usize,
    /// The input.
    pub input: String,
    /// Where the answer was written, if it was.
    pub output: Option<String>,
    /// What became of it.
    pub status: Status,
    /// The backend that computed it.
    pub backend: Option<String>,
    /// Items of its input.
    pub items: Option<u64>,
    /// Seconds that each stage took; `null` where it did not come that far.
    pub seconds: Seconds,
    /// Whether the answer is right.
    pub verify: Option<Verification>,
    /// The answer: what `result` is in the report of a single job.
    pub result: serde_json::Map<String, serde_json::Value>,
    /// The line of it that tells most, for people.
    #[serde(skip)]
    pub headline: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// The exit code that this would have alone.
    pub exit_code: u8,
    /// What the user should know of it.
    pub warnings: Vec<String>,
}

/// Seconds of the stages of a case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// Reading, parsing, preparing.
    pub read: Option<f64>,
    /// Computing: opening a backend the first time, compiling what is new, chunks, the answer.
    pub compute: Option<f64>,
    /// Verifying.
    pub verify: Option<f64>,
    /// Writing.
    pub write: Option<f64>,
}

/// How long the lanes worked. Their times are those beside the other lanes: what each would need alone is less.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lanes {
    /// Reading.
    pub read: Lane,
    /// Computing.
    pub compute: Lane,
    /// Verifying: by the thread that computes.
    pub verify: Lane,
    /// Writing.
    pub write: Lane,
    /// From the first read to the last write.
    pub wall_seconds: f64,
    /// The lane that worked longest; verifying counts as computing.
    pub longest: &'static str,
    /// Seconds that it worked: the least that the batch could have taken.
    pub longest_seconds: f64,
    /// `wall_seconds / longest_seconds`: 1 when all other work was hidden behind the longest lane.
    pub overlap: f64,
}

/// One lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Lane {
    /// Its threads.
    pub threads: usize,
    /// Seconds that they worked, all together.
    pub busy_seconds: f64,
}

impl Batch {
    /// The report's part for these cases, read by `readers` and written by `writers` threads in `wall` seconds.
    #[must_use]
    pub fn of(cases: Vec<Case>, readers: usize, writers: usize, wall: f64) -> Self {
        let sum = |of: fn(&Seconds) -> Option<f64>| cases.iter().filter_map(|case| of(&case.seconds)).sum::<f64>();
        let lane = |threads, busy_seconds| Lane { threads, busy_seconds };
        let read = lane(readers, sum(|s| s.read));
        let compute = lane(1, sum(|s| s.compute));
        let verify = lane(1, sum(|s| s.verify));
        let write = lane(writers, sum(|s| s.write));
        let each = |lane: Lane| lane.busy_seconds / lane.threads.max(1) as f64;
        let all = [("read", each(read)), ("compute", each(compute) + each(verify)), ("write", each(write))];
        let longest = all.into_iter().fold(("read", 0.0), |most, lane| if lane.1 > most.1 { lane } else { most });
        let (longest, longest_seconds) = longest;
        let overlap = wall / longest_seconds;
        Self {
            cases,
            lanes: Lanes { read, compute, verify, write, wall_seconds: wall, longest, longest_seconds, overlap },
        }
    }

    /// How many cases ended so.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.cases.iter().filter(|case| case.status == status).count()
    }

    /// The cases that a table shows: all, or of many those that failed, as far as they are few, and the first others.
    fn shown(&self) -> Vec<&Case> {
        if self.cases.len() <= ROWS {
            return self.cases.iter().collect();
        }
        let failed = |case: &&Case| case.exit_code != 0;
        let mut shown: Vec<&Case> = self.cases.iter().filter(failed).take(FAILED_ROWS).collect();
        let others = self.cases.iter().filter(|case| !failed(case)).take(ROWS - shown.len());
        shown.extend(others.collect::<Vec<_>>());
        shown.sort_by_key(|case| case.index);
        shown
    }
}

/// The lanes and the cases, for people.
pub(super) fn write_table(out: &mut String, report: &Report, batch: &Batch, style: Style) {
    lanes(out, &batch.lanes, style);
    cases(out, report, batch, style);
}

fn lanes(out: &mut String, lanes: &Lanes, style: Style) {
    let mut grid = Grid::new(style, &["lane", "-threads", "-busy", "-share of the wall time"]);
    for (name, lane) in
        [("read", lanes.read), ("compute", lanes.compute), ("verify", lanes.verify), ("write", lanes.write)]
    {
        let share = 100.0 * lane.busy_seconds / lane.threads.max(1) as f64 / lanes.wall_seconds;
        let share = if share.is_finite() { format!("{share:.0} %") } else { "-".into() };
        grid.row(vec![name.into(), lane.threads.to_string().into(), seconds(lane.busy_seconds).into(), share.into()]);
    }
    out.push('\n');
    grid.write(out);
    wrap(out, "", &in_words(lanes, style.times()));
}

/// `wall time 12.1 s, 1.03x the longest lane (write)`.
fn in_words(lanes: &Lanes, times: &str) -> String {
    let overlap = if lanes.overlap.is_finite() { format!("{:.2}{times}", lanes.overlap) } else { "-".into() };
    format!(
        "wall time {}, {overlap} the longest lane ({}, {})",
        seconds(lanes.wall_seconds),
        lanes.longest,
        seconds(lanes.longest_seconds)
    )
}

fn cases(out: &mut String, report: &Report, batch: &Batch, style: Style) {
    let items = format!("-{}", table::item_heading(report));
    let mut grid = Grid::new(style, &["case", &items, "-read", "-compute", "-verify", "-write", "verified", "result"]);
    let shown = batch.shown();
    for case in &shown {
        let time = |value: Option<f64>| value.map_or_else(|| "-".to_string(), seconds).into();
        let verified = match verdict(case) {
            Verdict::Skipped => Cell::from("skipped"),
            Verdict::None => "-".into(),
            Verdict::Pass => Cell::painted("pass", Paint::Good),
            Verdict::Fail => Cell::painted("FAIL", Paint::Bad),
        };
        let Seconds { read, compute, verify, write } = case.seconds;
        grid.row(vec![
            // The end of a path tells more than its beginning.
            tail(&case.input, INPUT, style).into(),
            case.items.map_or_else(|| "-".into(), grouped).into(),
            time(read),
            time(compute),
            time(verify),
            time(write),
            verified,
            case.headline.as_ref().map_or_else(String::new, |text| shorten(text, HEADLINE, style)).into(),
        ]);
        if let Some(error) = &case.error {
            // The input stands at the beginning of the line above.
            let why = error.strip_prefix(&case.input).unwrap_or(error);
            grid.note(why.strip_prefix(": ").unwrap_or(why), Paint::Bad);
        }
    }
    out.push('\n');
    grid.write(out);
    if shown.len() < batch.cases.len() {
        let more = batch.cases.len() - shown.len();
        let _ = writeln!(
            out,
            "and {more} more, without failure in the first {FAILED_ROWS}: --json and --csv list them all"
        );
    }
}

/// What stands under `verified`.
enum Verdict {
    Skipped,
    None,
    Pass,
    Fail,
}

fn verdict(case: &Case) -> Verdict {
    match &case.verify {
        _ if case.status == Status::Skipped => Verdict::Skipped,
        None => Verdict::None,
        Some(verify) if verify.passed() => Verdict::Pass,
        Some(_) => Verdict::Fail,
    }
}

/// The last `width` characters of `text`.
fn tail(text: &str, width: usize, style: Style) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_string();
    }
    let mark = if style.ascii { "..." } else { "…" };
    mark.to_string() + &text.chars().skip(length - width + mark.chars().count()).collect::<String>()
}

/// One line a case, with the numbers and texts at the top of its `result` as columns of their own (`result_elements`).
pub(super) fn csv(report: &Report, batch: &Batch) -> String {
    let mut keys: Vec<&String> = Vec::new();
    for (key, value) in batch.cases.iter().flat_map(|case| &case.result) {
        if !value.is_object() && !value.is_array() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut out = String::new();
    let fixed = [
        "workload",
        "index",
        "input",
        "output",
        "status",
        "backend",
        "items",
        "item",
        "read_seconds",
        "compute_seconds",
        "verify_seconds",
        "write_seconds",
        "verify",
        "class",
        "checked",
        "max_abs",
        "bound",
        "exit_code",
        "error",
    ];
    let columns: Vec<String> = keys.iter().map(|key| format!("result_{key}")).collect();
    line(&mut out, fixed.into_iter().chain(columns.iter().map(String::as_str)));
    for case in &batch.cases {
        let verify = case.verify.as_ref();
        let of = |text: fn(&Verification) -> String| verify.map_or_else(String::new, text);
        let Seconds { read, compute, verify: verifying, write } = case.seconds;
        let mut fields = vec![
            report.workload.clone(),
            case.index.to_string(),
            case.input.clone(),
            case.output.clone().unwrap_or_default(),
            format!("{:?}", case.status).to_lowercase(),
            case.backend.clone().unwrap_or_default(),
            case.items.map_or_else(String::new, |items| items.to_string()),
            report.input.item.to_string(),
            number(read),
            number(compute),
            number(verifying),
            number(write),
            of(|verify| if verify.passed() { "pass" } else { "fail" }.into()),
            of(|verify| format!("{:?}", verify.class).to_lowercase()),
            of(|verify| verify.checked.to_string()),
            of(|verify| number(Some(verify.max_abs))),
            of(|verify| number(Some(verify.bound))),
            case.exit_code.to_string(),
            case.error.clone().unwrap_or_default(),
        ];
        fields.extend(keys.iter().map(|key| match case.result.get(*key) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }));
        line(&mut out, fields.iter().map(String::as_str));
    }
    out
}

/// As Markdown: the lanes in a sentence and a row a case, then what every report has.
pub(super) fn markdown(report: &Report, batch: &Batch) -> String {
    let mut out = String::new();
    markdown::head(&mut out, report);
    write_markdown(&mut out, report, batch);
    markdown::body(&mut out, report);
    out
}

fn write_markdown(out: &mut String, report: &Report, batch: &Batch) {
    let _ = writeln!(out, "{}\n", in_words(&batch.lanes, "x"));
    row(out, &["case", &table::item_heading(report), "read", "compute", "verify", "write", "verified", "result"]);
    row(out, &["---", "--:", "--:", "--:", "--:", "--:", "---", "---"]);
    let time = |value: Option<f64>| value.map_or_else(|| "-".to_string(), seconds);
    for case in &batch.cases {
        let verified = match verdict(case) {
            Verdict::Skipped => "skipped",
            Verdict::None => "-",
            Verdict::Pass => "pass",
            Verdict::Fail => "**FAIL**",
        };
        let result = case.error.as_ref().or(case.headline.as_ref()).map_or_else(String::new, |result| text(result));
        let Seconds { read, compute, verify, write } = case.seconds;
        row(
            out,
            &[
                &text(&case.input),
                &case.items.map_or_else(|| "-".into(), grouped),
                &time(read),
                &time(compute),
                &time(verify),
                &time(write),
                verified,
                &result,
            ],
        );
    }
    out.push('\n');
}

/// The whole table of a batch: its own parts between those that every report has.
pub(super) fn table(report: &Report, batch: &Batch, style: Style) -> String {
    let mut out = String::new();
    table::header(&mut out, report, style);
    for run in &report.runs {
        let adapter = run.adapter.as_ref().map_or_else(String::new, |facts| format!(" on {}", table::adapter(facts)));
        let threads = format!("{} {}", run.threads, plural("thread", run.threads as u64));
        let how = format!("{} in {} with {threads}{adapter}", run.backend, run.precision.name());
        wrap(&mut out, "backend  ", &style.clean(&how));
    }
    write_table(&mut out, report, batch, style);
    table::verifications(&mut out, report, style);
    table::result(&mut out, report, style);
    out
}

#[cfg(test)]
mod tests;
