//! The axial model, 10 million elements in f64, beside what memory gives in the same moments: `cargo bench --bench axial`.
//!
//! A shared machine's memory can change its speed by a factor of two within a second, so each round runs the kernel, a
//! triad, and passes that only read and only write, one after the other, and what counts is the median of the rounds'
//! ratios.

use std::error::Error;

use hetero::backend::{self, BackendOptions};
use hetero::config::Layers;
use hetero::exec::Control;
use hetero::job::Output;
use hetero::machine::limits::Streams;
use hetero::machine::pool::Pool;
use hetero::measure::limit::Ceilings;
use hetero::run::Team;
use hetero::simd::Simd;
use hetero::workloads::{self, Context};

/// Bytes of the arrays that the triad goes over: as many as the kernel moves, and many times the last-level cache.
const STREAM_BYTES: u64 = 400 << 20;

fn options() -> Result<BackendOptions, Box<dyn Error>> {
    Ok(Layers::default().config()?.backend_options())
}

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` runs this too: then small and once.
    let quick = std::env::args().any(|argument| argument == "--test");
    let (elements, stream_bytes, rounds) = if quick { (10_000, 1 << 20, 1) } else { (10_000_000, STREAM_BYTES, 100) };
    let jobs = workloads::find("stress")?.sized(elements, &Context { seed: 42 })?;
    let (_, job) = jobs.iter().find(|(name, _)| *name == "axial").ok_or("no axial model")?;
    let steps = job.steps(job.precisions()[0])?;
    let kernel = steps[0].kernel();
    let work = kernel.work();
    let bytes = kernel.items() as f64 * (work.bytes_read + work.bytes_written);
    let written = kernel.items() as f64 * work.bytes_written;
    let mut outputs = steps.iter().map(|step| Output::for_kernel(step.kernel())).collect::<Result<Vec<_>, _>>()?;
    let mut team = Team::of(backend::open("cpu", &options()?)?);
    let cuts = team.cut(&steps, None)?;
    let pool = Pool::shared(0, true)?;
    let mut streams = Streams::new(&pool, Simd::detect(), stream_bytes)?;

    let mut columns: [Vec<f64>; 6] = Default::default();
    for round in 0..=rounds {
        let (phases, _) = team.run_once(job.as_ref(), &steps, &cuts, &mut outputs, &Control::default())?;
        let rate = bytes / phases.kernel;
        let (triad, read, write) = (streams.triad(true), streams.read(), streams.write(true));
        let found = Ceilings {
            read_bandwidth: Some(read),
            write_bandwidth: Some(write),
            triad_bandwidth: Some(triad),
            ..Ceilings::default()
        };
        let mix = found.memory(bytes, written).ok_or("all three were measured")?;
        // The first round warms up.
        if round > 0 {
            let values = [rate / 1e9, triad / 1e9, read / 1e9, write / 1e9, rate / triad, rate / mix];
            columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        }
    }
    println!("axial, {elements} elements, f64, cpu, {rounds} rounds      median   10 %   90 %");
    let names = [
        "kernel, GB/s",
        "triad, GB/s",
        "read, GB/s",
        "written, GB/s",
        "of the triad",
        "of its mix of reads and writes",
    ];
    for (name, column) in names.iter().zip(&mut columns) {
        column.sort_by(f64::total_cmp);
        let at = |part: usize| column[(column.len() - 1) * part / 100];
        println!("  {name:40} {:10.3} {:6.3} {:6.3}", at(50), at(10), at(90));
    }
    Ok(())
}
