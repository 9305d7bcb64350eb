//! Which backend finishes a job first, and the sentence that says why. A pure function of what is asked and what is known.

use serde::Serialize;

use super::cost::{self, Estimate};
use super::demand::Demand;
use super::prior::Prior;
use crate::machine::profile::BackendProfile;
use crate::units::{bytes, grouped, plural, seconds};

/// The name of all backends together.
pub const HYBRID: &str = "hybrid";

/// The name of the policy that chooses.
pub const AUTO: &str = "auto";

/// A backend that could run the job.
#[derive(Debug, Clone)]
pub struct Contender<'p> {
    /// `seq`, `cpu`, `gpu:1`.
    pub backend: String,
    /// What the job asks of it, in the precision that it would compute in; or why it is not even asked.
    pub demand: Result<&'p Demand, String>,
    /// What was measured of it.
    pub known: Option<&'p BackendProfile>,
    /// What to expect where nothing was measured.
    pub prior: Prior,
    /// Whether it is a device.
    pub device: bool,
    /// Whether it runs on the host's own processors, as a software adapter does.
    pub software: bool,
    /// Whether it is open and has compiled already.
    pub is_open: bool,
}

/// What became of a backend that was weighed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub backend: String,
    /// Seconds it was expected to take end to end; `null` when it was excluded.
    pub predicted_seconds: Option<f64>,
    /// The same by phase.
    pub predicted: Option<Estimate>,
    /// Why it cannot or should not run this job.
    pub excluded: Option<String>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// The backend.
    pub chosen: String,
    /// Why, in one sentence.
    pub reason: String,
    /// All that were weighed.
    pub candidates: Vec<Candidate>,
}

/// Chooses the contender with the smallest predicted end-to-end time; of equals the first, so name the simplest first.
/// `None` when every one of them is excluded.
///
/// With `with_hybrid` the host's pool and all devices that are not software are weighed together as well.
#[must_use]
pub fn decide(contenders: &[Contender<'_>], with_hybrid: bool) -> Option<Decision> {
    let mut candidates: Vec<Candidate> = contenders.iter().map(weigh).collect();
    if with_hybrid {
        candidates.push(hybrid(contenders, &candidates));
    }
    let time = |candidate: &Candidate| candidate.predicted_seconds.unwrap_or(f64::INFINITY);
    let best = candidates.iter().filter(|c| c.excluded.is_none()).min_by(|a, b| time(a).total_cmp(&time(b)))?;
    let second = candidates
        .iter()
        .filter(|c| c.excluded.is_none() && c.backend != best.backend)
        .min_by(|a, b| time(a).total_cmp(&time(b)));
    let reason = reason(contenders, best, second);
    Some(Decision { chosen: best.backend.clone(), reason, candidates })
}

fn weigh(contender: &Contender<'_>) -> Candidate {
    let fits = contender.demand.clone().and_then(|demand| fits(demand, contender).map(|()| demand));
    let predictable = fits.as_ref().ok().filter(|demand| !demand.waits());
    let predicted =
        predictable.map(|demand| cost::estimate(demand, contender.known, &contender.prior, contender.is_open));
    Candidate {
        backend: contender.backend.clone(),
        predicted_seconds: predicted.as_ref().map(Estimate::total),
        predicted,
        excluded: fits.err(),
    }
}

/// Whether the job can run there at all, as far as that is known without opening anything.
fn fits(demand: &Demand, contender: &Contender<'_>) -> Result<(), String> {
    if !contender.device {
        return Ok(());
    }
    if let Some(why) = demand.stays_on_cpu {
        return Err(why.into());
    }
    for step in &demand.steps {
        let device = step.device.as_ref().map_err(Clone::clone)?;
        let Some(adapter) = contender.known.and_then(|known| known.adapter.as_ref()) else { continue };
        if let Some(need) = device.needs.iter().find(|need| adapter.lacks.iter().any(|lacks| lacks == *need)) {
            return Err(format!("{} needs {need}, and {} failed its self-test there", step.kernel, adapter.name));
        }
        let (binding, memory) = (adapter.max_binding, adapter.memory);
        if binding > 0 && device.largest > binding && !device.streams {
            let (needs, most) = (bytes(device.largest), bytes(binding));
            return Err(format!("{} needs a buffer of {needs}, {} binds at most {most}", step.kernel, adapter.name));
        }
        if memory > 0 && device.resident > memory && !device.streams {
            let (needs, has) = (bytes(device.resident), bytes(memory));
            return Err(format!("{} needs {needs} on the device, {} has {has}", step.kernel, adapter.name));
        }
    }
    Ok(())
}

/// The pool and every real GPU together.
fn hybrid(contenders: &[Contender<'_>], candidates: &[Candidate]) -> Candidate {
    let mut members = Vec::new();
    let (mut software, mut whole) = (false, false);
    for (contender, candidate) in contenders.iter().zip(candidates) {
        whole |= contender.demand.as_ref().is_ok_and(|d| d.steps.iter().any(|step| step.whole));
        // One thread and the pool are the same processors.
        let pool = !contender.device && contender.backend != "seq";
        software |= contender.device && contender.software;
        if let (Some(predicted), true) = (candidate.predicted, pool || (contender.device && !contender.software)) {
            members.push((contender.device, predicted));
        }
    }
    let predicted = match members.iter().any(|member| member.0) {
        true => cost::together(&members.iter().map(|member| member.1).collect::<Vec<_>>()),
        false => None,
    };
    let why = match () {
        () if whole => "a solve is not shared between backends",
        () if software => "no GPU takes part: a software adapter computes on the same processors",
        () => "no device takes part",
    };
    Candidate {
        backend: HYBRID.into(),
        predicted_seconds: predicted.as_ref().map(Estimate::total),
        excluded: predicted.is_none().then(|| why.into()),
        predicted,
    }
}

/// One sentence about the largest difference between the best and the next.
fn reason(contenders: &[Contender<'_>], best: &Candidate, second: Option<&Candidate>) -> String {
    let Some(time) = best.predicted_seconds else {
        return "it waits for others, which no backend shortens and nothing predicts".into();
    };
    let of = |name: &str| contenders.iter().find(|contender| contender.backend == name);
    let Some((other, predicted)) = second.and_then(|c| Some((c, c.predicted?))) else {
        return format!("no other backend can run this job; it should take {}", seconds(time));
    };
    let (name, finishes) = (&other.backend, seconds(time));
    let phases = predicted.phases;
    let device = of(name).is_some_and(|contender| contender.device);
    let (copies, start) = (phases.upload + phases.download, phases.open + phases.compile);
    if device && copies > time {
        let moved = of(name).and_then(|c| c.demand.as_ref().ok()).map_or(0.0, |demand| moved_bytes(demand));
        let what = if moved >= 1.0 { bytes(moved as u64) } else { "the data".into() };
        return format!(
            "copying {what} to {name} and back alone costs {}, {} finishes in {finishes}",
            seconds(copies),
            best.backend
        );
    }
    if device && start > time {
        return format!(
            "opening {name} and compiling for it alone cost {}, {} finishes in {finishes}",
            seconds(start),
            best.backend
        );
    }
    if device && phases.kernel > time {
        return format!(
            "{name} needs {} for the kernels alone, {} finishes in {finishes}",
            seconds(phases.kernel),
            best.backend
        );
    }
    if best.backend == "seq" {
        return format!(
            "too small to share out: one thread is done in {finishes}, {name} needs {}",
            seconds(predicted.total())
        );
    }
    format!("{finishes} end to end, the next best is {name} with {}", seconds(predicted.total()))
}

/// Bytes that cross to the device and back.
fn moved_bytes(demand: &Demand) -> f64 {
    let of = |step: &super::demand::StepDemand| {
        step.device.as_ref().map_or(0.0, |device| device.resident as f64 + step.items * device.per_item)
    };
    demand.steps.iter().map(of).sum()
}

/// From how many items on `challenger` is predicted to finish before `holder`; `None` when it never does.
///
/// Looks at sizes two apart from one item to 2^62 and halves the step in which the order changes for the last time.
#[must_use]
pub fn pays_from(holder: &Contender<'_>, challenger: &Contender<'_>) -> Option<u64> {
    let (ours, theirs) = (challenger.demand.as_ref().ok()?, holder.demand.as_ref().ok()?);
    fits(ours, challenger).ok()?;
    let items = (ours.items.max(1)) as f64;
    let wins = |n: f64| {
        let time = |demand: &Demand, c: &Contender<'_>| {
            cost::estimate(&demand.scaled(n / items), c.known, &c.prior, c.is_open).total()
        };
        time(ours, challenger) < time(theirs, holder)
    };
    let sizes: Vec<f64> = (0..=62).map(|exponent| f64::from(exponent).exp2()).collect();
    let last_loss = sizes.iter().rposition(|n| !wins(*n));
    let (mut low, mut high) = match last_loss {
        None => return Some(1),
        Some(at) => (sizes[at], *sizes.get(at + 1)?),
    };
    while high / low > 1.01 {
        let middle = (low * high).sqrt();
        if wins(middle) { high = middle } else { low = middle }
    }
    Some(high.ceil() as u64)
}

/// `about 21 000 elements`, with two digits: a prediction has no more.
#[must_use]
pub fn about(items: u64, item: &str) -> String {
    let unit = 10_u64.pow(items.checked_ilog10().unwrap_or(0).saturating_sub(1));
    let items = items / unit * unit;
    format!("about {} {}", grouped(items), plural(item, items))
}

#[cfg(test)]
mod tests;
