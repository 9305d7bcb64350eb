//! Every workload on the host's backends, at sizes that fit the caches and sizes that do not. One bench for each job that
//! the registry offers: `cargo bench --bench workloads -- pi`.
//!
//! What is timed is one pass of the chunk loop over all steps, with inputs and outputs in memory, and the answer made from
//! it: the `total` of a run's phases.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hetero::backend::{self, BackendOptions};
use hetero::config::Layers;
use hetero::exec::Control;
use hetero::job::Output;
use hetero::run::Team;
use hetero::workloads::{Context, WORKLOADS};

/// Items of each job.
const SIZES: [u64; 3] = [100_000, 1_000_000, 10_000_000];

/// Reference runs above this many items take seconds and tell nothing new.
const SEQ_LIMIT: u64 = 1_000_000;

fn options() -> BackendOptions {
    Layers::default().config().expect("the built-in settings are valid").backend_options()
}

fn workloads(criterion: &mut Criterion) {
    for workload in WORKLOADS {
        for size in SIZES {
            let jobs = workload.sized(size, &Context { seed: 42 }).expect("the sizes fit in memory");
            for (name, job) in jobs {
                let steps = job.steps(job.precisions()[0]).expect("a job offers its own precisions");
                let items: u64 = steps.iter().map(|step| step.kernel().items()).sum();
                let mut group = criterion.benchmark_group(format!("{}/{name}", workload.name()));
                group.throughput(Throughput::Elements(items)).sample_size(20);
                group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
                for id in ["seq", "cpu"] {
                    if id == "seq" && size > SEQ_LIMIT {
                        continue;
                    }
                    let backend = backend::open(id, &options()).expect("the host's backends are always there");
                    let mut team = Team::of(backend);
                    let mut outputs: Vec<Output> = steps
                        .iter()
                        .map(|step| Output::for_kernel(step.kernel()).expect("the results fit in memory"))
                        .collect();
                    group.bench_function(BenchmarkId::new(id, size), |bencher| {
                        bencher.iter(|| {
                            let cuts = team.cut(&steps, None).expect("a host runs every kernel");
                            let run = team.run_once(job.as_ref(), &steps, &cuts, &mut outputs, &Control::default());
                            black_box(run.expect("generated input has an answer, and nobody stops a bench"));
                        });
                    });
                }
                group.finish();
            }
        }
    }
}

criterion_group!(benches, workloads);
criterion_main!(benches);
