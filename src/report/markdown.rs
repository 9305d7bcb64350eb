//! The Markdown form: for issues, wikis and papers.

use std::fmt::Write;

use super::style::Style;
use super::table::{
    SpeedupRow, adapter, factor, interval_heading, limit, machine, rate_heading, ratio, speedup_rows, verification,
};
use super::{Report, Run};
use crate::units::{grouped, plural, seconds, seconds_range, si};

/// The report as Markdown: a table of backends, a table of speedups, the verifications, the result, the warnings.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    head(&mut out, report);
    body(&mut out, report);
    out
}

/// What ran, and where.
pub(super) fn head(out: &mut String, report: &Report) {
    let input = &report.input;
    let items = plural(input.item, input.items);
    let _ = writeln!(out, "### {}: {} {items}\n", text(&report.workload), grouped(input.items));
    let source = text(&input.source);
    let _ = writeln!(out, "{source}, seed {}, hetero {}  ", report.seed, report.version);
    let _ = writeln!(out, "{}\n", text(&machine(&report.machine)));
}

/// The tables of all backends, and what follows them.
pub(super) fn body(out: &mut String, report: &Report) {
    let rate = rate_heading(report);
    let times_heading = interval_heading(report);
    row(out, &["backend", "threads", "precision", &times_heading, "kernel only", &rate, "limit", "verified"]);
    row(out, &["---", "--:", "---", "--:", "--:", "--:", "---", "---"]);
    for run in &report.runs {
        times(out, run);
    }
    let speedups = speedup_rows(report);
    if !speedups.is_empty() {
        out.push('\n');
        row(out, &["speedup", "end to end [interval]", "verdict", "time", "baseline's", "kernel only"]);
        row(out, &["---", "--:", "---", "--:", "--:", "--:"]);
        for SpeedupRow { name, time, speedup } in &speedups {
            let verdict = speedup.ratio.verdict.word();
            let (all, kernel) = (ratio(&speedup.ratio, "x"), factor(speedup.kernel_ratio, "x"));
            row(out, &[name, &all, verdict, time, &seconds(speedup.baseline_seconds), &kernel]);
        }
    }
    out.push('\n');
    for run in &report.runs {
        let word = if run.verify.passed() { "verified" } else { "**failed**" };
        let _ = writeln!(out, "- {} {word}: {}", run.backend, text(&verification(run)));
    }
    for (name, value) in &report.result_lines {
        let _ = writeln!(out, "- {}: {}", text(name), text(value));
    }
    for warning in &report.warnings {
        let _ = writeln!(out, "- warning: {}", text(warning));
    }
}

pub(super) fn row(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// `value` on one line, with nothing that Markdown or HTML would take for markup.
pub(super) fn text(value: &str) -> String {
    let clean = Style::default().clean(value);
    let mut out = String::with_capacity(clean.len());
    let mut before = ' ';
    let mut rest = clean.chars().peekable();
    while let Some(c) = rest.next() {
        // An underscore inside a word or a number is no markup.
        let inside = before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        if matches!(c, '|' | '*' | '`' | '<' | '[' | '\\') || (c == '_' && !inside) {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

fn times(out: &mut String, run: &Run) {
    let name = match &run.adapter {
        Some(facts) => format!("{}<br>{}", run.backend, text(&adapter(facts))),
        None => run.backend.clone(),
    };
    let all = run.seconds.map_or_else(|| "void".into(), |s| seconds_range(s.median, s.low, s.high));
    let kernel = run.kernel_seconds.map_or_else(|| "-".into(), |s| seconds(s.median));
    let rate = run.items_per_second.map_or_else(|| "-".into(), si);
    let bound = limit(run.limit.as_ref());
    let verified = if run.verify.passed() { "pass" } else { "**FAIL**" };
    row(out, &[&name, &run.threads.to_string(), run.precision.name(), &all, &kernel, &rate, &bound, verified]);
}
