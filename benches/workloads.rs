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
use hetero::exec::{Control, run_step};
use hetero::job::{ChunkOut, Class, Kernel, Output, Precision, Work};
use hetero::plan::ChunkRule;
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

/// Does nothing with any number of items.
struct Empty(u64);

impl Kernel for Empty {
    fn name(&self) -> &'static str {
        "empty"
    }
    fn item(&self) -> &'static str {
        "item"
    }
    fn items(&self) -> u64 {
        self.0
    }
    fn precision(&self) -> Precision {
        Precision::Integer
    }
    fn work(&self) -> Work {
        Work { flops: 1e6, bytes_read: 0.0, bytes_written: 0.0 }
    }
    fn class(&self) -> Class {
        Class::Exact
    }
    fn seq(&self, _: &mut ChunkOut<'_>) {}
}

/// What handing out one empty chunk costs, and what an empty step costs.
fn chunk_loop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunk_loop");
    for (id, chunks) in [("seq", 1), ("seq", 10_000), ("cpu", 2), ("cpu", 10_000)] {
        let mut backend = backend::open(id, &options()).expect("the host's backends are always there");
        let kernel = Empty(chunks);
        let rule = ChunkRule { lanes: 2, min: 1, max: 1, grain: 1 };
        let mut output = Output::for_kernel(&kernel).expect("it is empty");
        group.throughput(Throughput::Elements(chunks));
        group.bench_function(BenchmarkId::new(id, chunks), |bencher| {
            bencher.iter(|| run_step(&kernel, rule, backend.as_mut(), &mut output, &Control::default()));
        });
    }
    group.finish();
}

criterion_group!(benches, chunk_loop, workloads);
criterion_main!(benches);
