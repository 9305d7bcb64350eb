//! Batches of general matrices on the host's backends: `cargo bench --bench eigen`. One pass of the chunk loop, as in a
//! run; the matrices are in memory.

use std::hint::black_box;
use std::time::Duration;

use clap::Command;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hetero::backend;
use hetero::config::Layers;
use hetero::exec::{Control, run_step};
use hetero::job::Output;
use hetero::workloads::{Context, find};

/// Count and order; the last is small enough for threads to cost more than they give.
const CASES: [(u32, u32); 3] = [(80, 200), (100, 300), (20, 100)];

fn batches(criterion: &mut Criterion) {
    let options = Layers::default().config().expect("the built-in settings are valid").backend_options();
    let workload = find("eigen").expect("it is registered");
    for (count, order) in CASES {
        let (count_text, order_text) = (count.to_string(), order.to_string());
        let words = ["eigen", "--count", &count_text, "--order", &order_text];
        let args = Command::new("eigen").args(workload.args()).get_matches_from(words);
        let job = workload.prepare(&args, &Context { seed: 42 }).expect("it fits in memory");
        let steps = job.steps(job.precisions()[0]).expect("a job offers its own precisions");
        let kernel = steps[0].kernel();
        let mut group = criterion.benchmark_group(format!("eigen/{count}x{order}x{order}"));
        group.throughput(Throughput::Elements(u64::from(count))).sample_size(10);
        group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(5));
        for id in ["seq", "cpu"] {
            let mut backend = backend::open(id, &options).expect("the host's backends are always there");
            let mut output = Output::for_kernel(kernel).expect("the results fit in memory");
            group.bench_function(BenchmarkId::from_parameter(id), |bencher| {
                bencher.iter(|| {
                    let rule = backend.chunks(kernel).expect("a host runs every kernel");
                    run_step(kernel, rule, backend.as_mut(), &mut output, &Control::default())
                        .expect("nobody stops a bench");
                    black_box(&output);
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, batches);
criterion_main!(benches);
