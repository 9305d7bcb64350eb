//! What a reduction tells: numbers for programs and lines for people.

use serde_json::{Map, Value, json};

use super::job::GuyanJob;
use super::lanczos::Counted;
use super::pencil::{frequency, roundoff};
use super::reduce::MODES;
use crate::job::{Answer, Output};
use crate::sparse::{Method, Ordering};
use crate::units;

/// Frequencies that people are shown.
const SHOWN: usize = 12;

/// The natural frequencies of the reduced model in Hz, ascending; `None` without a mass matrix or modes.
pub(super) fn reduced_frequencies(job: &GuyanJob, outputs: &[Output]) -> Option<Vec<f64>> {
    let found = job.has_modes() && job.read(|state| state.no_modes.is_none());
    found.then(|| frequencies(job.reduced_values(outputs), job.read(|state| state.zero)))
}

/// The frequencies of eigenvalues with the roundoff `zero`.
fn frequencies(values: &[f64], zero: f64) -> Vec<f64> {
    values.iter().map(|value| frequency(*value, zero)).collect()
}

/// The answer without its certificate, which comes later.
pub(super) fn answer(job: &GuyanJob, outputs: &[Output]) -> Answer {
    let model = &job.model;
    let facts = job.read(|state| state.facts);
    let mut json = Map::new();
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut line = |name: &str, text: String| lines.push((name.into(), text));
    let rows: Vec<u32> = model.stiffness.masters.iter().map(|row| row + 1).collect();
    json.insert("order".into(), json!(model.order));
    json.insert("masters".into(), json!(model.masters()));
    json.insert("slaves".into(), json!(model.slaves()));
    json.insert("residual".into(), Value::Null);
    let reduced = reduced_frequencies(job, outputs);
    json.insert("frequencies_hz".into(), json!(reduced.clone().unwrap_or_default()));
    json.insert("master_rows".into(), json!(rows));
    let method = facts.method.map(Method::name);
    let ordering = facts.ordering.map(Ordering::name);
    json.insert("method".into(), json!(method));
    json.insert("ordering".into(), json!(ordering));
    json.insert("factor_flops".into(), json!(facts.flops));
    json.insert("factor_entries".into(), json!(facts.factor_entries));
    json.insert("condition".into(), json!(facts.condition));
    json.insert("negative_pivots".into(), json!(facts.negative_pivots));
    json.insert("read_seconds".into(), json!(model.read_seconds));

    let (slaves, masters) = (model.slaves() as u64, model.masters() as u64);
    line(
        "rows",
        format!(
            "{} = {} masters + {} slaves",
            units::grouped(model.order as u64),
            units::grouped(masters),
            units::grouped(slaves)
        ),
    );
    line(
        "factor",
        format!(
            "{}, ordered by {}, {} entries, {:.3} GFLOP",
            method.unwrap_or("-"),
            ordering.unwrap_or("-"),
            units::grouped(facts.factor_entries),
            facts.flops / 1e9
        ),
    );
    let sign = match facts.negative_pivots {
        0 if facts.method == Some(Method::Lu) => "no inertia".to_string(),
        0 => "all pivots positive".to_string(),
        n => format!("{n} negative pivots"),
    };
    line("condition of K_ss", format!("about {:.1e}, {sign}", facts.condition));
    if let Some(reduced) = &reduced {
        line("frequencies [Hz]", listed(reduced));
        let infinite = model.masters() - reduced.len();
        json.insert("infinite_frequencies".into(), json!(infinite));
        if infinite > 0 {
            line("without mass", format!("{infinite} motions of the masters: they follow the others"));
        }
    }
    if let Some(output) = outputs.get(MODES) {
        let whole: &[f64] = output.column(0);
        let whole = frequencies(whole, roundoff(whole));
        json.insert("full_frequencies_hz".into(), json!(whole));
        line("of the whole [Hz]", listed(&whole));
        let full = job.read(|state| state.full.clone());
        if let Some(full) = full {
            json.insert("full_counted".into(), json!(full.counted.map(|counted| counted.there)));
            let count = match full.counted {
                Some(Counted { there, found }) if there != found => format!("{there} by inertia, {found} found"),
                Some(Counted { there, .. }) if there < full.values.len() => {
                    format!("{there} by inertia: none of them is missing; the next lie too close together")
                }
                Some(Counted { there, .. }) => format!("{there} by inertia: none is missing"),
                None => "not counted: they lie too close together".into(),
            };
            line("modes of the whole", count);
        }
        if let Some(reduced) = &reduced {
            let error = |(reduced, whole): (&f64, &f64)| (*whole > 0.0).then(|| reduced / whole - 1.0);
            let errors: Vec<Option<f64>> = reduced.iter().zip(&whole).map(error).collect();
            json.insert("reduction_errors".into(), json!(errors));
            for (i, ((reduced, whole), error)) in reduced.iter().zip(&whole).zip(errors).enumerate() {
                let error = error.map_or_else(|| "-".to_string(), |error| format!("{:+.3} %", 100.0 * error));
                line(&format!("mode {}", i + 1), format!("{reduced:.6} Hz for {whole:.6} Hz, {error}"));
            }
        }
    }
    Answer { json, lines }
}

/// The first frequencies, and how many more there are.
fn listed(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(SHOWN).map(|value| format!("{value:.6}")).collect();
    let more = values.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}
