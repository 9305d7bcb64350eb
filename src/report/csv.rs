//! The CSV form: one line per backend, one column per number, for spreadsheets and data frames.

use std::fmt::Write;

use super::table::{phase_list, phase_names};
use super::{Report, Run};

/// The report as CSV (RFC 4180, lines end in a line feed): a header, then one line per backend. A number that does not exist is an empty field. Each baseline has its own columns.
#[must_use]
pub fn csv(report: &Report) -> String {
    let mut baselines: Vec<&str> = Vec::new();
    for (name, _) in report.runs.iter().flat_map(|run| &run.speedup.0) {
        if !baselines.contains(&name.as_str()) {
            baselines.push(name);
        }
    }
    let mut out = String::new();
    for run in &report.runs {
        let fields = fields(report, run, &baselines);
        if out.is_empty() {
            line(&mut out, fields.iter().map(|(name, _)| name.as_str()));
        }
        line(&mut out, fields.iter().map(|(_, value)| value.as_str()));
    }
    out
}

pub(super) fn line<'f>(out: &mut String, fields: impl Iterator<Item = &'f str>) {
    for (i, field) in fields.enumerate() {
        let quoted = field.contains([',', '"', '\n', '\r']);
        let comma = if i > 0 { "," } else { "" };
        let _ = if quoted {
            write!(out, "{comma}\"{}\"", field.replace('"', "\"\""))
        } else {
            write!(out, "{comma}{field}")
        };
    }
    out.push('\n');
}

/// All digits of a number; nothing for one that is not there or not finite.
pub(super) fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(String::new, |value| format!("{value:?}"))
}

fn fields(report: &Report, run: &Run, baselines: &[&str]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| fields.push((name.to_string(), value));
    let adapter = run.adapter.as_ref();
    let text = |f: fn(&crate::backend::AdapterFacts) -> &str| adapter.map_or_else(String::new, |a| f(a).to_string());
    add("workload", report.workload.clone());
    add("items", report.input.items.to_string());
    add("item", report.input.item.to_string());
    add("backend", run.backend.clone());
    add("adapter", text(|a| &a.name));
    add("adapter_type", text(|a| &a.kind));
    add("api", text(|a| &a.api));
    add("driver", text(|a| &a.driver));
    add("software", adapter.map_or_else(String::new, |a| a.software.to_string()));
    add("precision", run.precision.name().to_string());
    add("threads", run.threads.to_string());
    add("simd", run.simd.to_string());
    add("pinned", run.pinned.map_or_else(String::new, |pinned| pinned.to_string()));
    add("chunks", run.chunks.to_string());
    add("runs", run.seconds.map_or_else(String::new, |s| s.n.to_string()));
    add("median_seconds", number(run.seconds.map(|s| s.median)));
    add("low_seconds", number(run.seconds.map(|s| s.low)));
    add("high_seconds", number(run.seconds.map(|s| s.high)));
    add("min_seconds", number(run.seconds.map(|s| s.min)));
    let phases = run.phases.as_ref();
    for (i, name) in phase_names(report).iter().enumerate() {
        add(&format!("{name}_seconds"), number(phases.map(|row| phase_list(row)[i].1)));
    }
    add("kernel_median_seconds", number(run.kernel_seconds.map(|s| s.median)));
    add("warm_median_seconds", number(run.warm_seconds.map(|s| s.median)));
    add("device_seconds", number(run.device_seconds));
    add("items_per_second", number(run.items_per_second));
    add("bytes_per_second", number(run.bytes_per_second));
    add("flops_per_second", number(run.flops_per_second));
    add("limit", run.limit.map_or_else(String::new, |limit| limit.binding.word().to_string()));
    add("limit_fraction", number(run.limit.map(|limit| limit.fraction)));
    for name in baselines {
        let speedup = run.speedup.get(name);
        add(&format!("speedup_{name}"), number(speedup.map(|s| s.ratio.ratio)));
        add(&format!("speedup_{name}_low"), number(speedup.map(|s| s.ratio.low)));
        add(&format!("speedup_{name}_high"), number(speedup.map(|s| s.ratio.high)));
        let verdict = speedup.map_or_else(String::new, |s| s.ratio.verdict.word().to_string());
        add(&format!("speedup_{name}_verdict"), verdict);
        add(&format!("speedup_{name}_kernel"), number(speedup.and_then(|s| s.kernel_ratio)));
        add(&format!("baseline_{name}_seconds"), number(speedup.map(|s| s.baseline_seconds)));
    }
    let verify = &run.verify;
    add("verify", if verify.passed() { "pass" } else { "fail" }.to_string());
    add("class", format!("{:?}", verify.class).to_lowercase());
    add("checked", verify.checked.to_string());
    add("max_abs", number(Some(verify.max_abs)));
    add("max_rel", number(Some(verify.max_rel)));
    add("bound", number(Some(verify.bound)));
    add("first_bad", verify.first_bad.clone().unwrap_or_default());
    fields
}
