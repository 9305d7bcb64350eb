//! What a run teaches the profile: `hetero calibrate` and every timed run tell it here, in one way.

use crate::backend::{BackendFacts, Phases};
use crate::job::{Precision, Step, answer_name, kernel_hash, total_cost};
use crate::machine::profile::{AdapterKey, Profile, Times};

/// One run of a job on one backend.
pub struct Seen<'r> {
    /// The backend.
    pub facts: &'r BackendFacts,
    /// Its device, if it is one.
    pub adapter: Option<&'r AdapterKey>,
    /// Name of the workload.
    pub workload: &'r str,
    /// The steps that ran. Taken after the run: a step may learn its work from an earlier one.
    pub steps: &'r [Step<'r>],
    /// The precision that they were built for.
    pub precision: Precision,
    /// What each step took, in the order of `steps`.
    pub phases: &'r [Phases],
    /// Seconds of [`crate::job::Job::finish`].
    pub answer: f64,
    /// Seconds that opening the backend took in this process; 0 when it was open already.
    pub open: f64,
    /// Seconds that preparing each step took, in the order of `steps`; empty, or 0 for a step, when it was ready.
    pub compile: &'r [f64],
}

/// Adds a run to what `profile` knows of its backend and its kernels.
pub fn observe(profile: &mut Profile, seen: &Seen<'_>) {
    let device = seen.adapter.is_some();
    let backend = profile.backend_mut(&seen.facts.id, seen.adapter, seen.facts.threads);
    if seen.open > 0.0 {
        backend.open.add(seen.open);
    }
    let precision = seen.precision.name();
    for (i, (step, phases)) in seen.steps.iter().zip(seen.phases).enumerate() {
        let kernel = step.kernel();
        let known = backend.kernel_mut(kernel.name(), precision, kernel_hash(kernel, device));
        known.curve.add(kernel.size(), &times(phases));
        if let Some(compile) = seen.compile.get(i).copied().filter(|seconds| *seconds > 0.0) {
            known.compile.add(compile);
        }
    }
    let answer = Times { merge: seen.answer, ..Times::default() };
    let name = answer_name(seen.workload, seen.steps);
    backend.kernel_mut(&name, precision, 0).curve.add(total_cost(seen.steps), &answer);
}

/// The phases of one step as a profile keeps them.
fn times(phases: &Phases) -> Times {
    let Phases { upload, kernel, download, merge, .. } = *phases;
    // Jobs with whole solves tell the time of a step under its name instead.
    Times { upload, kernel: kernel + phases.steps.total(), download, merge }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::StepTimes;
    use crate::machine::profile::Key;
    use crate::workloads::{self, Context};

    fn facts() -> BackendFacts {
        BackendFacts { id: "cpu".into(), threads: 2, simd: "avx2", adapter: None }
    }

    fn profile() -> Profile {
        Profile::new(Key { version: "1".into(), cpu: "a cpu".into(), threads: 2, simd: "avx2".into() })
    }

    #[test]
    fn a_run_is_kept_by_kernel_and_cost_and_its_answer_apart() {
        let jobs = workloads::find("pi").unwrap().sized(1_000_000, &Context { seed: 1 }).unwrap();
        let steps = jobs[0].1.steps(Precision::Integer).unwrap();
        let phases = [Phases { kernel: 2e-3, ..Phases::default() }];
        let facts = facts();
        let seen = Seen {
            facts: &facts,
            adapter: None,
            workload: "pi",
            steps: &steps,
            precision: Precision::Integer,
            phases: &phases,
            answer: 3e-6,
            open: 1e-4,
            compile: &[],
        };
        let mut profile = profile();
        observe(&mut profile, &seen);
        observe(&mut profile, &Seen { open: 0.0, ..seen });
        let cpu = profile.backend("cpu").unwrap();
        let cost = steps[0].kernel().size();
        assert_eq!((cpu.open.count(), cpu.threads), (1, 2), "a backend that was open says nothing about opening");
        let pi = cpu.kernel("pi", "integer", 0).unwrap();
        assert_eq!(pi.curve.at(cost, 0.0).unwrap().kernel, 2e-3);
        assert_eq!(pi.compile.value(), None);
        let answer = cpu.kernel("pi answer", "integer", 0).unwrap();
        assert_eq!(answer.curve.at(cost, 0.0).unwrap().total(), 3e-6);
    }

    #[test]
    fn the_time_of_a_step_may_stand_under_its_name() {
        let mut steps = StepTimes::default();
        steps.add("factor", 0.25, false);
        steps.add("order", 0.5, false);
        let phases = Phases { upload: 1.0, download: 2.0, merge: 3.0, steps, ..Phases::default() };
        assert_eq!(times(&phases), Times { upload: 1.0, kernel: 0.75, download: 2.0, merge: 3.0 });
    }

    #[test]
    fn a_hash_is_of_the_text_on_a_device_and_of_the_variant_everywhere() {
        let jobs = workloads::find("stress").unwrap().sized(100, &Context { seed: 1 }).unwrap();
        let hash = |at: usize, device: bool| {
            let steps = jobs[at].1.steps(Precision::F32).unwrap();
            kernel_hash(steps[0].kernel(), device)
        };
        assert_eq!(hash(0, false), 0);
        let eigen = workloads::find("eigen").unwrap().sized(4, &Context { seed: 1 }).unwrap();
        let eigen: Vec<u64> =
            eigen.iter().map(|(_, job)| kernel_hash(job.steps(Precision::F64).unwrap()[0].kernel(), false)).collect();
        assert!(eigen[0] != eigen[1] && eigen[1] != eigen[2] && eigen[0] != eigen[2], "{eigen:?}");
        assert_ne!(hash(0, true), 0);
        assert_eq!(hash(0, true), hash(0, true));
        assert_ne!(hash(0, true), hash(jobs.len() - 1, true));
    }
}
