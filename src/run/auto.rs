//! The policy `auto` on this machine: gathers what is known, asks the planner, and keeps the receipt.

use std::time::Instant;

use crate::backend::{self, BACKENDS};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::exec::Control;
use crate::job::{Job, Precision, Step, kernel_hash};
use crate::machine::Machine;
use crate::machine::profile::{AdapterKey, Found, Key, Profile, Times};
use crate::measure::probe;
use crate::plan::demand::{Demand, StepDemand};
use crate::plan::policy::{self, Contender, Decision};
use crate::plan::prior::Prior;

/// A backend that opens in less time than this is looked for even when nothing is known of it: from here on the search for
/// adapters (some 30 ms) is a small part of the job.
const LOOK_FOR_DEVICES: f64 = 0.2;

/// Seconds that a probe of one kernel lasts: with what leads up to it, deciding stays below a millisecond.
const PROBE: f64 = 6e-5;

/// Operations or bytes per second that a thread reaches at the least in a kernel that is worth a probe.
const PROBED_RATE: f64 = 1e9;

/// What was decided, and from what.
pub struct Choice {
    /// The planner's answer.
    pub decision: Decision,
    /// Where its numbers come from: the stored profile, or a probe and expectations.
    pub source: String,
    /// Seconds that deciding took, reading the profile included.
    pub seconds: f64,
    /// The job in the host's own precision.
    pub demand: Demand,
    /// From how many items on one backend beats another.
    pub pays: Vec<PaysFrom>,
}

/// A break-even size.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct PaysFrom {
    /// The backend that is faster from there on.
    pub backend: String,
    /// The one that is faster below.
    pub over: String,
    /// Predicted items; `null` when it never is.
    pub items: Option<u64>,
}

/// What is known before anybody is asked.
pub struct Knowledge {
    /// Measured facts.
    pub profile: Profile,
    /// Where they come from.
    pub source: String,
    /// Whether to work out from which sizes on each backend pays; otherwise only where one thread is chosen.
    pub sizes: bool,
    /// Seconds that it took to get it.
    seconds: f64,
    /// Whether they are of this machine: what is missing may then be probed and looked for.
    here: bool,
}

impl Knowledge {
    /// The stored profile of this machine, or an empty one.
    #[must_use]
    pub fn here(machine: &Machine) -> Self {
        let begin = Instant::now();
        let key = Key::of(machine);
        let (profile, source) = match Found::load(&key) {
            Found::Ours(profile) => (*profile, "measured on this machine".to_string()),
            Found::None => (
                Profile::new(key),
                "no profile of this machine yet: expectations and a quick probe (hetero calibrate measures one)".into(),
            ),
            Found::Stale(why) => (
                Profile::new(key),
                format!("{why}: expectations and a quick probe (hetero calibrate measures a new one)"),
            ),
        };
        Self { profile, source, sizes: false, seconds: begin.elapsed().as_secs_f64(), here: true }
    }

    /// The profile of some machine, from a file.
    ///
    /// # Errors
    /// [`Error::Input`] for what is no profile.
    pub fn of(path: &std::path::Path) -> Result<Self> {
        let begin = Instant::now();
        let profile = Profile::read(path)?;
        let source = format!("profile {} of {}, {} threads", path.display(), profile.key.cpu, profile.key.threads);
        Ok(Self { profile, source, sizes: false, seconds: begin.elapsed().as_secs_f64(), here: false })
    }
}

/// A device that may take part.
struct Device {
    id: String,
    kind: String,
    software: bool,
}

/// Chooses the backend for `job`.
///
/// # Errors
/// Those of building the job's steps and of the probe; [`Error::Unavailable`] when no backend can run the job.
pub fn choose(
    workload: &str,
    job: &dyn Job,
    knowledge: &mut Knowledge,
    config: &Config,
    control: &Control,
) -> Result<Choice> {
    let begin = Instant::now();
    let threads = match (config.cpu.threads, knowledge.here) {
        (0, _) | (_, false) => knowledge.profile.key.threads,
        (threads, true) => threads,
    };
    let input = job.input();
    let of =
        |steps: &[Step<'_>], device| Demand::of(workload, (input.items, input.item), steps, job.stays_on_cpu(), device);
    let reference = job.precisions()[0];
    let own = precision(job, config, reference)?;
    let reference_steps = job.steps(reference)?;
    let reference_demand = of(&reference_steps, false);
    let own_steps = if own == reference { None } else { Some(job.steps(own)?) };
    let own_demand = own_steps.as_ref().map_or_else(|| reference_demand.clone(), |steps| of(steps, false));
    if knowledge.here {
        let own_steps = own_steps.as_ref().unwrap_or(&reference_steps);
        for (id, steps, threads) in [("seq", &reference_steps, 1), ("cpu", own_steps, threads)] {
            probe_unknown(id, steps, threads, knowledge, config, control)?;
        }
    }
    let host = |id: &str, demand, prior| Contender {
        backend: id.into(),
        demand: Ok(demand),
        known: knowledge.profile.backend(id).filter(|known| id == "seq" || known.threads == threads),
        prior,
        device: false,
        software: false,
        is_open: true,
    };
    let mut contenders =
        vec![host("seq", &reference_demand, Prior::seq()), host("cpu", &own_demand, Prior::cpu(threads))];
    let fastest = policy::decide(&contenders, false).and_then(|d| time_of(&d)).unwrap_or(f64::INFINITY);
    let devices = devices(job, knowledge, config, fastest);
    let device_precision = precision(job, config, job.gpu_precision())?;
    let least = |device: &Device| least_seconds(device, &knowledge.profile, threads, &own_demand);
    let could_win = |device: &Device| could_win(least(device), device.software, fastest);
    let device_demand = match devices.iter().any(could_win) {
        true => Some(of(&job.outline(device_precision)?, true)),
        false => None,
    };
    for device in &devices {
        let [open, work] = least(device);
        let demand = match &device_demand {
            _ if config.gpu.require_hardware && device.software => {
                Err("a software adapter, not a GPU, and --require-hardware refuses those".to_string())
            }
            _ if job.stays_on_cpu().is_some() => Err(job.stays_on_cpu().unwrap_or_default().to_string()),
            Some(demand) if could_win(device) => Ok(demand),
            _ => Err(format!(
                "{} at least {}, the host finishes in {}",
                if work > 0.0 { "it needs" } else { "opening it takes" },
                crate::units::seconds(open + work),
                crate::units::seconds(fastest)
            )),
        };
        contenders.push(Contender {
            backend: device.id.clone(),
            demand,
            known: knowledge.profile.backend(&device.id),
            prior: Prior::adapter(&device.kind, threads),
            device: true,
            software: device.software,
            is_open: false,
        });
    }
    let decision = policy::decide(&contenders, true).ok_or_else(|| Error::Unavailable {
        backend: policy::AUTO.into(),
        why: "no backend can run this job; hetero explain says why for each".into(),
    })?;
    let pays = match (knowledge.sizes || decision.chosen == "seq") && !own_demand.waits() {
        true => breaks_even(&contenders),
        false => Vec::new(),
    };
    let seconds = knowledge.seconds + begin.elapsed().as_secs_f64();
    Ok(Choice { decision, source: knowledge.source.clone(), seconds, demand: own_demand, pays })
}

/// The precision that a run in `usual` would compute in under these settings.
fn precision(job: &dyn Job, config: &Config, usual: Precision) -> Result<Precision> {
    if config.run.precision == "auto" { Ok(usual) } else { super::named_precision(job, config) }
}

/// Seconds that the chosen backend is predicted to take.
fn time_of(decision: &Decision) -> Option<f64> {
    decision.candidates.iter().find(|c| c.backend == decision.chosen)?.predicted_seconds
}

/// Seconds to open a device.
fn open_seconds(device: &Device, profile: &Profile, threads: usize) -> f64 {
    let known = profile.backend(&device.id).and_then(|known| known.open.value());
    known.unwrap_or_else(|| Prior::adapter(&device.kind, threads).open)
}

/// The part of an f64 job's size that it has at least in the precision of a device: half, and some room.
const LEAST_PART: f64 = 0.4;

/// Seconds that a device takes at the least, as far as that is known without building the steps in its precision: to open,
/// and for what kernels of these names took there.
fn least_seconds(device: &Device, profile: &Profile, threads: usize, demand: &Demand) -> [f64; 2] {
    let open = open_seconds(device, profile, threads);
    let Some(known) = profile.backend(&device.id) else { return [open, 0.0] };
    let least = |step: &StepDemand| {
        let of_name = known.kernels.iter().filter(|kernel| kernel.name == step.kernel);
        let times = of_name.filter_map(|kernel| Some(kernel.curve.at(LEAST_PART * step.size, 0.0)?.total()));
        times.min_by(f64::total_cmp).unwrap_or(0.0)
    };
    [open, demand.steps.iter().map(least).sum()]
}

/// Whether a device that takes at least `open` and `work` could finish before the host, which takes `host`: alone, or with a
/// part of the work beside it. A software adapter beside the host computes on the same processors.
fn could_win([open, work]: [f64; 2], software: bool, host: f64) -> bool {
    let work = if software { work } else { work * host / (work + host).max(f64::MIN_POSITIVE) };
    open + if work.is_finite() { work } else { 0.0 } < host
}

/// The devices that the profile knows; where it knows none, those that are found, if the job is long enough for a search.
fn devices(job: &dyn Job, knowledge: &Knowledge, config: &Config, fastest: f64) -> Vec<Device> {
    let known = |id: &str, adapter: &AdapterKey| Device {
        id: id.into(),
        kind: adapter.kind.clone(),
        software: adapter.software,
    };
    let profile = &knowledge.profile;
    let listed: Vec<Device> = profile.backends.iter().filter_map(|b| Some(known(&b.id, b.adapter.as_ref()?))).collect();
    // A calibrated machine without a device has none.
    let calibrated = profile.host.triad.is_some();
    if !listed.is_empty() || calibrated || !knowledge.here || job.stays_on_cpu().is_some() || fastest < LOOK_FOR_DEVICES
    {
        return listed;
    }
    let options = config.backend_options();
    let found = BACKENDS.iter().filter(|entry| entry.device).flat_map(|entry| (entry.devices)(&options));
    found.map(|f| Device { id: f.id, kind: f.adapter.kind, software: f.adapter.software }).collect()
}

/// Runs the first items of kernels of which nothing is known on a host backend, and remembers what that tells. Those whose
/// few first items would take far longer than a probe may are left to what is known of kernels like them.
fn probe_unknown(
    id: &str,
    steps: &[Step<'_>],
    threads: usize,
    knowledge: &mut Knowledge,
    config: &Config,
    control: &Control,
) -> Result<()> {
    for step in steps {
        let Step::Kernel(kernel) = step else { continue };
        let (name, precision, hash) = (kernel.name(), kernel.precision().name(), kernel_hash(kernel.as_ref(), false));
        let known = knowledge.profile.backend(id).filter(|known| known.threads == threads);
        let known = known.and_then(|known| known.kernel(name, precision, hash));
        if known.is_some_and(|known| !known.curve.is_empty()) || kernel.items() == 0 {
            continue;
        }
        let first = probe::first_items(kernel.as_ref(), threads);
        if kernel.work().cost() * first as f64 / (PROBED_RATE * threads as f64) > PROBE {
            continue;
        }
        let mut backend = backend::open(id, &config.backend_options())?;
        let (items, seconds) = probe::rate(kernel.as_ref(), backend.as_mut(), PROBE, control)?;
        let times = Times { kernel: seconds, ..Times::default() };
        let cost = kernel.size() * items as f64 / kernel.items() as f64;
        knowledge.profile.backend_mut(id, None, threads).kernel_mut(name, precision, hash).curve.add(cost, &times);
    }
    Ok(())
}

/// Where one thread stops being enough, and where each device begins to pay.
fn breaks_even(contenders: &[Contender<'_>]) -> Vec<PaysFrom> {
    let pair = |over: &Contender<'_>, backend: &Contender<'_>| PaysFrom {
        backend: backend.backend.clone(),
        over: over.backend.clone(),
        items: policy::pays_from(over, backend),
    };
    let [seq, cpu, devices @ ..] = contenders else { return Vec::new() };
    let mut pays = vec![pair(seq, cpu)];
    pays.extend(devices.iter().filter(|device| device.demand.is_ok()).map(|device| pair(cpu, device)));
    pays
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_slower_than_the_host_may_still_help_it() {
        assert!(could_win([0.2, 9.0], false, 10.0) && could_win([0.2, 9.0], true, 10.0));
        assert!(could_win([0.2, 12.0], false, 10.0), "together they are done in 5.7 s");
        assert!(!could_win([0.2, 12.0], true, 10.0), "the same processors");
        assert!(!could_win([11.0, 0.0], false, 10.0) && !could_win([6.0, 10.0], false, 10.0));
        assert!(could_win([0.2, 0.0], false, f64::INFINITY));
    }
}
