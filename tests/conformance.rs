//! Every workload on every backend at awkward sizes, each item against the `seq` reference.

use std::cell::LazyCell;
use std::collections::HashSet;

use hetero::backend::{self, BACKENDS};
use hetero::config::{Config, Layers};
use hetero::error::Error;
use hetero::exec::Control;
use hetero::job::{Class, Job, Precision};
use hetero::measure::sampler::Rule;
use hetero::run::{Measured, measure};
use hetero::workloads::{Context, WORKLOADS};

/// 0, 1, odd, around a workgroup, and several chunks.
const SIZES: &[u64] = &[0, 1, 3, 63, 64, 65, 1003, 5003];

/// As many chunks show every kind: the first, one in the middle, a last short one.
const SEVERAL: u64 = 3;

const ONCE: Rule = Rule { runs: Some(1), min_runs: 1, max_runs: 1, budget_seconds: 1.0, warm_up: 0 };

fn settings(precision: Precision) -> Config {
    let mut config = Layers::default().config().expect("the defaults are valid");
    config.run.precision = if precision == Precision::Integer { "auto".into() } else { precision.name().into() };
    config
}

/// Compares every value of every item, not only the sample that a run verifies. Where it verified all of them, it has
/// done this already.
fn compare(name: &str, job: &dyn Job, reference: &Measured, measured: &Measured) {
    let steps = job.steps(measured.precision).expect("it ran");
    for (s, step) in steps.iter().enumerate() {
        let kernel = step.kernel();
        if kernel.class() == Class::Residual {
            continue; // two right answers differ by the condition of the problem; verification has seen the residuals
        }
        let (want, got) = (&reference.outputs[s], &measured.outputs[s]);
        let sums = 0..kernel.fold_words();
        assert_eq!(want.fold[sums.clone()], got.fold[sums], "{name}: sums of {}", kernel.name());
        if measured.verification.checked == measured.verification.items {
            continue;
        }
        let values: usize = kernel.columns().iter().map(|column| column.per_item).sum();
        let mut bounds = vec![0.0; values];
        for item in 0..kernel.items() {
            if kernel.class() == Class::Bounded {
                kernel.bound(item, &mut bounds);
            }
            for (v, (want, got)) in want.item_values(item).iter().zip(got.item_values(item)).enumerate() {
                let error = (want - got).abs();
                assert!(
                    error <= bounds[v],
                    "{name}: {} {item} value {v}: {got} for {want}, bound {}",
                    kernel.name(),
                    bounds[v]
                );
            }
        }
    }
}

/// One way to set a backend up: its name in messages, and what it changes.
type Variant = (&'static str, fn(&mut Config));

/// Runs every job of the registry on a backend in every variant and precision.
fn every_job(backend_name: &str, sizes: &[u64], variants: &[Variant]) {
    let mut compared = 0;
    for workload in WORKLOADS {
        // Jobs that were cut into several chunks in every variant: a larger size would show nothing new.
        let mut cut = HashSet::new();
        for &size in sizes {
            for (job_name, job) in workload.sized(size, &Context { seed: 7 }).expect("small jobs fit") {
                if cut.contains(&job_name) {
                    continue;
                }
                let mut fewest_chunks = u64::MAX;
                let job = job.as_ref();
                let control = Control::default();
                // Only for what runs on the backend: in a debug build the reference takes longer than a device.
                let reference = LazyCell::new(|| {
                    let reference =
                        measure(job, "seq", ONCE, &settings(job.precisions()[0]), &control).expect("seq runs");
                    assert!(reference.verification.passed(), "{job_name} at {size}: {:?}", reference.verification);
                    reference
                });
                for (precision, (variant, change)) in
                    job.precisions().iter().flat_map(|p| variants.iter().map(|v| (*p, v)))
                {
                    let mut config = settings(precision);
                    change(&mut config);
                    let name = format!(
                        "{} {job_name} x {size} on {backend_name} {variant} in {}",
                        workload.name(),
                        precision.name()
                    );
                    match measure(job, backend_name, ONCE, &config, &control) {
                        Ok(measured) => {
                            assert!(measured.verification.passed(), "{name}: {:?}", measured.verification);
                            compare(&name, job, &reference, &measured);
                            compared += 1;
                            let chunks = measured.samples.last.traces.iter().map(|trace| trace.chunks).sum();
                            fewest_chunks = fewest_chunks.min(chunks);
                        }
                        // A kernel that stays on the CPU, or a precision that the adapter lacks, says so.
                        Err(Error::Unavailable { why, .. }) if backend_name != "cpu" => {
                            if size == sizes[sizes.len() / 2] {
                                eprintln!("{name}: not run: {why}");
                            }
                        }
                        Err(error) => panic!("{name}: {error}"),
                    }
                }
                if (SEVERAL..u64::MAX).contains(&fewest_chunks) {
                    cut.insert(job_name);
                }
            }
        }
    }
    assert!(compared >= sizes.len() * WORKLOADS.len(), "only {compared} jobs ran on {backend_name}");
}

#[test]
fn cpu_agrees_with_seq_at_every_instruction_set_and_thread_count() {
    every_job(
        "cpu",
        SIZES,
        &[
            ("as it comes", |_| {}),
            ("with 3 threads and avx2", |config| {
                config.cpu.simd = "avx2".into();
                config.cpu.threads = 3;
            }),
            ("with 1 thread and baseline instructions", |config| {
                config.cpu.simd = "baseline".into();
                config.cpu.threads = 1;
            }),
        ],
    );
}

#[cfg(feature = "gpu")]
#[test]
fn gpu_agrees_with_seq() {
    if let Some(adapter) = hetero::gpu::testing::adapter_or_skip() {
        eprintln!("adapter: {} ({})", adapter.name, adapter.driver);
        // One chunk at every size: the largest would only repeat the one before.
        every_job("gpu", &SIZES[..SIZES.len() - 1], &[("as it comes", |_| {})]);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn gpu_agrees_with_seq_when_the_job_streams_through_little_memory() {
    if let Some(adapter) = hetero::gpu::testing::adapter_or_skip() {
        eprintln!("adapter: {} ({})", adapter.name, adapter.driver);
        // Smaller sizes are one chunk here too.
        every_job(
            "gpu",
            &SIZES[SIZES.len() - 2..],
            &[("with 2 MB", |config| config.gpu.max_device_memory = "2M".into())],
        );
    }
}

#[test]
fn the_registry_of_backends_has_no_double_name() {
    for entry in BACKENDS {
        assert!(std::ptr::eq(backend::parse(entry.name).unwrap().0, entry));
    }
}
