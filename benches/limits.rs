//! Prints the measured ceilings of this host, quick and thorough: `cargo bench --bench limits`.

use std::time::Instant;

use hetero::machine::limits::{Limits, measure};
use hetero::machine::pool::Pool;
use hetero::simd::Simd;
use hetero::units::{seconds, si};

fn main() -> Result<(), hetero::error::Error> {
    // `cargo test --benches` runs this too, and should not wait for it.
    let quick_only = std::env::args().any(|argument| argument == "--test");
    for (name, threads) in [("1 thread", 1), ("all threads", 0)] {
        let pool = Pool::shared(threads, true)?;
        for simd in Simd::available() {
            for quick in if quick_only { vec![true] } else { vec![true, false] } {
                let start = Instant::now();
                let limits = measure(&pool, simd, quick)?;
                let (took, effort) = (seconds(start.elapsed().as_secs_f64()), if quick { "quick" } else { "thorough" });
                println!("{name}, {}, {effort}, {took}:", simd.name());
                print(&limits);
            }
        }
    }
    Ok(())
}

fn print(limits: &Limits) {
    for (name, rate, unit) in [
        ("triad, plain stores", limits.triad, "B/s"),
        ("triad, past the caches", limits.triad_streaming, "B/s"),
        ("read from memory", limits.read, "B/s"),
        ("written to memory", limits.write, "B/s"),
        ("read from the last cache", limits.cache_read, "B/s"),
        ("multiply-add f64", limits.flops_f64, "FLOP/s"),
        ("multiply-add f32", limits.flops_f32, "FLOP/s"),
        ("integer sums and xors", limits.int_ops, "op/s"),
    ] {
        println!("  {name:26}{:>8}{unit}", si(rate));
    }
}
