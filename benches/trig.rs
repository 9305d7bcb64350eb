//! Sine and cosine of arrays that fit the caches, at every instruction-set level of this CPU and beside the standard
//! library's: `cargo bench --bench trig`. One thread.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hetero::numeric::philox::Philox;
use hetero::numeric::trig;
use hetero::simd::Simd;
use rand::RngExt;

/// Elements of an array: 32 KiB of arguments in f64.
const N: usize = 4096;

/// What the arguments are up to; the last one is beyond what vector code reduces.
const RANGES: [(&str, f64); 3] = [("pi", std::f64::consts::PI), ("1e6", 1e6), ("1e12", 1e12)];

fn arrays(criterion: &mut Criterion) {
    for (name, most) in RANGES {
        let mut rng = Philox::new(1, 0);
        let x: Vec<f64> = (0..N).map(|_| most * (2.0 * rng.random::<f64>() - 1.0)).collect();
        let single: Vec<f32> = x.iter().map(|x| *x as f32).collect();
        let (mut sin, mut cos) = (vec![0.0; N], vec![0.0; N]);
        let (mut sin32, mut cos32) = (vec![0.0; N], vec![0.0; N]);
        let mut group = criterion.benchmark_group("sin_cos");
        group.throughput(Throughput::Elements(N as u64)).sample_size(20);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
        for simd in Simd::available() {
            group.bench_function(BenchmarkId::new(format!("f64 {}", simd.name()), name), |bencher| {
                bencher.iter(|| trig::sin_cos(simd, black_box(&x), &mut sin, &mut cos));
            });
            group.bench_function(BenchmarkId::new(format!("f32 {}", simd.name()), name), |bencher| {
                bencher.iter(|| trig::sin_cos_f32(simd, black_box(&single), &mut sin32, &mut cos32));
            });
        }
        group.bench_function(BenchmarkId::new("f64 standard library", name), |bencher| {
            bencher.iter(|| {
                for ((x, sin), cos) in black_box(&x).iter().zip(&mut sin).zip(&mut cos) {
                    (*sin, *cos) = x.sin_cos();
                }
            });
        });
        group.finish();
        black_box((&sin, &cos, &sin32, &cos32));
    }
}

criterion_group!(benches, arrays);
criterion_main!(benches);
