//! The comparison as JSON, CSV and Markdown.

use std::fmt::Write;

use super::{Start, Sweep, answer};
use crate::measure::stats::{Ratio, Summary};
use crate::report::csv::{line, number};
use crate::report::markdown::{row as table_row, text};
use crate::report::table::{adapter, machine, ratio};
use crate::units::{grouped, plural, seconds, seconds_range};

/// One JSON document with a line end. Numbers that are not finite are `null`.
#[must_use]
pub fn json(sweep: &Sweep) -> String {
    // A tree of plain values with string keys always serialises.
    serde_json::to_string_pretty(sweep).expect("plain data") + "\n"
}

/// CSV: one line for each size and backend. A number that does not exist is an empty field.
#[must_use]
pub fn csv(sweep: &Sweep) -> String {
    let mut out = String::new();
    for row in &sweep.rows {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut add = |name: &str, value: String| fields.push((name.to_string(), value));
        let backend = sweep.backends.iter().find(|backend| backend.facts.id == row.backend);
        let adapter = backend.and_then(|backend| backend.facts.adapter.as_ref());
        add("workload", sweep.workload.clone());
        add("variant", sweep.variant.clone());
        add("size", row.size.to_string());
        add("items", row.items.to_string());
        add("item", sweep.item.clone());
        add("backend", row.backend.clone());
        add("adapter", adapter.map_or_else(String::new, |adapter| adapter.name.clone()));
        add("software", adapter.map_or_else(String::new, |adapter| adapter.software.to_string()));
        add("precision", row.precision.name().to_string());
        add("threads", backend.map_or_else(String::new, |backend| backend.facts.threads.to_string()));
        add("runs", row.warm_seconds.map_or_else(String::new, |s| s.n.to_string()));
        for start in Start::ALL {
            let (name, of) = (start.name(), row.seconds(start));
            let part = |f: fn(&Summary) -> f64| number(of.map(f));
            add(&format!("{name}_median_seconds"), part(|s| s.median));
            add(&format!("{name}_low_seconds"), part(|s| s.low));
            add(&format!("{name}_high_seconds"), part(|s| s.high));
        }
        add("baseline", sweep.baseline.clone());
        for start in Start::ALL {
            let (name, of) = (start.name(), row.speedup(start));
            let part = |f: fn(&Ratio) -> f64| number(of.map(f));
            add(&format!("{name}_speedup"), part(|r| r.ratio));
            add(&format!("{name}_speedup_low"), part(|r| r.low));
            add(&format!("{name}_speedup_high"), part(|r| r.high));
            add(&format!("{name}_verdict"), of.map_or_else(String::new, |r| r.verdict.word().to_string()));
        }
        add("verify", if row.verify.passed() { "pass" } else { "fail" }.to_string());
        add("first_bad", row.verify.first_bad.clone().unwrap_or_default());
        if let Some(against) = &sweep.against {
            let then = against.row(row);
            add("before_median_seconds", number(then.map(|old| old.before.median)));
            add("before_ratio", number(then.map(|old| old.ratio.ratio)));
            add("before_verdict", then.map_or_else(String::new, |old| old.ratio.verdict.word().to_string()));
            add("before_measured", then.map_or_else(String::new, |old| old.measured.to_string()));
        }
        if out.is_empty() {
            line(&mut out, fields.iter().map(|(name, _)| name.as_str()));
        }
        line(&mut out, fields.iter().map(|(_, value)| value.as_str()));
    }
    out
}

/// Markdown: the break-even sizes, every row, the comparison with an earlier one, the warnings.
#[must_use]
pub fn markdown(sweep: &Sweep) -> String {
    let mut out = String::new();
    let items = plural(&sweep.item, 2);
    let _ = writeln!(out, "### {}: {}, by {items}\n", text(&sweep.workload), text(&sweep.variant));
    let _ = writeln!(out, "seed {}, hetero {}  ", sweep.seed, sweep.version);
    let _ = writeln!(out, "{}\n", text(&machine(&sweep.machine)));
    for backend in &sweep.backends {
        let threads = plural("thread", backend.facts.threads as u64);
        let mut what = format!("{} {threads}, {}", backend.facts.threads, backend.precision.name());
        if let Some(facts) = &backend.facts.adapter {
            let _ = write!(what, ", {}", text(&adapter(facts)));
        }
        let _ = write!(what, "; opened in {}", seconds(backend.open));
        if backend.compile > 0.0 {
            let _ = write!(what, ", compiled in {}", seconds(backend.compile));
        }
        let _ = writeln!(out, "- {}: {what}", backend.facts.id);
    }
    if !sweep.break_even.is_empty() {
        out.push('\n');
        let heading = format!("faster than {} from", sweep.baseline);
        table_row(&mut out, &[&heading, Start::ALL[0].title(), Start::ALL[1].title(), Start::ALL[2].title()]);
        table_row(&mut out, &["---", "--:", "--:", "--:"]);
        for backend in sweep.backends.iter().filter(|backend| backend.facts.id != sweep.baseline) {
            let of = |start| sweep.break_even_of(&backend.facts.id, start).map(answer).unwrap_or_default();
            let [cold, warm, kernel] = Start::ALL.map(of);
            table_row(&mut out, &[&backend.facts.id, &cold, &warm, &kernel]);
        }
    }
    out.push('\n');
    let against = format!("vs {}", sweep.baseline);
    table_row(&mut out, &[&items, "backend", "cold", "warm", "kernel only", &against, "verdict", "verified"]);
    table_row(&mut out, &["--:", "---", "--:", "--:", "--:", "--:", "---", "---"]);
    for row in &sweep.rows {
        let time = |start| row.seconds(start).map_or_else(|| "-".into(), |s| seconds(s.median));
        let warm = row.warm_seconds.map_or_else(|| "void".into(), |s| seconds_range(s.median, s.low, s.high));
        let speedup = row.speedup.warm.map_or_else(|| "-".into(), |r| ratio(&r, "x"));
        let verdict = row.speedup.warm.map_or("-", |r| r.verdict.word());
        let verified = if row.verify.passed() { "pass" } else { "**FAIL**" };
        let (cold, kernel) = (time(Start::Cold), time(Start::Kernel));
        table_row(&mut out, &[&grouped(row.items), &row.backend, &cold, &warm, &kernel, &speedup, verdict, verified]);
    }
    if let Some(against) = &sweep.against {
        let _ = writeln!(out, "\nAgainst {} (hetero {}):\n", text(&against.file), text(&against.version));
        table_row(&mut out, &[&items, "backend", "before", "now", "ratio", "verdict", "measured"]);
        table_row(&mut out, &["--:", "---", "--:", "--:", "--:", "---", "--:"]);
        for row in &against.rows {
            let (before, now) = (seconds(row.before.median), seconds(row.now.median));
            let (backend, verdict) = (text(&row.backend), row.ratio.verdict.word());
            let (ratio, measured) = (ratio(&row.ratio, "x"), format!("{}x", row.measured));
            table_row(&mut out, &[&grouped(row.items), &backend, &before, &now, &ratio, verdict, &measured]);
        }
        out.push('\n');
        for line in against.summary_lines("x") {
            let _ = writeln!(out, "- {}", text(&line));
        }
        for (which, names) in [("before", &against.only_before), ("now", &against.only_now)] {
            if !names.is_empty() {
                let _ = writeln!(out, "- only {which}: {}", text(&names.join(", ")));
            }
        }
        for warning in &against.warnings {
            let _ = writeln!(out, "- warning: {}", text(warning));
        }
    }
    if !sweep.warnings.is_empty() {
        out.push('\n');
    }
    for warning in &sweep.warnings {
        let _ = writeln!(out, "- warning: {}", text(warning));
    }
    out
}
