//! How long a job would take on a backend: measured curves where there are any, expectations elsewhere.

use serde::Serialize;

use super::demand::{Demand, StepDemand};
use super::prior::Prior;
use crate::job::Phases;
use crate::machine::profile::{BackendProfile, KernelProfile, Times};

/// A predicted time, phase by phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Seconds by phase.
    pub phases: Phases,
    /// Whether every step's time comes from measurements on this machine.
    pub measured: bool,
}

impl Estimate {
    /// End to end.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.phases.total()
    }

    /// End to end once the backend is open and its kernels are compiled.
    #[must_use]
    pub fn warm(&self) -> f64 {
        self.total() - self.phases.open - self.phases.compile
    }
}

/// Predicts `demand` on a backend of which `known` was measured. `is_open`: whether it is open and has compiled already.
#[must_use]
pub fn estimate(demand: &Demand, known: Option<&BackendProfile>, prior: &Prior, is_open: bool) -> Estimate {
    let mut phases = Phases::default();
    let mut measured = true;
    let launch = known.and_then(|k| k.launch.value()).unwrap_or(prior.launch);
    if !is_open {
        phases.open = known.and_then(|k| k.open.value()).unwrap_or(prior.open);
    }
    for step in &demand.steps {
        let (curve, same_code) = known.and_then(|k| find(k, step)).unzip();
        let times = curve.and_then(|kernel| kernel.curve.at(step.size, launch));
        measured &= times.is_some() && same_code == Some(true);
        add(&mut phases, &times.unwrap_or_else(|| prior.times(step)));
        if !is_open {
            phases.compile += curve.and_then(|kernel| kernel.compile.value()).unwrap_or(prior.compile);
        }
    }
    let answer = known.and_then(|k| {
        let precision = demand.steps.first()?.precision.name();
        k.kernel(&demand.answer, precision, 0)?.curve.at(demand.size(), 0.0)
    });
    add(&mut phases, &answer.unwrap_or_default());
    Estimate { phases, measured }
}

/// What is known of the kernel of `step` on a backend, and whether it is of the same code.
///
/// The code depends on the model (a mesh with temperatures, wider numbers). One that never ran is expected to be about as
/// fast as the last one of its name that did: nearer than what the kind of machine suggests. On the host only code that is
/// too slow for a probe needs that guess.
fn find<'k>(known: &'k BackendProfile, step: &StepDemand) -> Option<(&'k KernelProfile, bool)> {
    let (name, precision) = (step.kernel, step.precision.name());
    let hash = match (&known.adapter, &step.device) {
        (Some(_), Ok(device)) => device.hash,
        (Some(_), Err(_)) => return None,
        (None, _) => step.hash,
    };
    let same = known.kernel(name, precision, hash).map(|kernel| (kernel, true));
    same.or_else(|| Some((known.kernel_of_any_code(name, precision)?, false)))
}

fn add(phases: &mut Phases, times: &Times) {
    phases.upload += times.upload;
    phases.kernel += times.kernel;
    phases.download += times.download;
    phases.merge += times.merge;
}

/// How much longer than an even split of the work a shared run takes: the last chunks never end at the same moment.
const RAGGED: f64 = 1.05;

/// Predicts a run in which `members` pull from one queue. Opening and compiling come one after the other before it.
#[must_use]
pub fn together(members: &[Estimate]) -> Option<Estimate> {
    let merge = members.iter().map(|m| m.phases.merge).fold(f64::INFINITY, f64::min);
    let rate: f64 = members.iter().map(|m| 1.0 / (m.warm() - m.phases.merge).max(1e-9)).sum();
    let sum = |of: fn(&Phases) -> f64| members.iter().map(|m| of(&m.phases)).sum();
    (members.len() > 1).then(|| Estimate {
        phases: Phases {
            open: sum(|p| p.open),
            compile: sum(|p| p.compile),
            kernel: RAGGED / rate,
            merge,
            ..Phases::default()
        },
        measured: members.iter().all(|m| m.measured),
    })
}
