//! What was decided and why: the plan, its receipt, and who did how much.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::PhaseRow;
use super::style::{Grid, Paint, Style, wrap};
use crate::job::{Input, Phases};
use crate::measure::stats::Summary;
use crate::plan::ChunkRule;
use crate::plan::guide::Branch;
use crate::plan::policy::{AUTO, Candidate, about};
use crate::units::{grouped, plural, seconds};

/// What was decided and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PlanFacts {
    /// What decided: `auto`, `hybrid`, or the backends that were named.
    pub policy: String,
    /// The backend that was chosen, or those that were named, with commas.
    pub chosen: String,
    /// Why, in one sentence.
    pub reason: String,
    /// What was weighed; empty when nothing was.
    pub candidates: Vec<Receipt>,
    /// How much longer the chosen one took than the fastest that ran, as a share of the fastest; `null` unless every
    /// candidate was measured.
    pub regret: Option<f64>,
    /// Seconds that deciding took.
    pub deciding_seconds: Option<f64>,
    /// Where the predictions come from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// From how many items on one backend is predicted to beat another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pays_from: Vec<PaysFrom>,
    /// How each step was cut for each backend.
    pub chunks: Vec<StepChunks>,
}

/// A predicted break-even size.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PaysFrom {
    /// Faster from there on.
    pub backend: String,
    /// Faster below.
    pub over: String,
    /// Items; `null` when it never is.
    pub items: Option<u64>,
}

/// Predicted and measured time of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Receipt {
    /// Its name.
    pub backend: String,
    /// Seconds that it was expected to take end to end.
    pub predicted_seconds: Option<f64>,
    /// Seconds that it took, when it ran.
    pub measured_seconds: Option<f64>,
    /// Why it was left out.
    pub excluded: Option<String>,
    /// The prediction by phase.
    pub predicted: Option<Phases>,
    /// The median run by phase.
    pub measured: Option<Phases>,
    /// Whether the prediction rests on measurements of every step.
    pub from_measurements: bool,
}

impl From<&Candidate> for Receipt {
    fn from(candidate: &Candidate) -> Self {
        Self {
            backend: candidate.backend.clone(),
            predicted_seconds: candidate.predicted_seconds,
            measured_seconds: None,
            excluded: candidate.excluded.clone(),
            predicted: candidate.predicted.map(|estimate| estimate.phases),
            measured: None,
            from_measurements: candidate.predicted.is_some_and(|estimate| estimate.measured),
        }
    }
}

/// How one step was cut for one backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepChunks {
    /// The backend.
    pub backend: String,
    /// The kernel.
    pub kernel: String,
    /// The rule.
    #[serde(flatten)]
    pub rule: ChunkRule,
}

/// What one member of a hybrid team did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The member.
    pub backend: String,
    /// Items that it finished.
    pub items: u64,
    /// Chunks that it finished.
    pub chunks: u64,
    /// Seconds in which it had a chunk.
    pub busy_seconds: f64,
    /// The rest of the time until the last one was done.
    pub idle_seconds: f64,
}

/// Shares as an object: items by backend.
pub(super) fn by_backend<S: Serializer>(shares: &[Share], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(shares.len()))?;
    for share in shares {
        map.serialize_entry(&share.backend, &share.items)?;
    }
    map.end()
}

impl PlanFacts {
    /// With what was measured of each candidate.
    pub(super) fn with_measured(mut self, runs: &[(String, Summary, PhaseRow)]) -> Self {
        for receipt in &mut self.candidates {
            if let Some((_, seconds, phases)) = runs.iter().find(|run| run.0 == receipt.backend) {
                receipt.measured_seconds = Some(seconds.median);
                receipt.measured = Some(phases.run);
            }
        }
        let possible: Vec<&Receipt> = self.candidates.iter().filter(|receipt| receipt.excluded.is_none()).collect();
        let best = possible.iter().filter_map(|receipt| receipt.measured_seconds).fold(f64::INFINITY, f64::min);
        let complete = possible.iter().all(|receipt| receipt.measured_seconds.is_some());
        let chosen = possible.iter().find(|receipt| receipt.backend == self.chosen);
        // Of a single candidate nothing can be regretted, and nothing was compared.
        self.regret = chosen
            .filter(|_| complete && possible.len() > 1)
            .and_then(|receipt| receipt.measured_seconds)
            .map(|seconds| seconds / best - 1.0)
            .filter(|regret| regret.is_finite());
        self
    }

    /// From how many items on the pool pays, in words; empty unless one thread was chosen.
    fn pays(&self, item: &str) -> String {
        let Some(pays) = self.pays_from.iter().find(|pays| pays.over == self.chosen) else { return String::new() };
        match pays.items {
            Some(items) => format!("{} pays from {} on", pays.backend, about(items, item)),
            None => format!("{} does not pay at any size", pays.backend),
        }
    }
}

/// The plan for people: the choice and its reason; of a decision also its receipt.
pub(super) fn write(out: &mut String, plan: &PlanFacts, item: &str, style: Style) {
    if plan.reason.is_empty() {
        return;
    }
    let policy = if plan.policy == AUTO { format!("{} chose ", plan.policy) } else { String::new() };
    let mut text = format!("{policy}{}: {}", plan.chosen, plan.reason);
    let pays = plan.pays(item);
    if !pays.is_empty() {
        text.push_str(&format!("; {pays}"));
    }
    wrap(out, "plan     ", &style.clean(&text));
}

/// What was predicted and measured of each candidate, as a table.
#[must_use]
pub fn receipt(plan: &PlanFacts, style: Style) -> String {
    let mut out = String::new();
    if plan.candidates.is_empty() {
        return out;
    }
    let mut grid = Grid::new(style, &["candidate", "-predicted", "-measured", "-of it open", "-copies", "-kernel", ""]);
    for receipt in &plan.candidates {
        let of = |phases: Option<Phases>, pick: fn(&Phases) -> f64| {
            phases.map(|p| pick(&p)).filter(|seconds| *seconds > 0.0).map_or_else(|| "-".to_string(), seconds)
        };
        let optional = |value: Option<f64>| value.map_or_else(|| "-".to_string(), seconds);
        let note = match receipt.backend == plan.chosen {
            true => "chosen",
            false if receipt.excluded.is_none() && !receipt.from_measurements => "never measured",
            false => "",
        };
        grid.row(vec![
            receipt.backend.as_str().into(),
            optional(receipt.predicted_seconds).into(),
            optional(receipt.measured_seconds).into(),
            of(receipt.predicted, |p| p.open + p.compile).into(),
            of(receipt.predicted, |p| p.upload + p.download).into(),
            of(receipt.predicted, |p| p.kernel + p.steps.total()).into(),
            note.into(),
        ]);
        if let Some(why) = &receipt.excluded {
            grid.note(&format!("left out: {why}"), Paint::Plain);
        }
    }
    grid.write(&mut out);
    if let Some(regret) = plan.regret {
        out.push_str(&format!("regret   {:.1} % over the fastest that ran\n", 100.0 * regret));
    }
    if !plan.source.is_empty() {
        wrap(&mut out, "source   ", &style.clean(&plan.source));
    }
    out
}

/// The explanation of a choice that was not carried out.
#[must_use]
pub fn explanation(workload: &str, input: &Input, plan: &PlanFacts, guide: &[Branch], style: Style) -> String {
    let mut out = String::new();
    let items = format!("{} {}", grouped(input.items), plural(input.item, input.items));
    wrap(&mut out, "job      ", &style.clean(&format!("{workload}: {items}, {}", input.source)));
    write(&mut out, plan, input.item, style);
    out.push('\n');
    out.push_str(&receipt(plan, style));
    for pays in plan.pays_from.iter().filter(|pays| pays.over != plan.chosen) {
        let text = match pays.items {
            Some(items) => format!("from {} on {} beats {}", about(items, input.item), pays.backend, pays.over),
            None => format!("{} does not beat {} at any size", pays.backend, pays.over),
        };
        wrap(&mut out, "size     ", &style.clean(&text));
    }
    out.push_str("\nguide\n");
    for Branch { question, branch, because } in guide {
        wrap(&mut out, "  ", &style.clean(&format!("{question} {branch} ({because})")));
    }
    out
}

/// Who did how much of a hybrid run.
pub(super) fn shares(out: &mut String, name: &str, members: &[Share], style: Style) {
    if members.is_empty() {
        return;
    }
    let heading = format!("share of {name}");
    let mut grid = Grid::new(style, &[heading.as_str(), "-items", "-share", "-chunks", "-busy", "-idle"]);
    let all: u64 = members.iter().map(|member| member.items).sum();
    for member in members {
        grid.row(vec![
            member.backend.as_str().into(),
            grouped(member.items).into(),
            format!("{:.1} %", 100.0 * member.items as f64 / all.max(1) as f64).into(),
            member.chunks.to_string().into(),
            seconds(member.busy_seconds).into(),
            seconds(member.idle_seconds).into(),
        ]);
    }
    out.push('\n');
    grid.write(out);
}
