//! What the rounds of a run say, for the report and for whoever waits for the files.

use serde_json::{Map, Value, json};

use super::job::{FetchJob, Round, State, Where};
use super::modes::Mode;
use crate::error::{Error, Result};
use crate::job::Answer;
use crate::net::shown;
use crate::units::{bytes, grouped, plural, seconds};

/// Failures that a report names.
const NAMED: usize = 10;

/// Failures that the line on stderr names after the first.
const ALSO: usize = 3;

/// Notes how many URLs gave other bytes in another mode.
pub(super) fn compare(state: &mut State) {
    let Some((first, others)) = state.rounds.split_first() else { return };
    let differ = |i: &usize| {
        let known = first.files[*i].sha256;
        others.iter().any(|round| known.is_some() && round.files[*i].sha256.is_some_and(|other| Some(other) != known))
    };
    state.changed = (0..first.files.len()).filter(differ).count() as u64;
}

/// The result: of the last mode, and the times of all.
pub(super) fn answer(job: &FetchJob, state: &State) -> Answer {
    let last = state.rounds.last();
    let (total, failed) = last.map_or((0, 0), |round| (round.bytes(), round.failed()));
    let urls = job.from.count();
    let mut json = Map::new();
    json.insert("urls".into(), json!(urls));
    json.insert("bytes".into(), json!(total));
    json.insert("failed".into(), json!(failed));
    json.insert("concurrency".into(), json!(job.wanted.at_once));
    let mut lines = vec![
        ("delivered".to_string(), format!("{} of {} {}", grouped(urls - failed), grouped(urls), plural("file", urls))),
        ("bytes".to_string(), bytes(total)),
        ("at once".to_string(), grouped(job.wanted.at_once as u64)),
    ];
    let slowest = state.rounds.iter().find(|round| round.mode == Mode::Seq).map(|round| round.seconds);
    let mut modes = Map::new();
    for round in &state.rounds {
        let ratio = slowest.filter(|_| round.mode != Mode::Seq && round.seconds > 0.0).map(|slow| slow / round.seconds);
        modes.insert(round.mode.name().into(), of_mode(round, ratio));
        let mut text = seconds(round.seconds);
        if let Some(ratio) = ratio {
            text.push_str(&format!(", {ratio:.1}x {}", Mode::Seq.name()));
        }
        if let Some(cpu) = round.cpu_seconds {
            let whose =
                if job.from.files().is_some() { " of processors, the server's included" } else { " of processors" };
            text.push_str(&format!(" ({}{whose})", seconds(cpu)));
        }
        lines.push((round.mode.name().into(), text));
    }
    json.insert("modes".into(), Value::Object(modes));
    let failures: Vec<Value> =
        failures(job, state).take(NAMED).map(|(url, why)| json!({"url": url, "error": why})).collect();
    json.insert("failures".into(), json!(failures));
    for (url, why) in self::failures(job, state).take(NAMED) {
        lines.push(("failed".into(), format!("{url}: {why}")));
    }
    Answer { json, lines }
}

fn of_mode(round: &Round, ratio: Option<f64>) -> Value {
    let files = round.files.len() as f64;
    let latencies = quantiles(round);
    json!({
        "seconds": round.seconds,
        "cpu_seconds": round.cpu_seconds,
        "files_per_second": (round.seconds > 0.0).then(|| files / round.seconds),
        "bytes": round.bytes(),
        "failed": round.failed(),
        "speedup": ratio,
        "file_seconds": latencies.map(|[median, most]| json!({"median": median, "max": most})),
    })
}

/// Median and longest time of one file.
fn quantiles(round: &Round) -> Option<[f64; 2]> {
    let mut all: Vec<f64> = round.files.iter().map(|file| file.seconds).collect();
    all.sort_by(f64::total_cmp);
    Some([*all.get(all.len() / 2)?, *all.last()?])
}

/// The URLs that the last mode did not get, as they may be printed, and why.
fn failures<'s>(job: &'s FetchJob, state: &'s State) -> impl Iterator<Item = (String, &'s str)> {
    let urls = job.from.urls().unwrap_or_default();
    let files = state.rounds.last().map_or(&[][..], |round| &round.files);
    urls.iter().zip(files).filter_map(|(url, file)| Some((shown(url), file.failure.as_ref()?.why.as_str())))
}

/// The error of a run that got only some of its files: the first are named.
pub(super) fn unsolved(urls: &[String], state: &State) -> Result<()> {
    let Some(round) = state.rounds.last() else { return Ok(()) };
    let failed = urls.iter().zip(&round.files).filter_map(|(url, file)| Some((url, file.failure.as_ref()?)));
    let mut failed = failed.peekable();
    let Some((url, failure)) = failed.next() else { return Ok(()) };
    let count = round.failed();
    let mut why = failure.why.clone();
    let also: Vec<String> =
        failed.take(ALSO).map(|(url, failure)| format!("{}: {}", shown(url), failure.why)).collect();
    if !also.is_empty() {
        why.push_str(&format!("; also {}", also.join("; ")));
    }
    let more = count - 1 - also.len() as u64;
    if more > 0 {
        why.push_str(&format!("; and {more} more"));
    }
    let delivered = urls.len() as u64 - count;
    why.push_str(&format!(" ({count} of {} failed, {delivered} delivered)", urls.len()));
    Err(Error::input(url, why))
}

pub(super) fn warnings(job: &FetchJob, state: &State) -> Vec<String> {
    let mut warnings = Vec::new();
    let modes = job.wanted.modes.len();
    if let (Where::Named(_), true) = (&job.from, modes > 1) {
        warnings.push(format!("every URL was fetched {modes} times, once in each mode; --mode async fetches it once"));
    }
    if let (Where::Own { .. }, true) = (&job.from, state.rounds.is_empty()) {
        return warnings;
    }
    if state.changed > 0 && job.from.files().is_none() {
        let count = state.changed;
        let gave = if count == 1 { "URL gave" } else { "URLs gave" };
        warnings.push(format!("{count} {gave} other bytes in another mode: the server changes them"));
    }
    warnings
}
